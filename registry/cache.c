/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/cache.h"
#include "base/db.h"
#include "base/error.h"
#include "base/mem.h"
#include "registry/rows.h"
#include <stdio.h>
#include <stdlib.h>

void cache_entry_release(struct cache_entry *entry)
{
	for (size_t i = 0; i < entry->noutputs; i++)
		free(entry->outputs[i].path);
	free(entry->outputs);
	entry->outputs = NULL;
	entry->noutputs = 0;
}

static int read_outputs(struct db *db, const struct digest *key, struct cache_entry *entry,
			struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
	    db_query(db, "SELECT o.path, c.kind, c.digest, c.size, c.files FROM cache_outputs o"
			 " JOIN contents c ON c.id = o.content WHERE o.key = ?1 ORDER BY o.path");
	size_t cap = 0;
	int r;

	db_bind(q, 1, key);
	while ((r = db_step(q, err)) > 0) {
		struct content content;

		if (content_read(q, 1, &content, err) < 0)
			return -1;
		GROW(entry->outputs, entry->noutputs, cap);
		entry->outputs[entry->noutputs++] =
		    (struct cache_output){xstrdup(db_text(q, 0)), content};
	}
	return r;
}

static struct cache_entry read_entry(struct db_stmt *q)
{
	struct cache_entry entry = {.created_ms = db_int(q, 2), .accepted = db_int(q, 3)};

	snprintf(entry.run, sizeof(entry.run), "%s", db_text(q, 0));
	snprintf(entry.step, sizeof(entry.step), "%s", db_text(q, 1));
	return entry;
}

int cache_find(struct db *db, const struct digest *key, struct cache_entry *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
	    db_query(db, "SELECT run, step, created, accepted FROM cache WHERE key = ?1");
	struct cache_entry entry;
	int r;

	db_bind(q, 1, key);
	r = db_step(q, err);
	if (r <= 0)
		return r;
	entry = read_entry(q);
	if (read_outputs(db, key, &entry, err) < 0) {
		cache_entry_release(&entry);
		return -1;
	}
	*ret = entry;
	return 1;
}

static int forget(struct db *db, const struct digest *key, struct error *err)
{
	struct db_stmt *q = db_query(db, "DELETE FROM cache WHERE key = ?1");

	db_bind(q, 1, key);
	return db_run(q, err);
}

static int store_output(struct db *db, const struct digest *key, const struct cache_output *output,
			struct error *err)
{
	struct db_stmt *q;
	int64_t content;

	if (content_row(db, &output->content, &content, err) < 0)
		return -1;
	q = db_query(db, "INSERT INTO cache_outputs (key, path, content) VALUES (?1, ?2, ?3)");
	db_bind(q, 1, key);
	db_bind(q, 2, output->path);
	db_bind(q, 3, content);
	return db_run(q, err);
}

static int store(struct db *db, const struct digest *key, const struct cache_entry *entry,
		 struct error *err)
{
	struct db_stmt *q;

	if (forget(db, key, err) < 0)
		return -1;
	q = db_query(db, "INSERT INTO cache (key, run, step, created, accepted)"
			 " VALUES (?1, ?2, ?3, ?4, ?5)");
	db_bind(q, 1, key);
	db_bind(q, 2, (const char *)entry->run);
	db_bind(q, 3, (const char *)entry->step);
	db_bind(q, 4, entry->created_ms);
	db_bind(q, 5, entry->accepted);
	if (db_run(q, err) < 0)
		return -1;
	for (size_t i = 0; i < entry->noutputs; i++)
		if (store_output(db, key, &entry->outputs[i], err) < 0)
			return -1;
	return 0;
}

int cache_store(struct db *db, const struct digest *key, const struct cache_entry *entry,
		struct error *err)
{
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, store(db, key, entry, err), err);
}

int cache_forget(struct db *db, const struct digest *key, struct error *err)
{
	if (db_begin(db, err) < 0)
		return -1;
	return write_end(db, forget(db, key, err), err);
}

int cache_each(struct db *db,
	       int (*each)(void *ctx, const struct digest *key, const struct cache_entry *), void *ctx,
	       struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
	    db_query(db, "SELECT run, step, created, accepted, key FROM cache ORDER BY created DESC, key");
	struct digest key;
	int r;

	while ((r = db_step(q, err)) > 0) {
		struct cache_entry entry = read_entry(q);

		if (db_digest(q, 4, &key) && each(ctx, &key, &entry) != 0)
			return 0;
	}
	return r;
}
