/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/mem.h"
#include "monitor/table/source.h"
#include "monitor/split/split_internal.h"

int split_rows_open(int fd, const char *name, enum table_format format, struct split_rows *ret, struct error *err)
{
	*ret = (struct split_rows){ .csv = format != TABLE_JSONL };
	if (source_open(fd, name, &ret->source, err) < 0)
		return -1;
	ret->window = (struct window)WINDOW_INIT(ret->source);
	return 0;
}

void split_rows_close(struct split_rows *r)
{
	window_release(&r->window);
	source_close(r->source);
	r->source = NULL;
}

/* The end of the row at `at`, behind \n, \r\n or \r, as far as the window tells; 0: it does not. The reader has found
 * quotes to be where they should, so each one opens or closes. */
static size_t find_end(const struct split_rows *r, size_t *looked, bool *quoted)
{
	const char *text = r->window.text;

	for (; *looked < r->window.len; ++*looked) {
		char c = text[*looked];

		if (c == '"' && r->csv)
			*quoted = !*quoted;
		if (*quoted || (c != '\n' && c != '\r'))
			continue;
		if (c == '\n')
			return *looked + 1;
		if (*looked + 1 < r->window.len)
			return *looked + 1 + (text[*looked + 1] == '\n');
		return r->window.ended ? r->window.len : 0;
	}
	return r->window.ended ? r->window.len : 0;
}

static bool is_empty(const struct split_rows *r, const char *row, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (row[i] != '\n' && row[i] != '\r' && (r->csv || (row[i] != ' ' && row[i] != '\t')))
			return false;
	return true;
}

int split_rows_next(struct split_rows *r, const char **ret, size_t *ret_len, struct error *err)
{
	for (;;) {
		size_t looked = r->at, end;
		bool quoted = false;

		while (!(end = find_end(r, &looked, &quoted))) {
			looked -= r->at;
			if (r->at)
				window_drop(&r->window, r->at);
			r->at = 0;
			if (r->window.len > ROW_BYTES)
				return error_set(err, ERR_CONFLICT, "the table was changed while it was read");
			if (window_fill(&r->window, err) < 0)
				return -1;
		}
		if (end == r->at)
			return 0;
		*ret = r->window.text + r->at;
		*ret_len = end - r->at;
		r->at = end;
		if (!is_empty(r, *ret, *ret_len))
			return 1;
	}
}
