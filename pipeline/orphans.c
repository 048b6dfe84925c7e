/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/orphans.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"
#include "base/failpoint.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "pipeline/stepdir.h"
#include "registry/project.h"
#include "runners/docker.h"
#include "runners/docker_engine.h"

#define NOTE_MAX (1u << 20)

/* ---- notes ---- */

int orphan_note(struct project *p, const struct orphan *o, struct error *err)
{
	CLEANUP(cleanup_free) char *path = stepdir_path(o->run, o->step, "container");
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_JS struct js *json = js_object();
	char hex[DIGEST_HEX + 1];

	js_set_str(json, "name", o->name);
	js_set_str(json, "run", o->nested);
	js_set_str(json, "key", digest_format(&o->key, hex));
	js_set_int(json, "attempt", o->attempt);
	js_set_int(json, "start", o->start_ms);
	js_set_int(json, "first", o->first_ms);
	js_dump(json, JS_COMPACT, &text);
	strbuf_putc(&text, '\n');
	return io_replace_file(p->rootfd, path, text.buf, text.len, 0666, false, err);
}

static bool is_run_id(const char *text)
{
	return text && strlen(text) == 32 && strspn(text, "0123456789abcdef") == 32;
}

/* False for what is no note of ours: then there is no container either. */
static bool read_note(struct project *p, struct orphan *o)
{
	CLEANUP(cleanup_free) char *path = stepdir_path(o->run, o->step, "container");
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_JS struct js *json = NULL;
	const char *name, *run, *key;

	if (io_read_file(p->rootfd, path, NOTE_MAX, &text, NULL) < 0 ||
	    js_parse(text.buf, text.len, path, &json, NULL) < 0)
		return false;
	name = js_get_str(json, "name");
	run = js_get_str(json, "run");
	key = js_get_str(json, "key");
	if (!name || !is_run_id(run) || !key || !digest_parse(key, &o->key))
		return false;
	o->name = xstrdup(name);
	memcpy(o->nested, run, sizeof(o->nested));
	o->attempt = (int)js_get_int(json, "attempt", 1);
	o->start_ms = js_get_int(json, "start", 0);
	o->first_ms = js_get_int(json, "first", o->start_ms);
	return true;
}

/* ---- finding ---- */

static void find_in_run(struct project *p, const char *run, struct orphans *ret)
{
	CLEANUP(cleanup_free) char *dir = xasprintf(".mlops/work/%s", run);
	struct strlist steps CLEANUP(strlist_release) = STRLIST_INIT;

	if (fs_list_dir(p->rootfd, dir, &steps, NULL) < 0)
		return;
	strlist_push(&ret->runs, run);
	for (size_t i = 0; i < steps.len; i++) {
		struct orphan o = { .attempt = 1 };
		if (!stepdir_is_name(steps.items[i]))
			continue;
		memcpy(o.run, run, sizeof(o.run));
		o.step = xstrdup(steps.items[i]);
		read_note(p, &o);
		GROW(ret->items, ret->len, ret->cap);
		ret->items[ret->len++] = o;
	}
}

int orphans_find(struct project *p, struct orphans *ret, struct error *err)
{
	struct strlist runs CLEANUP(strlist_release) = STRLIST_INIT;
	struct stat st;

	if (fs_stat_beneath(p->rootfd, ".mlops/work", &st, NULL) <= 0)
		return 0;
	if (fs_list_dir(p->rootfd, ".mlops/work", &runs, err) < 0)
		return -1;
	for (size_t i = 0; i < runs.len; i++)
		if (is_run_id(runs.items[i]))
			find_in_run(p, runs.items[i], ret);
	return 0;
}

static void orphan_release(struct orphan *o)
{
	free(o->step);
	free(o->name);
}

void orphans_release(struct orphans *list)
{
	for (size_t i = 0; i < list->len; i++)
		orphan_release(&list->items[i]);
	free(list->items);
	strlist_release(&list->pauses);
	strlist_release(&list->runs);
	*list = (struct orphans){ 0 };
}

void orphans_drop(struct orphans *list, struct orphan *o)
{
	size_t i = (size_t)(o - list->items);

	orphan_release(o);
	memmove(o, o + 1, (list->len - i - 1) * sizeof(*o));
	list->len--;
}

struct orphan *orphans_match(struct orphans *list, const char *step, const struct digest *key)
{
	for (size_t i = 0; i < list->len; i++) {
		struct orphan *o = &list->items[i];
		if (o->alive && !strcmp(o->step, step) && digest_equal(&o->key, key))
			return o;
	}
	return NULL;
}

/* ---- asking the engine ---- */

struct asking {
	struct orphans *list;
	struct project *project;
	struct strlist unowned; /* names */
};

bool orphans_has_executor(struct project *p, const char *run)
{
	CLEANUP(cleanup_free) char *name = xasprintf("run-%s", run);
	CLEANUP(cleanup_fd) int lock = -1;
	struct stat st;

	if (!is_run_id(run) || fstatat(p->locksfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	lock = lock_take(p->locksfd, name, LOCK_EXCLUSIVE, LOCK_TRY, NULL, NULL, NULL);
	return lock < 0;
}

/* An image made of one of our containers carries its labels to others. */
static bool is_our_name(const struct docker_container *c)
{
	CLEANUP(cleanup_free) char *step = xasprintf("mlops-%s-", c->run);
	CLEANUP(cleanup_free) char *pause = xasprintf("mlops-pause-%s-", c->run);

	return is_run_id(c->run) && (!strncmp(c->name, step, strlen(step)) || !strncmp(c->name, pause, strlen(pause)));
}

static int judge_container(void *ctx, const struct docker_container *c)
{
	struct asking *asking = ctx;

	for (size_t i = 0; i < asking->list->len; i++) {
		struct orphan *o = &asking->list->items[i];
		CLEANUP(cleanup_free) char *name = o->name ? docker_container_name(o->name) : NULL;
		if (!name || strcmp(name, c->name) != 0 || !strcmp(c->state, "created"))
			continue;
		o->alive = true;
		return 0;
	}
	if (is_our_name(c) && !orphans_has_executor(asking->project, c->run))
		strlist_push(&asking->unowned, c->name);
	return 0;
}

/* Of the run that a living orphan began in, whose name stands in its own. */
static bool carries_for_one(const struct orphans *list, const char *name)
{
	for (size_t i = 0; i < list->len; i++) {
		const struct orphan *o = &list->items[i];
		CLEANUP(cleanup_free) char *pause = o->alive ? xasprintf("mlops-pause-%.32s-", o->name) : NULL;

		if (pause && !strncmp(name, pause, strlen(pause)))
			return true;
	}
	return false;
}

char *orphans_label(const struct project *p)
{
	struct stat st = { 0 };

	fstat(p->dirfd, &st);
	return xasprintf("%llx.%llx", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
}

int orphans_ask(struct orphans *list, struct project *p, struct docker_engine *engine, struct error *err)
{
	struct asking asking = { .list = list, .project = p, .unowned = STRLIST_INIT };
	CLEANUP(cleanup_free) char *label = orphans_label(p);
	int r = docker_containers(engine, label, judge_container, &asking, err);

	for (size_t i = 0; r == 0 && i < asking.unowned.len; i++) {
		if (carries_for_one(list, asking.unowned.items[i]))
			strlist_push(&list->pauses, asking.unowned.items[i]);
		else
			r = docker_container_remove(engine, asking.unowned.items[i], err);
	}
	strlist_release(&asking.unowned);
	for (size_t i = 0; r == 0 && i < list->runs.len; i++)
		stepdir_end_run(p, list->runs.items[i], NULL);
	return r;
}

/* ---- what becomes of one ---- */

int orphan_adopt(struct orphan *o, struct project *p, const char *run, struct error *err)
{
	CLEANUP(cleanup_free) char *from = stepdir_path(o->run, o->step, NULL);
	CLEANUP(cleanup_free) char *to = stepdir_path(run, o->step, NULL);

	/* Its container holds the directories themselves, not their names. */
	if (io_rename(p->rootfd, from, p->rootfd, to, err) < 0)
		return -1;
	FAILPOINT("orphans.adopted");
	stepdir_end_run(p, o->run, NULL);
	return 0;
}

int orphan_discard(struct orphan *o, struct project *p, struct docker_engine *engine, struct strlist *notes,
		   struct error *err)
{
	bool kept = false;

	if (engine && o->alive) {
		CLEANUP(cleanup_free) char *name = docker_container_name(o->name);
		if (docker_container_remove(engine, name, err) < 0)
			return -1;
	}
	FAILPOINT("orphans.removed");
	if (stepdir_reject(p, o->run, o->step, &kept, err) < 0)
		return -1;
	strlist_push_owned(notes, kept ? xasprintf("run %.8s was interrupted in step %s: its outputs were kept in "
						   ".mlops/failed/%s/%s", o->run, o->step, o->run, o->step) :
					 xasprintf("run %.8s was interrupted in step %s", o->run, o->step));
	stepdir_end_run(p, o->run, NULL);
	return 0;
}
