/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <pthread.h>
#include "base/strmap.h"
#include "store/remote.h"
#include "store/store_internal.h"
/* What the files of remotes share: the project's list, and the parts of a directory remote. */

/* The remote of place i, opened when first asked for; NULL when that failed once. Lent. */
struct remote *remotes_use(struct remotes *, size_t i);
/* Nothing more is asked of it; `why` is told. */
void remotes_give_up(struct remotes *, size_t i, const char *why);
/* Appends "team, backup". */
void remotes_names(const struct remotes *, struct strbuf *ret);

/* A ref waits in memory until the objects that it names are published. */
struct pending_ref {
	char *name, *text;
	size_t len;
	char temp[32]; /* in staging, once written */
};
struct remote_dir {
	struct remote base;
	struct store *store;
	pthread_mutex_t mutex;	   /* guards opening the batch */
	struct store_batch *batch; /* opened by the first who writes: a reader needs no right to */
	bool relied[256];	   /* has() found an object of that fan-out directory */
	bool broken;		   /* a commit failed */
	struct pending_ref *refs;
	size_t len, cap;
	struct strmap index; /* name of a pending ref -> its index + 1 */
};
#define REMOTE_MARKER "mlops-remote"
/* Opens the directory as a store, after its marker was looked at. */
int remote_dir_enter(const char *path, bool create, struct store **ret, struct error *);

int remote_dir_ref_get(struct remote *, const char *name, struct strbuf *ret, struct error *);
int remote_dir_ref_put(struct remote *, const char *name, const char *text, size_t len, struct error *);
int remote_dir_ref_list(struct remote *, const char *kind, int (*each)(void *ctx, const char *name),
			void *ctx, struct error *);
/* Pending refs become durable and visible; the objects are. */
int remote_dir_commit_refs(struct remote_dir *, struct error *);
void remote_dir_forget_refs(struct remote_dir *);
