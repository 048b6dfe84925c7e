/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/table/table.h"
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include "base/error.h"
#include "base/mem.h"
#include "monitor/table/source.h"
#include "monitor/table/table_internal.h"

/* Endings of names, without .gz and .zst. */
static const struct {
	const char *ending;
	enum table_format format;
} endings[] = {
	{ ".csv", TABLE_CSV },	   { ".tsv", TABLE_TSV },	{ ".tab", TABLE_TSV },
	{ ".jsonl", TABLE_JSONL }, { ".ndjson", TABLE_JSONL },
};

/* What people take for tables: by their first bytes. */
static const struct {
	const char *bytes;
	size_t len;
	const char *what, *help;
} strangers[] = {
	{ "PAR1", 4, "Parquet", "write it as CSV, TSV or JSON lines" },
	{ "PK\3\4", 4, "a zip archive or a workbook", "write what is in it as CSV" },
	{ "BZh", 3, "compressed by bzip2", "type: bunzip2 -k FILE" },
	{ "\xfd" "7zXZ", 5, "compressed by xz", "type: unxz -k FILE" },
	{ "SQLite format 3", 16, "a database", "type: sqlite3 -csv -header FILE 'select ...' > NEW" },
};

static bool ends_with(const char *name, size_t len, const char *ending)
{
	size_t n = strlen(ending);

	return len > n && !strncasecmp(name + len - n, ending, n);
}

static enum table_format format_by_name(const char *name)
{
	size_t len = strlen(name);

	if (ends_with(name, len, ".gz"))
		len -= 3;
	else if (ends_with(name, len, ".zst"))
		len -= 4;
	for (size_t i = 0; i < ARRAY_LEN(endings); i++)
		if (ends_with(name, len, endings[i].ending))
			return endings[i].format;
	return TABLE_GUESS;
}

/* How often each of "{,;\t" stands in the first row, outside of quotes; of '{' whether it comes first. */
static void count_first_row(const struct window *w, size_t ret[128])
{
	bool quoted = false, begun = false;

	for (size_t i = 0; i < w->len; i++) {
		unsigned char c = (unsigned char)w->text[i];

		if (c == '"')
			quoted = !quoted;
		if ((c == '\n' || c == '\r') && !quoted) {
			if (begun)
				return;
			continue;
		}
		if (c < 128 && !quoted && (c != '{' || !begun))
			ret[c]++;
		begun |= c != ' ' && c != '\t';
	}
}

static void guess(struct table *t, const struct table_options *options, const struct window *w)
{
	size_t seen[128] = { 0 };

	t->format = options->format;
	if (!t->format)
		t->format = format_by_name(t->name);
	count_first_row(w, seen);
	if (!t->format)
		t->format = seen['{'] ? TABLE_JSONL : seen['\t'] && !seen[','] && !seen[';'] ? TABLE_TSV : TABLE_CSV;
	if (options->delimiter)
		t->delimiter = options->delimiter;
	else if (t->format == TABLE_TSV)
		t->delimiter = '\t';
	else
		t->delimiter = seen[';'] && !seen[','] ? ';' : ',';
}

/* By its byte order mark, or, without: of ASCII, every other byte is NUL. */
static bool is_utf16(const struct window *w)
{
	size_t half = w->len / 2 < 64 ? w->len / 2 : 64, odd = 0, even = 0;

	if (w->len >= 2 && (!memcmp(w->text, "\xff\xfe", 2) || !memcmp(w->text, "\xfe\xff", 2)))
		return true;
	for (size_t i = 0; i < half; i++) {
		even += !w->text[2 * i];
		odd += !w->text[2 * i + 1];
	}
	return half && (odd + even) * 2 > half && (!odd || !even);
}

static int refuse_strangers(const struct table *t, const struct window *w, struct error *err)
{
	if (!w->len) {
		error_set(err, ERR_USAGE, "%s is empty", t->name);
		return error_help(err, "a table has at least a row that names its columns");
	}
	for (size_t i = 0; i < ARRAY_LEN(strangers); i++)
		if (w->len >= strangers[i].len && !memcmp(w->text, strangers[i].bytes, strangers[i].len)) {
			error_set(err, ERR_USAGE, "%s is %s, not CSV, TSV or JSON lines", t->name, strangers[i].what);
			return error_help(err, "%s", strangers[i].help);
		}
	if (!is_utf16(w))
		return 0;
	error_set(err, ERR_USAGE, "%s is UTF-16, not UTF-8", t->name);
	return error_help(err, "type: iconv -f UTF-16 -t UTF-8 FILE > NEW");
}

static int check_options(const struct table_options *options, struct error *err)
{
	char c = options->delimiter;

	if (!c || (c > ' ' && c < 127 && c != '"' && c != '\'' && c != '.' && c != '-' && c != '+' &&
		   !(c >= '0' && c <= '9') && !((c | 32) >= 'a' && (c | 32) <= 'z')) ||
	    c == '\t' || c == ' ')
		return 0;
	error_set(err, ERR_USAGE, "fields cannot end at that character");
	return error_help(err, "take one of , ; | : a tab or a blank");
}

static int open_rows(struct table *t, const struct table_options *options, struct window *w, struct error *err)
{
	uint64_t skipped = 0, header = 0;

	if (window_fill(w, err) < 0 || refuse_strangers(t, w, err) < 0)
		return -1;
	if (w->len >= 3 && !memcmp(w->text, "\xef\xbb\xbf", 3)) {
		skipped = 3;
		window_drop(w, 3);
	}
	guess(t, options, w);
	if (t->format == TABLE_JSONL) {
		t->json = json_rows_new(t, w, 0);
		return json_rows_header(t->json, err);
	}
	if (csv_header(t, w, &t->csv, &header, err) < 0)
		return -1;
	t->body += skipped + header;
	return 0;
}

int table_open(int fd, const char *name, const struct table_options *options, struct table **ret, struct error *err)
{
	static const struct table_options none;
	CLEANUP(cleanup_table) struct table *t = NULL;
	struct window w CLEANUP(window_release) = WINDOW_INIT(NULL);

	if (!options)
		options = &none;
	if (check_options(options, err) < 0)
		return -1;
	t = xcalloc(1, sizeof(*t));
	t->fd = fd;
	t->name = xstrdup(name);
	columns_init(&t->columns);
	null_words_init(&t->nulls, options->nulls ? options->nulls : TABLE_NULLS);
	if (source_open(fd, t->name, &t->source, err) < 0)
		return -1;
	w.source = t->source;
	source_plain(t->source, &t->body);
	if (open_rows(t, options, &w, err) < 0)
		return -1;
	t->from = t->body;
	t->to = UINT64_MAX;
	*ret = steal(&t);
	return 0;
}

void table_close(struct table *t)
{
	if (!t)
		return;
	csv_free(t->csv);
	json_rows_free(t->json);
	source_close(t->source);
	columns_release(&t->columns);
	null_words_release(&t->nulls);
	free(t->name);
	free(t);
}

void cleanup_table(struct table **t)
{
	table_close(*t);
}

const char *table_name(const struct table *t)
{
	return t->name;
}

enum table_format table_format(const struct table *t)
{
	return t->format;
}

size_t table_ncolumns(const struct table *t)
{
	return atomic_load_explicit(&t->columns.len, memory_order_acquire);
}

const char *table_column(const struct table *t, size_t i)
{
	return t->columns.names[i];
}

bool table_find(const struct table *t, const char *column, size_t *ret)
{
	return columns_find(&t->columns, column, strlen(column), ret);
}

uint64_t table_bytes(const struct table *t)
{
	return source_taken(t->source) + atomic_load_explicit(&((struct table *)t)->scanned, memory_order_relaxed);
}

bool table_is_plain(const struct table *t)
{
	uint64_t start;

	return source_plain(t->source, &start);
}

bool table_size(const struct table *t, uint64_t *ret)
{
	struct stat st;

	if (fstat(t->fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	*ret = (uint64_t)st.st_size < t->to ? (uint64_t)st.st_size : t->to;
	*ret -= *ret < t->from ? *ret : t->from;
	return true;
}

void table_lend_longer(struct table *t)
{
	if (t->json)
		json_rows_lend_longer(t->json);
	else
		csv_lend_longer(t->csv);
}

void table_seek(struct table *t, uint64_t from, uint64_t to, uint64_t first)
{
	struct window w = WINDOW_INIT(NULL);

	t->from = from > t->body ? from : t->body;
	t->to = to;
	t->first = first;
	source_close(t->source);
	t->source = w.source = source_range(t->fd, t->name, t->from, to);
	if (t->json) {
		json_rows_free(t->json);
		t->json = json_rows_new(t, &w, first);
	} else {
		csv_free(t->csv);
		t->csv = csv_rows(t, &w, first);
	}
}

uint64_t table_row_number(const struct table *t, uint64_t row)
{
	return row + (t->format == TABLE_JSONL ? 1 : 2);
}

int table_next(struct table *t, struct rows *ret, struct error *err)
{
	return t->json ? json_rows_next(t->json, ret, err) : csv_next(t->csv, ret, err);
}

int table_bad(const struct table *t, uint64_t row, size_t column, const char *what, struct error *err)
{
	if (column < table_ncolumns(t))
		return error_set(err, ERR_USAGE, "%s: row %" PRIu64 ", column \"%s\": %s", t->name, row,
				 table_column(t, column), what);
	return error_set(err, ERR_USAGE, "%s: row %" PRIu64 ", column %zu: %s", t->name, row, column + 1, what);
}
