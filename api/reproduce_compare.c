/* SPDX-License-Identifier: Apache-2.0 */
/* What was made against what is made: digests, the first byte that differs, numbers. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "api/reproduce.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/plan.h"
#include "store/store.h"
#include "store/tree.h"

#define PIECE	 65536
#define AROUND	 12 /* bytes shown on each side of the first that differs */

/* ---- steps ---- */

static struct js *compare_output(const struct recipe *r, const struct again *a, const char *path, bool *same)
{
	const struct content *was = strmap_get(&r->outputs, path);
	struct content made = { .kind = CONTENT_ABSENT };
	struct js *output = js_object();
	char text[CONTENT_TEXT];
	bool equal;

	again_output(a, path, &made);
	equal = was && content_equal(was, &made);
	*same = *same && equal;
	js_set_str(output, "path", path);
	js_set_str(output, "recorded", was ? content_format(was, text) : NULL);
	js_set_str(output, "made", made.kind == CONTENT_ABSENT ? NULL : content_format(&made, text));
	js_set_bool(output, "same", equal);
	return output;
}

struct js *again_compare(const struct recipe *r, const struct again_tree *t, const struct again *a)
{
	struct js *steps = js_array();

	for (size_t i = 0; i < r->steps.len; i++) {
		const struct plan_node *node = strmap_get(&t->plan->by_name, r->steps.items[i]);
		struct js *step = js_object(), *outputs = js_array();
		bool same = true;

		for (size_t k = 0; k < node->noutputs; k++)
			js_push(outputs, compare_output(r, a, node->outputs[k].path, &same));
		js_set_str(step, "step", node->name);
		js_set_bool(step, "same", same);
		js_set(step, "outputs", outputs);
		js_push(steps, step);
	}
	return steps;
}

/* ---- bytes ---- */

static void set_window(struct js *ret, const char *key, const unsigned char *piece, size_t len, size_t at)
{
	size_t from = at > AROUND ? at - AROUND : 0, to = at + AROUND < len ? at + AROUND : len;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	for (size_t i = from; i < to; i++)
		strbuf_printf(&text, piece[i] >= ' ' && piece[i] < 127 && piece[i] != '\\' ? "%c" : "\\x%02x", piece[i]);
	js_set_str(ret, key, text.buf);
}

static ssize_t read_piece(int fd, unsigned char *piece, off_t at)
{
	size_t len = 0;

	while (len < PIECE) {
		ssize_t n = pread(fd, piece + len, PIECE - len, at + (off_t)len);

		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static void compare_bytes(int old, int now, struct js *ret)
{
	CLEANUP(cleanup_free) unsigned char *a = xmalloc(PIECE), *b = xmalloc(PIECE);
	struct js *text = js_object();
	off_t at = 0;

	js_set(ret, "text", text);
	for (;; at += PIECE) {
		ssize_t n = read_piece(old, a, at), m = read_piece(now, b, at);
		size_t both = (size_t)(n < m ? n : m), i = 0;

		if (n < 0 || m < 0)
			return;
		while (i < both && a[i] == b[i])
			i++;
		if (i == both && n == m && n == PIECE)
			continue;
		js_set_int(ret, "offset", (int64_t)at + (int64_t)i);
		set_window(text, "recorded", a, (size_t)n, i);
		set_window(text, "made", b, (size_t)m, i);
		return;
	}
}

static void compare_files(struct store *was, const struct digest *old, struct store *is, const struct digest *now, struct js *ret)
{
	uint64_t before, after;
	CLEANUP(cleanup_fd) int a = store_open_object(was, old, &before, NULL);
	CLEANUP(cleanup_fd) int b = store_open_object(is, now, &after, NULL);

	if (a >= 0)
		js_set_int(ret, "recorded", (int64_t)before);
	if (b >= 0)
		js_set_int(ret, "made", (int64_t)after);
	if (a >= 0 && b >= 0)
		compare_bytes(a, b, ret);
}

struct tree_difference {
	const struct tree_entry *old, *now; /* of the first */
	size_t files;
};

static void count_entry(void *ctx, const struct tree_entry *old, const struct tree_entry *now)
{
	struct tree_difference *d = ctx;

	if (!d->files++) {
		d->old = old;
		d->now = now;
	}
}

static void compare_trees(struct store *was, const struct content *old, struct store *is, const struct content *now,
			  struct js *ret)
{
	CLEANUP(tree_release) struct tree a = TREE_INIT, b = TREE_INIT;
	struct tree_difference d = { 0 };

	if (tree_read(was, &old->id, &a, NULL) < 0 || tree_read(is, &now->id, &b, NULL) < 0)
		return;
	tree_diff(&a, &b, count_entry, &d);
	js_set_int(ret, "files", (int64_t)d.files);
	if (!d.files)
		return;
	js_set_str(ret, "file", d.old ? d.old->path : d.now->path);
	js_set_str(ret, "only", !d.old ? "made" : !d.now ? "recorded" : NULL);
	if (d.old && d.now && !d.old->target && !d.now->target)
		compare_files(was, &d.old->id, is, &d.now->id, ret);
}

struct js *content_difference(struct store *was, const struct content *old, struct store *is, const struct content *now)
{
	struct js *ret = js_object();

	if (now->kind == CONTENT_ABSENT)
		js_set_str(ret, "only", "recorded");
	else if (old->kind == CONTENT_TREE && now->kind == CONTENT_TREE)
		compare_trees(was, old, is, now, ret);
	else if (old->kind != CONTENT_TREE && now->kind != CONTENT_TREE)
		compare_files(was, &old->id, is, &now->id, ret);
	return ret;
}

/* ---- numbers ---- */

struct js *metrics_compare(const struct js *recorded, const struct js *made, double tolerance, bool *ret_within)
{
	struct js *list = js_array();

	*ret_within = js_len(recorded) > 0;
	for (void *it = recorded ? js_iter(recorded) : NULL; it; it = js_next(recorded, it)) {
		double a = js_number(js_iter_value(it)), b = js_number(js_get(made, js_iter_key(it)));
		double larger = fmax(1, fmax(fabs(a), fabs(b)));
		bool within = (isnan(a) && isnan(b) && js_get(made, js_iter_key(it))) || fabs(a - b) <= tolerance * larger;
		struct js *line = js_object();

		js_set_str(line, "metric", js_iter_key(it));
		js_set(line, "recorded", js_ref(js_iter_value(it)));
		if (js_get(made, js_iter_key(it)))
			js_set(line, "made", js_ref(js_get(made, js_iter_key(it))));
		js_set_bool(line, "within", within);
		*ret_within = *ret_within && within;
		js_push(list, line);
	}
	return list;
}
