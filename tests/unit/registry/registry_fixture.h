/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A fresh registry in a directory of its own, opened before each test and removed after it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/db.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/runs.h"
#include "registry/schema.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char dir[64];
static struct db *db;
static struct error err;

static int enter(void **state)
{
	char path[96], lock[96];

	(void)state;
	error_clear(&err);
	snprintf(dir, sizeof(dir), "/tmp/mlops-registry-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/registry.db", dir);
	snprintf(lock, sizeof(lock), "%s/db", dir);
	return db_open(path, lock, registry_schema, DB_READ_WRITE, &db, &err);
}

static int leave(void **state)
{
	(void)state;
	if (db_check(db, &err) < 0)
		print_error("%s\n", err.msg);
	db_close(db);
	return err.code == ERR_DAMAGED ? -1 : fs_remove_tree(AT_FDCWD, dir, NULL);
}

/* Each step must go well; the message tells why not. */
#define ok(call)                                                                                   \
	do {                                                                                       \
		if ((call) < 0)                                                                    \
			fail_msg("%s", err.msg);                                                   \
	} while (0)

/* Each is refused with its code. */
#define refused(call, wanted)                                                                      \
	do {                                                                                       \
		error_clear(&err);                                                                 \
		assert_int_equal((call), -1);                                                      \
		assert_int_equal(err.code, wanted);                                                \
		assert_string_not_equal(err.msg, "");                                              \
		error_clear(&err);                                                                 \
	} while (0)

/* "Run 7" has the id 00..07; made at the time 7000. */
static inline const char *run_id(int n)
{
	static char ids[4][33];
	static int next;
	char *id = ids[next++ % 4];

	snprintf(id, 33, "%032x", (unsigned)n);
	return id;
}

static inline const char *make_run(int n, const char *parent)
{
	struct run_new run = {
	    .id = run_id(n),
	    .user = "ann@host",
	    .parent = parent,
	    .step = parent ? "train" : NULL,
	    .start_ms = n * 1000,
	};

	ok(run_create(db, &run, &err));
	return run_id(n);
}

static inline struct content content_of(const char *text, enum content_kind kind)
{
	struct content c = {.kind = kind, .size = strlen(text), .files = 1};

	digest_of(text, strlen(text), &c.id);
	return c;
}

/* The value as compact JSON; lent until the fourth call after it. */
static inline const char *json_text(const struct js *value)
{
	static struct strbuf texts[4] = {STRBUF_INIT, STRBUF_INIT, STRBUF_INIT, STRBUF_INIT};
	static int next;
	struct strbuf *text = &texts[next++ % 4];

	strbuf_clear(text);
	js_dump(value, JS_COMPACT, text);
	return text->buf;
}
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
