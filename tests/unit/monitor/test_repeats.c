/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "base/mem.h"
#include "monitor/table/repeats.h"

/* splitmix64: hashes are spread like this. */
static uint64_t spread(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

struct plain {
	uint64_t first[5000];
	unsigned sides[5000];
	bool seen[5000];
};

/* What a simple program finds among the values i -> key(i) % 5000. */
static void compare(size_t memory, uint64_t rows, unsigned nsides)
{
	CLEANUP(cleanup_repeats) struct repeats *r = repeats_new(memory);
	CLEANUP(cleanup_free) struct plain *p = xcalloc(1, sizeof(*p));
	struct repeats_found want = { 0 }, got;

	for (uint64_t i = 0; i < rows; i++) {
		uint64_t value = spread(i * 7) % 5000;
		unsigned side = (unsigned)(spread(i) % nsides);

		assert_true(repeats_add(r, spread(value), i, side, NULL) >= 0);
		if (!p->seen[value]) {
			want.values++;
			p->first[value] = i;
		} else if (!want.again++) {
			want.row = i;
			want.before = p->first[value];
		}
		p->seen[value] = true;
		p->sides[value] |= 1u << side;
	}
	for (size_t i = 0; i < 5000; i++)
		want.across += __builtin_popcount(p->sides[i]) > 1;
	assert_int_equal(repeats_end(r, &got, NULL), 0);
	assert_int_equal(got.values, want.values);
	assert_int_equal(got.again, want.again);
	assert_int_equal(got.row, want.row);
	assert_int_equal(got.before, want.before);
	assert_int_equal(got.across, want.across);
	if (got.across) {
		assert_int_equal(spread(got.across_row[0] * 7) % 5000, spread(got.across_row[1] * 7) % 5000);
		assert_true(got.across_side[0] != got.across_side[1]);
	}
}

static void repeats_are_found_in_memory(void **state)
{
	(void)state;
	compare(1 << 20, 0, 1);
	compare(1 << 20, 20, 1);
	compare(1 << 20, 3000, 1);
	compare(1 << 20, 3000, 3);
}

static void a_full_table_spills_and_finds_the_same(void **state)
{
	(void)state;
	compare(0, 3000, 1);
	compare(0, 50000, 1);
	compare(0, 50000, 2);
	compare(0, 50000, 16);
}

static void the_first_repeat_is_known_when_it_comes(void **state)
{
	CLEANUP(cleanup_repeats) struct repeats *r = repeats_new(0);

	(void)state;
	assert_int_equal(repeats_add(r, 5, 0, 0, NULL), 0);
	assert_int_equal(repeats_add(r, 6, 1, 0, NULL), 0);
	assert_int_equal(repeats_add(r, 5, 2, 0, NULL), 1);
	assert_int_equal(repeats_add(r, 5, 3, 0, NULL), 0);
}

static void odds_are_those_of_birthdays(void **state)
{
	(void)state;
	assert_true(repeats_odds(1000000) > 2.7e-8 && repeats_odds(1000000) < 2.72e-8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(repeats_are_found_in_memory),
		cmocka_unit_test(a_full_table_spills_and_finds_the_same),
		cmocka_unit_test(the_first_repeat_is_known_when_it_comes),
		cmocka_unit_test(odds_are_those_of_birthdays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
