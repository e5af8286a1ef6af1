/* SPDX-License-Identifier: MIT */
/* The replay window and the guess of ESN: number in, verdict out. */
#include "esp_replay.h"
#include "test.h"

#define OK ESP_OK
#define REPLAY ESP_DROP_REPLAY
#define OLD ESP_DROP_TOO_OLD
#define ZERO ESP_DROP_ZERO_SEQ

struct step {
	uint64_t seq;
	enum esp_drop verdict;
};

static void walk(uint32_t window, uint64_t top, const struct step *s, size_t n)
{
	struct esp_replay r;

	CHECK_EQ(esp_replay_init(&r, window, top), 0);
	for (size_t i = 0; i < n; i++) {
		enum esp_drop check = esp_replay_check(&r, s[i].seq);
		bool peek = esp_replay_peek(&r, s[i].seq);
		enum esp_drop verdict = esp_replay_advance(&r, s[i].seq);

		if (verdict != s[i].verdict || check != verdict)
			printf("# window %u, step %zu, number %llu: check %s, advance %s, expected %s\n",
			       window, i, (unsigned long long)s[i].seq, esp_drop_name(check),
			       esp_drop_name(verdict), esp_drop_name(s[i].verdict));
		CHECK_EQ(verdict, s[i].verdict);
		CHECK_EQ(check, verdict);
		CHECK_EQ(peek, verdict != ESP_OK);
	}
	esp_replay_destroy(&r);
}

#define WALK(window, top, ...)                                   \
	do {                                                     \
		static const struct step s_[] = {__VA_ARGS__};   \
		walk(window, top, s_, sizeof(s_) / sizeof(*s_)); \
	} while (0)

static void window_table(void)
{
	WALK(64, 0, {0, ZERO}, {1, OK}, {1, REPLAY}, {3, OK}, {2, OK}, {2, REPLAY}, {66, OK}, {3, REPLAY},
	     {2, OLD}, {4, OK}, {4, REPLAY}, {67, OK}, {3, OLD}, {66, REPLAY}, {0, ZERO});
	WALK(64, 0, {64, OK}, {1, OK}, {65, OK}, {1, OLD}, {2, OK}, {129, OK}, {66, OK}, {65, OLD},
	     {128, OK});
	WALK(1024, 0, {1024, OK}, {1, OK}, {1, REPLAY}, {1025, OK}, {1, OLD}, {2, OK}, {1000000, OK},
	     {1025, OLD}, {998977, OK}, {998976, OLD}, {999999, OK}, {999999, REPLAY}, {1000000, REPLAY});
	WALK(8192, 0, {8192, OK}, {1, OK}, {8193, OK}, {1, OLD}, {2, OK}, {2, REPLAY}, {16385, OK},
	     {8194, OK}, {8193, OLD});
	/* A leap by exactly the ring, one less and one more: bits of the lap before must not show. */
	WALK(64, 0, {1, OK}, {129, OK}, {128, OK}, {66, OK}, {65, OLD});
	WALK(64, 0, {5, OK}, {133, OK}, {132, OK}, {69, OLD}, {70, OK});
	WALK(64, 0, {5, OK}, {132, OK}, {69, OK}, {131, OK}, {133, OK}, {70, OK});
}

static void wide_numbers(void)
{
	WALK(64, 0xffffffffu - 1, {0xffffffffu, OK}, {0x100000000u, OK}, {0x100000001u, OK},
	     {0xffffffffu, REPLAY}, {0x100000000u, REPLAY}, {0xfffffff0u, OK}, {0x10000003fu, OK},
	     {0xffffffffu, OLD}, {0x100000000u, REPLAY});
	WALK(1024, UINT64_MAX - 2, {UINT64_MAX - 1, OK}, {UINT64_MAX, OK}, {UINT64_MAX, REPLAY}, {1, OLD},
	     {UINT64_MAX - 1000, OK}, {UINT64_MAX - 1024, OLD});
}

static void check_off(void)
{
	WALK(0, 0, {5, OK}, {5, OK}, {1, OK}, {0, ZERO}, {4, OK});
}

static void window_sizes(void)
{
	static const struct {
		uint32_t in, out;
	} t[] = {{0, 0},       {1, 64},	     {63, 64},	   {64, 64},	{65, 128},
		 {1000, 1024}, {1024, 1024}, {8191, 8192}, {8192, 8192}};
	struct esp_replay r;

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		CHECK_EQ(esp_replay_init(&r, t[i].in, 0), 0);
		CHECK_EQ(r.window, t[i].out);
		esp_replay_destroy(&r);
	}
	CHECK(esp_replay_init(&r, 8193, 0) < 0);
}

/* Against a plain list of what was received, with numbers around a moving top. */
static void against_model(void)
{
	static const uint32_t windows[] = {64, 128, 192, 1024, 8192};

	for (size_t w = 0; w < sizeof(windows) / sizeof(*windows); w++) {
		enum { N = 200000 };
		uint8_t *seen = calloc(1, N + 40000);
		uint64_t top = 0, x = 88172645463325252u;
		struct esp_replay r;

		CHECK(seen != NULL);
		CHECK_EQ(esp_replay_init(&r, windows[w], 0), 0);
		while (top < N) {
			uint64_t seq, spread = windows[w] * 2;
			enum esp_drop want;

			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			seq = x % 64 == 0 ? top + x / 64 % (3 * windows[w]) : top + 8 - x / 64 % spread;
			if (seq > top + 3 * windows[w] || seq == 0)
				continue;
			want = seq > top ? OK : top - seq >= windows[w] ? OLD : seen[seq] ? REPLAY : OK;
			CHECK_EQ(esp_replay_advance(&r, seq), want);
			seen[seq] = 1;
			if (seq > top)
				top = seq;
			CHECK_EQ(esp_replay_top(&r), top);
		}
		esp_replay_destroy(&r);
		free(seen);
	}
}

static void guess_table(void)
{
	static const struct {
		uint64_t top;
		uint32_t window, low;
		uint64_t want;
	} t[] = {
	    {0, 64, 1, 1},
	    {0, 1024, 0xffffffff, 0xffffffff}, /* there is no epoch before the first */
	    {100, 1024, 0xfffffff0, 0xfffffff0},
	    {1000, 64, 1000, 1000},
	    {1000, 64, 937, 937},
	    {1000, 64, 936, 0x1000003a8},
	    {0xffffffff, 64, 0, 0x100000000},
	    {0xffffffff, 64, 5, 0x100000005},
	    {0xffffffff, 64, 0xffffffff, 0xffffffff},
	    {0xffffffff, 64, 0xffffffc0, 0xffffffc0},
	    {0xffffffff, 64, 0xffffffbf, 0x1ffffffbf},
	    {0x100000000, 64, 0xffffffff, 0xffffffff},
	    {0x100000000, 64, 0xffffffc1, 0xffffffc1},
	    {0x100000000, 64, 0xffffffc0, 0x1ffffffc0},
	    {0x100000000, 64, 0, 0x100000000},
	    {0x10000003e, 64, 0xffffffff, 0xffffffff},
	    {0x10000003f, 64, 0xffffffff, 0x1ffffffff},
	    {0x10000003f, 64, 0, 0x100000000},
	    {0x100000040, 64, 0, 0x200000000},
	    {0x587654321, 1024, 0x87654322, 0x587654322},
	    {0x587654321, 1024, 0x87653f22, 0x587653f22},
	    {0x587654321, 1024, 0x87653f21, 0x687653f21},
	    {0x5000003fe, 1024, 0xffffffff, 0x4ffffffff},
	    {0x5000003fe, 1024, 0xfffffffe, 0x5fffffffe},
	    {0xffffffff80000000, 64, 5, 0xffffffff00000005}, /* no epoch behind the last */
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		uint64_t got = esp_replay_guess(t[i].top, t[i].window, t[i].low);

		if (got != t[i].want)
			printf("# row %zu: top %llx low %x: %llx, expected %llx\n", i,
			       (unsigned long long)t[i].top, t[i].low, (unsigned long long)got,
			       (unsigned long long)t[i].want);
		CHECK(got == t[i].want);
	}
}

/* Every number that the window would accept or know is guessed right, around an epoch's end. */
static void guess_inverts(void)
{
	for (uint64_t top = 0x2ffffe000; top < 0x300002000; top += 37)
		for (uint64_t seq = top - 1023; seq < top + 3000; seq += 11)
			CHECK(esp_replay_guess(top, 1024, (uint32_t)seq) == seq);
}

static const struct test_case cases[] = {
    {"replay window: table", window_table},
    {"replay window: across 2^32 and at 2^64", wide_numbers},
    {"replay window: 0 switches it off", check_off},
    {"replay window: sizes", window_sizes},
    {"replay window: against a list", against_model},
    {"ESN: guess table", guess_table},
    {"ESN: guess around an epoch's end", guess_inverts},
};

TEST_MAIN(cases)
