/* SPDX-License-Identifier: Apache-2.0 */
/* A profile says what the table holds, whatever parts it was made of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/profile/profile.h"
#include "monitor/profile/values.h"
#include "monitor/table/stable_hash.h"
#include "monitor/table/table.h"
#include "near_fixture.h"

static struct table *open_text(const char *text, size_t len, const char *name)
{
	CLEANUP(cleanup_free) char *path = xstrdup("/tmp/mlops-profile-XXXXXX");
	int fd = mkstemp(path);
	struct table *table;
	struct error err;

	assert_true(fd >= 0 && unlink(path) == 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	if (table_open(fd, name, NULL, &table, &err) < 0)
		fail_msg("%s", err.msg);
	return table;
}

/* Deals the rows to parts, and merges them. */
static struct profile *in_parts(const char *text, const char *name, size_t parts, const struct profile_options *options)
{
	CLEANUP(cleanup_table) struct table *table = open_text(text, strlen(text), name);
	struct profile **part = xcalloc(parts, sizeof(struct profile *)), *whole;
	struct rows rows;
	struct error err;
	uint64_t state = parts;
	int r;

	for (size_t i = 0; i < parts; i++)
		part[i] = profile_new(options);
	while ((r = table_next(table, &rows, &err)) == 1)
		for (size_t i = 0; i < rows.nrows; i++) {
			struct rows one = { rows.first + i, 1, rows.ncols, rows.fields + i * rows.ncols };

			assert_int_equal(profile_add(part[(size_t)(uniform(&state) * (double)parts)], table, &one, &err), 0);
		}
	assert_int_equal(r, 0);
	whole = part[0];
	for (size_t i = 1; i < parts; i++) {
		assert_int_equal(profile_merge(whole, part[i], &err), 0);
		profile_free(part[i]);
	}
	free(part);
	profile_finish(whole);
	return whole;
}

static struct profile *of_text(const char *text, const char *name)
{
	CLEANUP(cleanup_table) struct table *table = open_text(text, strlen(text), name);
	struct profile_options options = { .threads = 1 };
	struct profile *p;
	struct error err;

	if (profile_table(table, &options, &p, &err) < 0)
		fail_msg("%s", err.msg);
	return p;
}

/* ---- types ---- */

static void check_type(const char *text, enum column_type type, const char *evidence)
{
	CLEANUP(cleanup_profile) struct profile *p = of_text(text, "t.csv");
	CLEANUP_JS struct js *shown = profile_show(p, NULL);
	const struct js *column = js_at(js_get(shown, "columns"), 0);

	assert_string_equal(column_type_name(p->columns[0].type), column_type_name(type));
	assert_string_equal(js_get_str(column, "evidence"), evidence);
}

static void types_follow_from_what_most_values_are(void **unused)
{
	(void)unused;
	check_type("a\n", COLUMN_EMPTY, "no values");
	check_type("a\nNA\n", COLUMN_EMPTY, "no values");
	check_type("a\n1\n-2\n", COLUMN_INT, "all integer");
	check_type("a\n1\n2.5\n", COLUMN_REAL, "50.0 % integer, 1 real");
	check_type("a\nTrue\nfalse\n", COLUMN_BOOL, "all boolean");
	check_type("a\n2026-01-31\n2026-02-01T10:00:00Z\n", COLUMN_TIME, "all time");
	check_type("a\nx\ny\n", COLUMN_CATEGORY, "all text");
	check_type("a\n1\n1\n1\n1\n1\n1\n1\n1\n1\nx\n", COLUMN_INT, "90.0 % integer, 1 text");
	check_type("a\n1\n1\n1\n1\n1\n1\n1\n1\nx\ny\n", COLUMN_CATEGORY, "80.0 % integer, 2 text");
	check_type("a\n0x10\n\"1,5\"\n1_000\n", COLUMN_CATEGORY, "all text");
}

static void what_is_odd_is_counted_apart(void **unused)
{
	CLEANUP(cleanup_profile)
	struct profile *p = of_text("a\n1\nnan\n1e999\n-inf\nNULL\n\"\"\n-0\n-3\n", "t.csv");
	const struct column *c = profile_find(p, "a");

	(void)unused;
	assert_int_equal(c->count, 8);
	assert_int_equal(c->nulls, 2);
	assert_int_equal(c->nans, 1);
	assert_int_equal(c->plus_infs, 1);
	assert_int_equal(c->minus_infs, 1);
	assert_int_equal(c->numbers, 3);
	assert_int_equal(c->zeros, 1);
	assert_int_equal(c->negatives, 1);
	assert_true(c->min == -3 && c->max == 1 && !c->ascending);
	assert_int_equal(c->against_nulls, 5);
}

static void keys_that_come_later_were_null_before(void **unused)
{
	CLEANUP(cleanup_profile)
	struct profile *p = of_text("{\"a\": 1}\n{\"b\": \"7\", \"a\": null}\n{\"b\": true}\n", "t.jsonl");

	(void)unused;
	assert_int_equal(p->rows, 3);
	assert_int_equal(profile_find(p, "a")->nulls, 2);
	assert_int_equal(profile_find(p, "b")->nulls, 1);
	assert_int_equal(profile_find(p, "b")->types[VALUE_TEXT], 1);
	assert_int_equal(profile_find(p, "b")->types[VALUE_BOOL], 1);
}

static void values_come_with_the_most_frequent_first(void **unused)
{
	CLEANUP(cleanup_profile) struct profile *p = of_text("a,b\nx,1.50\ny,2\nx,1.5\nz,\n", "t.csv");
	const struct value_count *values;
	size_t n;

	(void)unused;
	values = column_values(profile_find(p, "a"), &n);
	assert_int_equal(n, 3);
	assert_string_equal(values[0].text, "x");
	assert_int_equal(values[0].count, 2);
	assert_string_equal(values[1].text, "y");
	values = column_values(profile_find(p, "b"), &n);
	assert_int_equal(n, 2);
	assert_string_equal(values[0].text, "1.5");
	assert_true(values[0].number == 1.5 && values[0].count == 2);
	assert_string_equal(values[1].text, "2");
	assert_true(column_distinct(profile_find(p, "b")) == 2 && column_distinct_exact(profile_find(p, "b")));
}

/* ---- numbers: of numpy and scipy ---- */

static void moments_and_quantiles_are_those_of_numpy(void **unused)
{
	CLEANUP(cleanup_profile)
	struct profile *p = of_text("a\n38.7\n41.5\n43.8\n44.5\n45.5\n46\n47.7\n58\n1000001\n", "t.csv");
	const struct column *c = profile_find(p, "a");
	CLEANUP_JS struct js *shown = profile_show(p, NULL);
	const struct js *column = js_at(js_get(shown, "columns"), 0);

	(void)unused;
	assert_near(c->mean, 111151.85555555555, 1e-9);
	assert_near(column_std(c), 314255.6287844132, 1e-9);
	assert_near(js_get_real(column, "skewness", 0), 2.474873732933331, 1e-12);
	assert_near(js_get_real(column, "kurtosis", 0), 4.124999996550468, 1e-11);
	assert_near(column_quantile(c, 0.25), 43.8, 0);
	assert_near(column_quantile(c, 0.5), 45.5, 0);
	assert_near(column_quantile(c, 0.05), 39.82, 1e-14);
	assert_near(column_quantile(c, 0.99), 920005.5599999999, 1e-9);
	assert_true(column_quantile(c, 0) == 38.7 && column_quantile(c, 1) == 1000001);
}

/* ---- parts ---- */

static char *many_rows(size_t n, uint64_t state)
{
	struct strbuf text = STRBUF_INIT;

	strbuf_puts(&text, "real,whole,word,id,holes\n");
	for (size_t i = 0; i < n; i++) {
		double u = uniform(&state);

		strbuf_printf(&text, "%.6f,%d,w%d,row %zu,", 1000 + 5 * u * u, (int)(u * 50), (int)(u * 7), i);
		if (u > 0.25)
			strbuf_printf(&text, "%.3f", u);
		strbuf_putc(&text, '\n');
	}
	return strbuf_detach(&text);
}

static void check_same(const struct profile *a, const struct profile *b)
{
	assert_int_equal(a->ncolumns, b->ncolumns);
	for (size_t i = 0; i < a->ncolumns; i++) {
		const struct column *x = &a->columns[i], *y = profile_find(b, x->name);
		double std = x->numbers ? column_std(x) : 1, room = x->numbers ? 1e-12 : 0;
		const struct value_count *v, *w;
		size_t n, m;

		assert_int_equal(x->type, y->type);
		assert_int_equal(x->count, y->count);
		assert_int_equal(x->nulls, y->nulls);
		assert_int_equal(x->numbers, y->numbers);
		assert_memory_equal(x->types, y->types, sizeof(x->types));
		assert_true(x->min == y->min && x->max == y->max);
		assert_near(x->mean, y->mean, room * fabs(x->mean));
		assert_near(x->m2, y->m2, room * x->m2);
		/* what an ulp of the mean makes of it */
		assert_near(x->m3, y->m3, room * (1 + (std > 0 ? fabs(x->mean) / std : 0)) * pow(std, 3) * (double)x->numbers);
		assert_near(x->m4, y->m4, room * x->m4);
		assert_true(column_distinct(x) == column_distinct(y) && column_distinct_exact(x) == column_distinct_exact(y));
		v = column_values(x, &n);
		w = column_values(y, &m);
		assert_int_equal(n, m);
		for (size_t k = 0; k < n; k++) {
			assert_string_equal(v[k].text, w[k].text);
			assert_int_equal(v[k].count, w[k].count);
		}
		assert_int_equal(x->nagainst, y->nagainst);
		for (size_t k = 0; k < x->nagainst; k++)
			assert_int_equal(x->against[k], y->against[k]);
		assert_int_equal(x->against_nulls, y->against_nulls);
		if (x->sketch)
			assert_int_equal(sketch_exact(x->sketch), sketch_exact(y->sketch));
	}
}

static void any_partition_of_the_rows_counts_the_same(void **unused)
{
	CLEANUP(cleanup_free) char *before = many_rows(3000, 5);
	CLEANUP(cleanup_profile) struct profile *reference = of_text(before, "t.csv");
	struct profile_options options = { .reference = reference, .threads = 1 };

	(void)unused;
	for (size_t rows = 1; rows <= 70000; rows = rows * 40 + 30) {
		CLEANUP(cleanup_free) char *text = many_rows(rows, rows);
		CLEANUP(cleanup_profile) struct profile *whole = in_parts(text, "t.csv", 1, &options);

		for (size_t parts = 2; parts <= 50; parts *= 5) {
			CLEANUP(cleanup_profile) struct profile *merged = in_parts(text, "t.csv", parts, &options);

			check_same(whole, merged);
		}
		assert_int_equal(whole->rows, rows);
	}
}

static void check_threads(const char *text, const char *name, bool full)
{
	char want[DIGEST_HEX + 1] = "";

	for (unsigned threads = 1; threads <= 5; threads++) {
		CLEANUP(cleanup_table) struct table *table = open_text(text, strlen(text), name);
		struct profile_options options = { .threads = threads, .full = full };
		CLEANUP(cleanup_profile) struct profile *p = NULL;
		char hex[DIGEST_HEX + 1];
		struct digest digest;
		struct error err;

		if (profile_table(table, &options, &p, &err) < 0)
			fail_msg("%s", err.msg);
		profile_digest(p, &digest);
		digest_format(&digest, hex);
		if (threads == 1)
			memcpy(want, hex, sizeof(hex));
		assert_string_equal(hex, want);
	}
}

static void threads_do_not_matter(void **unused)
{
	CLEANUP(cleanup_free) char *text = many_rows(150000, 3);
	struct profile_options options = { .threads = 1 };
	CLEANUP(cleanup_profile) struct profile *by_hand = in_parts(text, "t.csv", 1, &options);
	CLEANUP(cleanup_profile) struct profile *scanned = of_text(text, "t.csv");
	CLEANUP_STRBUF struct strbuf one = STRBUF_INIT, two = STRBUF_INIT;

	(void)unused;
	check_threads(text, "t.csv", true);
	/* nor does who calls */
	profile_write(by_hand, &one);
	profile_write(scanned, &two);
	assert_string_equal(one.buf, two.buf);
}

/* ---- many columns ---- */

static void many_columns_share_the_memory(void **unused)
{
	enum { COLUMNS = 300, ROWS = 20000 };
	struct strbuf text = STRBUF_INIT;
	uint64_t state = 1;
	CLEANUP(cleanup_profile) struct profile *p = NULL;

	(void)unused;
	for (int i = 0; i < COLUMNS; i++)
		strbuf_printf(&text, "c%d%c", i, i + 1 < COLUMNS ? ',' : '\n');
	for (int row = 0; row < ROWS; row++)
		for (int i = 0; i < COLUMNS; i++)
			strbuf_printf(&text, "%u%c", (unsigned)(uniform(&state) * 1e6), i + 1 < COLUMNS ? ',' : '\n');
	p = of_text(text.buf, "t.csv");
	for (size_t i = 0; i < COLUMNS; i++) {
		const struct column *c = &p->columns[i];

		assert_false(sketch_exact(c->sketch));
		assert_true(sketch_error(c->sketch) < 0.005);
		assert_true(fabs(column_quantile(c, 0.5) - 5e5) < 3e4);
		assert_int_equal(c->numbers, ROWS);
	}
	strbuf_release(&text);
}

/* ---- edges ---- */

static void a_reference_counts_itself_into_its_edges(void **unused)
{
	CLEANUP(cleanup_free) char *text = many_rows(100000, 11);
	CLEANUP(cleanup_profile) struct profile *reference = of_text(text, "t.csv");
	struct profile_options options = { .reference = reference, .threads = 2 };
	CLEANUP(cleanup_profile) struct profile *again = in_parts(text, "t.csv", 3, &options);
	const struct column *c = profile_find(again, "real"), *was = profile_find(reference, "real");
	uint64_t sum = 0;

	(void)unused;
	assert_true(was->fine.n > 900 && was->fine.n < PROFILE_BINS);
	assert_int_equal(c->nagainst, was->fine.n + 1);
	for (size_t i = 0; i < c->nagainst; i++) {
		assert_true((double)c->against[i] < 100000 * (1.0 / PROFILE_BINS + 2 * sketch_error(was->sketch)) + 2);
		sum += c->against[i];
	}
	assert_int_equal(sum, 100000);
	/* of few values each has its own bin */
	was = profile_find(reference, "whole");
	c = profile_find(again, "whole");
	assert_int_equal(was->fine.n, 50);
	assert_int_equal(c->against[0], 0);
	assert_null(profile_find(again, "word")->against);
}

/* ---- kept ---- */

static void a_profile_comes_back_as_it_was(void **unused)
{
	CLEANUP(cleanup_free) char *text = many_rows(80000, 2);
	CLEANUP(cleanup_free) char *more = many_rows(80000, 3);
	CLEANUP(cleanup_profile) struct profile *p = of_text(text, "t.csv");
	CLEANUP(cleanup_profile) struct profile *next = of_text(more, "t.csv");
	CLEANUP(cleanup_profile) struct profile *next_again = NULL;
	CLEANUP(cleanup_profile) struct profile *back = NULL;
	CLEANUP_STRBUF struct strbuf one = STRBUF_INIT, two = STRBUF_INIT;
	struct error err;

	(void)unused;
	profile_write(next, &one);
	assert_int_equal(profile_read(one.buf, one.len, "p.json", &next_again, &err), 0);
	strbuf_clear(&one);
	profile_write(p, &one);
	assert_int_equal(profile_read(one.buf, one.len, "p.json", &back, &err), 0);
	check_same(p, back);
	profile_write(back, &two);
	assert_string_equal(one.buf, two.buf);
	/* and merges to the same */
	assert_int_equal(profile_merge(p, next, &err), 0);
	assert_int_equal(profile_merge(back, next_again, &err), 0);
	strbuf_clear(&one);
	strbuf_clear(&two);
	profile_write(p, &one);
	profile_write(back, &two);
	assert_string_equal(one.buf, two.buf);
}

static void what_is_no_profile_is_refused(void **unused)
{
	static const char *const texts[] = {
		"{}", "[]", "{\"version\": 1}", "{\"version\": 1, \"rows\": 1, \"columns\": [{}]}",
		"{\"version\": 1, \"rows\": 1, \"columns\": [{\"name\": \"a\", \"types\": [0,0,0,0,2]}]}",
		"{\"version\": 1, \"rows\": 1, \"columns\": [{\"name\": \"a\", \"types\": [1,0,0,0,0], \"numbers\": 1}]}",
		"{\"version\": 2, \"rows\": 0, \"columns\": []}",
	};
	struct profile *p;
	struct error err;

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_equal(profile_read(texts[i], strlen(texts[i]), "p.json", &p, &err), -1);
}

/* ---- what is said ---- */

static bool warned(const struct profile *p, const char *name, const char *word)
{
	CLEANUP_JS struct js *shown = profile_show(p, NULL);
	const struct js *columns = js_get(shown, "columns");

	for (size_t i = 0; i < js_len(columns); i++) {
		const struct js *list = js_get(js_at(columns, i), "warnings");

		for (size_t k = 0; k < js_len(list) && !strcmp(js_get_str(js_at(columns, i), "name"), name); k++)
			if (strstr(js_text(js_at(list, k)), word))
				return true;
	}
	return false;
}

static void warnings_say_what_is_odd(void **unused)
{
	struct strbuf text = STRBUF_INIT;
	CLEANUP(cleanup_profile) struct profile *p = NULL;
	uint64_t state = 9;

	(void)unused;
	strbuf_puts(&text, "id,same,none,half,mixed,far,good\n");
	for (int i = 0; i < 200; i++)
		strbuf_printf(&text, "%d,7,,%s,%s,%g,%d\n", i + 1000, i % 2 ? "x" : "", i % 40 ? "3" : "three", i % 20 ? uniform(&state) : 1e6,
			      i % 9);
	p = of_text(text.buf, "t.csv");
	assert_true(warned(p, "id", "every value is different"));
	assert_true(warned(p, "same", "constant"));
	assert_true(warned(p, "none", "no values"));
	assert_true(warned(p, "half", "50.0 % null"));
	assert_true(warned(p, "mixed", "mixed types: 2.5 % of the values (5)"));
	assert_true(warned(p, "far", "outliers") && warned(p, "far", "skewness"));
	assert_false(warned(p, "good", ""));
	strbuf_release(&text);
}

/* ---- who writes the table knows the hash ---- */

static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* 24 bytes whose second word undoes what the first one did. */
static void colliding_text(uint64_t i, char ret[24])
{
	uint64_t words[3] = { htole64(i), 0, htole64(0x656d6173656d6173) };
	uint64_t h = fold(0x243f6a8885a308d3u, 24 ^ 0x13198a2e03707345u);

	words[1] = htole64(fold(h ^ i, 0xa4093822299f31d1u));
	memcpy(ret, words, 24);
}

static double time_of_values(bool colliding)
{
	struct values *v = values_new(true);
	clock_t start = clock();
	uint64_t common;
	char text[24];

	colliding_text(0, text);
	common = stable_hash(text, sizeof(text), 0);
	for (uint64_t i = 0; i < 40000; i++) {
		uint64_t hash;

		colliding_text(i, text);
		text[16] = colliding ? text[16] : (char)i;
		text[17] = colliding ? text[17] : (char)(i >> 8);
		hash = stable_hash(text, sizeof(text), 0);
		assert_true(!colliding || hash == common);
		assert_true(values_add(v, text, sizeof(text), hash, 1));
		assert_true(values_add(v, text, sizeof(text), hash, 1));
	}
	assert_int_equal(v->n, 40000);
	assert_int_equal(v->items[777].count, 2);
	values_free(v);
	return (double)(clock() - start);
}

static void texts_of_one_hash_take_no_longer(void **unused)
{
	(void)unused;
	time_of_values(false);
	assert_true(time_of_values(true) < 12 * time_of_values(false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_follow_from_what_most_values_are),
		cmocka_unit_test(what_is_odd_is_counted_apart),
		cmocka_unit_test(keys_that_come_later_were_null_before),
		cmocka_unit_test(values_come_with_the_most_frequent_first),
		cmocka_unit_test(moments_and_quantiles_are_those_of_numpy),
		cmocka_unit_test(any_partition_of_the_rows_counts_the_same),
		cmocka_unit_test(threads_do_not_matter),
		cmocka_unit_test(many_columns_share_the_memory),
		cmocka_unit_test(a_reference_counts_itself_into_its_edges),
		cmocka_unit_test(a_profile_comes_back_as_it_was),
		cmocka_unit_test(what_is_no_profile_is_refused),
		cmocka_unit_test(warnings_say_what_is_odd),
		cmocka_unit_test(texts_of_one_hash_take_no_longer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
