/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/table/scan.h"
#include "monitor/table/table.h"

static FILE *file;

static int setup(void **state)
{
	(void)state;
	file = tmpfile();
	return file ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return fclose(file);
}

static void write_file(const char *text, size_t len)
{
	assert_int_equal(ftruncate(fileno(file), 0), 0);
	assert_int_equal(pwrite(fileno(file), text, len, 0), len);
	lseek(fileno(file), 0, SEEK_SET);
}

/* What is read, as text: fields in <>, nulls as -, a line for each row; then the error. */
static void show_rows(const struct rows *rows, struct strbuf *ret)
{
	static const char kinds[] = { '-', 't', 'n', 'b', 's' };

	for (size_t i = 0; i < rows->nrows * rows->ncols; i++) {
		const struct field *f = &rows->fields[i];

		if (i && i % rows->ncols == 0)
			strbuf_putc(ret, '\n');
		strbuf_putc(ret, kinds[f->kind]);
		if (f->kind == FIELD_NULL)
			continue;
		strbuf_putc(ret, '<');
		strbuf_add(ret, f->text, f->len);
		strbuf_putc(ret, '>');
	}
	strbuf_putc(ret, '\n');
}

static int read_all(const char *name, const struct table_options *options, struct strbuf *ret, struct error *err)
{
	CLEANUP(cleanup_table) struct table *t = NULL;
	uint64_t n = 0;
	struct rows rows;
	int r;

	lseek(fileno(file), 0, SEEK_SET);
	if (table_open(fileno(file), name, options, &t, err) < 0)
		return -1;
	for (size_t i = 0; i < table_ncolumns(t); i++)
		strbuf_printf(ret, "%s|", table_column(t, i));
	strbuf_putc(ret, '\n');
	while ((r = table_next(t, &rows, err)) > 0) {
		assert_int_equal(rows.first, n);
		n += rows.nrows;
		show_rows(&rows, ret);
	}
	return r;
}

static void good(const char *name, const char *text, const char *want)
{
	CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;
	struct error err = { 0 };

	write_file(text, strlen(text));
	if (read_all(name, NULL, &got, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	assert_string_equal(got.buf, want);
}

static void bad_bytes(const char *name, const char *text, size_t len, const char *want)
{
	CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;
	struct error err = { 0 };

	write_file(text, len);
	if (read_all(name, NULL, &got, &err) == 0)
		fail_msg("read as %s, not: %s", got.buf, want);
	assert_string_equal(err.msg, want);
	assert_int_equal(err.code, ERR_USAGE);
}

static void bad(const char *name, const char *text, const char *want)
{
	bad_bytes(name, text, strlen(text), want);
}

static void fields_are_what_stands_there(void **state)
{
	(void)state;
	good("a.csv", "a,b\n1,2\n", "a|b|\nt<1>t<2>\n");
	good("a.csv", "a,b\n1,2", "a|b|\nt<1>t<2>\n");
	good("a.csv", "\xef\xbb\xbf" "a,b\r\n1,2\r\n", "a|b|\nt<1>t<2>\n");
	good("a.csv", "a,b\r1,2\r3,4", "a|b|\nt<1>t<2>\nt<3>t<4>\n");
	good("a.csv", "\n\r\na,b\n\n\n1,2\n\r\n3,4\n\n", "a|b|\nt<1>t<2>\nt<3>t<4>\n");
	good("a.csv", "\"a \"\"b\"\"\",c\n\"1,\n2\",\"\"\"\"\n\"\"\"x\"\"y\"\"\",\"\"\n",
	     "a \"b\"|c|\nt<1,\n2>t<\">\nt<\"x\"y\">-\n");
	good("a.csv", "a\n\n1\n\"\"\nNA\n", "a|\nt<1>\n-\n-\n");
	good("a.csv", "a,b\n,<NA>\nNULL, NULL\nn/a,NAN\n", "a|b|\n--\n-t< NULL>\n-t<NAN>\n");
	good("a.csv", "a,b\n=cmd|' /C calc'!A0,<script>\n0x10,1e999\n", "a|b|\nt<=cmd|' /C calc'!A0>t<<script>>\nt<0x10>t<1e999>\n");
	good("a.csv", "a;b\n1,5;2\n", "a|b|\nt<1,5>t<2>\n");
	good("a.tsv", "a\tb\n1,5\t2\n", "a|b|\nt<1,5>t<2>\n");
	good("-", "a\tb\n1,5\t2\n", "a|b|\nt<1,5>t<2>\n");
	good("-", "a\n1\n", "a|\nt<1>\n");
	good("a.csv", "a,b\n", "a|b|\n");
	good("a.csv", "a,b", "a|b|\n");
	good("a.csv", "a,b\n\xff\xfe,2\n", "a|b|\nt<\xff\xfe>t<2>\n");
}

static void what_is_wrong_is_named_with_row_and_column(void **state)
{
	(void)state;
	bad("a.csv", "", "a.csv is empty");
	bad("a.csv", "\xef\xbb\xbf", "a.csv has no header: its rows are empty");
	bad("a.csv", "\n\n", "a.csv has no header: its rows are empty");
	bad("a.csv", "a,b\n1,2\n1\n", "a.csv: row 3 has 1 field, the header has 2");
	bad("a.csv", "a,b\n1,2,3\n", "a.csv: row 2 has 3 fields, the header has 2");
	bad("a.csv", "a,b\n1,2\n1,2,3,4", "a.csv: row 3 has 4 fields, the header has 2");
	bad("a.csv", "a,b\n1,\"2\n", "a.csv: row 2, column \"b\": its quote is never closed");
	bad("a.csv", "a,b\n1,x\"2\n", "a.csv: row 2, column \"b\": a quote inside of a field that does not begin with one");
	bad("a.csv", "a,b\n1,x\"2\"\n", "a.csv: row 2, column \"b\": a quote inside of a field that does not begin with one");
	bad("a.csv", "a,b\n1, \"2\"\n", "a.csv: row 2, column \"b\": a quote inside of a field that does not begin with one");
	bad("a.csv", "a,b\n\"1\"x,2\n", "a.csv: row 2, column \"a\": text behind the closing quote");
	bad("a.csv", "a,b\n\"1\"x\"\",2\n", "a.csv: row 2, column \"a\": text behind the closing quote");
	bad("a.csv", "a,b\n1,\"2\n3,\"4\"\n5,6\n", "a.csv: row 2, column \"b\": text behind the closing quote");
	bad("a.csv", "a,\"b\n1,2\n", "a.csv: row 1, column 2: its quote is never closed");
	bad("a.csv", "a,,c\n", "a.csv: column 2 has no name");
	bad("a.csv", "a,b,a\n", "a.csv: columns 1 and 3 are both named \"a\"");
	bad("a.csv", "a,\xe9\n", "a.csv: the name of column 2 is not UTF-8");
	bad_bytes("a.csv", "a,b\n1,2\n3\0,4\n", 13, "a.csv: row 3, column \"a\": a NUL byte");
	bad_bytes("a.csv", "a,b\n1,\"2\0\"\n", 11, "a.csv: row 2, column \"b\": a NUL byte");
	bad_bytes("a.csv", "a\0,\0b\0\n\0", 8, "a.csv is UTF-16, not UTF-8");
	bad_bytes("a.csv", "\0a\0,\0b\0\n", 8, "a.csv is UTF-16, not UTF-8");
	bad_bytes("a.csv", "\xff\xfe" "a\0\n\0", 6, "a.csv is UTF-16, not UTF-8");
	bad_bytes("a.csv", "PAR1\0\0", 6, "a.csv is Parquet, not CSV, TSV or JSON lines");
}

static void lines_of_json_are_rows(void **state)
{
	(void)state;
	good("a.jsonl", "{\"a\":1,\"b\":\"x\"}\n", "a|b|\nn<1>s<x>\n");
	good("-", "\n {\"a\" : 1 }\r\n\t{\"a\":null}\n\n{\"a\":\"NA\"}", "a|\nn<1>\n-\n-\n");
	good("a.jsonl", "{\"a\":true}\r{\"a\":false}\r", "a|\nb<true>\nb<false>\n");
	good("a.jsonl", "{\"a\":[1,{\"b\":\"\\\"\"}],\"b\":{}}\n{}\n{\"b\":1e999}\n",
	     "a|b|\ns<[1,{\"b\":\"\\\"\"}]>s<{}>\n--\n-n<1e999>\n");
	good("a.jsonl", "{\"a\":\"\\u00e9\\ud83d\\ude00\\n\\\\\\\"\\/\"}\n{\"\\u0061\":\"\"}",
	     "a|\ns<\xc3\xa9\xf0\x9f\x98\x80\n\\\"/>\n-\n");
	/* a new name: what came before lacks it */
	good("a.jsonl", "{\"a\":1}\n{\"a\":2}\n{\"b\":3,\"c\":4}\n{\"a\":5}\n", "a|\nn<1>\nn<2>\n-n<3>n<4>\nn<5>--\n");
}

static void what_is_wrong_with_a_line_is_named(void **state)
{
	(void)state;
	bad("a.jsonl", "\n \n", "a.jsonl has no row");
	bad("a.jsonl", "{\"a\":1}\n[1]\n", "a.jsonl: row 2: what is no object, at byte 1");
	bad("a.jsonl", "{\"a\":1,\"a\":2}\n", "a.jsonl: row 1, column \"a\": a name that this row has twice, at byte 11");
	bad("a.jsonl", "{\"a\":1} x\n", "a.jsonl: row 1: text behind the object, at byte 9");
	bad("a.jsonl", "{\"a\":1}\n\n{\"a\":01}\n", "a.jsonl: row 2, column \"a\": no ',' or '}' behind a value, at byte 7");
	bad("a.jsonl", "{\"a\":\n1}\n", "a.jsonl: row 1, column \"a\": what is no value of JSON, at byte 6");
	bad("a.jsonl", "{\"a\":\"x\n\"}\n", "a.jsonl: row 1, column \"a\": a string that does not end in its row, at byte 8");
	bad("a.jsonl", "{\"a\":\"\\ud800\"}", "a.jsonl: row 1, column \"a\": half of a surrogate pair, at byte 13");
	bad("a.jsonl", "{\"a\":\"\\u0000\"}", "a.jsonl: row 1, column \"a\": a NUL (\\u0000), at byte 13");
	bad("a.jsonl", "{\"a\":\"\xff\"}", "a.jsonl: row 1, column \"a\": bytes that are not UTF-8, at byte 7");
	bad("a.jsonl", "{\"\":1}", "a.jsonl: row 1: a column without a name, at byte 4");
	bad("a.jsonl", "{\"a\":NaN}", "a.jsonl: row 1, column \"a\": what is no value of JSON, at byte 6");
	bad("a.jsonl", "{\"a\":1,}", "a.jsonl: row 1: no name where one must be, at byte 8");
	bad("a.jsonl", "{\"a\":1", "a.jsonl: row 1, column \"a\": no ',' or '}' behind a value, at byte 7");
}

static void too_much_is_refused_in_bounded_memory(void **state)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	size_t len = ROW_BYTES + (1 << 20);
	char *row = xmalloc(len);

	(void)state;
	for (int i = 0; i < 100000; i++)
		strbuf_printf(&text, "c%d,", i);
	bad("a.csv", text.buf, "a.csv has more than 16384 columns");
	strbuf_clear(&text);
	strbuf_puts(&text, "{\"x\":1");
	for (int i = 0; i < 100000; i++)
		strbuf_printf(&text, ",\"c%d\":1", i);
	strbuf_puts(&text, "}\n");
	bad("a.jsonl", text.buf, "a.jsonl: row 1: more columns than a table may have, at byte 169119");

	memset(row, 'x', len);
	bad_bytes("a.csv", row, len, "a.csv: row 1 is longer than 64 MiB");
	memcpy(row, "a,b\n1,2\n", 8);
	bad_bytes("a.csv", row, len, "a.csv: row 3 is longer than 64 MiB");
	memset(row + 8, ',', len - 8);
	bad_bytes("a.csv", row, len, "a.csv: row 3 has more than 16384 fields, the header has 2");
	memset(row, ' ', len);
	memcpy(row, "{\"a\":\"", 6);
	bad_bytes("a.jsonl", row, len, "a.jsonl: row 1 is longer than 64 MiB");
	free(row);
}

/* A long row that is whole is one. */
static void a_row_may_be_longer_than_a_piece(void **state)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT, want = STRBUF_INIT;
	char *field = xmalloc(3000001);

	(void)state;
	memset(field, 'y', 3000000);
	field[3000000] = '\0';
	strbuf_printf(&text, "a,b\n1,2\n\"%s\n\",3\n4,%s\n5,6", field, field);
	strbuf_printf(&want, "a|b|\nt<1>t<2>\nt<%s\n>t<3>\nt<4>t<%s>\nt<5>t<6>\n", field, field);
	good("a.csv", text.buf, want.buf);
	strbuf_clear(&text);
	strbuf_clear(&want);
	strbuf_printf(&text, "{\"a\":1}\n{\"a\":\"%s\\n\"}\n{\"a\":2}", field);
	strbuf_printf(&want, "a|\nn<1>\ns<%s\n>\nn<2>\n", field);
	good("a.jsonl", text.buf, want.buf);
	free(field);
}

static uint64_t seed = 7;

static unsigned draw(unsigned below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(seed >> 33) % below;
}

static void both_ways_to_scan_find_the_same(void **state)
{
	static const char bytes[] = "ab,;\"\"\n\r\0\t\xff,,,12";
	char text[SCAN_BLOCK * 8 + 1];
	uint64_t bits[6][8];

	(void)state;
	if (!scan_has_avx2())
		skip();
	for (int i = 0; i < 20000; i++) {
		struct scan_masks a = { bits[0], bits[1], bits[2], false }, b = { bits[3], bits[4], bits[5], false };
		unsigned kinds = 1 + draw(sizeof(bytes) - 1);
		size_t from = draw(8), to = from + draw(9 - (unsigned)from);

		for (size_t at = 0; at < sizeof(text); at++)
			text[at] = kinds == 1 ? (char)draw(256) : bytes[draw(kinds)];
		memset(bits, 0, sizeof(bits));
		scan_bytewise(text + 1, from, to, ',', &a);
		scan_avx2(text + 1, from, to, ',', &b);
		assert_memory_equal(bits[0], bits[3], sizeof(bits) / 2);
		assert_int_equal(a.nul, b.nul);
	}
}

/* Rows by chance, right ones and now and then a wrong one; some of them long. */
static void make_table(struct strbuf *text, unsigned rows, bool wrong)
{
	static const char *const fields[] = { "", "1", "-2.5", "\"\"", "\"a,b\"", "\"c\nd\"", "\"\"\"\"", "NA",
					      "\"\r\n\"", "abcdefghijklmnopqrstuvwxyz", "\"say \"\"x\"\", or\"" };
	static const char *const ends[] = { "\n", "\r\n", "\r", "\n\n", "\r\n\r\n" };
	static const char *const mistakes[] = { "x\"", "\"y", "1,2", "\"z\"z", "\n" };

	strbuf_clear(text);
	strbuf_puts(text, "a,b,c\n");
	for (unsigned i = 0; i < rows; i++) {
		for (int k = 0; k < 3; k++) {
			if (!draw(5000))
				for (unsigned n = draw(40000); n; n--)
					strbuf_puts(text, "long ");
			else
				strbuf_puts(text, wrong && !draw(3000) ? mistakes[draw(ARRAY_LEN(mistakes))]
								       : fields[draw(ARRAY_LEN(fields))]);
			if (k < 2)
				strbuf_putc(text, ',');
		}
		strbuf_puts(text, ends[draw(ARRAY_LEN(ends))]);
	}
}

static void both_ways_to_scan_give_the_same_rows(void **state)
{
	(void)state;
	for (int i = 0; i < 30; i++) {
		CLEANUP_STRBUF struct strbuf text = STRBUF_INIT, fast = STRBUF_INIT, slow = STRBUF_INIT;
		struct error fast_err = { 0 }, slow_err = { 0 };
		int r;

		make_table(&text, draw(3000), i % 3 == 0);
		write_file(text.buf, text.len);
		r = read_all("a.csv", NULL, &fast, &fast_err);
		scan_forced = scan_bytewise;
		assert_int_equal(read_all("a.csv", NULL, &slow, &slow_err), r);
		scan_forced = NULL;
		assert_string_equal(fast.buf, slow.buf);
		assert_string_equal(fast_err.msg, slow_err.msg);
	}
}

static void a_part_is_the_rows_between_two_places(void **state)
{
	CLEANUP(cleanup_table) struct table *t = NULL;
	CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;
	struct rows rows;

	(void)state;
	write_file("a,b\n1,2\n3,4\n5,6\n", 16);
	assert_int_equal(table_open(fileno(file), "a.csv", NULL, &t, NULL), 0);
	table_seek(t, 8, 12, 1);
	assert_int_equal(table_next(t, &rows, NULL), 1);
	assert_int_equal(rows.first, 1);
	show_rows(&rows, &got);
	assert_string_equal(got.buf, "t<3>t<4>\n");
	assert_int_equal(table_next(t, &rows, NULL), 0);
	table_seek(t, 0, 8, 0);
	strbuf_clear(&got);
	assert_int_equal(table_next(t, &rows, NULL), 1);
	show_rows(&rows, &got);
	assert_string_equal(got.buf, "t<1>t<2>\n");
}

static void other_words_may_mean_nothing(void **state)
{
	struct table_options options = { .nulls = "-, ?, nothing at all", .delimiter = '|' };
	CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;

	(void)state;
	write_file("a|b\n-|?\nNA|nothing at all\n", 26);
	assert_int_equal(read_all("x", &options, &got, NULL), 0);
	assert_string_equal(got.buf, "a|b|\n--\nt<NA>-\n");
	options.delimiter = 'x';
	assert_int_equal(read_all("x", &options, &got, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(fields_are_what_stands_there, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_wrong_is_named_with_row_and_column, setup, teardown),
		cmocka_unit_test_setup_teardown(lines_of_json_are_rows, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_wrong_with_a_line_is_named, setup, teardown),
		cmocka_unit_test_setup_teardown(too_much_is_refused_in_bounded_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(a_row_may_be_longer_than_a_piece, setup, teardown),
		cmocka_unit_test(both_ways_to_scan_find_the_same),
		cmocka_unit_test_setup_teardown(both_ways_to_scan_give_the_same_rows, setup, teardown),
		cmocka_unit_test_setup_teardown(a_part_is_the_rows_between_two_places, setup, teardown),
		cmocka_unit_test_setup_teardown(other_words_may_mean_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
