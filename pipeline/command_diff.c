/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a command changed, word by word. Words are what blanks separate, also inside of one
 * argument, so that an edit in the text of `sh -c` shows as that edit. A word that differs
 * by a param's value says nothing that the param did not say, and counts as unchanged.
 */
#include <stdint.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "pipeline/expand.h"
#include "pipeline/explain_internal.h"
#include "pipeline/show.h"

#define CELLS_MAX (1u << 18) /* of the table; beyond, what differs is one piece */
#define AROUND 2             /* unchanged words that a line shows beside a change */

struct command_diff {
	struct strlist old, now;        /* words */
	struct strlist before, after;   /* texts of values that changed, by index */
	struct js *words;               /* [{change: same|removed|added, text}] */
	size_t removed, added;
};

static void diff_release(struct command_diff *d)
{
	strlist_release(&d->old);
	strlist_release(&d->now);
	strlist_release(&d->before);
	strlist_release(&d->after);
	js_free(d->words);
}

/* ---- what equals what ---- */

static void note_values(struct command_diff *d, const struct js *old, const struct js *now)
{
	for (void *it = now ? js_iter(now) : NULL; it; it = js_next(now, it)) {
		const struct js *was = js_get(old, js_iter_key(it));
		char *before = was ? param_text(was) : NULL, *after = param_text(js_iter_value(it));

		if (before && *before && strcmp(before, after) != 0) {
			strlist_push_owned(&d->before, before);
			strlist_push_owned(&d->after, after);
		} else {
			free(before);
			free(after);
		}
	}
}

/* now is old with one `before` in it replaced by `after`. */
static bool is_replaced(const char *old, const char *now, const char *before, const char *after)
{
	size_t len = strlen(before), new_len = strlen(after);

	for (const char *at = strstr(old, before); at; at = strstr(at + 1, before)) {
		size_t head = (size_t)(at - old);

		if (!strncmp(now, old, head) && !strncmp(now + head, after, new_len) &&
		    !strcmp(now + head + new_len, at + len))
			return true;
	}
	return false;
}

static bool same_word(const struct command_diff *d, const char *old, const char *now)
{
	if (!strcmp(old, now))
		return true;
	for (size_t i = 0; i < d->before.len; i++)
		if (is_replaced(old, now, d->before.items[i], d->after.items[i]))
			return true;
	return false;
}

/* ---- words ---- */

static void add_pieces(struct strlist *ret, const char *text)
{
	static const char blanks[] = " \t\n";

	for (text += strspn(text, blanks); *text; text += strspn(text, blanks)) {
		size_t len = strcspn(text, blanks);
		strlist_push_owned(ret, xstrndup(text, len));
		text += len;
	}
}

static void take_words(const struct js *argv, bool pieces, struct strlist *ret)
{
	strlist_release(ret);
	for (size_t i = 0; i < js_len(argv); i++) {
		const char *word = js_text(js_at(argv, i)) ? js_text(js_at(argv, i)) : "";
		if (pieces)
			add_pieces(ret, word);
		else
			strlist_push(ret, word);
	}
}

static void put(struct command_diff *d, const char *change, const char *text)
{
	struct js *word = js_object();

	js_set_str(word, "change", change);
	js_set_str(word, "text", text);
	js_push(d->words, word);
	d->removed += *change == 'r';
	d->added += *change == 'a';
}

/* lengths[i * (m + 1) + k]: of the longest common part of what follows old[i] and now[k]. */
static uint16_t *common_lengths(const struct command_diff *d, size_t head, size_t n, size_t m)
{
	uint16_t *lengths = xcalloc((n + 1) * (m + 1), sizeof(*lengths));

	for (size_t i = n; i-- > 0;) {
		uint16_t *row = lengths + i * (m + 1), *below = row + m + 1;

		for (size_t k = m; k-- > 0;) {
			if (same_word(d, d->old.items[head + i], d->now.items[head + k]))
				row[k] = (uint16_t)(below[k + 1] + 1);
			else
				row[k] = below[k] > row[k + 1] ? below[k] : row[k + 1];
		}
	}
	return lengths;
}

/* Of n and m words from `head` on. What is too long to be compared counts as replaced. */
static void put_middle(struct command_diff *d, size_t head, size_t n, size_t m)
{
	bool compare = n && m && n < UINT16_MAX && m < CELLS_MAX / (n + 1);
	CLEANUP(cleanup_free) uint16_t *lengths = compare ? common_lengths(d, head, n, m) : NULL;
	size_t i = 0, k = 0;

	while (i < n || k < m) {
		const uint16_t *at = lengths ? lengths + i * (m + 1) + k : NULL;

		if (at && i < n && k < m && same_word(d, d->old.items[head + i], d->now.items[head + k])) {
			put(d, "same", d->now.items[head + k++]);
			i++;
		} else if (i < n && (k == m || !at || at[m + 1] >= at[1])) {
			put(d, "removed", d->old.items[head + i++]);
		} else {
			put(d, "added", d->now.items[head + k++]);
		}
	}
}

static void compare(struct command_diff *d, const struct js *old, const struct js *now, bool pieces)
{
	size_t head = 0, tail = 0, n, m;

	take_words(old, pieces, &d->old);
	take_words(now, pieces, &d->now);
	n = d->old.len;
	m = d->now.len;
	js_free(d->words);
	d->words = js_array();
	while (head < n && head < m && same_word(d, d->old.items[head], d->now.items[head]))
		put(d, "same", d->now.items[head++]);
	while (tail < n - head && tail < m - head &&
	       same_word(d, d->old.items[n - tail - 1], d->now.items[m - tail - 1]))
		tail++;
	put_middle(d, head, n - head - tail, m - head - tail);
	for (size_t i = m - tail; i < m; i++)
		put(d, "same", d->now.items[i]);
}

/* ---- as a line ---- */

static const char *change_at(const struct command_diff *d, size_t i)
{
	return i < js_len(d->words) ? js_get_str(js_at(d->words, i), "change") : "same";
}

/* Whether a change is near enough for the word to be shown. */
static bool is_shown(const struct command_diff *d, size_t i)
{
	for (size_t k = i > AROUND ? i - AROUND : 0; k <= i + AROUND; k++)
		if (*change_at(d, k) != 's')
			return true;
	return false;
}

static char *diff_line(const struct command_diff *d)
{
	CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
	const char *old = NULL, *now = NULL;
	bool gap = false;

	for (size_t i = 0; i < js_len(d->words); i++) {
		const char *change = change_at(d, i), *text = js_get_str(js_at(d->words, i), "text");
		old = *change == 'r' ? text : old;
		now = *change == 'a' ? text : now;
		if (!is_shown(d, i)) {
			strbuf_puts(&line, gap ? "" : " ...");
			gap = true;
			continue;
		}
		gap = false;
		/* A sign before an option's own would be read as part of it. */
		strbuf_printf(&line, strchr("ra", *change) && strchr("+-", *text) ? " %s'%s'" : " %s%s",
			      *change == 'r' ? "-" : *change == 'a' ? "+" : "", text);
	}
	if (d->removed == 1 && d->added == 1)
		return xasprintf("command changed: %s -> %s", SHOW(old), SHOW(now));
	return xasprintf("command changed:%s", SHOW(line.buf));
}

void explain_command(struct js *list, const struct js *old_record, const struct js *now_record)
{
	const struct js *old = js_get(old_record, "argv"), *now = js_get(now_record, "argv");
	CLEANUP(diff_release) struct command_diff d = { .words = NULL };
	struct js *difference;

	if (old && now && js_equal(old, now))
		return;
	note_values(&d, js_get(old_record, "params"), js_get(now_record, "params"));
	note_values(&d, js_get(old_record, "matrix"), js_get(now_record, "matrix"));
	compare(&d, old, now, false);
	if (!d.removed && !d.added)
		return;
	d.removed = d.added = 0;
	compare(&d, old, now, true);
	if (!d.removed && !d.added)
		compare(&d, old, now, false); /* only blanks, or where an argument ends */
	difference = explain_add(list, "command", NULL, old, now, diff_line(&d));
	js_set(difference, "words", steal(&d.words));
}
