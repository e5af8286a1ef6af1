/* SPDX-License-Identifier: MIT */
/* Which SA a packet belongs to: policies, the newest SA, selectors of an SA's own, SPIs. */
#include "sa.h"
#include "table.h"
#include "test.h"

static struct esp_sa esp[8];
static struct gw_sa sas[8];

static struct esp_prefix net(int b)
{
	return (struct esp_prefix){{4, {10, (uint8_t)b}}, 16};
}

static struct esp_selector between(int a, int b)
{
	return (struct esp_selector){
	    .src = net(a), .dst = net(b), .any_port_src = true, .any_port_dst = true};
}

static struct esp_flow flow(int a, int b)
{
	return (struct esp_flow){
	    .src = {4, {10, (uint8_t)a, 0, 1}}, .dst = {4, {10, (uint8_t)b, 0, 1}}, .proto = 1};
}

/* Newest first. */
static struct gw_sa *list(int n)
{
	for (int i = 0; i < n; i++)
		sas[i].next = i + 1 < n ? &sas[i + 1] : NULL;
	return sas;
}

static void one(int i, enum gw_dir dir, uint32_t reqid, uint32_t spi)
{
	esp[i] = (struct esp_sa){.spi = spi, .reqid = reqid, .src = {4, {1}}, .dst = {4, {2}}};
	sas[i] = (struct gw_sa){.dir = dir, .esp = &esp[i]};
}

static void the_newest_sa(void)
{
	struct gw_policy policies[] = {
	    {.dir = GW_OUT, .sel = between(1, 9), .block = true},
	    {.dir = GW_OUT, .sel = between(1, 2), .reqid = 1},
	    {.dir = GW_OUT, .sel = between(1, 3), .reqid = 2},
	    {.dir = GW_OUT, .sel = between(1, 4), .reqid = 1, .dst = {4, {7}}},
	    {.dir = GW_IN, .sel = between(1, 5), .reqid = 1},
	};
	struct gw_table *t;
	struct gw_sa *sa = NULL;
	struct esp_flow f = flow(1, 2);

	one(0, GW_OUT, 1, 12);
	one(1, GW_OUT, 1, 11);
	one(2, GW_IN, 1, 13);
	t = gw_table_new(policies, 5, list(3));
	CHECK_EQ(gw_table_select(t, &f, &sa), GW_CHOSEN);
	CHECK(sa == &sas[0]);
	f = flow(1, 9);
	CHECK_EQ(gw_table_select(t, &f, &sa), GW_NO_POLICY);
	f = flow(2, 1);
	CHECK_EQ(gw_table_select(t, &f, &sa), GW_NO_POLICY);
	f = flow(1, 5); /* selected inbound only */
	CHECK_EQ(gw_table_select(t, &f, &sa), GW_NO_POLICY);
	f = flow(1, 3);
	CHECK_EQ(gw_table_select(t, &f, &sa), GW_NO_SA);
	f = flow(1, 4); /* the template's address is another */
	CHECK_EQ(gw_table_select(t, &f, &sa), GW_NO_SA);
	gw_table_free(t);
}

static void selectors_of_their_own(void)
{
	struct gw_policy policy = {
	    .dir = GW_OUT, .sel = {.any_port_src = true, .any_port_dst = true}, .reqid = 1};
	struct gw_table *t;
	struct gw_sa *sa = NULL;
	struct esp_flow f = flow(1, 2);

	for (int i = 0; i < 3; i++) {
		one(i, GW_OUT, 1, 10 + (uint32_t)i);
		esp[i].has_sel = true;
		esp[i].sel = between(1, 4 - i);
	}
	t = gw_table_new(&policy, 1, list(3));
	CHECK_EQ(gw_table_select(t, &f, &sa), GW_CHOSEN);
	CHECK(sa == &sas[2]);
	f = flow(1, 4);
	CHECK_EQ(gw_table_select(t, &f, &sa), GW_CHOSEN);
	CHECK(sa == &sas[0]);
	f = flow(1, 5);
	CHECK_EQ(gw_table_select(t, &f, &sa), GW_NO_SA);
	gw_table_free(t);
}

static void inbound(void)
{
	struct gw_policy policies[] = {
	    {.dir = GW_IN, .sel = between(1, 9), .block = true},
	    {.dir = GW_IN, .sel = between(1, 2), .reqid = 1},
	    {.dir = GW_OUT, .sel = between(1, 3), .reqid = 1},
	};
	struct gw_table *t;
	struct esp_flow f = flow(1, 2);

	one(0, GW_IN, 1, 12);
	one(1, GW_IN, 2, 13);
	one(2, GW_OUT, 1, 14);
	t = gw_table_new(policies, 3, list(3));
	CHECK(gw_table_find(t, 12, 4) == &sas[0]);
	CHECK(gw_table_find(t, 13, 4) == &sas[1]);
	CHECK(gw_table_find(t, 14, 4) == NULL); /* outbound */
	CHECK(gw_table_find(t, 12, 6) == NULL);
	CHECK(gw_table_allows(t, &sas[0], &f));
	CHECK(!gw_table_allows(t, &sas[1], &f)); /* of another tunnel */
	f = flow(1, 9);
	CHECK(!gw_table_allows(t, &sas[0], &f));
	f = flow(1, 3);
	CHECK(!gw_table_allows(t, &sas[0], &f));
	gw_table_free(t);
	t = gw_table_new(NULL, 0, NULL);
	CHECK(!gw_table_allows(t, &sas[0], &f));
	CHECK(gw_table_find(t, 12, 4) == NULL);
	gw_table_free(t);
}

static void many(void)
{
	static struct esp_sa e[3000];
	static struct gw_sa s[3000];
	struct gw_table *t;

	for (uint32_t i = 0; i < 3000; i++) {
		e[i] = (struct esp_sa){.spi = 0x1000 + i * 0x10001, .dst = {4, {2}}};
		s[i] = (struct gw_sa){.dir = GW_IN, .esp = &e[i], .next = i ? &s[i - 1] : NULL};
	}
	t = gw_table_new(NULL, 0, &s[2999]);
	for (uint32_t i = 0; i < 3000; i++) {
		CHECK(gw_table_find(t, e[i].spi, 4) == &s[i]);
		CHECK(gw_table_find(t, e[i].spi + 1, 4) == NULL);
	}
	gw_table_free(t);
}

static const struct test_case cases[] = {
    {"table: the newest SA of the first policy", the_newest_sa},
    {"table: SAs with selectors of their own", selectors_of_their_own},
    {"table: inbound, by SPI and policy", inbound},
    {"table: thousands of SAs", many},
};

TEST_MAIN(cases)
