/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "api/logs.h"
#include "api/ops.h"
#include "base/db.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "pipeline/steplog.h"
#include "registry/project.h"
#include "registry/runs.h"

void logs_release(struct logs *l)
{
	for (size_t i = 0; i < l->len; i++) {
		free(l->items[i].step);
		steplog_reader_free(l->items[i].reader);
	}
	free(l->items);
	strmap_release(&l->known);
	cleanup_fd(&l->dir);
}

/* One that has not started yet may be meant, so the pipeline is not asked. */
static bool is_chosen(const struct logs *l, const char *step)
{
	size_t len;

	if (!l->only || !strcmp(l->only, step))
		return true;
	len = strlen(l->only);
	return (!strncmp(l->only, step, len) && step[len] == '@') ||
	       (path_is_pattern(l->only) && path_match(l->only, step));
}

/* ---- one listing ---- */

struct found {
	char *step;
	int attempt;
	size_t order; /* of the step's start */
};
struct listing {
	struct found *items;
	size_t len, cap;
};

static void listing_release(struct listing *list)
{
	for (size_t i = 0; i < list->len; i++)
		free(list->items[i].step);
	free(list->items);
}

static bool is_file(const struct logs *l, const char *name)
{
	struct stat st;

	return fstatat(l->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

static int list_new(struct logs *l, struct listing *ret, struct error *err)
{
	struct strlist files CLEANUP(strlist_release) = STRLIST_INIT;

	if (fs_list_dir(l->dir, ".", &files, err) < 0)
		return error_wrap(err, "logs of run %.8s", l->run);
	for (size_t i = 0; i < files.len; i++) {
		CLEANUP(cleanup_free) char *step = NULL, *key = NULL;
		int attempt;

		if (!steplog_parse_name(files.items[i], &step, &attempt))
			continue;
		key = xasprintf("%s~%d", step, attempt);
		if (strmap_has(&l->known, key) || !is_file(l, files.items[i]))
			continue;
		strmap_set(&l->known, key, NULL);
		GROW(ret->items, ret->len, ret->cap);
		ret->items[ret->len++] = (struct found){ .step = steal(&step), .attempt = attempt, .order = SIZE_MAX };
	}
	return 0;
}

/* Steps in order of their first attempt; the database is asked once, for a run may have ten thousand. */
static int order_by_start(struct logs *l, struct listing *list, struct error *err)
{
	struct strmap orders CLEANUP(strmap_release) = STRMAP_INIT;
	CLEANUP_JS struct js *attempts = NULL;
	struct db *db;

	if (project_db(l->ctx->project, &db, err) < 0 || attempts_list(db, l->run, &attempts, err) < 0)
		return -1;
	for (size_t i = js_len(attempts); i > 0; i--)
		strmap_set(&orders, js_get_str(js_at(attempts, i - 1), "step"), (void *)i);
	for (size_t i = 0; i < list->len; i++)
		if (strmap_has(&orders, list->items[i].step))
			list->items[i].order = (size_t)strmap_get(&orders, list->items[i].step);
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	int order;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	order = strcmp(x->step, y->step);
	return order ? order : x->attempt - y->attempt;
}

static void add_log(struct logs *l, const struct found *f)
{
	bool chosen = is_chosen(l, f->step);

	l->nsteps += chosen && !strmap_has(&l->known, f->step);
	strmap_set(&l->known, f->step, NULL);
	GROW(l->items, l->len, l->cap);
	l->items[l->len++] = (struct log){
		.step = xstrdup(f->step),
		.attempt = f->attempt,
		.reader = steplog_reader_new(f->step, f->attempt),
		.chosen = chosen,
	};
}

static int open_dir(struct logs *l, struct error *err)
{
	CLEANUP(cleanup_free) char *path = xasprintf("logs/%s", l->run);
	struct error why;

	l->dir = fs_open_beneath(l->ctx->project->homefd, path, O_RDONLY | O_DIRECTORY, 0, &why);
	if (l->dir >= 0 || why.code == ERR_NOT_FOUND)
		return 0;
	if (err)
		*err = why;
	return -1;
}

int logs_find(struct logs *l, struct error *err)
{
	struct listing list CLEANUP(listing_release) = { 0 };

	if (l->dir < 0 && open_dir(l, err) < 0)
		return -1;
	if (l->dir < 0)
		return 0;
	if (list_new(l, &list, err) < 0 || (list.len && order_by_start(l, &list, err) < 0))
		return -1;
	if (list.len)
		qsort(list.items, list.len, sizeof(*list.items), compare);
	for (size_t i = 0; i < list.len; i++)
		add_log(l, &list.items[i]);
	return 0;
}

static bool may_be_run(const char *word)
{
	return strlen(word) >= 8 && strspn(word, "0123456789abcdef") == strlen(word);
}

int logs_check_found(const struct logs *l, struct error *err)
{
	struct strlist steps CLEANUP(strlist_release) = STRLIST_INIT;
	CLEANUP(cleanup_free) char *known = NULL;
	const char *near;

	if (!l->len) {
		error_set(err, ERR_NOT_FOUND, "run %.8s has no logs", l->run);
		return error_help(err, "run: mlops show %.8s", l->run);
	}
	if (l->nsteps)
		return 0;
	for (size_t i = 0; i < l->len; i++)
		if (!i || strcmp(l->items[i].step, l->items[i - 1].step) != 0)
			strlist_push(&steps, l->items[i].step);
	near = strlist_nearest(&steps, l->only);
	if (!near && may_be_run(l->only)) {
		error_set(err, ERR_NOT_FOUND, "there is no run %s, and run %.8s has no step of that name", l->only, l->run);
		return error_help(err, "a triggered run in which nothing was new leaves none: mlops trigger history");
	}
	error_set(err, ERR_NOT_FOUND, "run %.8s has no log of step %s", l->run, l->only);
	if (near)
		return error_help(err, "did you mean %s?", near);
	if (steps.len > 10)
		return error_help(err, "list its steps: mlops show %.8s", l->run);
	known = strlist_join(&steps, ", ");
	return error_help(err, "it has: %s", known);
}
