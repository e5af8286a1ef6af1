/* SPDX-License-Identifier: MIT */
/*
 * ESP where memory is short, a crypto library refuses, or a file cannot be read: each call in turn fails once. It costs the
 * packet that needed it, or the call says so in one line; nothing leaves in the clear, and the next packet passes.
 */

#include "../esp/esp_test.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <sys/stat.h>
#ifdef HAVE_IPSEC_MB
#include <intel-ipsec-mb.h>
#endif

/* The test is single-threaded. 0: nothing fails. */
static long memory_left, crypto_left;
static bool fired;
static long live;
static int read_error; /* of the next read(2) */

static bool fails(long *left)
{
	if (*left <= 0 || --*left)
		return false;
	fired = true;
	return true;
}

/* X(what it returns, its name, its parameters, how they are passed on) */
#define ALLOCATORS(X)                                               \
	X(malloc, (size_t size), (size))                            \
	X(calloc, (size_t n, size_t size), (n, size))               \
	X(aligned_alloc, (size_t align, size_t size), (align, size))

#define X(name, parameters, arguments)           \
	void *__real_##name parameters;          \
	void *__wrap_##name parameters;          \
	void *__wrap_##name parameters           \
	{                                        \
		void *p;                         \
		if (fails(&memory_left)) {       \
			errno = ENOMEM;          \
			return NULL;             \
		}                                \
		p = __real_##name arguments;     \
		live += p != NULL;               \
		return p;                        \
	}
ALLOCATORS(X)
#undef X

void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __real_free(void *p);
void __wrap_free(void *p);
ssize_t __real_read(int fd, void *to, size_t size);
ssize_t __wrap_read(int fd, void *to, size_t size);
EVP_CIPHER_CTX *__real_EVP_CIPHER_CTX_new(void);
EVP_CIPHER_CTX *__wrap_EVP_CIPHER_CTX_new(void);

void *__wrap_realloc(void *p, size_t size)
{
	if (fails(&memory_left)) {
		errno = ENOMEM;
		return NULL;
	}
	live += p == NULL;
	return __real_realloc(p, size);
}

void __wrap_free(void *p)
{
	live -= p != NULL;
	__real_free(p);
}

ssize_t __wrap_read(int fd, void *to, size_t size)
{
	if (!read_error)
		return __real_read(fd, to, size);
	errno = read_error;
	read_error = 0;
	return -1;
}

EVP_CIPHER_CTX *__wrap_EVP_CIPHER_CTX_new(void)
{
	return fails(&crypto_left) ? NULL : __real_EVP_CIPHER_CTX_new();
}

#define CIPHER_CALLS(X)                                                                                             \
	X(EVP_CipherInit_ex,                                                                                        \
	  (EVP_CIPHER_CTX * c, const EVP_CIPHER *type, ENGINE *e, const unsigned char *key, const unsigned char *iv, \
	   int seal),                                                                                               \
	  (c, type, e, key, iv, seal))                                                                              \
	X(EVP_EncryptInit_ex,                                                                                       \
	  (EVP_CIPHER_CTX * c, const EVP_CIPHER *type, ENGINE *e, const unsigned char *key, const unsigned char *iv), \
	  (c, type, e, key, iv))                                                                                    \
	X(EVP_DecryptInit_ex,                                                                                       \
	  (EVP_CIPHER_CTX * c, const EVP_CIPHER *type, ENGINE *e, const unsigned char *key, const unsigned char *iv), \
	  (c, type, e, key, iv))                                                                                    \
	X(EVP_EncryptUpdate, (EVP_CIPHER_CTX * c, unsigned char *out, int *n, const unsigned char *in, int len),     \
	  (c, out, n, in, len))                                                                                     \
	X(EVP_DecryptUpdate, (EVP_CIPHER_CTX * c, unsigned char *out, int *n, const unsigned char *in, int len),     \
	  (c, out, n, in, len))                                                                                     \
	X(EVP_EncryptFinal_ex, (EVP_CIPHER_CTX * c, unsigned char *out, int *n), (c, out, n))                        \
	X(EVP_DecryptFinal_ex, (EVP_CIPHER_CTX * c, unsigned char *out, int *n), (c, out, n))                        \
	X(EVP_CIPHER_CTX_ctrl, (EVP_CIPHER_CTX * c, int type, int argument, void *p), (c, type, argument, p))

#define X(name, parameters, arguments)                                     \
	int __real_##name parameters;                                      \
	int __wrap_##name parameters;                                      \
	int __wrap_##name parameters                                       \
	{                                                                  \
		return fails(&crypto_left) ? 0 : __real_##name arguments;  \
	}
CIPHER_CALLS(X)
#undef X

#ifdef HAVE_IPSEC_MB
IMB_MGR *__real_alloc_mb_mgr(uint64_t flags);
IMB_MGR *__wrap_alloc_mb_mgr(uint64_t flags);
int __real_imb_get_errno(IMB_MGR *mgr);
int __wrap_imb_get_errno(IMB_MGR *mgr);
static long self_test_left;

IMB_MGR *__wrap_alloc_mb_mgr(uint64_t flags)
{
	return fails(&memory_left) ? NULL : __real_alloc_mb_mgr(flags);
}

int __wrap_imb_get_errno(IMB_MGR *mgr)
{
	return fails(&self_test_left) ? IMB_ERR_SELFTEST : __real_imb_get_errno(mgr);
}
#endif

static int lost, refused;
static char err[ESP_ERROR_LEN];

static struct esp_sadb *parse(size_t alg)
{
	struct esp_sadb *db;
	char text[2048];
	int code;

	snprintf(text, sizeof(text), "src 192.0.2.1 dst 192.0.2.2\nproto esp spi 0x1001 reqid 1 mode tunnel %s "
				     "flag esn replay-window 64\n", algs[alg]);
	while ((code = esp_sadb_parse("test", text, strlen(text), &db, err)) != 0) {
		CHECK_EQ(code, -ENOMEM);
		CHECK(!db && err[0] && !strchr(err, '\n'));
		refused++;
	}
	return db;
}

static struct esp_crypto *context(enum esp_backend backend)
{
	struct esp_crypto *c;

	while (!(c = esp_crypto_alloc(backend))) {
		/* A backend that has no memory to look at the CPU is not available. */
		CHECK(errno == ENOMEM || errno == ENOTSUP);
		refused++;
	}
	return c;
}

static bool holds(const uint8_t *in, size_t size, const uint8_t *what, size_t length)
{
	for (size_t i = 0; i + length <= size; i++)
		if (!memcmp(in + i, what, length))
			return true;
	return false;
}

/* A packet there and back; true if it came back. */
static bool one_packet(struct esp_crypto *c, struct esp_sadb *tx, struct esp_sadb *rx, bool is_secret)
{
	uint8_t in[200], wire[400] = {0}, back[400];
	struct esp_stats st = {0};
	struct esp_pkt p = {.in = in, .in_len = sizeof(in), .out = wire, .out_room = sizeof(wire)}, q;

	make_inner(in, 4, sizeof(in), 0);
	seal_one(c, tx, &st, &p);
	if (p.drop != ESP_OK) {
		CHECK_DROP(&p, ESP_DROP_CRYPTO);
		CHECK(!holds(wire, sizeof(wire), in + 40, 32));
		return false;
	}
	CHECK(!is_secret || !holds(wire, sizeof(wire), in + 40, 32));
	q = (struct esp_pkt){.in = p.data, .in_len = p.len, .out = back, .out_room = sizeof(back)};
	open_one(c, rx, &st, &q);
	if (q.drop != ESP_OK) {
		CHECK(q.drop == ESP_DROP_CRYPTO || q.drop == ESP_DROP_BAD_ICV);
		CHECK(!q.data);
		return false;
	}
	CHECK_EQ(q.len, sizeof(in));
	CHECK(!memcmp(q.data, in, sizeof(in)));
	return true;
}

static void whole_life(enum esp_backend backend, size_t alg)
{
	struct esp_crypto *c = context(backend);
	struct esp_sadb *tx = parse(alg), *rx = parse(alg);

	for (int i = 0; i < 4; i++)
		lost += !one_packet(c, tx, rx, alg != 0);
	esp_sadb_free(tx);
	esp_sadb_free(rx);
	esp_crypto_free(c);
}

static void each_failure(long *countdown, enum esp_backend backend, int *losses, int *refusals)
{
	*losses = *refusals = 0;
	for (size_t alg = 0; alg < ALGS; alg++) {
		fired = true;
		for (long n = 1; fired; n++) {
			long before = live;

			fired = false;
			lost = refused = 0;
			*countdown = n;
			whole_life(backend, alg);
			*countdown = 0;
			CHECK(lost + refused <= fired);
			CHECK_EQ(live, before);
			*losses += lost;
			*refusals += refused;
		}
	}
	printf("# packets lost: %d, calls refused: %d\n", *losses, *refusals);
}

static bool available(enum esp_backend backend)
{
	return esp_backend_available(backend, NULL) == 0;
}

static void memory(void)
{
	int losses, refusals;

	each_failure(&memory_left, ESP_BACKEND_OPENSSL, &losses, &refusals);
	CHECK(losses > 0 && refusals > 0);
	if (!available(ESP_BACKEND_IPSEC_MB))
		return;
	each_failure(&memory_left, ESP_BACKEND_IPSEC_MB, &losses, &refusals);
	CHECK(losses > 0 && refusals > 0);
}

static void openssl_refuses(void)
{
	int losses, refusals;

	each_failure(&crypto_left, ESP_BACKEND_OPENSSL, &losses, &refusals);
	CHECK(losses > 0);
	CHECK_EQ(refusals, 0);
}

static void no_ipsec_mb(void)
{
#ifdef HAVE_IPSEC_MB
	struct esp_crypto *c;

	if (!available(ESP_BACKEND_IPSEC_MB))
		SKIP("this CPU cannot run ipsec-mb");
	self_test_left = 1;
	c = esp_crypto_alloc(ESP_BACKEND_IPSEC_MB);
	CHECK(!c && errno == ENOTSUP);
#else
	SKIP("built without ipsec-mb");
#endif
}

static void files(void)
{
	char path[] = "/tmp/padata-sa-XXXXXX";
	static const char text[] = "src 192.0.2.1 dst 192.0.2.2\nproto esp spi 1 mode tunnel aead 'rfc4106(gcm(aes))' "
				   "0x000102030405060708090a0b0c0d0e0fcafebabe 128\n";
	int fd = mkstemp(path);
	struct esp_sadb *db;

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	read_error = EINTR;
	CHECK_EQ(esp_sadb_load(path, &db, err), 0);
	CHECK_EQ(read_error, 0);
	esp_sadb_free(db);
	read_error = EIO;
	CHECK_EQ(esp_sadb_load(path, &db, err), -EIO);
	CHECK(!db && strstr(err, path) && strstr(err, strerror(EIO)));
	memory_left = 1;
	CHECK_EQ(esp_sadb_load(path, &db, err), -ENOMEM);
	CHECK(!db && strstr(err, path));
	CHECK_EQ(ftruncate(fd, (64 << 20) + 1), 0);
	CHECK_EQ(esp_sadb_load(path, &db, err), -EFBIG);
	CHECK(!db && strstr(err, path));
	close(fd);
	unlink(path);
}

static const struct test_case cases[] = {
	{"ESP each allocation fails once: its packet or its call, no more, and no leak", memory},
	{"ESP each call of OpenSSL fails once: its packet, and nothing in the clear", openssl_refuses},
	{"ESP ipsec-mb's self-test fails: it is not to be had", no_ipsec_mb},
	{"ESP an SA file that is interrupted, damaged, too large", files},
};

TEST_MAIN(cases)
