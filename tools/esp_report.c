/* SPDX-License-Identifier: MIT */
#include "esp_report.h"

#include <inttypes.h>
#include <string.h>

#include "esp_tool.h"

void esp_report_backend(char name[64], enum esp_backend which)
{
	struct esp_crypto *c = esp_memory(esp_crypto_alloc(which));

	snprintf(name, 64, "%s", esp_crypto_name(c));
	esp_crypto_free(c);
}

/* Passed over without regret: traffic that ESP is not for. */
static bool is_loss(enum esp_drop d)
{
	switch (d) {
	case ESP_OK:
	case ESP_DROP_NOT_IP:
	case ESP_DROP_NOT_ESP:
	case ESP_DROP_KEEPALIVE:
	case ESP_DROP_NON_ESP:
	case ESP_DROP_DUMMY:
		return false;
	default:
		return true;
	}
}

static double rate(const struct esp_report *r)
{
	return r->seconds > 0 ? (double)r->totals->stats.in_bytes * 8e-9 / r->seconds : 0;
}

void esp_report_text(FILE *to, const struct esp_report *r)
{
	const struct esp_totals *t = r->totals;
	const struct esp_stats *s = &t->stats;
	char cpus[256];

	padata_cpulist_print(cpus, sizeof(cpus), r->cpus);
	fprintf(to, "%-18s %" PRIu64 " (%" PRIu64 " bytes)\n", "frames read", t->frames, t->bytes);
	fprintf(to, "%-18s %" PRIu64 " (%" PRIu64 " bytes)\n",
		r->decrypt ? "packets decrypted" : "packets encrypted", s->out_packets, s->out_bytes);
	fprintf(to, "%-18s %" PRIu64 "\n", "bursts", t->bursts);
	fprintf(to, "%-18s %.3f s, %.2f Gb/s\n", "time", r->seconds, rate(r));
	fprintf(to, "%-18s %s\n", "CPUs", cpus);
	fprintf(to, "%-18s %s\n", "crypto", r->backend);
	if (t->not_ip)
		fprintf(to, "%-18s %" PRIu64 "  (frames that are not IP; passed over)\n", "not_ip",
			t->not_ip);
	for (enum esp_drop d = ESP_OK + 1; d < ESP_DROP_COUNT; d++)
		if (s->drop[d])
			fprintf(to, "%-18s %" PRIu64 "  (%s)\n", esp_drop_name(d), s->drop[d],
				esp_drop_text(d));
	if (s->soft_expired)
		fprintf(to, "%-18s %" PRIu64 "  (SAs beyond a soft limit: replace them)\n", "soft_expired",
			s->soft_expired);
}

void esp_json_string(FILE *to, const char *s)
{
	fputc('"', to);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			fprintf(to, "\\%c", c);
		else if (c < 0x20)
			fprintf(to, "\\u%04x", c);
		else
			fputc(c, to);
	}
	fputc('"', to);
}

void esp_report_json(FILE *to, const struct esp_report *r)
{
	const struct esp_totals *t = r->totals;
	const struct esp_stats *s = &t->stats;
	const char *comma = "";
	unsigned int cpu;

	fprintf(to, "{\"operation\": \"%s\", \"backend\": ", r->decrypt ? "decrypt" : "encrypt");
	esp_json_string(to, r->backend);
	fputs(", \"cpus\": [", to);
	for_each_cpu(cpu, r->cpus) {
		fprintf(to, "%s%u", comma, cpu);
		comma = ", ";
	}
	fprintf(to, "], \"seconds\": %.6f, \"gbit_per_second\": %.3f, \"bursts\": %" PRIu64, r->seconds,
		rate(r), t->bursts);
	fprintf(to, ",\n \"frames\": %" PRIu64 ", \"frame_bytes\": %" PRIu64, t->frames, t->bytes);
	fprintf(to, ", \"in_packets\": %" PRIu64 ", \"in_bytes\": %" PRIu64, s->in_packets, s->in_bytes);
	fprintf(to, ", \"out_packets\": %" PRIu64 ", \"out_bytes\": %" PRIu64, s->out_packets, s->out_bytes);
	fprintf(to, ", \"soft_expired\": %" PRIu64 ", \"reopened\": %" PRIu64, s->soft_expired, s->reopened);
	fputs(",\n \"drops\": {", to);
	for (enum esp_drop d = ESP_OK + 1; d < ESP_DROP_COUNT; d++)
		fprintf(to, "%s\"%s\": %" PRIu64, d == ESP_OK + 1 ? "" : ", ", esp_drop_name(d),
			s->drop[d] + (d == ESP_DROP_NOT_IP ? t->not_ip : 0));
	fputs("}}\n", to);
}

uint64_t esp_report_lost(const struct esp_report *r)
{
	uint64_t lost = 0;

	for (enum esp_drop d = 0; d < ESP_DROP_COUNT; d++)
		if (is_loss(d))
			lost += r->totals->stats.drop[d];
	return lost;
}

void esp_report_complain(const struct esp_report *r)
{
	uint64_t lost = esp_report_lost(r);
	char why[4096];
	size_t used = 0;

	if (!lost)
		return;
	for (enum esp_drop d = 0; d < ESP_DROP_COUNT; d++)
		if (is_loss(d) && r->totals->stats.drop[d])
			used += (size_t)snprintf(why + used, sizeof(why) - used, "%s %" PRIu64 " %s (%s)",
						 used ? ";" : ":", r->totals->stats.drop[d], esp_drop_name(d),
						 esp_drop_text(d));
	esp_say("%" PRIu64 " of %" PRIu64 " packets could not be %s%s", lost, r->totals->stats.in_packets,
		r->decrypt ? "decrypted" : "encrypted", why);
}
