/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/audit_tree.h"
#include <pthread.h>
#include <stdlib.h>
#include "base/db.h"
#include "base/error.h"
#include "base/machine.h"
#include "base/mem.h"
#include "base/merkle.h"
#include "base/strbuf.h"
#include "registry/audit.h"
#include "registry/audit_findings.h"
#include "registry/audit_suspects.h"
#include "registry/project.h"

#define PART_LEVEL 14 /* a part is the tree over so many leaves, as a power of two */
#define THREADS	   4

struct walk {
	uint64_t size, nparts;
	struct findings *findings;
	pthread_mutex_t lock; /* of what follows */
	uint64_t next;
	struct suspects suspects;
	struct error err; /* of the first thread that failed */
};
struct walker {
	struct walk *walk;
	struct db *db;
	struct digest *hashes; /* of one level of one part */
	pthread_t thread;
};

/* ---- nodes ---- */

/* The stored nodes [first, first + n) of a level into `ret`. What is not there stays as it was: nodes above it then do not
 * follow either. */
static int read_level(const struct walker *w, int level, uint64_t first, uint64_t n, struct digest *ret, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(w->db, "SELECT place, hash FROM audit_nodes"
							 " WHERE level = ?1 AND place >= ?2 AND place < ?3 ORDER BY place");
	uint64_t expected = first;
	int r;

	db_bind(q, 1, level);
	db_bind(q, 2, first);
	db_bind(q, 3, first + n);
	while ((r = db_step(q, err)) > 0) {
		uint64_t place = (uint64_t)db_int(q, 0);

		for (; expected < place; expected++)
			findings_add(w->walk->findings, FOUND_NODE, 0, 0, "hash %d/%llu of the tree is not there", level,
				     (unsigned long long)expected);
		db_digest(q, 1, &ret[place - first]);
		expected = place + 1;
	}
	for (; r == 0 && expected < first + n; expected++)
		findings_add(w->walk->findings, FOUND_NODE, 0, 0, "hash %d/%llu of the tree is not there", level,
			     (unsigned long long)expected);
	return r;
}

/* Nodes of one level from those below, both as they are stored: so a wrong one is found where it is, and not also in all
 * that stand above it. `below` becomes the level. */
static int check_level(const struct walker *w, int level, uint64_t first, uint64_t n, struct digest *below, struct error *err)
{
	CLEANUP(cleanup_free) struct digest *stored = xcalloc(n, sizeof(*stored));

	if (read_level(w, level, first, n, stored, err) < 0)
		return -1;
	for (uint64_t i = 0; i < n; i++) {
		long long leaf = (long long)(first + i) << level;
		struct digest made;

		merkle_node(&below[2 * i], &below[2 * i + 1], &made);
		if (!digest_equal(&made, &stored[i]))
			findings_add(w->walk->findings, FOUND_NODE, leaf + 1, leaf + (1LL << level),
				     "hash %d/%llu of the tree does not follow from those below it: one of the events %lld to %lld"
				     " was changed together with its hash",
				     level, (unsigned long long)(first + i), leaf + 1, leaf + (1LL << level));
		below[i] = stored[i];
	}
	return 0;
}

/* From a level, of which `n` nodes from `first` on are in `hashes`, up to another. */
static int check_levels(const struct walker *w, int from, int to, uint64_t first, uint64_t n, struct error *err)
{
	for (int level = from + 1; level <= to && n > 1; level++) {
		first /= 2;
		n /= 2;
		if (check_level(w, level, first, n, w->hashes, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- leaves ---- */

static void suspect(struct walk *walk, int64_t seq, bool there, const struct digest *leaf)
{
	pthread_mutex_lock(&walk->lock);
	suspects_add(&walk->suspects, seq, there, leaf);
	pthread_mutex_unlock(&walk->lock);
}

static int check_leaves(const struct walker *w, uint64_t first, uint64_t n, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q = db_query(w->db, "SELECT seq, " AUDIT_LEAF_COLUMNS
							 " FROM events WHERE seq > ?1 AND seq <= ?2 ORDER BY seq");
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	uint64_t expected = first;
	struct digest leaf;
	int r;

	db_bind(q, 1, first);
	db_bind(q, 2, first + n);
	while ((r = db_step(q, err)) > 0) {
		uint64_t place = (uint64_t)db_int(q, 0) - 1;

		for (; expected < place; expected++)
			suspect(w->walk, (int64_t)expected + 1, false, &w->hashes[expected - first]);
		expected = place + 1;
		strbuf_clear(&text);
		audit_leaf_row(q, 1, &text);
		merkle_leaf(text.buf, text.len, &leaf);
		if (!digest_equal(&leaf, &w->hashes[place - first]))
			suspect(w->walk, (int64_t)place + 1, true, &w->hashes[place - first]);
	}
	for (; r == 0 && expected < first + n; expected++)
		suspect(w->walk, (int64_t)expected + 1, false, &w->hashes[expected - first]);
	return r;
}

static int check_part(const struct walker *w, uint64_t part, struct error *err)
{
	uint64_t first = part << PART_LEVEL, left = w->walk->size - first;
	uint64_t n = left < 1u << PART_LEVEL ? left : 1u << PART_LEVEL;

	return read_level(w, 0, first, n, w->hashes, err) < 0 || check_leaves(w, first, n, err) < 0 ?
		       -1 :
		       check_levels(w, 0, PART_LEVEL, first, n, err);
}

/* ---- threads ---- */

static bool next_part(struct walk *walk, uint64_t *ret)
{
	bool any;

	pthread_mutex_lock(&walk->lock);
	any = !walk->err.code && walk->next < walk->nparts;
	if (any)
		*ret = walk->next++;
	pthread_mutex_unlock(&walk->lock);
	return any;
}

static void *walk_parts(void *arg)
{
	struct walker *w = arg;
	struct error err = { 0 };
	uint64_t part;

	while (next_part(w->walk, &part))
		if (check_part(w, part, &err) < 0) {
			pthread_mutex_lock(&w->walk->lock);
			if (!w->walk->err.code)
				w->walk->err = err;
			pthread_mutex_unlock(&w->walk->lock);
		}
	return NULL;
}

static void walker_release(struct walker *w)
{
	free(w->hashes);
	db_close(w->db);
}

static int walker_open(struct walker *w, struct project *p, struct walk *walk, uint64_t room, struct error *err)
{
	*w = (struct walker){ .walk = walk, .hashes = xcalloc(room, sizeof(*w->hashes)) };
	return project_reader(p, &w->db, err);
}

/* The first walks on the caller's thread; where no other can be had it does all. */
static int walk_all(struct project *p, struct walk *walk, size_t nwalkers, struct error *err)
{
	struct walker walkers[THREADS] = { 0 };
	size_t open = 0, started = 1;
	int r = 0;

	while (r == 0 && open < nwalkers)
		r = walker_open(&walkers[open++], p, walk, 1u << PART_LEVEL, err);
	while (r == 0 && started < nwalkers &&
	       pthread_create(&walkers[started].thread, NULL, walk_parts, &walkers[started]) == 0)
		started++;
	if (r == 0)
		walk_parts(&walkers[0]);
	for (size_t i = 1; i < started && r == 0; i++)
		pthread_join(walkers[i].thread, NULL);
	while (open > 0)
		walker_release(&walkers[--open]);
	if (r == 0 && walk->err.code) {
		if (err)
			*err = walk->err;
		r = -1;
	}
	return r;
}

/* ---- what is above the parts, and beyond ---- */

static int check_top(struct project *p, struct walk *walk, struct error *err)
{
	uint64_t n = walk->size >> PART_LEVEL;
	CLEANUP(walker_release) struct walker w = { 0 };

	if (walker_open(&w, p, walk, n + 1, err) < 0 || read_level(&w, PART_LEVEL, 0, n, w.hashes, err) < 0)
		return -1;
	return check_levels(&w, PART_LEVEL, MERKLE_LEVELS, 0, n, err);
}

/* What no tree of so many leaves has, and events behind the last leaf. One statement sees one moment of a log that grows. */
static int check_beyond(struct db *db, struct findings *findings, struct error *err)
{
	CLEANUP_STMT struct db_stmt *q =
		db_query(db, "SELECT (SELECT coalesce(max(seq), 0) FROM events), (SELECT count(*) FROM audit_nodes),"
			     " (SELECT coalesce(max(place) + 1, 0) FROM audit_nodes WHERE level = 0)");
	int64_t last, nodes, leaves;

	if (db_step(q, err) < 0)
		return -1;
	last = db_int(q, 0);
	nodes = db_int(q, 1);
	leaves = db_int(q, 2);
	if (last > leaves)
		findings_add(findings, FOUND_INSERTED, leaves + 1, last,
			     "behind event %lld, the last that was logged, stand others", (long long)leaves);
	for (int level = 0; level < MERKLE_LEVELS; level++)
		nodes -= leaves >> level;
	if (nodes > 0)
		findings_add(findings, FOUND_NODE, 0, 0, "the tree has %lld hashes more than its %lld leaves give", (long long)nodes,
			     (long long)leaves);
	return 0;
}

static int check_rest(struct project *p, struct walk *walk, struct error *err)
{
	CLEANUP(cleanup_db) struct db *db = NULL;

	if (project_reader(p, &db, err) < 0 || check_beyond(db, walk->findings, err) < 0)
		return -1;
	return suspects_judge(db, &walk->suspects, walk->findings, err);
}

static void walk_release(struct walk *walk)
{
	suspects_release(&walk->suspects);
	pthread_mutex_destroy(&walk->lock);
}

int audit_check_tree(struct project *p, uint64_t size, struct findings *findings, struct error *err)
{
	CLEANUP(walk_release) struct walk walk = { .size = size, .findings = findings, .lock = PTHREAD_MUTEX_INITIALIZER };
	double cores = machine_cpus();
	size_t nwalkers = cores > THREADS ? THREADS : cores < 1 ? 1 : (size_t)cores;

	walk.nparts = (size + (1u << PART_LEVEL) - 1) >> PART_LEVEL;
	if (walk.nparts < nwalkers)
		nwalkers = walk.nparts ? walk.nparts : 1;
	return walk_all(p, &walk, nwalkers, err) < 0 || check_top(p, &walk, err) < 0 ? -1 : check_rest(p, &walk, err);
}
