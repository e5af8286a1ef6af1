/* SPDX-License-Identifier: MIT */
/* A stream as it arrives: replayed, reordered, forged, with late guesses of ESN, and its stages in threads. */
#include <pthread.h>

#include "context.h"

/* Sealed with numbers around the end of an epoch, received in another order and in part twice. */
enum { MANY = 6000 };
static uint8_t store[MANY][128];
static uint32_t store_len[MANY];
static uint64_t store_seq[MANY];

static struct esp_sadb *make_stream(const char *extra, uint64_t first)
{
	struct esp_sadb *db = sadb_with(3, 4, extra);
	struct esp_stats st = {0};
	uint8_t in[60];

	make_inner(in, 4, sizeof(in), 0);
	CHECK_EQ(esp_sa_set_oseq(esp_sadb_at(db, 0), first - 1), 0);
	for (int i = 0; i < MANY; i++) {
		struct esp_pkt p = {
		    .in = in, .in_len = sizeof(in), .out = store[i], .out_room = sizeof(store[i])};

		seal_one(crypto, db, &st, &p);
		CHECK_DROP(&p, ESP_OK);
		store_len[i] = p.len;
		store_seq[i] = p.seq;
	}
	return db;
}

/*
 * The verdicts must not depend on how far the serial stage lags: bursts of 1 (no lag), and all stages of
 * up to 64 bursts apart, must give the same verdict for each packet and the same counters.
 */
static void lag_changes_nothing(void)
{
	static enum esp_drop verdict[3][MANY * 2];
	static uint8_t out[MANY * 2][128];
	static struct esp_pkt p[MANY * 2];
	static const size_t lags[] = {1, 64, 4096};
	uint64_t drops[3][ESP_DROP_COUNT], reopened[3];
	struct esp_sadb *db = make_stream("flag esn replay-window 64", 0x1fffff448);

	for (int l = 0; l < 3; l++) {
		struct esp_sadb *rx =
		    sadb_of("src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1001 mode tunnel flag esn\n"
			    "anti-replay esn context: seq-hi 1 seq 0xfffff000 oseq-hi 0 oseq 0 "
			    "replay_window 64 bitmap-length 0\n"
			    "aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0fcafebabe 128\n");
		struct esp_stats st = {0};
		uint64_t x = 99;

		for (size_t i = 0; i < MANY * 2; i++) {
			size_t from;

			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			/* mostly onward, some back by up to 100, some damaged */
			from = i / 2 >= 100 && x % 8 < 3 ? i / 2 - x / 8 % 100 : i / 2;
			p[i] = (struct esp_pkt){
			    .in = store[from], .in_len = store_len[from], .out = out[i], .out_room = 128};
			/* A forged number just left of where the window is now: its guess changes as the
			 * window moves. */
			if (x % 61 == 0) {
				memcpy(out[i], store[from], store_len[from]);
				out[i][store_len[from] - 1] ^= 1;
				p[i].in = memcpy(malloc(128), out[i], 128);
			}
		}
		for (size_t i = 0; i < MANY * 2; i += lags[l]) {
			size_t n = MANY * 2 - i < lags[l] ? MANY * 2 - i : lags[l];

			esp_open_submit(rx, p + i, n);
			esp_open_burst(crypto, p + i, n);
			esp_open_done(crypto, &st, p + i, n);
		}
		for (size_t i = 0; i < MANY * 2; i++) {
			verdict[l][i] = p[i].drop;
			CHECK(p[i].drop != ESP_OK || p[i].len == 60);
			if (p[i].in < store[0] || p[i].in >= store[MANY - 1] + 128)
				free((void *)(uintptr_t)p[i].in);
		}
		memcpy(drops[l], st.drop, sizeof(st.drop));
		reopened[l] = st.reopened;
		esp_sadb_free(rx);
	}
	for (int l = 1; l < 3; l++) {
		CHECK(memcmp(verdict[0], verdict[l], sizeof(verdict[0])) == 0);
		CHECK(memcmp(drops[0], drops[l], sizeof(drops[0])) == 0);
	}
	CHECK_EQ(reopened[0], 0);
	CHECK(reopened[2] > 0);
	CHECK(drops[0][ESP_OK] > MANY / 2 && drops[0][ESP_DROP_REPLAY] > 100 &&
	      drops[0][ESP_DROP_BAD_ICV] > 10);
	printf("# passed %llu, replays %llu, bad ICV %llu; opened again %llu\n",
	       (unsigned long long)drops[0][ESP_OK], (unsigned long long)drops[0][ESP_DROP_REPLAY],
	       (unsigned long long)drops[0][ESP_DROP_BAD_ICV], (unsigned long long)reopened[2]);
	esp_sadb_free(db);
}

/* The early look-up for replays may err while the window moves; then the serial stage opens the packet. */
static void wrong_hint(void)
{
	struct esp_sadb *db = make_stream("", 1);
	struct esp_stats st = {0};
	uint8_t out[128];
	struct esp_pkt p = {.in = store[0], .in_len = store_len[0], .out = out, .out_room = sizeof(out)};

	esp_open_submit(db, &p, 1);
	CHECK_EQ(p.found, ESP_OK);
	p.found = ESP_DROP_REPLAY;
	esp_open_burst(crypto, &p, 1);
	esp_open_done(crypto, &st, &p, 1);
	CHECK_DROP(&p, ESP_OK);
	CHECK_EQ(p.len, 60);
	CHECK_EQ(st.reopened, 1);
	/* and a right one spares the crypto */
	esp_open_submit(db, &p, 1);
	CHECK_EQ(p.found, ESP_DROP_REPLAY);
	memset(out, 0, sizeof(out));
	esp_open_burst(crypto, &p, 1);
	esp_open_done(crypto, &st, &p, 1);
	CHECK_DROP(&p, ESP_DROP_REPLAY);
	CHECK(out[20] == 0 && st.reopened == 1);
	esp_sadb_free(db);
}

/* Forged packets, however far ahead their numbers are, cannot move the window or the epoch. */
static void forged_cannot_lead(void)
{
	struct esp_sadb *db = make_stream("flag esn", 1);
	struct esp_sa *sa = esp_sadb_at(db, 0);
	uint8_t wire[128];

	for (int i = 0; i < MANY; i++) {
		memcpy(wire, store[i], store_len[i]);
		wire[24] = (uint8_t)(i * 37);
		wire[27] = (uint8_t)(i * 11 + 1);
		wire[store_len[i] - 3] ^= 0x40;
		CHECK(receive(crypto, db, wire, store_len[i]) != ESP_OK);
		CHECK_VERDICT(receive(crypto, db, store[i], store_len[i]), ESP_OK);
		CHECK(esp_replay_top(&sa->rx.replay) == store_seq[i]);
	}
	esp_sadb_free(db);
}

/* The stages in threads of their own, as the pipeline has them; for a thread sanitizer. */
enum { BURST = 32, BURSTS = MANY / BURST };
static struct esp_pkt bursts[BURSTS][BURST];
static uint8_t opened[MANY][128];
static _Atomic unsigned submitted, taken, finished[BURSTS];

static void *worker(void *arg)
{
	struct esp_crypto *c = esp_crypto_alloc(ESP_BACKEND_AUTO);
	unsigned i;

	(void)arg;
	CHECK(c != NULL);
	while ((i = atomic_fetch_add(&taken, 1)) < BURSTS) {
		while (atomic_load(&submitted) <= i)
			sched_yield();
		esp_open_burst(c, bursts[i], BURST);
		atomic_store(&finished[i], 1);
	}
	esp_crypto_free(c);
	return NULL;
}

static void *serial(void *arg)
{
	struct esp_crypto *c = esp_crypto_alloc(ESP_BACKEND_AUTO);

	CHECK(c != NULL);
	for (unsigned i = 0; i < BURSTS; i++) {
		while (!atomic_load(&finished[i]))
			sched_yield();
		esp_open_done(c, arg, bursts[i], BURST);
	}
	esp_crypto_free(c);
	return NULL;
}

static void threads(void)
{
	struct esp_sadb *db = make_stream("flag esn replay-window 64", 0xfffff800u);
	pthread_t w[3], s;
	struct esp_stats st = {0};

	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_create(&w[i], NULL, worker, NULL), 0);
	CHECK_EQ(pthread_create(&s, NULL, serial, &st), 0);
	for (unsigned i = 0; i < BURSTS; i++) {
		for (unsigned k = 0; k < BURST; k++) {
			unsigned n = i * BURST + k;

			if (n % 5 == 4) /* a replay of a neighbour, in flight at the same time */
				n--;
			bursts[i][k] = (struct esp_pkt){.in = store[n],
							.in_len = store_len[n],
							.out = opened[i * BURST + k],
							.out_room = 128};
		}
		esp_open_submit(db, bursts[i], BURST);
		atomic_store(&submitted, i + 1);
	}
	for (int i = 0; i < 3; i++)
		pthread_join(w[i], NULL);
	pthread_join(s, NULL);
	/* In each burst the places with n % 5 == 4 are replays, unless their twin is not there: never. */
	CHECK_EQ(st.out_packets + st.drop[ESP_DROP_REPLAY], BURSTS * BURST);
	for (unsigned n = 0; n < BURSTS * BURST; n++)
		CHECK_DROP(&bursts[n / BURST][n % BURST], n % 5 == 4 ? ESP_DROP_REPLAY : ESP_OK);
	esp_sadb_free(db);
}

static const struct test_case cases[] = {
    {"receive: a context", start},
    {"receive: verdicts do not depend on the lag", lag_changes_nothing},
    {"receive: a wrong hint costs work and no packet", wrong_hint},
    {"receive: forged packets cannot move the window", forged_cannot_lead},
    {"receive: stages in threads", threads},
    {"receive: the context is given back", end},
};

TEST_MAIN(cases)
