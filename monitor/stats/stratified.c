/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/stats/stratified.h"
#include <math.h>
#include <string.h>
#include "base/mem.h"

/* Matsumoto and Nishimura 1998, MT19937 */
#define WORDS 624
struct twister {
	uint32_t words[WORDS];
	int at;
};

static void twister_seed(struct twister *t, uint32_t seed)
{
	t->words[0] = seed;
	for (uint32_t i = 1; i < WORDS; i++)
		t->words[i] = 1812433253u * (t->words[i - 1] ^ (t->words[i - 1] >> 30)) + i;
	t->at = WORDS;
}

static uint32_t twister_next(struct twister *t)
{
	if (t->at == WORDS) {
		for (int i = 0; i < WORDS; i++) {
			uint32_t both = (t->words[i] & 0x80000000u) | (t->words[(i + 1) % WORDS] & 0x7fffffffu);
			t->words[i] = t->words[(i + 397) % WORDS] ^ (both >> 1) ^ (both & 1 ? 0x9908b0dfu : 0);
		}
		t->at = 0;
	}
	uint32_t y = t->words[t->at++];
	y ^= y >> 11;
	y ^= (y << 7) & 0x9d2c5680u;
	y ^= (y << 15) & 0xefc60000u;
	return y ^ (y >> 18);
}

/* 0 .. max, by throwing away what is too large, as numpy's RandomState does it */
static uint32_t twister_up_to(struct twister *t, uint32_t max)
{
	uint32_t mask = UINT32_MAX >> __builtin_clz(max | 1), value;
	if (max == 0)
		return 0;
	do
		value = twister_next(t) & mask;
	while (value > max);
	return value;
}

/* NULL: only draws what a shuffle would. */
static void shuffle(struct twister *t, uint32_t *items, uint32_t n)
{
	for (uint32_t i = n; i-- > 1;) {
		uint32_t j = twister_up_to(t, i);
		if (items) {
			uint32_t swap = items[i];
			items[i] = items[j];
			items[j] = swap;
		}
	}
}

struct stratified {
	struct twister twister;
	uint32_t n, test, counts[2];
	uint32_t *members[2], *order; /* rows of each class; room to shuffle them */
};

struct stratified *stratified_new(const uint8_t *label, uint32_t n, uint32_t seed)
{
	struct stratified *s = xcalloc(1, sizeof(*s));
	twister_seed(&s->twister, seed);
	s->n = n;
	s->test = (uint32_t)ceil(0.1 * n);
	s->members[0] = xcalloc(n, sizeof(uint32_t));
	s->members[1] = xcalloc(n, sizeof(uint32_t));
	s->order = xcalloc(n, sizeof(uint32_t));
	for (uint32_t i = 0; i < n; i++)
		s->members[label[i]][s->counts[label[i]]++] = i;
	return s;
}

void stratified_free(struct stratified *s)
{
	if (!s)
		return;
	free(s->members[0]);
	free(s->members[1]);
	free(s->order);
	free(s);
}

uint32_t stratified_test_rows(const struct stratified *s)
{
	return s->test;
}

/* How many of `draws` fall to each class: its share rounded down, and what is left to the larger remainder, by lot
 * where both are the same. */
static void draw_counts(struct twister *t, const uint32_t counts[2], uint32_t draws, uint32_t ret[2])
{
	double total = (double)counts[0] + counts[1], remainder[2];
	uint32_t left = draws;
	for (int k = 0; k < 2; k++) {
		double share = counts[k] / total * draws;
		ret[k] = (uint32_t)floor(share);
		remainder[k] = share - floor(share);
		left -= ret[k];
	}
	if (left == 0)
		return;
	if (remainder[0] == remainder[1]) {
		uint32_t lots[2] = { 0, 1 };
		shuffle(t, lots, 2);
		for (uint32_t i = 0; i < left && i < 2; i++)
			ret[lots[i]]++;
		return;
	}
	int larger = remainder[1] > remainder[0];
	ret[larger]++;
	ret[!larger] += left > 1;
}

void stratified_next(struct stratified *s, bool *held_out)
{
	uint32_t train[2], test[2], rest[2];
	draw_counts(&s->twister, s->counts, s->n - s->test, train);
	for (int k = 0; k < 2; k++)
		rest[k] = s->counts[k] - train[k];
	draw_counts(&s->twister, rest, s->test, test);
	memset(held_out, 0, s->n * sizeof(*held_out));
	for (int k = 0; k < 2; k++) {
		for (uint32_t i = 0; i < s->counts[k]; i++)
			s->order[i] = i;
		shuffle(&s->twister, s->order, s->counts[k]);
		for (uint32_t i = 0; i < test[k]; i++)
			held_out[s->members[k][s->order[train[k] + i]]] = true;
	}
	/* Both parts are shuffled once more there. The order is of no use here, but the next split draws after it. */
	shuffle(&s->twister, NULL, s->n - s->test);
	shuffle(&s->twister, NULL, s->test);
}
