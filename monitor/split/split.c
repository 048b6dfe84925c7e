/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/split/split.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "base/strmap.h"
#include "monitor/split/split_internal.h"

#define SHARES_NEARLY 1e-9
#define NAME_BYTES    64u
#define COPY_BYTES    ((size_t)256 << 10)

struct split_plan {
	const struct split_options *options; /* lent */
	struct split_keys keys;
	uint64_t *class_rows;
	size_t nclasses, cap;
	struct split_cut *cuts; /* of each class */
	struct strmap classes;	/* its value -> number + 1 */
};

/* ---- parts ---- */

void split_options_release(struct split_options *options)
{
	for (size_t i = 0; i < options->nparts; i++)
		free(options->parts[i].name);
	options->nparts = 0;
}

static bool name_is_good(const char *name)
{
	size_t len = strlen(name);

	if (!len || len > NAME_BYTES || *name == '.' || *name == '-')
		return false;
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("._-", *c))
			return false;
	return true;
}

static int add_part(struct split_options *into, const char *name, const char *share, struct error *err)
{
	char *end;
	double x = strtod(share, &end);

	if (!name_is_good(name)) {
		error_set(err, ERR_USAGE, "'%s' is no name for a part", name);
		return error_help(err, "letters, digits, '.', '_' and '-': it becomes the name of a file");
	}
	for (size_t i = 0; i < into->nparts; i++)
		if (!strcmp(into->parts[i].name, name))
			return error_set(err, ERR_USAGE, "part '%s' is there twice", name);
	if (end == share || *end || !(x > 0) || !(x < 1) || share[strspn(share, "0123456789.")])
		return error_set(err, ERR_USAGE, "the share of '%s' must be above 0 and below 1, not '%s'", name, share);
	if (into->nparts == SPLIT_PARTS)
		return error_set(err, ERR_USAGE, "there are more than %u parts", SPLIT_PARTS);
	into->parts[into->nparts++] = (struct split_part){ xstrdup(name), x };
	return 0;
}

int split_parts_parse(const char *text, struct split_options *into, struct error *err)
{
	CLEANUP(cleanup_free) char *copy = xstrdup(text);
	char *rest = copy, *word;
	double sum = 0;

	while ((word = strsep(&rest, ","))) {
		char *share = strchr(word, '=');

		if (!share) {
			error_set(err, ERR_USAGE, "part '%s' has no share", word);
			return error_help(err, "give parts as: --parts train=0.8,test=0.2");
		}
		*share++ = '\0';
		if (add_part(into, word, share, err) < 0)
			return error_help(err, "give parts as: --parts train=0.8,test=0.2");
	}
	for (size_t i = 0; i < into->nparts; i++)
		sum += into->parts[i].share;
	if (into->nparts < 2 || fabs(sum - 1) > SHARES_NEARLY) {
		error_set(err, ERR_USAGE, "the shares of '%s' are %.10g together, not 1", text, sum);
		return error_help(err, "give parts as: --parts train=0.8,test=0.2");
	}
	return 0;
}

/* ---- keys ---- */

void split_plan_free(struct split_plan *plan)
{
	if (!plan)
		return;
	split_keys_release(&plan->keys);
	strmap_release(&plan->classes);
	free(plan->class_rows);
	free(plan->cuts);
	free(plan);
}

void cleanup_split_plan(struct split_plan **plan)
{
	split_plan_free(*plan);
}

/* Rows without a value are a class of their own, whose name no value has. */
static int class_of(struct split_plan *plan, const struct field *f, uint32_t *ret, struct error *err)
{
	CLEANUP(cleanup_free) char *name = f ? xasprintf("=%.*s", (int)f->len, f->text) : xstrdup("");
	uintptr_t known = (uintptr_t)strmap_get(&plan->classes, name);

	if (!known) {
		if (plan->nclasses == SPLIT_CLASSES) {
			error_set(err, ERR_USAGE, "column '%s' has more than %u different values; it is no class",
				  plan->options->column, SPLIT_CLASSES);
			return error_help(err, "--by group keeps rows of one value together");
		}
		GROW(plan->class_rows, plan->nclasses, plan->cap);
		plan->class_rows[plan->nclasses++] = 0;
		known = plan->nclasses;
		strmap_set(&plan->classes, name, (void *)known);
	}
	*ret = (uint32_t)(known - 1);
	return 0;
}

struct keying {
	struct split_plan *plan;
	struct split_column column;
	struct row_hashes hashes;
};

static int add_row(struct keying *k, const struct table *table, const struct rows *rows, size_t row, struct error *err)
{
	const struct split_options *o = k->plan->options;
	const struct field *f = split_column_field(&k->column, rows, row);
	uint32_t class = 0;
	uint64_t key;

	if (o->by == SPLIT_STRATIFIED && class_of(k->plan, f, &class, err) < 0)
		return -1;
	if (o->by == SPLIT_TIME) {
		if (split_time_key(&k->column, table, rows, row, &key, err) < 0)
			return -1;
	} else {
		key = o->by == SPLIT_GROUP && f ? field_hash(f) : row_hash(&k->hashes, table, rows, row);
		key = hash_seeded(key, o->seed);
	}
	k->plan->class_rows[class]++;
	return split_keys_add(&k->plan->keys, key, class, err);
}

static int read_keys(struct keying *k, struct table *table, struct error *err)
{
	struct rows rows;
	int more;

	while ((more = table_next(table, &rows, err)) > 0) {
		if (split_column_find(&k->column, table, &rows, err) < 0)
			return -1;
		for (size_t r = 0; r < rows.nrows; r++)
			if (add_row(k, table, &rows, r, err) < 0)
				return -1;
	}
	return more;
}

/* Shares of all possible hashes, whatever rows there are. */
static void cut_evenly(struct split_plan *plan)
{
	double share = 0;

	for (size_t i = 0; i + 1 < plan->options->nparts; i++) {
		double end;

		share += plan->options->parts[i].share;
		end = ldexp(share, 64);
		plan->cuts[i] = (struct split_cut){ end < 0x1p64 ? (uint64_t)end - 1 : UINT64_MAX, true };
	}
}

int split_plan_make(struct table *table, const struct split_options *options, struct split_plan **ret, struct error *err)
{
	CLEANUP(cleanup_split_plan) struct split_plan *plan = xcalloc(1, sizeof(*plan));
	struct keying k = { .plan = plan, .column = { .options = options } };
	int r;

	plan->options = options;
	if (options->by != SPLIT_STRATIFIED) {
		GROW(plan->class_rows, plan->nclasses, plan->cap);
		plan->class_rows[plan->nclasses++] = 0;
	}
	if (split_keys_init(&plan->keys, err) < 0)
		return -1;
	r = read_keys(&k, table, err);
	row_hashes_release(&k.hashes);
	if (r < 0 || split_keys_rewind(&plan->keys, err) < 0)
		return -1;
	if (!plan->keys.n)
		return error_set(err, ERR_USAGE, "%s has no rows to split", table_name(table));
	plan->cuts = xcalloc(plan->nclasses * (options->nparts - 1), sizeof(*plan->cuts));
	if (options->by == SPLIT_RANDOM || options->by == SPLIT_GROUP)
		cut_evenly(plan);
	else if (split_cuts_find(&plan->keys, plan->class_rows, plan->nclasses, options, plan->cuts, err) < 0)
		return -1;
	*ret = steal(&plan);
	return 0;
}

/* ---- rows ---- */

static size_t part_of(const struct split_plan *plan, const struct split_key *k)
{
	size_t ncuts = plan->options->nparts - 1, part = 0;
	const struct split_cut *cuts = plan->cuts + k->class * ncuts;

	while (part < ncuts && !(cuts[part].some && k->key <= cuts[part].last))
		part++;
	return part;
}

struct copy {
	const int *fds;
	const struct split_part *parts;
	struct strbuf rows[SPLIT_PARTS];
	uint64_t counts[SPLIT_PARTS];
};

static int copy_row(struct copy *c, size_t part, const char *row, size_t len, struct error *err)
{
	struct strbuf *rows = &c->rows[part];

	strbuf_add(rows, row, len);
	c->counts[part]++;
	if (rows->len < COPY_BYTES)
		return 0;
	if (io_write_all(c->fds[part], rows->buf, rows->len, c->parts[part].name, err) < 0)
		return -1;
	strbuf_clear(rows);
	return 0;
}

static int copy_rows(struct split_plan *plan, struct split_rows *in, struct copy *c, enum table_format format, struct error *err)
{
	struct split_key key;
	const char *row;
	size_t len;
	int more, keyed = 1;

	if (split_keys_rewind(&plan->keys, err) < 0)
		return -1;
	if (format != TABLE_JSONL) {
		more = split_rows_next(in, &row, &len, err);
		for (size_t i = 0; more > 0 && i < plan->options->nparts; i++)
			strbuf_add(&c->rows[i], row, len);
		if (more < 0)
			return -1;
	}
	while ((more = split_rows_next(in, &row, &len, err)) > 0 && (keyed = split_keys_next(&plan->keys, &key, err)) > 0)
		if (copy_row(c, part_of(plan, &key), row, len, err) < 0)
			return -1;
	if (more < 0 || keyed < 0)
		return -1;
	if (more || split_keys_next(&plan->keys, &key, err))
		return error_set(err, ERR_CONFLICT, "the table was changed while it was read");
	for (size_t i = 0; i < plan->options->nparts; i++)
		if (io_write_all(c->fds[i], c->rows[i].buf, c->rows[i].len, c->parts[i].name, err) < 0)
			return -1;
	return 0;
}

int split_copy(struct split_plan *plan, int fd, const char *name, enum table_format format, const int *parts,
	       uint64_t ret_rows[SPLIT_PARTS], struct error *err)
{
	struct copy c = { .fds = parts, .parts = plan->options->parts };
	struct split_rows in;
	int r;

	if (split_rows_open(fd, name, format, &in, err) < 0)
		return -1;
	for (size_t i = 0; i < SPLIT_PARTS; i++)
		c.rows[i] = (struct strbuf)STRBUF_INIT;
	r = copy_rows(plan, &in, &c, format, err);
	for (size_t i = 0; i < SPLIT_PARTS; i++)
		strbuf_release(&c.rows[i]);
	split_rows_close(&in);
	if (!r)
		memcpy(ret_rows, c.counts, sizeof(c.counts));
	return r;
}
