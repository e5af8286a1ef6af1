/* SPDX-License-Identifier: MIT */
/* One crypto context for all cases of a program: start is its first case, end its last. */
#ifndef ESP_TEST_CONTEXT_H
#define ESP_TEST_CONTEXT_H

#include "esp_test.h"

static struct esp_crypto *crypto;

static void start(void)
{
	crypto = esp_crypto_alloc(ESP_BACKEND_AUTO);
	CHECK(crypto != NULL);
	printf("# %s\n", esp_crypto_name(crypto));
}

static void end(void)
{
	esp_crypto_free(crypto);
}

#endif
