/* SPDX-License-Identifier: Apache-2.0 */
#include "api/why_inputs.h"
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "pipeline/run.h"
#include "store/store.h"

#define FILES_NAMED 20

void input_explainer_release(struct input_explainer *x)
{
	for (size_t i = 0; i < x->told.len; i++)
		js_free(x->told.entries[i].value);
	strmap_release(&x->told);
}

struct side {
	struct content content; /* ABSENT: it was not, or is no input */
	struct tree tree;
	bool known;             /* its size and, of a directory, its files */
};

static void side_release(struct side *s)
{
	tree_release(&s->tree);
}

/* By its digest, which the record has. */
static void side_stored(struct input_explainer *x, struct side *s)
{
	CLEANUP(cleanup_fd) int fd = -1;

	if (s->content.kind == CONTENT_TREE) {
		s->known = tree_read(x->store, &s->content.id, &s->tree, NULL) == 0;
		s->content.size = s->tree.bytes;
		s->content.files = s->tree.len;
	} else if (s->content.kind != CONTENT_ABSENT) {
		fd = store_open_object(x->store, &s->content.id, &s->content.size, NULL);
		s->known = fd >= 0;
	}
}

/* What is on the disk, if that is what was looked at: an input that is to be restored first is not. */
static void side_here(struct input_explainer *x, const char *path, struct side *s)
{
	const struct content *seen = look_input(x->looker, path);
	struct content now;

	if (!seen || seen->kind == CONTENT_ABSENT)
		return;
	s->content = *seen;
	if (scan_path(&x->scanner, path, &now, &s->tree, NULL) == 0 && content_equal(&now, seen)) {
		s->content = now;
		s->known = true;
		return;
	}
	tree_release(&s->tree);
	s->tree = (struct tree)TREE_INIT;
	side_stored(x, s);
}

struct file_counts {
	struct js *files;
	int64_t added, changed, removed;
};

static void count_entry(void *ctx, const struct tree_entry *old, const struct tree_entry *now)
{
	struct file_counts *c = ctx;
	struct js *file;

	*(!old ? &c->added : !now ? &c->removed : &c->changed) += 1;
	if (js_len(c->files) >= FILES_NAMED)
		return;
	file = js_object();
	js_set_str(file, "path", (old ? old : now)->path);
	js_set_str(file, "change", !old ? "added" : !now ? "removed" : "changed");
	if (old)
		js_set_int(file, "old_size", (int64_t)old->size);
	if (now)
		js_set_int(file, "new_size", (int64_t)now->size);
	js_push(c->files, file);
}

static void add_files(const struct side *old, const struct side *now, struct js *ret)
{
	struct file_counts c = { .files = js_array() };

	tree_diff(&old->tree, &now->tree, count_entry, &c);
	js_set(ret, "files", c.files);
	js_set_int(ret, "added", c.added);
	js_set_int(ret, "changed", c.changed);
	js_set_int(ret, "removed", c.removed);
}

static void add_size(const struct side *s, const char *size, const char *files, struct js *ret)
{
	if (!s->known)
		return;
	js_set_int(ret, size, (int64_t)s->content.size);
	if (s->content.kind == CONTENT_TREE)
		js_set_int(ret, files, (int64_t)s->content.files);
}

static struct js *explain(struct input_explainer *x, const char *path, const char *was, bool is)
{
	CLEANUP(side_release) struct side old = { .tree = TREE_INIT };
	CLEANUP(side_release) struct side now = { .tree = TREE_INIT };
	struct js *ret = js_object();

	if (was && content_parse(was, &old.content))
		side_stored(x, &old);
	if (is)
		side_here(x, path, &now);
	add_size(&old, "old_size", "old_files", ret);
	add_size(&now, "new_size", "new_files", ret);
	if (old.content.kind == CONTENT_TREE && now.content.kind == CONTENT_TREE && old.known && now.known)
		add_files(&old, &now, ret);
	if (old.content.kind != CONTENT_ABSENT && !old.known)
		js_set_str(ret, "note", "what it was is not in the store any more");
	else if (now.content.kind != CONTENT_ABSENT && !now.known)
		js_set_str(ret, "note", "what it is has not been brought here yet");
	return ret;
}

void input_explain(struct input_explainer *x, struct js *difference)
{
	const char *path = js_get_str(difference, "name"), *old = js_get_str(difference, "old");
	CLEANUP(cleanup_free) char *id = xasprintf("%s\n%s", path, old ? old : "");
	struct js *told = strmap_get(&x->told, id);

	if (!told) {
		told = explain(x, path, old, js_get(difference, "new"));
		strmap_set(&x->told, id, told);
	}
	for (void *it = js_iter(told); it; it = js_next(told, it))
		js_set(difference, js_iter_key(it), js_ref(js_iter_value(it)));
}
