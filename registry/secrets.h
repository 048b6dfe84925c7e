/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * Secrets: one file each in .mlops/secrets, a directory that only its owner enters, made with the first of them. A
 * file that others can read, that is a symlink or that another user owns is refused: it may be known, or put there.
 */
struct error;
struct project;
struct strbuf;

#define SECRET_MAX 65536 /* bytes */

/* NULL when the text can name a secret, and so its variable; else what is wrong with it. */
const char *secret_name_fault(const char *name);
/* Written atomically and durably, inside a transaction, as secret_remove: one writer at a time. *ret_replaced: it had
 * a value before. */
int secret_put(struct project *, const char *name, const char *value, size_t len, bool *ret_replaced, struct error *);
/* Before a value is in memory: from now on that shows in no core dump, and to no debugger. Programs that are started
 * have what is usual. */
void secret_guard(void);
/* Appends the value, after secret_guard. Absent: ERR_NOT_FOUND. Wipe what was read: secret_wipe. */
int secret_get(struct project *, const char *name, struct strbuf *ret, struct error *);
/* Absent: ERR_NOT_FOUND with the nearest name. */
int secret_remove(struct project *, const char *name, struct error *);

struct secret_info {
	char *name;
	int64_t changed_ms;
};
struct secret_list {
	struct secret_info *items; /* sorted by name */
	size_t len, cap;
};
/* Also those that secret_get would refuse; `refused` (may be NULL) is told why. */
int secret_list(struct project *, struct secret_list *ret,
		void (*refused)(void *ctx, const char *name, const struct error *), void *ctx, struct error *);
void secret_list_release(struct secret_list *);
/* Overwrites the bytes and releases the buffer; reserve it whole, growing leaves copies behind. */
void secret_wipe(struct strbuf *);
