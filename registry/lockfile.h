/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/digest.h"
#include "store/content.h"
/*
 * mlops.lock: what this work tree last accepted; committed to git. Lines
 * "kind value name", sorted by kind and name, an empty line after each, so that two
 * branches always merge by union. Kinds: step (value: 64 hex of the key), out and
 * data (a content), image. A name that stands twice with different values is a
 * conflict; conflict markers of git are understood as such too. docs/format.md.
 */
struct error;
struct strbuf;
enum lock_kind { LOCKED_DATA, LOCKED_IMAGE, LOCKED_OUT, LOCKED_STEP, LOCK_KINDS };
struct lock_entry {
	enum lock_kind kind;
	char *name;
	char *value;
	char *other; /* the second value of a conflict, else NULL */
};
struct lockfile {
	struct lock_entry *entries; /* sorted by kind, name */
	size_t len, cap;
	size_t conflicts;
	bool dirty;
};
#define LOCKFILE_INIT                                                                              \
	{                                                                                          \
		NULL, 0, 0, 0, false                                                               \
	}
#define LOCKFILE_NAME "mlops.lock"
void lockfile_release(struct lockfile *);
const char *lock_kind_name(enum lock_kind); /* "data" "image" "out" "step" */
/* Appends its text as it stands. ERR_NOT_FOUND; ERR_USAGE: it leads out of the project, or is too large. */
int lockfile_read(int rootfd, struct strbuf *ret, struct error *);
/* An absent file is an empty one. A line that is none: ERR_DAMAGED with its number. The result is
 * dirty when the text held conflict markers, so that a save takes them out. */
int lockfile_load(int rootfd, struct lockfile *ret, struct error *);
/* Whether the file may have entries of this kind, without reading it as entries; also when it cannot be read. */
bool lockfile_may_have(int rootfd, enum lock_kind);
int lockfile_parse(const char *text, size_t len, struct lockfile *ret, struct error *);
const struct lock_entry *lockfile_find(const struct lockfile *, enum lock_kind, const char *name);
bool lockfile_content(const struct lockfile *, enum lock_kind, const char *name,
		      struct content *ret);
bool lockfile_step(const struct lockfile *, const char *step, struct digest *ret);
void lockfile_set(struct lockfile *, enum lock_kind, const char *name, const char *value);
bool lockfile_remove(struct lockfile *, enum lock_kind, const char *name);
/* ERR_CONFLICT naming the first conflicts and `mlops lock take`, or 0. */
int lockfile_check(const struct lockfile *, struct error *);
/* `ours` is the first value, otherwise the second; returns how many were settled. */
size_t lockfile_take(struct lockfile *, bool ours);
/* Appends the text of the file. */
void lockfile_format(const struct lockfile *, struct strbuf *);
/* Atomic and durable; nothing when not dirty. */
int lockfile_save(struct lockfile *, int rootfd, struct error *);
