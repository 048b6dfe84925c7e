/* SPDX-License-Identifier: Apache-2.0 */
/* Where a step finds its secrets, who else can, and what is left of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/lock.h"
#include "base/mask.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "pipeline/grammar.h"
#include "pipeline/orphans.h"
#include "pipeline/plan.h"
#include "pipeline/secret_files.h"
#include "registry/project.h"
#include "registry/secrets.h"

#define RUN	"0123456789abcdef0123456789abcdef"
#define ATTEMPT RUN "-a-1"
#define TWO_STEPS                                                                                  \
	"[step.a]\ncmd = true\nout = x\nsecrets = KEY, TOKEN env\n"                                \
	"[step.b]\ncmd = true\nout = y\nsecrets = KEY\n"

struct fixture {
	char dir[64];
	struct project *p;
	struct error err;
};

static int setup(void **state)
{
	static struct fixture f;
	bool made;

	unsetenv("XDG_RUNTIME_DIR");
	error_clear(&f.err);
	snprintf(f.dir, sizeof(f.dir), "/tmp/mlops-secrets-XXXXXX");
	*state = &f;
	return !mkdtemp(f.dir) || project_create(f.dir, &made, &f.err) < 0 || project_open(f.dir, &f.p, &f.err) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	project_close(f->p);
	return fs_remove_tree(AT_FDCWD, f->dir, NULL);
}

struct planned {
	struct pipeline *pipeline;
	struct plan *plan;
};

static struct planned plan_of(struct fixture *f, const char *text)
{
	struct planned p = { 0 };

	assert_int_equal(pipeline_parse(text, strlen(text), "pipeline.ini", NULL, NULL, &p.pipeline, &f->err), 0);
	assert_int_equal(plan_make(f->p->rootfd, p.pipeline, NULL, &p.plan, &f->err), 0);
	assert_int_equal(plan_select(p.plan, NULL, SELECT_UP_TO, &f->err), 0);
	return p;
}

static void planned_free(struct planned *p)
{
	plan_free(p->plan);
	pipeline_free(p->pipeline);
}

static void keep(struct fixture *f, const char *name, const char *value)
{
	bool replaced;

	assert_int_equal(secret_put(f->p, name, value, strlen(value), &replaced, &f->err), 0);
}

/* Refused, with the message and the place where it is asked for. */
static void assert_refused(struct fixture *f, const char *text, enum error_code code, const char *message,
			   const char *where)
{
	struct planned p = plan_of(f, text);
	struct run_secrets *rs = NULL;

	error_clear(&f->err);
	assert_int_equal(run_secrets_open(f->p, p.plan, NULL, NULL, &rs, &f->err), -1);
	assert_int_equal(f->err.code, code);
	assert_string_equal(f->err.msg, message);
	assert_string_equal(f->err.where, where);
	assert_true(f->err.help[0]);
	planned_free(&p);
}

static void all_missing_ones_are_named_at_once(void **state)
{
	struct fixture *f = *state;

	assert_refused(f, TWO_STEPS, ERR_NOT_FOUND, "secrets are missing: KEY (a, b), TOKEN (a)", "pipeline.ini:4:11");
	keep(f, "KEY", "value");
	assert_refused(f, TWO_STEPS, ERR_NOT_FOUND, "a secret is missing: TOKEN (a)", "pipeline.ini:4:16");
	assert_string_equal(f->err.help, "run: mlops secret add TOKEN");
}

static void a_variable_has_one_meaning(void **state)
{
	static const struct {
		const char *lines, *message, *where;
	} rows[] = {
		{ "env = KEY=1\nsecrets = KEY env\n",
		  "step a: secret 'KEY' would be the variable KEY, that its environment declares too", "pipeline.ini:5:11" },
		{ "env = KEY_FILE=1\nsecrets = KEY\n",
		  "step a: secret 'KEY' would be the variable KEY_FILE, that its environment declares too",
		  "pipeline.ini:5:11" },
		{ "secrets = KEY, KEY_FILE env\n",
		  "step a: secret 'KEY_FILE' would be the variable KEY_FILE, as another secret", "pipeline.ini:4:16" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(cleanup_free) char *text = xasprintf("[step.a]\ncmd = true\nout = x\n%s", rows[i].lines);
		struct pipeline *pipeline;
		struct plan *plan;
		assert_int_equal(pipeline_parse(text, strlen(text), "pipeline.ini", NULL, NULL, &pipeline, &f->err), 0);
		assert_int_equal(plan_make(f->p->rootfd, pipeline, NULL, &plan, &f->err), -1);
		assert_string_equal(f->err.msg, rows[i].message);
		assert_string_equal(f->err.where, rows[i].where);
		pipeline_free(pipeline);
	}
}

static void bytes_are_no_variable(void **state)
{
	struct fixture *f = *state;
	bool replaced;

	assert_int_equal(secret_put(f->p, "KEY", "a\0b", 3, &replaced, &f->err), 0);
	assert_refused(f, "[step.a]\ncmd = true\nout = x\nsecrets = KEY env\n", ERR_USAGE,
		       "secret KEY cannot be a variable: it is not text (UTF-8 without NUL)", "pipeline.ini:4:11");
}

static bool only_b(void *ctx, const struct plan_node *node)
{
	(void)ctx;
	return !strcmp(node->name, "b");
}

static void what_does_not_run_needs_none_but_is_masked(void **state)
{
	struct fixture *f = *state;
	struct planned p = plan_of(f, TWO_STEPS);
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	struct run_secrets *rs;

	keep(f, "KEY", "hunter22");
	assert_int_equal(run_secrets_open(f->p, p.plan, only_b, NULL, &rs, &f->err), 0);
	mask_text(run_secrets_mask(rs), "hunter22", 8, &out);
	assert_string_equal(out.buf, "***");
	run_secrets_close(rs);
	planned_free(&p);
}

static void assert_file(const char *dir, const char *name, const char *wanted)
{
	CLEANUP(cleanup_free) char *path = path_join(dir, name);
	CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;
	struct stat st;

	assert_int_equal(io_read_file(AT_FDCWD, path, 1000, &got, NULL), 0);
	assert_string_equal(got.buf, wanted);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0400);
}

static void a_step_finds_files_and_the_variables_it_asked_for(void **state)
{
	struct fixture *f = *state;
	struct planned p = plan_of(f, TWO_STEPS);
	struct strlist env CLEANUP(strlist_release) = STRLIST_INIT;
	CLEANUP(cleanup_free) char *dir = NULL, *variable = NULL;
	struct run_secrets *rs;
	struct stat st;

	keep(f, "KEY", "one\ntwo");
	keep(f, "TOKEN", "t0ken");
	assert_int_equal(run_secrets_open(f->p, p.plan, NULL, NULL, &rs, &f->err), 0);
	/* the values of the run's begin hold */
	keep(f, "KEY", "changed");
	assert_int_equal(secret_files_make(rs, &p.plan->nodes[0], ATTEMPT, NULL, geteuid(), getegid(), &env, &dir,
					   &f->err), 0);
	assert_file(dir, "KEY", "one\ntwo");
	assert_file(dir, "TOKEN", "t0ken");
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0500);
	variable = xasprintf("KEY_FILE=%s/KEY", dir);
	assert_int_equal(env.len, 3);
	assert_string_equal(env.items[0], variable);
	assert_string_equal(env.items[2], "TOKEN=t0ken");
	/* again, as after a kill */
	strlist_release(&env);
	free(steal(&dir));
	assert_int_equal(secret_files_make(rs, &p.plan->nodes[0], ATTEMPT, "/run/secrets", geteuid(), getegid(), &env,
					   &dir, &f->err), 0);
	assert_string_equal(env.items[1], "TOKEN_FILE=/run/secrets/TOKEN");
	secret_files_drop(f->p, ATTEMPT);
	assert_int_equal(stat(dir, &st), -1);
	run_secrets_close(rs);
	/* and nothing of the project is left */
	*strrchr(dir, '/') = '\0';
	assert_int_equal(stat(dir, &st), -1);
	planned_free(&p);
}

static void a_container_of_another_user_can_read(void **state)
{
	struct fixture *f = *state;
	struct planned p = plan_of(f, TWO_STEPS);
	struct strlist env CLEANUP(strlist_release) = STRLIST_INIT;
	CLEANUP(cleanup_free) char *dir = NULL;
	struct run_secrets *rs;
	struct stat st;

	keep(f, "KEY", "value");
	assert_int_equal(run_secrets_open(f->p, p.plan, only_b, NULL, &rs, &f->err), 0);
	assert_int_equal(secret_files_make(rs, &p.plan->nodes[1], ATTEMPT, "/run/secrets", 65532, 65532, &env, &dir,
					   &f->err), 0);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_uid, geteuid() ? geteuid() : 65532);
	secret_files_drop(f->p, ATTEMPT);
	run_secrets_close(rs);
	planned_free(&p);
}

static void the_next_run_sweeps_what_a_killed_one_left(void **state)
{
	static const char *const attempts[] = { ATTEMPT, "ffffffffffffffffffffffffffffffff-a-1",
						"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee-a-1" };
	struct fixture *f = *state;
	struct planned p = plan_of(f, TWO_STEPS);
	struct strlist keep_list CLEANUP(strlist_release) = STRLIST_INIT;
	struct run_secrets *rs;
	CLEANUP(cleanup_fd) int lock = -1;
	char *dirs[3];
	struct stat st;

	keep(f, "KEY", "value");
	assert_int_equal(run_secrets_open(f->p, p.plan, only_b, NULL, &rs, &f->err), 0);
	for (size_t i = 0; i < 3; i++) {
		struct strlist env CLEANUP(strlist_release) = STRLIST_INIT;
		assert_int_equal(secret_files_make(rs, &p.plan->nodes[1], attempts[i], NULL, geteuid(), getegid(), &env,
						   &dirs[i], &f->err), 0);
	}
	/* the first is adopted, the second has an executor */
	strlist_push(&keep_list, attempts[0]);
	lock = lock_take(f->p->locksfd, "run-ffffffffffffffffffffffffffffffff", LOCK_EXCLUSIVE, LOCK_TRY, NULL, NULL,
			 &f->err);
	assert_true(lock >= 0);
	secret_files_sweep(f->p, &keep_list);
	assert_int_equal(stat(dirs[0], &st), 0);
	assert_int_equal(stat(dirs[1], &st), 0);
	assert_int_equal(stat(dirs[2], &st), -1);
	cleanup_fd(&lock);
	lock = -1;
	strlist_release(&keep_list);
	secret_files_sweep(f->p, &keep_list);
	assert_int_equal(stat(dirs[0], &st), -1);
	assert_int_equal(stat(dirs[1], &st), -1);
	for (size_t i = 0; i < 3; i++)
		free(dirs[i]);
	run_secrets_close(rs);
	planned_free(&p);
}

static void a_place_of_others_is_refused(void **state)
{
	struct fixture *f = *state;
	CLEANUP(cleanup_free) char *place = xasprintf("/dev/shm/mlops-test-%d", (int)getpid());
	CLEANUP(cleanup_free) char *user = xasprintf("%s/mlops-%u", place, (unsigned)geteuid());
	struct planned p = plan_of(f, TWO_STEPS);
	struct run_secrets *rs;

	keep(f, "KEY", "value");
	assert_int_equal(mkdir(place, 0700), 0);
	setenv("XDG_RUNTIME_DIR", place, 1);
	assert_int_equal(symlink("/tmp", user), 0);
	assert_int_equal(run_secrets_open(f->p, p.plan, only_b, NULL, &rs, &f->err), -1);
	assert_int_equal(unlink(user), 0);
	assert_int_equal(mkdir(user, 0755), 0);
	assert_int_equal(run_secrets_open(f->p, p.plan, only_b, NULL, &rs, &f->err), -1);
	assert_int_equal(f->err.code, ERR_DENIED);
	assert_non_null(strstr(f->err.help, "XDG_RUNTIME_DIR"));
	/* what is no tmpfs, or open to others, is not used at all */
	assert_int_equal(chmod(place, 0777), 0);
	assert_int_equal(run_secrets_open(f->p, p.plan, only_b, NULL, &rs, &f->err), 0);
	run_secrets_close(rs);
	setenv("XDG_RUNTIME_DIR", f->dir, 1);
	assert_int_equal(run_secrets_open(f->p, p.plan, only_b, NULL, &rs, &f->err), 0);
	run_secrets_close(rs);
	unsetenv("XDG_RUNTIME_DIR");
	assert_int_equal(fs_remove_tree(AT_FDCWD, place, NULL), 0);
	planned_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_missing_ones_are_named_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_variable_has_one_meaning, setup, teardown),
		cmocka_unit_test_setup_teardown(bytes_are_no_variable, setup, teardown),
		cmocka_unit_test_setup_teardown(what_does_not_run_needs_none_but_is_masked, setup, teardown),
		cmocka_unit_test_setup_teardown(a_step_finds_files_and_the_variables_it_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(a_container_of_another_user_can_read, setup, teardown),
		cmocka_unit_test_setup_teardown(the_next_run_sweeps_what_a_killed_one_left, setup, teardown),
		cmocka_unit_test_setup_teardown(a_place_of_others_is_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
