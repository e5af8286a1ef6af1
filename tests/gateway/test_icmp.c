/* SPDX-License-Identifier: MIT */
/* Answers to packets that are too large: RFC 792, 1191, 1812, 4443. */
#include <time.h>

#include "icmp.h"
#include "packets.h"

static uint8_t packet[2000], answer[GW_ICMP_MAX];

static void version4(void)
{
	struct shape s = {4, 17, 20, 28};
	uint32_t n;

	make_packet(&s, packet, 1500);
	memcpy(packet + 12, (uint8_t[]){10, 1, 0, 7, 10, 2, 0, 9}, 8);
	fix_checksums(&s, packet, 1500);
	n = gw_icmp_too_big(packet, 1500, 1400, answer);
	CHECK_EQ(n, 576);
	CHECK_EQ(answer[0], 0x45);
	CHECK_EQ(g16(answer + 2), n);
	CHECK_EQ(answer[9], 1);
	CHECK_EQ(slow_sum(0, answer, 20), 0xffff);
	CHECK(memcmp(answer + 12, (uint8_t[]){10, 2, 0, 9, 10, 1, 0, 7}, 8) == 0);
	CHECK_EQ(answer[20], 3);
	CHECK_EQ(answer[21], 4);
	CHECK_EQ(g16(answer + 24), 0);
	CHECK_EQ(g16(answer + 26), 1400);
	CHECK_EQ(slow_sum(0, answer + 20, n - 20), 0xffff);
	CHECK(memcmp(answer + 28, packet, n - 28) == 0);
	/* a short packet is quoted whole */
	CHECK_EQ(gw_icmp_too_big(packet, 101, 100, answer), 129);
	CHECK_EQ(slow_sum(0, answer + 20, 109), 0xffff);
}

static void version6(void)
{
	struct shape s = {6, 17, 40, 48};
	uint32_t n;

	make_packet(&s, packet, 1500);
	packet[8] = packet[24] = 0x20;
	n = gw_icmp_too_big(packet, 1500, 1400, answer);
	CHECK_EQ(n, 1280);
	CHECK_EQ(answer[0] >> 4, 6);
	CHECK_EQ(g16(answer + 4), n - 40);
	CHECK_EQ(answer[6], 58);
	CHECK(memcmp(answer + 8, packet + 24, 16) == 0);
	CHECK(memcmp(answer + 24, packet + 8, 16) == 0);
	CHECK_EQ(answer[40], 2);
	CHECK_EQ(answer[41], 0);
	CHECK_EQ(g32(answer + 44), 1400);
	CHECK_EQ(slow_sum(slow_pseudo(answer, 58, n - 40), answer + 40, n - 40), 0xffff);
	CHECK(memcmp(answer + 48, packet, n - 48) == 0);
	/* every link carries 1,280 bytes */
	CHECK(gw_icmp_too_big(packet, 1500, 900, answer) == n);
	CHECK_EQ(g32(answer + 44), 1280);
}

static void no_answer(void)
{
	struct shape v4 = {4, 17, 20, 28}, v6 = {6, 17, 40, 48};

	make_packet(&v4, packet, 1500);
	memcpy(packet + 12, (uint8_t[]){10, 1, 0, 7, 10, 2, 0, 9}, 8);
	p16(packet + 6, 0x4000);
	CHECK(gw_icmp_too_big(packet, 1500, 1400, answer) != 0);
	packet[9] = 1;
	packet[20] = 3; /* an error */
	CHECK_EQ(gw_icmp_too_big(packet, 1500, 1400, answer), 0);
	packet[20] = 8; /* echo */
	CHECK(gw_icmp_too_big(packet, 1500, 1400, answer) != 0);
	p16(packet + 6, 0x4001); /* a later fragment */
	CHECK_EQ(gw_icmp_too_big(packet, 1500, 1400, answer), 0);
	p16(packet + 6, 0x4000);
	packet[16] = 224; /* to a group */
	CHECK_EQ(gw_icmp_too_big(packet, 1500, 1400, answer), 0);
	packet[16] = 10;
	memset(packet + 12, 0, 4);
	CHECK_EQ(gw_icmp_too_big(packet, 1500, 1400, answer), 0);

	make_packet(&v6, packet, 1500);
	packet[8] = 0x20;
	packet[24] = 0xff;
	CHECK_EQ(gw_icmp_too_big(packet, 1500, 1400, answer), 0);
	packet[24] = 0x20;
	CHECK(gw_icmp_too_big(packet, 1500, 1400, answer) != 0);
	packet[6] = 58;
	packet[40] = 1; /* an error */
	CHECK_EQ(gw_icmp_too_big(packet, 1500, 1400, answer), 0);
	packet[40] = 128; /* echo */
	CHECK(gw_icmp_too_big(packet, 1500, 1400, answer) != 0);
	packet[8] = 0xff;
	CHECK_EQ(gw_icmp_too_big(packet, 1500, 1400, answer), 0);
}

static const struct test_case cases[] = {
    {"icmp: fragmentation needed", version4},
    {"icmp: packet too big", version6},
    {"icmp: what is not answered", no_answer},
};

TEST_MAIN(cases)
