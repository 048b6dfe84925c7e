/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "monitor/table/scan.h"
#include "monitor/table/source.h"
#include "monitor/table/table_scan_internal.h"

#define STEP  WINDOW_PIECE
#define WORDS (STEP / SCAN_BLOCK)

/*
 * A row ends at a \n or \r outside of quotes before which something stands: so empty rows, and the \n of \r\n, are none.
 * Where a block ends, the state is that of a beginning, so one pass goes through all of them.
 */
struct cutter {
	const struct table *table;
	struct source *source;
	uint64_t from; /* where in the file the next block begins */
	uint64_t at;   /* and `text` */
	uint64_t row;
	size_t len, word, words; /* of text: bytes, the word that `ends` is of, how many there are */
	uint64_t ends;		 /* of the word, those that are not in a block so far */
	uint64_t lines;		 /* of the word, outside of quotes */
	bool quoted, after_line; /* behind the word */
	bool ended;
	struct scan_masks masks;
	uint64_t bits[3][WORDS];
	char text[STEP];
};

struct cutter *cutter_new(const struct table *t, uint64_t from, uint64_t to, uint64_t first)
{
	struct cutter *c = xcalloc(1, sizeof(*c));

	c->table = t;
	c->source = source_range(t->fd, t->name, from, to);
	c->from = c->at = from;
	c->row = first;
	c->after_line = true;
	c->masks = (struct scan_masks){ c->bits[0], c->bits[1], c->bits[2], false };
	return c;
}

void cutter_free(struct cutter *c)
{
	if (!c)
		return;
	source_close(c->source);
	free(c);
}

/* 1, 0 at the end of the file, -1. */
static int next_text(struct cutter *c, struct error *err)
{
	ssize_t n;

	if (c->ended)
		return 0;
	n = source_read(c->source, c->text, STEP, err);
	if (n < 0)
		return -1;
	c->ended = (size_t)n < STEP;
	if (!n)
		return 0;
	c->at += c->len;
	c->len = (size_t)n;
	c->word = 0;
	c->words = (c->len + SCAN_BLOCK - 1) / SCAN_BLOCK;
	memset(c->text + c->len, 'x', c->words * SCAN_BLOCK - c->len);
	scan_blocks(c->text, 0, c->words, c->table->delimiter, &c->masks);
	return 1;
}

static void look_at_word(struct cutter *c)
{
	uint64_t lines = c->masks.lines[c->word], quotes = c->masks.quotes[c->word];

	if (quotes || c->quoted)
		lines &= ~scan_inside(quotes, &c->quoted);
	c->ends = lines & ~(lines << 1 | c->after_line);
	c->lines = lines;
	c->after_line = lines >> 63;
}

static int next_word(struct cutter *c, struct error *err)
{
	if (c->word + 1 < c->words) {
		c->word++;
	} else {
		int r = next_text(c, err);

		if (r <= 0)
			return r;
	}
	look_at_word(c);
	return 1;
}

static void cut(struct cutter *c, uint64_t to, uint64_t nrows, struct cut *ret)
{
	*ret = (struct cut){ c->from, to, c->row, nrows };
	c->from = to;
	c->row += nrows;
}

/* The rest of the file; its last row may lack its end. */
static int cut_rest(struct cutter *c, uint64_t nrows, struct cut *ret)
{
	uint64_t end = c->at + c->len;

	if (c->len && end > c->from && !(c->lines >> (c->len - 1) % SCAN_BLOCK & 1))
		nrows++;
	if (!nrows)
		return 0;
	cut(c, end, nrows, ret);
	return 1;
}

int cutter_next(struct cutter *c, struct cut *ret, struct error *err)
{
	uint64_t want = TABLE_BLOCK - c->row % TABLE_BLOCK, n = 0;

	for (;;) {
		uint64_t here = (uint64_t)__builtin_popcountll(c->ends);
		int r;

		if (n + here >= want)
			break;
		n += here;
		c->ends = 0;
		r = next_word(c, err);
		if (r <= 0)
			return r < 0 ? -1 : cut_rest(c, n, ret);
	}
	for (; n + 1 < want; n++)
		c->ends &= c->ends - 1;
	n = c->at + c->word * SCAN_BLOCK + (unsigned)__builtin_ctzll(c->ends) + 1;
	c->ends &= c->ends - 1;
	cut(c, n, want, ret);
	return 1;
}
