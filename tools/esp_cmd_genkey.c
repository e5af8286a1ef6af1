/* SPDX-License-Identifier: MIT */
/* genkey: a new pair of SAs, one for each direction. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "esp_sa.h"
#include "esp_tool.h"
#include "sa_lex.h"

static const struct algorithm {
	const char *name;
	enum esp_alg alg;
	uint8_t key_len, salt_len, auth_key_len;
} algorithms[] = {
    {"aes128-gcm", ESP_ALG_AES_GCM, 16, 4, 0},
    {"aes256-gcm", ESP_ALG_AES_GCM, 32, 4, 0},
    {"chacha20-poly1305", ESP_ALG_CHACHA20_POLY1305, 32, 4, 0},
    {"aes128-cbc-sha256", ESP_ALG_AES_CBC_HMAC_SHA256, 16, 0, 32},
    {"aes256-cbc-sha256", ESP_ALG_AES_CBC_HMAC_SHA256, 32, 0, 32},
    {"null-sha256", ESP_ALG_NULL_HMAC_SHA256, 0, 0, 32},
};

static void random_bytes(void *to, size_t n)
{
	/* At most 256 bytes are given whole, or not at all. */
	if (getrandom(to, n, 0) != (ssize_t)n)
		esp_fail(ESP_EXIT_SYSTEM, "no random bytes: %s", strerror(errno));
}

static struct esp_addr address(const char *option, const char *text)
{
	struct esp_addr a = {.family = strchr(text, ':') ? 6 : 4};

	if (inet_pton(a.family == 4 ? AF_INET : AF_INET6, text, a.b) != 1)
		esp_fail(ESP_EXIT_USAGE, "%s %s: not an IPv4 or IPv6 address", option, text);
	return a;
}

static const struct algorithm *algorithm(const char *name)
{
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
		if (!strcmp(name, algorithms[i].name))
			return &algorithms[i];
	esp_fail(ESP_EXIT_USAGE,
		 "--algo %s: aes128-gcm, aes256-gcm, chacha20-poly1305, aes128-cbc-sha256, "
		 "aes256-cbc-sha256 or null-sha256",
		 name);
}

/* "PREFIX,PREFIX": what the pair carries, from behind its source to behind its destination. */
static struct esp_selector selector(const char *text)
{
	struct esp_selector sel = {.any_port_src = true, .any_port_dst = true};
	struct esp_prefix *sides[] = {&sel.src, &sel.dst};
	const char *comma = strchr(text, ',');
	char why[ESP_ERROR_LEN];
	bool good = comma;

	for (int i = 0; i < 2 && good; i++) {
		struct lex x;

		lex_start(&x, "--sel", i ? comma + 1 : text, i ? strlen(comma + 1) : (size_t)(comma - text),
			  why);
		good = lex_prefix(&x, sides[i]) == 0 && lex_end(&x);
	}
	if (!good || sel.src.addr.family != sel.dst.addr.family)
		esp_fail(ESP_EXIT_USAGE,
			 "--sel %s: two networks of one family are needed, as 10.1.0.0/16,10.2.0.0/16", text);
	return sel;
}

/* The SA with a key and an SPI of its own. */
static void print_one(const struct algorithm *a, struct esp_sa sa)
{
	int r;

	do
		random_bytes(&sa.spi, sizeof(sa.spi));
	while (sa.spi < 256); /* reserved (RFC 4303 2.1) */
	random_bytes(sa.key, a->key_len);
	random_bytes(sa.salt, a->salt_len);
	random_bytes(sa.auth_key, a->auth_key_len);
	sa.alg = a->alg;
	sa.key_len = a->key_len;
	sa.auth_key_len = a->auth_key_len;
	r = esp_sa_prepare(&sa);
	if (r)
		esp_fail(ESP_EXIT_SYSTEM, "cannot make the SA: %s", strerror(-r));
	r = esp_sa_write(stdout, &sa);
	esp_sa_destroy(&sa);
	if (r)
		esp_fail(ESP_EXIT_OUTPUT, "standard output: %s", strerror(-r));
}

int esp_cmd_genkey(int argc, char **argv)
{
	enum { ALGO = 256, ESN, ENCAP, SRC, DST, REQID, SEL };
	static const struct option longs[] = {
	    {"algo", required_argument, NULL, ALGO},
	    {"esn", no_argument, NULL, ESN},
	    {"encap", no_argument, NULL, ENCAP},
	    {"src", required_argument, NULL, SRC},
	    {"dst", required_argument, NULL, DST},
	    {"reqid", required_argument, NULL, REQID},
	    {"sel", required_argument, NULL, SEL},
	    {NULL, 0, NULL, 0},
	};
	const struct algorithm *a = algorithm("aes128-gcm");
	struct esp_sa there = {
	    .src = address("", "192.0.2.1"),
	    .dst = address("", "192.0.2.2"),
	    .reqid = 1,
	    .sport = 4500,
	    .dport = 4500,
	    .replay_window = ESP_REPLAY_DEFAULT,
	    .limits = {.soft_bytes = ESP_NO_LIMIT,
		       .hard_bytes = ESP_NO_LIMIT,
		       .soft_packets = ESP_NO_LIMIT,
		       .hard_packets = ESP_NO_LIMIT},
	};
	struct esp_sa back;
	struct stat st;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
		switch (c) {
		case ALGO:
			a = algorithm(optarg);
			break;
		case ESN:
			there.flags = ESP_SA_ESN;
			break;
		case ENCAP:
			there.encap = true;
			break;
		case SRC:
			there.src = address("--src", optarg);
			break;
		case DST:
			there.dst = address("--dst", optarg);
			break;
		case REQID:
			there.reqid = (uint32_t)esp_number("--reqid", optarg, 1, UINT32_MAX);
			break;
		case SEL:
			there.sel = selector(optarg);
			there.has_sel = true;
			break;
		default:
			esp_fail(ESP_EXIT_USAGE, "genkey: %s %s; --help explains", argv[optind - 1],
				 c == ':' ? "needs a value" : "is not an option");
		}
	}
	if (optind != argc)
		esp_fail(ESP_EXIT_USAGE, "genkey prints to standard output and takes no file");
	if (there.src.family != there.dst.family)
		esp_fail(ESP_EXIT_USAGE, "--src and --dst: one is IPv4, the other IPv6");

	/* 'genkey > FILE' with an everyday umask would make a file that others can read, and --sa refuses. */
	if (!fstat(STDOUT_FILENO, &st) && S_ISREG(st.st_mode) && st.st_mode & 077 &&
	    fchmod(STDOUT_FILENO, 0600))
		esp_fail(ESP_EXIT_OUTPUT, "others could read the keys, and that cannot be changed: %s",
			 strerror(errno));
	setvbuf(stdout, NULL, _IONBF, 0); /* no copy of the keys in a buffer */
	back = there;
	back.src = there.dst;
	back.dst = there.src;
	back.sel.src = there.sel.dst;
	back.sel.dst = there.sel.src;
	print_one(a, there);
	print_one(a, back);
	return ESP_EXIT_OK;
}
