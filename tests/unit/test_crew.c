/* SPDX-License-Identifier: MIT */

/* Who is awake: the counts, and who is to look again. */

#include "crew.h"
#include "test.h"

static void called_one_at_a_time(void)
{
	struct pd_crew crew;

	CHECK_EQ(pd_crew_init(&crew, 200), 0);
	CHECK(!pd_crew_lacks_searcher(&crew));
	CHECK_EQ(pd_crew_call(&crew, 0), -1);
	pd_crew_add(&crew, 3);
	pd_crew_add(&crew, 64);
	pd_crew_add(&crew, 199);
	CHECK(pd_crew_lacks_searcher(&crew));
	CHECK_EQ(pd_crew_call(&crew, 64), 64);
	CHECK(!pd_crew_lacks_searcher(&crew));
	CHECK_EQ(pd_crew_call(&crew, 0), -1);
	CHECK(pd_crew_work(&crew)); /* 64 found work: others rest, nobody searches */
	CHECK_EQ(pd_crew_call(&crew, 200), 3); /* round */
	CHECK(pd_crew_work(&crew));
	CHECK_EQ(pd_crew_call(&crew, 4), 199);
	CHECK(!pd_crew_work(&crew)); /* nobody rests any more */
	CHECK(!pd_crew_lacks_searcher(&crew));
	pd_crew_destroy(&crew);
}

static void who_looks_again(void)
{
	struct pd_crew crew;

	CHECK_EQ(pd_crew_init(&crew, 2), 0);
	pd_crew_add(&crew, 0);
	pd_crew_add(&crew, 1);
	CHECK_EQ(pd_crew_call(&crew, 0), 0);
	CHECK(pd_crew_rest(&crew, 0, true)); /* the last searcher */
	CHECK_EQ(pd_crew_call(&crew, 0), 0);
	CHECK(pd_crew_work(&crew));
	CHECK(!pd_crew_rest(&crew, 0, false)); /* that nobody searches was so before */
	CHECK_EQ(pd_crew_call(&crew, 1), 1);
	CHECK(pd_crew_work(&crew));
	CHECK_EQ(pd_crew_call(&crew, 0), 0);
	CHECK(!pd_crew_work(&crew));
	CHECK(pd_crew_rest(&crew, 1, false)); /* the first to rest while none searches */
	pd_crew_search(&crew);
	CHECK(!pd_crew_lacks_searcher(&crew));
	CHECK(pd_crew_rest(&crew, 0, true));
	pd_crew_clear(&crew);
	CHECK_EQ(pd_crew_call(&crew, 0), -1);
	pd_crew_destroy(&crew);
}

static const struct test_case cases[] = {
	{"crew: called one at a time, from the given CPU on", called_one_at_a_time},
	{"crew: who establishes that nobody searches looks again", who_looks_again},
};

TEST_MAIN(cases)
