/* SPDX-License-Identifier: MIT */

/*
 * Runs the scenarios of a table, each for as long as it was told to, and
 * prints one line for each. See README.md for the arguments.
 */

#include "explore.h"
#include "internal.h"
#include "snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
	const char *only;	      /* the scenario */
	const char *replay;
	unsigned long random, pct;    /* schedules of each */
	unsigned long exhaustive;     /* at most; 0: none */
	int preemptions, stale;	      /* instead of the scenario's own, if not negative */
	double seconds;		      /* instead of numbers: so long for all */
	double find;		      /* a bug is planted: find it within so many seconds */
	const char *label; /* printed before the names */
	uint64_t seed;
} args = {.random = 20000, .pct = 20000, .exhaustive = 1000000, .preemptions = -1, .stale = -1, .label = "", .seed = 1};

static struct {
	unsigned long random, pct, exhaustive, cut, steps;
	bool exhausted;
} count;
static unsigned long total;

/* Variables of the program under test, which are to be as they were at the start of each schedule. */
extern char __start_pd_data[] __attribute__((__weak__)), __stop_pd_data[] __attribute__((__weak__));
extern char __start_pd_bss[] __attribute__((__weak__)), __stop_pd_bss[] __attribute__((__weak__));
static char *saved_data, *saved_bss;
static size_t data_size, bss_size;

static void save_variables(void)
{
	data_size = __start_pd_data ? (size_t)(__stop_pd_data - __start_pd_data) : 0;
	bss_size = __start_pd_bss ? (size_t)(__stop_pd_bss - __start_pd_bss) : 0;
	saved_data = malloc(data_size + bss_size + 1);
	saved_bss = saved_data + data_size;
	if (data_size)
		memcpy(saved_data, __start_pd_data, data_size);
	if (bss_size)
		memcpy(saved_bss, __start_pd_bss, bss_size);
	snapshot_part(__start_pd_data, data_size);
	snapshot_part(__start_pd_bss, bss_size);
}

/* That it ran itself: a machine that is busy changes nothing. */
static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void begin(const struct sched_scenario *scenario)
{
	memory_reset();
	views_reset();
	shadow_reset();
	alloc_reset();
	past_reset();
	sync_reset();
	system_reset();
	events_reset();
	if (data_size)
		memcpy(__start_pd_data, saved_data, data_size);
	if (bss_size)
		memcpy(__start_pd_bss, saved_bss, bss_size);
	finding_at(NULL, NULL);
	explore.timers = scenario->timers;
	explore.timed = 0;
	explore_begin();
	fibers_begin(scenario->run);
}

/* One schedule; true if there is nothing to be found in it. */
static bool run(const struct sched_scenario *scenario)
{
	finding[0] = '\0';
	if (explore.strategy != EXHAUSTIVE || explore.learns || !explore_resume())
		begin(scenario);
	while (fibers_go_on())
		explore_pause();
	count.steps += explore.steps;
	return !finding[0];
}

static uint64_t mixed(uint64_t seed, unsigned long i)
{
	uint64_t z = (seed << 32 ^ i) * 0x9e3779b97f4a7c15;

	return (z ^ (z >> 29)) & 0xffffffffffff;
}

static void replay_name(char *out, size_t size)
{
	switch (explore.strategy) {
	case RANDOM:
		snprintf(out, size, "random:%llx", (unsigned long long)explore.seed);
		break;
	case PCT:
		snprintf(out, size, "pct:%llx:%u", (unsigned long long)explore.seed, explore.pct_steps);
		break;
	default:
		snprintf(out, size, explore.fresh ? "fresh:" : "choices:");
		explore_print_choices(out + strlen(out), size - strlen(out));
	}
}

static bool parse_replay(const char *text)
{
	unsigned long long seed;
	unsigned int at, chosen, steps;
	int used;

	if (sscanf(text, "random:%llx", &seed) == 1) {
		explore.strategy = RANDOM;
	} else if (sscanf(text, "pct:%llx:%u", &seed, &steps) == 2) {
		explore.strategy = PCT;
		explore.pct_steps = steps;
	} else if (strncmp(text, "choices:", 8) == 0 || strncmp(text, "fresh:", 6) == 0) {
		explore.strategy = REPLAY;
		explore.fresh = *text == 'f';
		explore.n_listed = 0;
		text = strchr(text, ':') + 1;
		while (sscanf(text, "%u:%u%n", &at, &chosen, &used) == 2 && explore.n_listed < 64) {
			explore.listed[explore.n_listed].at = at;
			explore.listed[explore.n_listed++].chosen = chosen;
			text += used + (text[used] == ',');
		}
		seed = 0;
	} else {
		return false;
	}
	explore.seed = seed;
	return true;
}

static bool run_random(const struct sched_scenario *s)
{
	explore.strategy = RANDOM;
	explore.fresh = false;
	explore.seed = mixed(args.seed, count.random++);
	return run(s);
}

static bool run_pct(const struct sched_scenario *s)
{
	explore.strategy = PCT;
	explore.fresh = false;
	explore.seed = mixed(args.seed, count.pct);
	/* A few different guesses: bugs lie near the start and near the end. */
	explore.pct_steps = count.steps ? (uint32_t)(count.steps / (count.random + count.pct + count.exhaustive)) + 1 : 200;
	count.pct++;
	return run(s);
}

static bool run_exhaustive(const struct sched_scenario *s)
{
	bool clean;

	explore.strategy = EXHAUSTIVE;
	clean = run(s);
	count.exhaustive++;
	count.cut += explore.cut;
	return clean;
}

/* What is shared, until nothing new was seen for a while: each object that the search finds has it begin anew. */
static bool learn(const struct sched_scenario *s)
{
	bool clean = true;

	explore.learns = true;
	for (unsigned int i = 0, idle = 0; clean && idle < 500 && count.exhaustive < args.exhaustive; i++) {
		explore.seed = mixed(args.seed, i);
		clean = run_exhaustive(s);
		idle = past_grew() ? 0 : idle + 1;
	}
	explore.learns = false;
	past_begin_again();
	return clean;
}

static void begin_exhaustive(const struct sched_scenario *s)
{
	explore.max_preemptions = args.preemptions >= 0 ? (unsigned int)args.preemptions : s->preemptions;
	explore.max_stale = args.stale >= 0 ? (unsigned int)args.stale : s->stale;
	explore.fresh = !explore.max_stale;
	past_begin_search();
	explore_first_leaf();
}

/* All the schedules that were asked for; false when one found something. */
static bool run_all(const struct sched_scenario *s, double until)
{
	bool clean = true;

	for (unsigned long i = 0; clean && (until != 0 ? seconds() < until : i < args.random || i < args.pct); i++) {
		if (until != 0 || i < args.random)
			clean = run_random(s);
		if (clean && (until != 0 || i < args.pct))
			clean = run_pct(s);
	}
	if (!clean || (args.seconds != 0 && !args.exhaustive) || !(s->preemptions + s->stale))
		return clean;
	begin_exhaustive(s);
	clean = learn(s);
	while (clean && !count.exhausted && count.exhaustive < args.exhaustive) {
		clean = run_exhaustive(s);
		if (clean && past_grew()) {
			past_begin_again();
			explore_first_leaf();
		} else if (clean) {
			count.exhausted = !explore_next_leaf();
		}
	}
	return clean;
}

static unsigned long schedules(void)
{
	return count.random + count.pct + count.exhaustive;
}

/* How to have the finding again; false if that shows something else, which is a fault of the scheduler. */
static bool replays(const struct sched_scenario *s, char *how, size_t size)
{
	char found[sizeof(finding)];
	unsigned long steps = count.steps;
	bool same;

	replay_name(how, size);
	memcpy(found, finding, sizeof(found));
	same = parse_replay(how) && !run(s) && strcmp(found, finding) == 0;
	memcpy(finding, found, sizeof(found));
	count.steps = steps;
	return same;
}

/* A bug is planted: which of the strategies finds it? They take turns. */
static bool find(const struct sched_scenario *s)
{
	double end = seconds() + args.find;
	bool clean = true;

	while (clean && seconds() < end) {
		for (int i = 0; clean && i < 500; i++)
			clean = run_random(s) && run_pct(s);
	}
	return !clean;
}

static bool run_scenario(const struct sched_scenario *s, double until)
{
	double begin = seconds(), took;
	char exhaustive[140] = "", how[2000] = "";
	bool good, found, same;

	memset(&count, 0, sizeof(count));
	good = args.find != 0 ? find(s) : run_all(s, until);
	took = seconds() - begin;
	found = args.find != 0 ? good : !good;
	same = !found || replays(s, how, sizeof(how));
	good = good && same;
	if (count.exhaustive)
		snprintf(exhaustive, sizeof(exhaustive), ", %lu exhaustive, %lu of them cut short, with %u preemptions and %u stale%s",
			 count.exhaustive, count.cut, explore.max_preemptions, explore.max_stale,
			 count.exhausted ? ": all" : ": not all");
	printf("%s %s%s%s: %lu schedules (%lu random, %lu PCT%s), %lu steps each, %.0f a second\n", good ? "ok" : "not ok",
	       args.label, args.label[0] ? " " : "", s->name, schedules(), count.random, count.pct, exhaustive, count.steps / (schedules() + !schedules()),
	       (double)schedules() / (took + 1e-9));
	if (found) {
		report_finding();
		printf("    after %lu schedules; replay with --scenario=%s --replay=%s\n", schedules(), s->name, how);
	}
	if (!same)
		printf("    its replay shows something else: a fault of the scheduler\n");
	fflush(stdout);
	total += schedules();
	return good;
}

static bool replay(const struct sched_scenario *s)
{
	bool clean;

	if (!parse_replay(args.replay)) {
		fprintf(stderr, "--replay=%s cannot be read\n", args.replay);
		exit(2);
	}
	tracing = true;
	clean = run(s);
	tracing = false;
	report_trace(4000);
	if (clean)
		printf("nothing was found\n");
	else
		report_finding();
	return clean;
}

static bool value(const char *arg, const char *name, const char **text)
{
	size_t n = strlen(name);

	if (strncmp(arg, name, n) != 0 || arg[n] != '=')
		return false;
	*text = arg + n + 1;
	return true;
}

static void parse(int argc, char **argv)
{
	const char *v;

	for (int i = 1; i < argc; i++) {
		if (value(argv[i], "--scenario", &v))
			args.only = v;
		else if (value(argv[i], "--replay", &v))
			args.replay = v;
		else if (value(argv[i], "--random", &v))
			args.random = strtoul(v, NULL, 10);
		else if (value(argv[i], "--pct", &v))
			args.pct = strtoul(v, NULL, 10);
		else if (value(argv[i], "--exhaustive", &v))
			args.exhaustive = strtoul(v, NULL, 10);
		else if (value(argv[i], "--preemptions", &v))
			args.preemptions = atoi(v);
		else if (value(argv[i], "--stale", &v))
			args.stale = atoi(v);
		else if (value(argv[i], "--seconds", &v))
			args.seconds = atof(v);
		else if (value(argv[i], "--find", &v))
			args.find = atof(v);
		else if (value(argv[i], "--label", &v))
			args.label = v;
		else if (value(argv[i], "--seed", &v))
			args.seed = strtoull(v, NULL, 10);
		else {
			fprintf(stderr, "%s is not known; see tests/sched/README.md\n", argv[i]);
			exit(2);
		}
	}
}

int sched_main(int argc, char **argv, const struct sched_scenario *table, unsigned int n)
{
	unsigned int failed = 0, left = 0;
	double end;

	parse(argc, argv);
	alloc_init();
	shadow_init();
	sync_init();
	fibers_init();
	save_variables();
	for (unsigned int i = 0; i < n; i++)
		left += !args.only || !strcmp(args.only, table[i].name);
	if (!left) {
		fprintf(stderr, "there is no scenario %s\n", args.only);
		return 2;
	}
	end = seconds() + args.seconds;
	for (unsigned int i = 0; i < n; i++) {
		double now = seconds();

		if (args.only && strcmp(args.only, table[i].name))
			continue;
		if (args.replay)
			return !replay(&table[i]);
		failed += !run_scenario(&table[i], args.seconds != 0 ? now + (end - now) / left-- : 0);
	}
	printf("%lu schedules\n", total);
	return failed != 0;
}
