/* SPDX-License-Identifier: MIT */

/* The stream of stream.h through padata. */

#include "ours.h"
#include "stream.h"

#include <linux/padata.h>

#include <stdlib.h>

struct stream {
	struct padata_instance *instance;
	struct cb_choice cb;
	unsigned long number;
	unsigned int given[STREAM_ORDERS]; /* to each cb_cpu: the contract promises an order for each */
};

_Static_assert(sizeof(struct padata_priv) <= sizeof(((struct stream_item *)0)->handle), "handle is too small");

static struct workqueue_struct *wq;
static unsigned long streams;
static const char *cb = "0", *cpus = "0-1";

const char stream_name[] = "padata";
const struct job_option stream_options[] = {
	{"cb", NULL, &cb, "CPU of the serial stage: a number, alternate, local or away"},
	{"cpus", NULL, &cpus, "the mask, as a list"},
	{NULL, NULL, NULL, NULL},
};

static struct stream_item *item_of(struct padata_priv *padata)
{
	return container_of((void *)padata, struct stream_item, handle);
}

static void parallel(struct padata_priv *padata)
{
	struct job_item *item = &item_of(padata)->item;
	item->value = job_work(item->value, job.loops);
	padata_do_serial(padata);
}

static void serial(struct padata_priv *padata)
{
	stream_serial(item_of(padata));
}

struct stream *stream_open(void)
{
	struct stream *stream = job_memory(sizeof(*stream));
	cpumask_var_t mask;
	if (!alloc_cpumask_var(&mask, GFP_KERNEL) || cpulist_parse(cpus, mask))
		job_fail("--cpus", 0);
	stream->cb.mode = cb;
	cb_prepare(&stream->cb, mask);
	if (!streams++)
		wq = create_workqueue("bench");
	if (!wq)
		job_fail("create_workqueue", errno);
	stream->instance = padata_alloc(mask, wq);
	if (!stream->instance)
		job_fail("padata_alloc", errno);
	int error = padata_set_window(stream->instance, (unsigned int)job.window);
	if (error)
		job_fail("padata_set_window", error);
	padata_start(stream->instance);
	free_cpumask_var(mask);
	return stream;
}

void stream_put(struct stream *stream, struct stream_item *item)
{
	struct padata_priv *padata = (void *)item->handle;
	unsigned int at = cb_choose(&stream->cb, stream->number++);
	int error, cb_cpu = stream->cb.cpu[at];
	item->item.order = at;
	item->item.number = stream->given[at]++;
	padata->parallel = parallel;
	padata->serial = serial;
	while ((error = padata_do_parallel(stream->instance, padata, cb_cpu)) == -EBUSY)
		if ((error = padata_wait_room(stream->instance)))
			job_fail("padata_wait_room", error);
	if (error != -EINPROGRESS)
		job_fail("padata_do_parallel", error);
}

void stream_finish(struct stream *stream)
{
	padata_flush(stream->instance);
}

void stream_close(struct stream *stream)
{
	padata_free(stream->instance);
	free(stream);
	if (!--streams)
		destroy_workqueue(wq);
}
