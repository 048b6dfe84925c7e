/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A project, and runs of small pipelines in it with a scripted runner. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/grammar.h"
#include "pipeline/run.h"
#include "registry/project.h"
#include "registry/runs.h"
#include "runners/fake.h"

struct fixture {
	char dir[64];
	struct project *p;
	struct js *result;
	struct error err;
	struct strlist notes;
};

static void put(struct fixture *f, const char *path, const char *text)
{
	assert_int_equal(fs_make_parents(f->p->rootfd, path, 0777, NULL), 0);
	assert_int_equal(io_replace_file(f->p->rootfd, path, text, strlen(text), 0644, false, NULL), 0);
}

static inline void expect(struct fixture *f, const char *path, const char *text)
{
	struct strbuf got = STRBUF_INIT;
	struct stat st;

	if (!text) {
		assert_int_equal(fs_stat_beneath(f->p->rootfd, path, &st, NULL), 0);
		return;
	}
	assert_int_equal(io_read_file(f->p->rootfd, path, 1 << 20, &got, NULL), 0);
	assert_string_equal(got.buf, text);
	strbuf_release(&got);
}

static int setup(void **state)
{
	static struct fixture f;
	bool made;

	memset(&f, 0, sizeof(f));
	snprintf(f.dir, sizeof(f.dir), "/tmp/mlops-run-XXXXXX");
	assert_non_null(mkdtemp(f.dir));
	assert_int_equal(project_create(f.dir, &made, &f.err), 0);
	assert_int_equal(project_open(f.dir, &f.p, &f.err), 0);
	put(&f, "in", "1");
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	js_free(f->result);
	strlist_release(&f->notes);
	project_close(f->p);
	return fs_remove_tree(AT_FDCWD, f->dir, NULL);
}

static void collect(void *ctx, const struct js *event)
{
	struct fixture *f = ctx;

	if (!strcmp(js_get_str(event, "event"), "note"))
		strlist_push(&f->notes, js_get_str(event, "text"));
}

static int run(struct fixture *f, const char *ini, struct fake_script *script, struct run_options opt)
{
	struct strlist none = STRLIST_INIT;
	struct pipeline *pipeline;
	struct plan *plan;
	int r;

	put(f, "pipeline.ini", ini);
	assert_int_equal(pipeline_load(f->p->rootfd, "pipeline.ini", &none, &pipeline, &f->err), 0);
	assert_int_equal(plan_make(f->p->rootfd, pipeline, NULL, &plan, &f->err), 0);
	js_free(f->result);
	f->result = NULL;
	opt.runner = &runner_fake;
	opt.runner_config = script;
	opt.emit = collect;
	opt.ctx = f;
	error_clear(&f->err);
	r = pipeline_run(f->p, plan, &opt, &f->result, &f->err);
	plan_free(plan);
	pipeline_free(pipeline);
	return r;
}

static inline int64_t count(struct fixture *f, const char *key)
{
	return js_get_int(f->result, key, -1);
}

static inline const char *state_of(struct fixture *f, const char *step)
{
	const struct js *steps = js_get(f->result, "steps");

	for (size_t i = 0; i < js_len(steps); i++)
		if (!strcmp(js_get_str(js_at(steps, i), "name"), step))
			return js_get_str(js_at(steps, i), "state");
	return "fresh";
}
