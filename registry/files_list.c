/* SPDX-License-Identifier: Apache-2.0 */
/* A directory's names, a page at a time, from all that stands below it. */
#include <stdlib.h>
#include <string.h>
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "registry/files_internal.h"

/* ---- a page ---- */

bool listing_wants(const struct listing *l, const char *name, size_t len, bool is_dir)
{
	CLEANUP(cleanup_free) char *key = NULL;

	if (!l->after)
		return true;
	key = xasprintf("%.*s%s", (int)len, name, is_dir ? "/" : "");
	return strcmp(key, l->after) > 0;
}

void listing_add(struct listing *l, const char *name, size_t len, bool is_dir, uint64_t size)
{
	const struct listed *last = l->len ? &l->items[l->len - 1] : NULL;

	/* Sources name a directory once for each file below it, in a row. */
	if (last && is_dir && !strncmp(last->name, name, len) && !strcmp(last->name + len, "/"))
		return;
	if (!listing_wants(l, name, len, is_dir))
		return;
	GROW(l->items, l->len, l->cap);
	l->items[l->len++] = (struct listed){ xasprintf("%.*s%s", (int)len, name, is_dir ? "/" : ""), size };
}

static void listing_release(struct listing *l)
{
	for (size_t i = 0; i < l->len; i++)
		free(l->items[i].name);
	free(l->items);
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct listed *)a)->name, ((const struct listed *)b)->name);
}

/* Sorted, each name once. */
static void listing_settle(struct listing *l)
{
	size_t n = 0;

	if (l->len)
		qsort(l->items, l->len, sizeof(*l->items), compare);
	for (size_t i = 0; i < l->len; i++) {
		if (n && !strcmp(l->items[n - 1].name, l->items[i].name))
			free(l->items[i].name);
		else
			l->items[n++] = l->items[i];
	}
	l->len = n;
}

/* ---- rows ---- */

/* Paths of files, or roots of places, in their order, from a text on and below another. */
struct range {
	const char *sql; /* path, size; ?1 place, ?2 from, ?3 to */
	int64_t place;
	const char *dir; /* "" or with '/' at its end */
	bool dirs_only;
};

#define FILES                                                                                       \
	"SELECT f.path, c.size FROM files f JOIN contents c ON c.id = f.content"                    \
	" WHERE f.place = ?1 AND f.path >= ?2 AND f.path < ?3 ORDER BY f.path"
#define PLACES                                                                                      \
	"SELECT p.root, 0 FROM file_places p WHERE p.id > ?1 AND p.root >= ?2 AND p.root < ?3"      \
	" AND EXISTS (SELECT 1 FROM files f WHERE f.place = p.id) ORDER BY p.root"

/* The smallest text behind a path and all that starts with it and a '/'. */
static char *beyond(const char *dir, const char *name, size_t len, bool is_dir)
{
	return xasprintf("%s%.*s%c", dir, (int)len, name, is_dir ? '/' + 1 : 1);
}

/* Names until the first directory, behind whose files the next call goes on. 1, or 0 at the end. */
static int list_some(struct db *db, const struct range *range, char **from, struct listing *l, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(db, range->sql);
	CLEANUP(cleanup_free) char *to = NULL;
	size_t skip = strlen(range->dir);
	int r;

	to = skip ? beyond("", range->dir, skip - 1, true) : xstrdup("\xff");
	db_bind(q, 1, range->place);
	db_bind(q, 2, (const char *)*from);
	db_bind(q, 3, (const char *)to);
	while ((r = db_step(q, err)) > 0 && !(l->max && l->len >= l->max)) {
		const char *name = db_text(q, 0) + skip;
		size_t len = strcspn(name, "/");
		bool is_dir = range->dirs_only || name[len];

		listing_add(l, name, len, is_dir, (uint64_t)db_int(q, 1));
		if (is_dir) {
			free(*from);
			*from = beyond(range->dir, name, len, true);
			return 1;
		}
	}
	return r < 0 ? -1 : 0;
}

static int list_range(struct db *db, const struct range *range, struct listing *l, struct error *err)
{
	CLEANUP(cleanup_free) char *from = NULL;
	size_t len = l->after ? strlen(l->after) : 0;
	struct listing own = { .max = l->max, .after = l->after };
	int r;

	if (!len)
		from = xstrdup(range->dir);
	else if (l->after[len - 1] == '/')
		from = beyond(range->dir, l->after, len - 1, true);
	else
		from = beyond(range->dir, l->after, len, false);
	while ((r = list_some(db, range, &from, &own, err)) > 0)
		;
	for (size_t i = 0; i < own.len; i++) {
		GROW(l->items, l->len, l->cap);
		l->items[l->len++] = own.items[i];
	}
	free(own.items);
	return r;
}

static int list_sources(struct db *db, struct store *store, const struct place *place, struct listing *l,
			struct error *err)
{
	CLEANUP(cleanup_free) char *dir = xasprintf("%s%s", place->path, *place->path ? "/" : "");
	struct range files = { FILES, place->id, dir, false }, places = { PLACES, 0, dir, true };

	if (place->id >= 0 && list_range(db, &files, l, err) < 0)
		return -1;
	if (!*place->root)
		return list_range(db, &places, l, err);
	return place->run ? output_list(db, store, place->run, place->id < 0, place->path, l, err) : 0;
}

/* ---- the answer ---- */

static struct js *entry(const struct listed *item)
{
	struct js *json = js_object();
	size_t len = strlen(item->name);
	bool is_dir = item->name[len - 1] == '/';

	js_set(json, "path", js_strn(item->name, len - is_dir));
	js_set_bool(json, "is_dir", is_dir);
	if (!is_dir)
		js_set_int(json, "file_size", (int64_t)item->size);
	return json;
}

int file_list(struct db *db, struct store *store, const char *dir, const char *after, size_t max, struct js **ret,
	      char **ret_next, struct error *err)
{
	struct place place CLEANUP(place_release) = PLACE_INIT;
	struct listing l CLEANUP(listing_release) = { .max = max ? max + 1 : 0, .after = after };
	size_t n;

	if ((*dir && file_path_check(dir, err) < 0) || place_find(db, dir, &place, err) < 0 ||
	    list_sources(db, store, &place, &l, err) < 0)
		return -1;
	listing_settle(&l);
	n = max && l.len > max ? max : l.len;
	*ret = js_array();
	for (size_t i = 0; i < n; i++)
		js_push(*ret, entry(&l.items[i]));
	*ret_next = n < l.len ? xstrdup(l.items[n - 1].name) : NULL;
	return 0;
}
