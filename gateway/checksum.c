/* SPDX-License-Identifier: MIT */
#include "checksum.h"

/* 16 bytes at a time: every machine's compiler makes vector instructions of it. */
typedef uint64_t lanes __attribute__((vector_size(16)));

#define LOW ((lanes){0xffffffff, 0xffffffff})

/* 2^16 is 1 modulo 2^16 - 1, so 32-bit words may be added as well; 64 bits hold the sum of any packet. */
static uint64_t sum_rest(uint64_t sum, const uint8_t *p, uint32_t len)
{
	uint32_t word;
	uint16_t half;

	for (; len >= 4; p += 4, len -= 4) {
		memcpy(&word, p, 4);
		sum += word;
	}
	if (len >= 2) {
		memcpy(&half, p, 2);
		sum += half;
		p += 2;
		len -= 2;
	}
	if (len) {
		half = 0;
		memcpy(&half, p, 1);
		sum += half;
	}
	return sum;
}

uint64_t gw_sum(uint64_t sum, const uint8_t *p, uint32_t len)
{
	lanes a = {0, 0}, b = {0, 0}, v, w;

	for (; len >= 32; p += 32, len -= 32) {
		memcpy(&v, p, 16);
		memcpy(&w, p + 16, 16);
		a += (v & LOW) + (w & LOW);
		b += (v >> 32) + (w >> 32);
	}
	a += b;
	return sum_rest(sum + a[0] + a[1], p, len);
}

uint64_t gw_sum_copy(uint64_t sum, uint8_t *to, const uint8_t *p, uint32_t len)
{
	lanes a = {0, 0}, b = {0, 0}, v, w;

	for (; len >= 32; p += 32, to += 32, len -= 32) {
		memcpy(&v, p, 16);
		memcpy(&w, p + 16, 16);
		memcpy(to, &v, 16);
		memcpy(to + 16, &w, 16);
		a += (v & LOW) + (w & LOW);
		b += (v >> 32) + (w >> 32);
	}
	a += b;
	memcpy(to, p, len);
	return sum_rest(sum + a[0] + a[1], p, len);
}

uint64_t gw_sum_pseudo(const uint8_t *p, uint8_t proto, uint32_t len)
{
	uint8_t rest[8] = {
	    (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len, 0, 0, 0, proto};
	uint64_t sum = sum_rest(0, rest, sizeof(rest));

	return p[0] >> 4 == 4 ? sum_rest(sum, p + 12, 8) : sum_rest(sum, p + 8, 32);
}
