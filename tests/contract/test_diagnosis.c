/* SPDX-License-Identifier: MIT */
/* What PADATA_DEBUG reports on standard error (E7). */

#include "contract.h"

/* The program runs itself with PADATA_DEBUG set: the library reads it when it is loaded. */
static const char *role;
static const char *debug_words;
static char text[65536];

static void become_role(void)
{
	if (debug_words)
		setenv("PADATA_DEBUG", debug_words, 1);
	else
		unsetenv("PADATA_DEBUG");
	setenv("PADATA_TEST_ROLE", role, 1);
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (n <= 0)
		_exit(9);
	path[n] = 0;
	execl(path, path, (char *)NULL);
	_exit(9);
}

/* What the role writes to standard error; it must end well. */
static const char *reported(const char *words, const char *which)
{
	role = which;
	debug_words = words;
	int status = in_child(become_role, text, sizeof(text));
	if (status)
		printf("# status %#x: %s\n", (unsigned int)status, text);
	CHECK_EQ(status, 0);
	return text;
}

static void expect(int condition)
{
	if (!condition)
		printf("# standard error: %s\n", text);
	CHECK(condition);
}

static int lines_with(const char *word)
{
	int n = 0;
	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n");
		const char *at = strstr(line, word);
		n += at && at < line + length;
		line += length + (line[length] == '\n');
	}
	return n;
}

/* The largest number of milliseconds that a line with the word speaks of, whatever unit it is written in. */
static double longest_ms(const char *word)
{
	double longest = -1;
	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n");
		const char *found = strstr(line, word);
		if (found && found < line + length)
			for (const char *at = line; at < line + length; at++) {
				char unit[8] = "";
				double number;
				if (*at < '0' || *at > '9' || sscanf(at, "%lf %7[a-z]", &number, unit) != 2)
					continue;
				double ms = !strcmp(unit, "ms")				  ? number
					    : !strcmp(unit, "us")			  ? number / 1000
					    : !strcmp(unit, "ns")			  ? number / 1e6
					    : !strcmp(unit, "s") || !strncmp(unit, "sec", 3) ? number * 1000
											  : -1;
				longest = ms > longest ? ms : longest;
				at += strspn(at, "0123456789.") - 1;
			}
		line += length + (line[length] == '\n');
	}
	return longest;
}

static void naps(struct padata_priv *padata)
{
	usleep(60000);
	padata_do_serial(padata);
}

static void serial_naps(struct padata_priv *padata)
{
	usleep(60000);
	note_serial(TASK(padata));
}

static void run_one(callback *parallel, callback *serial)
{
	struct rig rig = rig_make(0);
	struct task t;
	task_init(&t, 0, parallel, serial);
	accept_task(rig.inst, &t, usable_cpu(0));
	rig_end(rig);
}

/* Long work that does not sleep. */
static void works(struct padata_priv *padata)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	long long begin = t.tv_sec * 1000000000LL + t.tv_nsec;
	do
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	while (t.tv_sec * 1000000000LL + t.tv_nsec - begin < 80000000);
	padata_do_serial(padata);
}

static void run_many(void)
{
	struct rig rig = rig_make(0);
	struct task *t = tasks_make(1000, parallel_finish, serial_note);
	for (int i = 0; i < 1000; i++)
		accept_task(rig.inst, &t[i], usable_cpu((unsigned int)(i % usable_cpus())));
	rig_end(rig);
	free(t);
}

/* Standard error passes through here, so that a stall lasts until it is reported, and no longer. */
static sem_t seen;
static int outlet;
static int inlet;

static void *pass_on(void *unused)
{
	(void)unused;
	char line[4096];
	for (ssize_t n; (n = read(inlet, line, sizeof(line))) > 0;) {
		while (write(outlet, line, (size_t)n) < 0)
			CHECK_EQ(errno, EINTR);
		if (memchr(line, '\n', (size_t)n))
			sem_post(&seen);
	}
	return NULL;
}

static pthread_t watch_errors(void)
{
	int fds[2];
	sem_init(&seen, 0, 0);
	outlet = dup(2);
	CHECK_EQ(pipe(fds), 0);
	inlet = fds[0];
	dup2(fds[1], 2);
	close(fds[1]);
	return thread(pass_on, NULL);
}

static void stall(bool is_silent)
{
	if (is_silent)
		usleep(1500000);
	else
		wait_for(&seen);
}

/* The second task is finished, the first is not. */
static void run_stalled(callback *parallel, bool is_silent)
{
	pthread_t watch = watch_errors();
	struct rig rig = rig_make(0);
	struct task t[2];
	sem_t begun, hold;
	sem_init(&begun, 0, 0);
	sem_init(&hold, 0, 0);
	task_init(&t[0], 0, parallel, serial_note);
	task_init(&t[1], 1, parallel_finish, serial_note);
	t[0].begun = &begun;
	t[0].hold = &hold;
	for (int i = 0; i < 2; i++)
		accept_task(rig.inst, &t[i], usable_cpu(0));
	stall(is_silent);
	EVENTUALLY(atomic_load(&t[0].parallels) == 1);
	if (parallel == parallel_leave)
		padata_do_serial(&t[0].p);
	else
		sem_post(&hold);
	rig_end(rig);
	close(2);
	join(watch);
}

/* The first task's serial() is held; the second may be unfinished, and is not the oldest. */
static void run_stalled_in_serial(int tasks)
{
	pthread_t watch = watch_errors();
	struct rig rig = rig_make(0);
	struct task t[2];
	sem_t begun, hold;
	sem_init(&begun, 0, 0);
	sem_init(&hold, 0, 0);
	task_init(&t[0], 0, parallel_finish, serial_hold);
	task_init(&t[1], 1, parallel_leave, serial_note);
	t[0].begun = &begun;
	t[0].hold = &hold;
	for (int i = 0; i < tasks; i++)
		accept_task(rig.inst, &t[i], usable_cpu(0));
	stall(false);
	sem_post(&hold);
	if (tasks > 1) {
		EVENTUALLY(atomic_load(&t[1].parallels) == 1);
		padata_do_serial(&t[1].p);
	}
	rig_end(rig);
	close(2);
	join(watch);
}

/* Other work holds every worker, or that of the cb_cpu alone. */
static void run_behind_other_work(int held)
{
	pthread_t watch = watch_errors();
	struct rig rig = rig_make(0);
	struct holder holders[64];
	struct task t;
	for (int i = 0; i < held; i++)
		hold_cpu(&holders[i], rig.wq, usable_cpu((unsigned int)i));
	task_init(&t, 0, parallel_finish, serial_note);
	accept_task(rig.inst, &t, usable_cpu(0));
	stall(false);
	for (int i = 0; i < held; i++)
		release_cpu(&holders[i]);
	rig_end(rig);
	close(2);
	join(watch);
}

static void play(const char *part)
{
	alarm(60);
	if (!strcmp(part, "parallel sleeps"))
		run_one(naps, serial_note);
	else if (!strcmp(part, "serial sleeps"))
		run_one(parallel_finish, serial_naps);
	else if (!strcmp(part, "works"))
		run_one(works, serial_note);
	else if (!strcmp(part, "many"))
		run_many();
	else if (!strcmp(part, "left"))
		run_stalled(parallel_leave, false);
	else if (!strcmp(part, "left in silence"))
		run_stalled(parallel_leave, true);
	else if (!strcmp(part, "held"))
		run_stalled(parallel_hold, false);
	else if (!strcmp(part, "serial held"))
		run_stalled_in_serial(1);
	else if (!strcmp(part, "serial held, the next left"))
		run_stalled_in_serial(2);
	else if (!strcmp(part, "all workers held"))
		run_behind_other_work(usable_cpus());
	else if (!strcmp(part, "one worker held"))
		run_behind_other_work(1);
	else if (!strcmp(part, "nothing"))
		usleep(1500000);
	exit(0);
}

static void names_cpu(void)
{
	char cpu[16];
	snprintf(cpu, sizeof(cpu), "CPU %d", usable_cpu(0));
	expect(strcasestr(text, cpu) != NULL);
}

static void sleeping_parallel(void)
{
	reported("sleep", "parallel sleeps");
	expect(lines_with("parallel") > 0);
	expect(longest_ms("parallel") >= 40);
	expect(longest_ms("parallel") < 30000);
	expect(strstr(text, "test_diagnosis+0x") != NULL); /* where it is, for addr2line(1) */
	expect(strcasestr(text, "CPU ") != NULL);
}

static void sleeping_serial(void)
{
	reported("sleep", "serial sleeps");
	expect(lines_with("serial") > 0);
	expect(longest_ms("serial") >= 40);
	names_cpu();
}

/* Long work, and being kept from the CPU by others, is not sleep. */
static void work_is_no_sleep(void)
{
	reported("sleep", "works");
	expect(longest_ms("parallel") < 40);
	expect(lines_with("serial") == 0);
}

static void silent_when_nothing_sleeps(void)
{
	reported("sleep,stall", "many");
	expect(longest_ms("parallel") < 40 && longest_ms("serial") < 40);
	reported("stall", "nothing");
	expect(text[0] == 0);
}

static void silent_when_off(void)
{
	reported(NULL, "parallel sleeps");
	expect(text[0] == 0);
	reported("", "serial sleeps");
	expect(text[0] == 0);
	reported("stall", "parallel sleeps");
	expect(text[0] == 0);
	reported(NULL, "left in silence");
	expect(text[0] == 0);
	reported("sleep", "left in silence");
	expect(text[0] == 0);
}

static void stall_of_an_unfinished_task(void)
{
	reported("stall", "left");
	expect(lines_with("parallel") > 0);
	expect(strstr(text, "padata_do_serial") != NULL);
}

static void stall_of_a_running_parallel(void)
{
	reported("stall", "held");
	expect(lines_with("parallel") > 0);
	expect(strcasestr(text, "CPU ") != NULL);
}

static void stall_of_a_running_serial(void)
{
	reported("stall", "serial held");
	expect(lines_with("serial") > 0);
	names_cpu();
}

static void stall_names_the_oldest(void)
{
	reported("stall", "serial held, the next left");
	expect(strstr(text, "task 0: in serial()") != NULL);
	expect(lines_with("padata_do_serial") == 0);
	names_cpu();
}

static void stall_behind_other_work(void)
{
	if (usable_cpus() > 64)
		SKIP("more CPUs than this test holds");
	reported("stall", "all workers held");
	expect(strstr(text, "task 0: submitted, parallel() not begun") != NULL);
	if (usable_cpus() < 2)
		return;
	reported("stall", "one worker held");
	expect(strstr(text, "serial() not begun, CPU") != NULL);
	names_cpu();
}

static void unknown_words_are_reported(void)
{
	reported("sleep,nonsense", "many");
	expect(strstr(text, "nonsense") != NULL);
	reported("stall", "many");
	expect(text[0] == 0);
}

static const struct test_case cases[] = {
	{"E7 a parallel() that slept is named, and for how long", sleeping_parallel},
	{"E7 a serial() that slept is named, and for how long", sleeping_serial},
	{"E7 work is no sleep", work_is_no_sleep},
	{"E7 nothing is reported when nothing sleeps", silent_when_nothing_sleeps},
	{"E7 nothing is reported when the mode is off", silent_when_off},
	{"E7 a stall: the oldest task was left unfinished", stall_of_an_unfinished_task},
	{"E7 a stall: the oldest task's parallel() runs", stall_of_a_running_parallel},
	{"E7 a stall: the oldest task's serial() waits", stall_of_a_running_serial},
	{"E7 a stall: not a younger task that is unfinished too", stall_names_the_oldest},
	{"E7 a stall: every worker is held by other work, or the cb_cpu's", stall_behind_other_work},
	{"E7 a word that is not known is reported", unknown_words_are_reported},
};

#define main run_cases
TEST_MAIN(cases)
#undef main

int main(void)
{
	const char *part = getenv("PADATA_TEST_ROLE");
	if (part)
		play(part);
	return run_cases();
}
