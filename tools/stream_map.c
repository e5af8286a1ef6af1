/* SPDX-License-Identifier: MIT */
/* padata map: one command for each record, or for each -n of them. */
#include "stream_alloc.h"
#include "stream_commands.h"
#include "stream_input.h"
#include "stream_opt.h"
#include "stream_say.h"
#include "stream_template.h"

#include <stdlib.h>
#include <string.h>

/* What a record costs beside its bytes, while it is an argument. */
#define RECORD_CHARGE 48u

struct mapper {
	struct input input;
	struct cut cut;
	char **args;
	size_t args_charge;
	uint64_t record; /* the number of the next one, from 0 */
};

/* One record without its end, as a text. NULL: there is none left, or it cannot be had. */
static char *next_record(struct mapper *m)
{
	struct input *input = &m->input;
	size_t searched = 0;
	for (;;) {
		size_t there = input->end - input->start;
		const char *from = input->bytes + input->start;
		size_t length = there ? cut_first(&m->cut, from, there, searched + 1) : 0;
		if (length || (input->ended && there)) {
			size_t text = length ? length - 1 : there;
			if (!length)
				length = there;
			if (!input_take(input, text + RECORD_CHARGE))
				return NULL;
			m->args_charge += text + RECORD_CHARGE;
			char *record = must_alloc(text + 1);
			memcpy(record, from, text);
			record[text] = '\0';
			input->start += length;
			input->at += length;
			if (memchr(record, '\0', text)) {
				say("%s: line %llu holds a NUL byte, which no argument can: for records that "
				    "end in one there is -0",
				    input->name, (unsigned long long)m->record + 1);
				run_input_failed(input->run);
				free(record);
				return NULL;
			}
			m->record++;
			return record;
		}
		if (input->ended || !input_fill(input, there + 1))
			return NULL;
		searched = there;
	}
}

static void drop_args(struct mapper *m, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(m->args[i]);
	memory_give(&m->input.run->memory, m->args_charge);
	m->args_charge = 0;
}

static void refuse(struct mapper *m, struct job *job)
{
	struct run *run = m->input.run;
	char where[128];
	job_where(job, where, sizeof(where));
	if (run_wants_more(run)) {
		say("%s: its words are longer than --memory %zu allows", where, run->o->memory);
		run_input_failed(run);
	}
	run_drop(job);
}

static bool map_next(struct mapper *m)
{
	struct run *run = m->input.run;
	size_t most = run->o->records ? run->o->records : 1, count = 0;
	uint64_t at = m->record;
	while (count < most) {
		/* Records are asked for as they come: -n may be larger than there are. */
		if ((count & (count - 1)) == 0)
			m->args = must_realloc(m->args, (count ? count * 2 : 1) * sizeof(*m->args));
		m->args[count] = next_record(m);
		if (!m->args[count])
			break;
		count++;
	}
	bool added = false, ended = m->input.ended && m->input.start == m->input.end;
	/* Where the input cannot be read on, the last command would lack some of its records. */
	if (count && (count == most || ended)) {
		struct job *job = job_new(run);
		job->at = at;
		job->length = count;
		if (run_charge_job(job, 0, m->args, count))
			added = run_add(run, job);
		else
			refuse(m, job);
	}
	drop_args(m, count);
	return added && count == most;
}

int map_main(int argc, char **argv)
{
	struct options o;
	struct run run;
	struct mapper m = {.record = 0};
	options_parse(&o, MAP, argc, argv);
	cut_open(&m.cut, o.zero ? "" : "\n", 1, NULL, 0);
	run_open(&run, &o);
	input_open(&m.input, &run);
	run_start(&run);
	bool more = true;
	for (unsigned long long i = 0; i < o.header && more; i++) {
		char *record = next_record(&m);
		more = record != NULL;
		drop_args(&m, 0);
		free(record);
	}
	while (more && map_next(&m))
		;
	int status = run_finish(&run, &m.input);
	free(m.args);
	cut_close(&m.cut);
	options_free(&o);
	return status;
}
