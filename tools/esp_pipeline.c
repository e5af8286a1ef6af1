/* SPDX-License-Identifier: MIT */
#include "esp_pipeline.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "esp_tool.h"

/* A burst is worth a hand-over between threads (some 10 us of crypto), and fits a core's second-level
 * cache. */
#define BURST_BYTES ESP_BLOCK_BYTES
#define FRAME_MAX 262144u /* what libpcap reads; a larger one than BURST_BYTES travels alone */
#define HEADERS_MAX 64u	  /* of a link header kept in front of the packet, VLAN tags included */

#define IN_ROOM (BURST_BYTES + FRAME_MAX)
#define OUT_ROOM (IN_ROOM + ESP_BURST * (ESP_SEAL_ROOM(0) + HEADERS_MAX))

/* Bursts under way for each CPU: enough that no CPU waits for the submitting thread to be scheduled. */
#define WINDOW_PER_CPU 16u

/* What a frame has beside its packet. */
struct frame_rest {
	int64_t seconds;
	uint32_t nanoseconds;
	uint32_t missing; /* bytes of the frame that were not captured */
	uint32_t header;  /* bytes of link header */
	uint32_t out_at;  /* the packet's place in the burst's output */
};

/*
 * Output is written to buffers that are taken when a burst's parallel stage begins and given back to the same
 * thread when it was written. Only few are under way at once, so a thread meets its last ones again while
 * they are in its cache, however many bursts wait to be worked on.
 */
struct output {
	struct output *next;
	uint8_t bytes[OUT_ROOM];
};

struct outputs {
	pthread_mutex_t lock;
	struct output *first;
};

/* A thread that runs callbacks. */
struct worker {
	struct worker *next;
	struct esp_pipeline *pipeline;
	struct esp_crypto *crypto; /* freed when the thread ends */
	struct outputs outputs;
};

struct burst {
	struct padata_priv padata;
	struct esp_pipeline *pipeline;
	struct burst *next_free;
	unsigned int n;
	uint32_t in_used, out_used;
	struct worker *worker; /* that ran the parallel stage */
	struct output *output; /* the worker's, from there to the end of the serial stage */
	struct esp_span parallel;
	struct esp_pkt pkts[ESP_BURST];
	struct frame_rest rest[ESP_BURST];
	struct esp_block *block; /* of all its frames; NULL: each lies at `in`, or stays where it is anyway */
	uint8_t *in;
};

struct esp_pipeline {
	struct esp_pipeline_config config;
	struct workqueue_struct *wq;
	struct padata_instance *instance;
	int cb_cpu;
	pthread_key_t worker;		  /* each thread's own */
	_Atomic(struct worker *) workers; /* all there ever were: pushed, never taken out before the end */
	struct outputs outputs;		  /* that no worker has had yet */

	struct burst *bursts;
	unsigned int burst_count;
	struct burst *filling;
	pthread_mutex_t free_lock;
	struct burst *free_list;

	struct esp_totals totals; /* stats: the serial stage's */
	atomic_int failed;
};

/* A thread ends before the pipeline does; its outputs stay for the others. */
static void end_worker(void *arg)
{
	struct worker *w = arg;

	esp_crypto_free(w->crypto);
	w->crypto = NULL;
}

static struct worker *this_worker(struct esp_pipeline *p)
{
	struct worker *w = pthread_getspecific(p->worker);

	if (w)
		return w;
	w = esp_memory(calloc(1, sizeof(*w)));
	w->pipeline = p;
	w->crypto = esp_memory(esp_crypto_alloc(p->config.backend));
	pthread_mutex_init(&w->outputs.lock, NULL);
	if (pthread_setspecific(p->worker, w))
		esp_memory(NULL);
	w->next = atomic_load_explicit(&p->workers, memory_order_relaxed);
	/* Release: whoever finds the worker in the list, by the acquire in take_output(), finds it
	 * complete. */
	while (!atomic_compare_exchange_weak_explicit(&p->workers, &w->next, w, memory_order_release,
						      memory_order_relaxed))
		;
	return w;
}

static struct output *pop(struct outputs *from)
{
	struct output *o;

	pthread_mutex_lock(&from->lock);
	o = from->first;
	if (o)
		from->first = o->next;
	pthread_mutex_unlock(&from->lock);
	return o;
}

static void push(struct outputs *to, struct output *o)
{
	pthread_mutex_lock(&to->lock);
	o->next = to->first;
	to->first = o;
	pthread_mutex_unlock(&to->lock);
}

/* There are as many as bursts, so one is free; it may move from list to list while it is looked for. */
static struct output *take_output(struct worker *w)
{
	struct esp_pipeline *p = w->pipeline;
	struct output *o = pop(&w->outputs);

	if (!o)
		o = pop(&p->outputs);
	while (!o)
		for (struct worker *v = atomic_load_explicit(&p->workers, memory_order_acquire); v && !o;
		     v = v->next)
			o = pop(&v->outputs);
	return o;
}

static struct burst *take_free(struct esp_pipeline *p)
{
	struct burst *b;

	pthread_mutex_lock(&p->free_lock);
	b = p->free_list;
	p->free_list = b->next_free;
	pthread_mutex_unlock(&p->free_lock);
	b->n = 0;
	b->in_used = b->out_used = 0;
	return b;
}

static void give_free(struct esp_pipeline *p, struct burst *b)
{
	pthread_mutex_lock(&p->free_lock);
	b->next_free = p->free_list;
	p->free_list = b;
	pthread_mutex_unlock(&p->free_lock);
}

static void run_parallel(struct burst *b)
{
	struct esp_pipeline *p = b->pipeline;
	struct worker *w = this_worker(p);

	if (p->config.timeline)
		esp_span_begin(&b->parallel);
	b->worker = w;
	b->output = take_output(w);
	for (unsigned int i = 0; i < b->n; i++)
		b->pkts[i].out = b->output->bytes + b->rest[i].out_at;
	if (p->config.decrypt)
		esp_open_burst(w->crypto, b->pkts, b->n);
	else
		esp_seal_burst(w->crypto, b->pkts, b->n);
	if (p->config.timeline)
		esp_span_end(&b->parallel);
}

static void write_frame(struct esp_pipeline *p, const struct esp_pkt *pkt, const struct frame_rest *rest)
{
	/* Room for the link header was left in front of the packet's. */
	uint8_t *start = pkt->data - rest->header;
	struct esp_frame frame = {
	    .data = start,
	    .captured = rest->header + pkt->len + pkt->trailer,
	    .seconds = rest->seconds,
	    .nanoseconds = rest->nanoseconds,
	};

	frame.length = frame.captured + rest->missing;
	memcpy(start, pkt->in - rest->header, rest->header);
	esp_link_set_family(p->config.link, start, rest->header, pkt->data[0] >> 4);
	p->config.write(p->config.arg, &frame);
}

static void run_serial(struct burst *b)
{
	struct esp_pipeline *p = b->pipeline;
	struct esp_span span;

	if (p->config.timeline)
		esp_span_begin(&span);
	if (p->config.decrypt)
		esp_open_done(this_worker(p)->crypto, &p->totals.stats, b->pkts, b->n);
	else
		esp_seal_done(&p->totals.stats, b->pkts, b->n);
	p->totals.bursts++;
	if (p->config.write)
		for (unsigned int i = 0; i < b->n; i++)
			if (b->pkts[i].drop == ESP_OK)
				write_frame(p, &b->pkts[i], &b->rest[i]);
	if (p->config.written) {
		int error = p->config.written(p->config.arg);

		/* Relaxed: the submitting thread only needs to see it some time; it waits for all
		 * bursts before it looks for the last time. */
		if (error)
			atomic_store_explicit(&p->failed, error, memory_order_relaxed);
	}
	if (p->config.timeline) {
		esp_span_end(&span);
		esp_timeline_add(p->config.timeline, &b->parallel, &span);
	}
	push(&b->worker->outputs, b->output);
	if (b->block)
		esp_block_drop(b->block);
	give_free(p, b);
}

static void parallel(struct padata_priv *padata)
{
	run_parallel(container_of(padata, struct burst, padata));
	padata_do_serial(padata);
}

static void serial(struct padata_priv *padata)
{
	run_serial(container_of(padata, struct burst, padata));
}

/* The CPU of the serial stage may have been taken from the process; order holds on one CPU at a time only. */
static bool move_serial(struct esp_pipeline *p)
{
	unsigned int cpu;

	for_each_cpu(cpu, p->config.cpus)
		if ((int)cpu != p->cb_cpu && cpumask_test_cpu((int)cpu, cpu_active_mask)) {
			padata_flush(p->instance);
			p->cb_cpu = (int)cpu;
			return true;
		}
	return false;
}

static void hand_over(struct esp_pipeline *p, struct burst *b)
{
	int r;

	while ((r = padata_do_parallel(p->instance, &b->padata, p->cb_cpu)) != -EINPROGRESS) {
		if (r == -EBUSY && !padata_wait_room(p->instance))
			continue;
		if (r == -EINVAL && move_serial(p))
			continue;
		esp_fail(ESP_EXIT_SYSTEM, "the CPUs cannot be used any more: %s", strerror(-r));
	}
}

void esp_pipeline_push(struct esp_pipeline *p)
{
	struct burst *b = p->filling;

	if (!b || !b->n)
		return;
	p->filling = NULL;
	if (p->config.reserve)
		p->config.reserve(p->config.arg, b->n);
	if (p->config.decrypt)
		esp_open_submit(p->config.db, b->pkts, b->n);
	else
		esp_seal_submit(p->config.db, b->pkts, b->n);
	if (p->config.cpus) {
		hand_over(p, b);
	} else {
		run_parallel(b);
		run_serial(b);
	}
}

int esp_pipeline_add(struct esp_pipeline *p, const struct esp_frame *frame)
{
	int header = esp_link_header(p->config.link, frame->data, frame->captured);
	struct burst *b = p->filling;
	const uint8_t *data = frame->data;
	uint32_t room;
	struct esp_pkt *pkt;

	p->totals.frames++;
	p->totals.bytes += frame->captured;
	if (header < 0 || (uint32_t)header > HEADERS_MAX) {
		p->totals.not_ip++;
		return 0;
	}
	if (b && (b->in_used + frame->captured > BURST_BYTES || b->block != frame->block)) {
		esp_pipeline_push(p);
		b = p->filling;
	}
	if (!b) {
		b = p->filling = take_free(p);
		b->block = frame->block;
		if (b->block)
			esp_block_hold(b->block);
	}
	if (!p->config.stable && !frame->block)
		data = memcpy(b->in + b->in_used, frame->data, frame->captured);
	b->in_used += frame->captured;
	room = ESP_SEAL_ROOM(frame->captured - (uint32_t)header);
	pkt = &b->pkts[b->n];
	pkt->in = data + header;
	pkt->in_len = frame->captured - (uint32_t)header;
	pkt->out = NULL;
	pkt->out_room = room;
	pkt->flags = ESP_PKT_KEEP_TRAILER;
	b->rest[b->n] = (struct frame_rest){
	    .out_at = b->out_used + (uint32_t)header,
	    .seconds = frame->seconds,
	    .nanoseconds = frame->nanoseconds,
	    .missing = frame->length - frame->captured,
	    .header = (uint32_t)header,
	};
	b->out_used += (uint32_t)header + room;
	if (++b->n == ESP_BURST)
		esp_pipeline_push(p);
	return atomic_load_explicit(&p->failed, memory_order_relaxed);
}

static void start_instance(struct esp_pipeline *p, unsigned int window)
{
	p->wq = create_workqueue("padata-esp");
	p->instance = p->wq ? padata_alloc(p->config.cpus, p->wq) : NULL;
	if (!p->instance)
		esp_fail(ESP_EXIT_SYSTEM, "cannot start the threads: %s", strerror(errno));
	if (padata_set_window(p->instance, window))
		esp_memory(NULL);
	p->cb_cpu = (int)cpumask_first(p->config.cpus);
	padata_start(p->instance);
}

struct esp_pipeline *esp_pipeline_start(const struct esp_pipeline_config *config)
{
	struct esp_pipeline *p = esp_memory(calloc(1, sizeof(*p)));
	unsigned int window = config->cpus ? WINDOW_PER_CPU * cpumask_weight(config->cpus) : 0;
	const char *why;

	if (esp_backend_available(config->backend, &why))
		esp_fail(ESP_EXIT_SYSTEM, "this crypto backend cannot be used: %s", why);
	p->config = *config;
	if (pthread_key_create(&p->worker, end_worker))
		esp_memory(NULL);
	pthread_mutex_init(&p->free_lock, NULL);
	pthread_mutex_init(&p->outputs.lock, NULL);
	/*
	 * One more than may be outstanding: a burst is in the pool again before its task is completed, so
	 * the one to be filled next is always there.
	 */
	p->burst_count = window + 1;
	p->bursts = esp_memory(calloc(p->burst_count, sizeof(*p->bursts)));
	for (unsigned int i = 0; i < p->burst_count; i++) {
		struct burst *b = &p->bursts[i];

		b->padata.parallel = parallel;
		b->padata.serial = serial;
		b->pipeline = p;
		b->in = config->stable ? NULL : esp_memory(malloc(IN_ROOM));
		push(&p->outputs, esp_memory(malloc(sizeof(struct output))));
		give_free(p, b);
	}
	if (config->cpus)
		start_instance(p, window);
	return p;
}

static void free_outputs(struct outputs *from)
{
	struct output *o;

	while ((o = pop(from)))
		free(o);
	pthread_mutex_destroy(&from->lock);
}

int esp_pipeline_finish(struct esp_pipeline *p, struct esp_totals *totals)
{
	int failed;

	esp_pipeline_push(p);
	if (p->config.cpus) {
		padata_flush(p->instance);
		padata_stop(p->instance);
		padata_free(p->instance);
		destroy_workqueue(p->wq);
	}
	failed = atomic_load_explicit(&p->failed, memory_order_relaxed);
	*totals = p->totals;
	/* The caller's thread, which goes on, may be a worker too. */
	pthread_key_delete(p->worker);
	for (struct worker *w = atomic_load_explicit(&p->workers, memory_order_relaxed), *next; w; w = next) {
		next = w->next;
		end_worker(w);
		free_outputs(&w->outputs);
		free(w);
	}
	free_outputs(&p->outputs);
	for (unsigned int i = 0; i < p->burst_count; i++)
		free(p->bursts[i].in);
	free(p->bursts);
	pthread_mutex_destroy(&p->free_lock);
	free(p);
	return failed;
}
