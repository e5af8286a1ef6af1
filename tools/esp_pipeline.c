/* SPDX-License-Identifier: MIT */
#include "esp_pipeline.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "esp_tool.h"

/*
 * A burst is worth a hand-over between threads (some 10 us of crypto), and two of its buffers fit a
 * core's second-level cache beside the next one's.
 */
#define BURST_BYTES 65536u
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
};

struct burst {
	struct padata_priv padata;
	struct esp_pipeline *pipeline;
	struct burst *next_free;
	unsigned int n;
	uint32_t in_used, out_used;
	struct esp_span parallel;
	struct esp_pkt pkts[ESP_BURST];
	struct frame_rest rest[ESP_BURST];
	uint8_t *in, *out;
};

struct esp_pipeline {
	struct esp_pipeline_config config;
	struct workqueue_struct *wq;
	struct padata_instance *instance;
	int cb_cpu;
	pthread_key_t crypto; /* each thread's own context, freed when the thread ends */

	struct burst *bursts;
	unsigned int burst_count;
	struct burst *filling;
	pthread_mutex_t free_lock;
	struct burst *free_list;

	struct esp_totals totals; /* stats: the serial stage's */
	atomic_int failed;
};

static void free_crypto(void *context)
{
	esp_crypto_free(context);
}

/* NULL where there is no memory. */
static struct esp_crypto *my_crypto(struct esp_pipeline *p)
{
	struct esp_crypto *c = pthread_getspecific(p->crypto);

	if (!c) {
		c = esp_crypto_alloc(p->config.backend);
		if (c && pthread_setspecific(p->crypto, c)) {
			esp_crypto_free(c);
			c = NULL;
		}
	}
	return c;
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
	struct esp_crypto *c = my_crypto(p);

	if (p->config.timeline)
		esp_span_begin(&b->parallel);
	if (!c)
		for (unsigned int i = 0; i < b->n; i++)
			if (b->pkts[i].drop == ESP_OK)
				b->pkts[i].drop = ESP_DROP_CRYPTO;
	if (p->config.decrypt)
		esp_open_burst(c, b->pkts, b->n);
	else
		esp_seal_burst(c, b->pkts, b->n);
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
		esp_open_done(my_crypto(p), &p->totals.stats, b->pkts, b->n);
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
	if (b && b->in_used + frame->captured > BURST_BYTES) {
		esp_pipeline_push(p);
		b = p->filling;
	}
	if (!b)
		b = p->filling = take_free(p);
	if (!p->config.stable)
		data = memcpy(b->in + b->in_used, frame->data, frame->captured);
	b->in_used += frame->captured;
	room = ESP_SEAL_ROOM(frame->captured - (uint32_t)header);
	pkt = &b->pkts[b->n];
	pkt->in = data + header;
	pkt->in_len = frame->captured - (uint32_t)header;
	pkt->out = b->out + b->out_used + header;
	pkt->out_room = room;
	pkt->flags = ESP_PKT_KEEP_TRAILER;
	b->out_used += (uint32_t)header + room;
	b->rest[b->n] = (struct frame_rest){
		.seconds = frame->seconds,
		.nanoseconds = frame->nanoseconds,
		.missing = frame->length - frame->captured,
		.header = (uint32_t)header,
	};
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
	if (pthread_key_create(&p->crypto, free_crypto) || !my_crypto(p))
		esp_memory(NULL);
	pthread_mutex_init(&p->free_lock, NULL);
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
		b->out = esp_memory(malloc(OUT_ROOM));
		give_free(p, b);
	}
	if (config->cpus)
		start_instance(p, window);
	return p;
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
	/* A thread that goes on frees its context itself. */
	free_crypto(pthread_getspecific(p->crypto));
	pthread_key_delete(p->crypto);
	for (unsigned int i = 0; i < p->burst_count; i++) {
		free(p->bursts[i].in);
		free(p->bursts[i].out);
	}
	free(p->bursts);
	pthread_mutex_destroy(&p->free_lock);
	free(p);
	return failed;
}
