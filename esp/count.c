/* SPDX-License-Identifier: MIT */
/* Names of the reasons to drop. */
#include "esp_count.h"

static const char *const names[] = {
#define X(e, name, text) name,
    ESP_DROPS(X)
#undef X
};

static const char *const texts[] = {
#define X(e, name, text) text,
    ESP_DROPS(X)
#undef X
};

const char *esp_drop_name(enum esp_drop d)
{
	return (unsigned)d < ESP_DROP_COUNT ? names[d] : "?";
}

const char *esp_drop_text(enum esp_drop d)
{
	return (unsigned)d < ESP_DROP_COUNT ? texts[d] : "?";
}
