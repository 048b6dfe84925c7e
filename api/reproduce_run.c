/* SPDX-License-Identifier: Apache-2.0 */
/* `mlops run` in a filled project, and what it recorded there. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "api/ops.h"
#include "api/reproduce.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "pipeline/grammar.h"
#include "pipeline/plan.h"
#include "registry/project.h"
#include "registry/runs.h"

void again_release(struct again *a)
{
	js_free(a->result);
	js_free(a->record);
	js_free(a->attempts);
	if (a->project)
		project_close(a->project);
	*a = (struct again){ 0 };
}

static void on_event(void *ctx, struct js *event)
{
	const struct recipe *r = ctx;

	if (r->ctx->emit)
		r->ctx->emit(r->ctx->ctx, event);
}

static void on_stop(void *ctx, int signo)
{
	struct recipe *r = ctx;

	r->interrupts++;
	child_signal(&r->child, signo == SIGHUP ? SIGTERM : signo);
}

static int open_loop(struct recipe *r, struct error *err)
{
	static const int stops[] = { SIGINT, SIGTERM, SIGHUP };

	if (r->child.loop)
		return 0;
	r->child.loop = loop_new();
	r->child.spawner = r->ctx->spawner;
	r->child.event = on_event;
	r->child.ctx = r;
	for (size_t i = 0; i < ARRAY_LEN(stops); i++)
		if (loop_signal(r->child.loop, stops[i], on_stop, r, err) < 0)
			return -1;
	return 0;
}

/* Of runs that older versions recorded it stands in their command alone. */
static char *said_in_command(const char *command, const char *option)
{
	const char *at = command ? strstr(command, option) : NULL;
	size_t len = strlen(option);

	if (!at || (at[len] != '=' && at[len] != ' '))
		return NULL;
	return xstrndup(at + len + 1, strcspn(at + len + 1, " '\""));
}

/* What a trigger said is part of what its run was. */
static void add_occasion(const struct recipe *r, struct strlist *words)
{
	static const struct {
		const char *option, *tag;
	} said[] = { { "--trigger-time", "mlops.trigger.time" }, { "--trigger-window", "mlops.trigger.window" } };

	for (size_t i = 0; i < ARRAY_LEN(said); i++) {
		const char *tag = recipe_tag(r, said[i].tag);
		CLEANUP(cleanup_free) char *value =
			tag ? xstrdup(tag) : said_in_command(recipe_tag(r, "mlops.command"), said[i].option);

		if (value)
			strlist_push_owned(words, xasprintf("%s=%s", said[i].option, value));
	}
}

static void run_words(const struct recipe *r, const struct again_tree *t, const struct strlist *steps, struct strlist *ret)
{
	strlist_push(ret, "run");
	strlist_push(ret, r->file);
	for (size_t i = 0; steps->len < t->plan->len && i < steps->len; i++)
		strlist_push(ret, steps->items[i]);
	if (steps->len < t->plan->len)
		strlist_push(ret, "--only");
	strlist_push(ret, "--force");
	for (size_t i = 0; i < t->params.len; i++) {
		strlist_push(ret, "-p");
		strlist_push(ret, t->params.items[i]);
	}
	add_occasion(r, ret);
}

static int read_facts(const struct again_tree *t, struct again *a, struct error *err)
{
	const char *run = js_get_str(a->result, "run_id");
	struct db *db;

	if (project_open(t->path, &a->project, err) < 0 || project_store(a->project, &a->store, err) < 0 ||
	    project_db(a->project, &db, err) < 0)
		return -1;
	if (!run)
		return 0;
	return run_load(db, run, &a->record, err) < 0 || attempts_list(db, run, &a->attempts, err) < 0 ? -1 : 0;
}

int again_run(struct recipe *r, struct again_tree *t, const struct strlist *steps, struct again *ret, struct error *err)
{
	struct strlist words CLEANUP(strlist_release) = STRLIST_INIT;
	int status;

	run_words(r, t, steps, &words);
	if (open_loop(r, err) < 0)
		return -1;
	setenv(REPRODUCE_VARIABLE, r->run, 1);
	status = child_run(&r->child, t->path, &words, err);
	unsetenv(REPRODUCE_VARIABLE);
	if (status < 0)
		return -1;
	if (r->interrupts)
		return error_set(err, ERR_INTERRUPTED, "the reproduction of %s was interrupted", r->subject);
	ret->result = r->child.result ? js_ref(r->child.result) : js_object();
	return read_facts(t, ret, err);
}

int again_output(const struct again *a, const char *path, struct content *ret)
{
	const struct js *outputs = js_get(a->record, "outputs");

	for (size_t i = 0; i < js_len(outputs); i++) {
		const struct js *item = js_at(outputs, i);

		if (strcmp(js_get_str(item, "path"), path) != 0 || !content_parse(js_get_str(item, "content"), ret))
			continue;
		ret->size = (uint64_t)js_get_int(item, "size", 0);
		ret->files = (uint64_t)js_get_int(item, "files", 0);
		return 1;
	}
	return 0;
}
