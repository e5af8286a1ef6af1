/* SPDX-License-Identifier: MIT */
/* Writing an SA in the words that the parser reads. */
#include <arpa/inet.h>
#include <errno.h>

#include "esp_sa.h"

static const char *addr(const struct esp_addr *a, char s[INET6_ADDRSTRLEN])
{
	return inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->b, s, INET6_ADDRSTRLEN);
}

static void hex(FILE *to, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(to, "%02x", p[i]);
}

static void algorithm(FILE *to, const struct esp_sa *sa)
{
	switch (sa->alg) {
	case ESP_ALG_AES_GCM:
	case ESP_ALG_CHACHA20_POLY1305:
		fprintf(to, "\taead '%s' 0x",
			sa->alg == ESP_ALG_AES_GCM ? "rfc4106(gcm(aes))" : "rfc7539esp(chacha20,poly1305)");
		hex(to, sa->key, sa->key_len);
		hex(to, sa->salt, sizeof(sa->salt));
		fputs(" 128\n", to);
		return;
	case ESP_ALG_AES_CBC_HMAC_SHA256:
		fputs("\tenc 'cbc(aes)' 0x", to);
		hex(to, sa->key, sa->key_len);
		break;
	default:
		fputs("\tenc 'ecb(cipher_null)' ''", to);
	}
	fputs("\n\tauth-trunc 'hmac(sha256)' 0x", to);
	hex(to, sa->auth_key, sa->auth_key_len);
	fputs(" 128\n", to);
}

static void selector(FILE *to, const struct esp_selector *s)
{
	char text[INET6_ADDRSTRLEN];

	fputs("\tsel", to);
	if (s->src.addr.family)
		fprintf(to, " src %s/%u", addr(&s->src.addr, text), s->src.len);
	if (s->dst.addr.family)
		fprintf(to, " dst %s/%u", addr(&s->dst.addr, text), s->dst.len);
	if (s->proto)
		fprintf(to, " proto %u", s->proto);
	if (!s->any_port_src)
		fprintf(to, " sport %u", s->sport);
	if (!s->any_port_dst)
		fprintf(to, " dport %u", s->dport);
	fputc('\n', to);
}

static void limit(FILE *to, const char *name, uint64_t v, uint64_t none)
{
	if (v != none)
		fprintf(to, "\tlimit %s %llu\n", name, (unsigned long long)v);
}

int esp_sa_write(FILE *to, const struct esp_sa *sa)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} flags[] = {
	    {ESP_SA_ESN, "esn"},
	    {ESP_SA_NO_ECN, "noecn"},
	    {ESP_SA_DECAP_DSCP, "decap-dscp"},
	    {ESP_SA_NO_PMTU_DISC, "nopmtudisc"},
	    {ESP_SA_AF_UNSPEC, "af-unspec"},
	};
	const struct esp_limits *l = &sa->limits;
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];
	bool any = false;

	fprintf(to, "src %s dst %s\n", addr(&sa->src, src), addr(&sa->dst, dst));
	fprintf(to, "\tproto esp spi 0x%08x reqid %u mode tunnel\n", sa->spi, sa->reqid);
	fprintf(to, "\treplay-window %u", sa->replay_window);
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		if (sa->flags & flags[i].flag) {
			fprintf(to, "%s %s", any ? "" : " flag", flags[i].name);
			any = true;
		}
	}
	fputc('\n', to);
	if (sa->flags & ESP_SA_NO_ENCAP_DSCP)
		fputs("\textra_flag dont-encap-dscp\n", to);
	algorithm(to, sa);
	if (sa->encap)
		fprintf(to, "\tencap type espinudp sport %u dport %u addr %s\n", sa->sport, sa->dport,
			sa->dst.family == 4 ? "0.0.0.0" : "::");
	limit(to, "byte-soft", l->soft_bytes, ESP_NO_LIMIT);
	limit(to, "byte-hard", l->hard_bytes, ESP_NO_LIMIT);
	limit(to, "packet-soft", l->soft_packets, ESP_NO_LIMIT);
	limit(to, "packet-hard", l->hard_packets, ESP_NO_LIMIT);
	limit(to, "time-soft", l->soft_seconds, 0);
	limit(to, "time-hard", l->hard_seconds, 0);
	limit(to, "time-use-soft", l->soft_use_seconds, 0);
	limit(to, "time-use-hard", l->hard_use_seconds, 0);
	if (sa->has_sel)
		selector(to, &sa->sel);
	return ferror(to) ? -EIO : 0;
}
