/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/audit_known.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "registry/audit.h"
#include "registry/audit_findings.h"
#include "registry/project.h"

struct known {
	char *where; /* all places, in words */
	struct checkpoint cp;
};
struct look {
	struct project *project;
	struct db *db;
	struct findings *findings;
	char origin[AUDIT_ORIGIN];
	struct known **items;
	size_t len, cap;
	struct strmap notes; /* note -> struct known, so that each is looked at once */
	uint64_t good;       /* size of the largest that holds */
	bool differs;        /* one does not: larger ones cannot either */
	char *stranger;      /* another log, of which a checkpoint was given */
};

static void look_release(struct look *l)
{
	for (size_t i = 0; i < l->len; i++) {
		free(l->items[i]->where);
		checkpoint_release(&l->items[i]->cp);
		free(l->items[i]);
	}
	free(l->items);
	strmap_release(&l->notes);
	free(l->stranger);
}

static int collect(void *ctx, const char *where, const struct checkpoint *cp)
{
	struct look *l = ctx;
	struct known *known = strmap_get(&l->notes, cp->note);

	if (known)
		return 0;
	known = xcalloc(1, sizeof(*known));
	known->where = xstrdup(where);
	known->cp = *cp;
	known->cp.origin = xstrdup(cp->origin);
	known->cp.note = xstrdup(cp->note);
	GROW(l->items, l->len, l->cap);
	l->items[l->len++] = known;
	strmap_set(&l->notes, cp->note, known);
	return 0;
}

/* ---- one ---- */

/* A key whose row was changed is found, and not the end of the check. */
static int check_signature(const struct look *l, const struct known *known, bool *ret, struct error *err)
{
	struct error why = { 0 };
	char key[SIGN_ID + 1];
	int r = checkpoint_signed(l->db, &known->cp, key, &why);

	if (r < 0 && why.code != ERR_DAMAGED) {
		if (err)
			*err = why;
		return -1;
	}
	if (r < 0)
		findings_add(l->findings, FOUND_SIGNATURE, 0, 0, "%s", why.msg);
	else if (r == 0)
		findings_add(l->findings, FOUND_SIGNATURE, 0, 0,
			     "no key of this project that could sign then has signed the checkpoint of %" PRIu64 " events in %s",
			     known->cp.size, known->where);
	*ret = r > 0;
	return 0;
}

static void check_root(struct look *l, const struct known *known, bool is_signed)
{
	const struct checkpoint *cp = &known->cp;
	struct digest root;

	/* hashes that are not there were found by the tree's own check */
	if (l->differs || audit_root(l->db, cp->size, &root, NULL) < 0)
		return;
	if (digest_equal(&root, &cp->root)) {
		l->good = is_signed ? cp->size : l->good;
		return;
	}
	l->differs = true;
	findings_add(l->findings, FOUND_REPLACED, (int64_t)l->good + 1, (int64_t)cp->size,
		     "the log is not the one that was signed: an event from %" PRIu64 " to %" PRIu64
		     " is another than when the checkpoint in %s was made",
		     l->good + 1, cp->size, known->where);
}

static int check_one(struct look *l, const struct known *known, struct error *err)
{
	const struct checkpoint *cp = &known->cp;
	uint64_t size;
	bool is_signed;

	if (strcmp(cp->origin, l->origin) != 0) {
		findings_add(l->findings, FOUND_OTHER_LOG, 0, 0, "%s holds a checkpoint of another log, %.100s: this one is %s",
			     known->where, cp->origin, l->origin);
		return 0;
	}
	/* asked for each time: the log grows */
	if (audit_size(l->db, &size, err) < 0 || check_signature(l, known, &is_signed, err) < 0)
		return -1;
	if (cp->size > size)
		findings_add(l->findings, FOUND_TRUNCATED, (int64_t)size + 1, (int64_t)cp->size,
			     "the log ends with event %" PRIu64 ", but %s holds a checkpoint of %" PRIu64
			     " events: the last were removed, or the database was rolled back",
			     size, known->where, cp->size);
	else
		check_root(l, known, is_signed);
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct known *x = *(struct known *const *)a, *y = *(struct known *const *)b;

	return (x->cp.size > y->cp.size) - (x->cp.size < y->cp.size);
}

/* ---- all ---- */

static int collect_given(void *ctx, const char *where, const struct checkpoint *cp)
{
	struct look *l = ctx;

	if (!l->stranger && strcmp(cp->origin, l->origin) != 0)
		l->stranger = xstrdup(cp->origin);
	return collect(ctx, where, cp);
}

static int read_given(struct look *l, const char *text, size_t len, const char *name, struct error *err)
{
	if (checkpoints_read(text, len, name, collect_given, l, err) < 0) {
		if (err)
			err->code = ERR_USAGE;
		return -1;
	}
	if (!l->len)
		return error_set(err, ERR_USAGE, "%s holds no checkpoint", name);
	if (!l->stranger)
		return 0;
	error_set(err, ERR_USAGE, "%s holds a checkpoint of another log, %.100s: this one is %s", name, l->stranger, l->origin);
	return error_help(err, "give one that was made here, by: mlops audit checkpoint");
}

/* A kept text that is no checkpoint any more is found, and not the end of the check. */
static int read_kept(struct look *l, struct js *notes, struct error *err)
{
	struct error why = { 0 };

	if (checkpoints_each(l->project, collect, l, notes, &why) == 0)
		return 0;
	if (why.code == ERR_DAMAGED) {
		findings_add(l->findings, FOUND_SIGNATURE, 0, 0, "%s", why.msg);
		return 0;
	}
	if (err)
		*err = why;
	return -1;
}

int audit_check_known(struct project *p, const char *text, size_t len, const char *name, struct js *notes,
		      struct findings *findings, struct audit_known *ret, struct error *err)
{
	CLEANUP(look_release) struct look l = { .project = p, .findings = findings };

	if (project_db(p, &l.db, err) < 0 || audit_origin(l.db, l.origin, err) < 0 ||
	    (text && read_given(&l, text, len, name, err) < 0) || read_kept(&l, notes, err) < 0)
		return -1;
	if (l.len)
		qsort(l.items, l.len, sizeof(*l.items), compare);
	for (size_t i = 0; i < l.len; i++)
		if (check_one(&l, l.items[i], err) < 0)
			return -1;
	*ret = (struct audit_known){ .checkpoints = (int64_t)l.len, .signed_size = l.good };
	return 0;
}
