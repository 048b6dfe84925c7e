/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
/*
 * The bytes of files of runs and models (registry/files.h), over HTTP.
 *
 * A file that comes is hashed and staged as it comes, and nothing of it is kept in memory; then it is made durable on
 * LANE_SLOW, together with others that end at that moment, and then it gets its row on LANE_WRITE. The lock of the
 * store is held between the two. So an answer means that the file is there, whatever happens next.
 */
struct call;
struct content;
struct db;
struct error;
struct intake_file;
struct project;

/* Opens the store; adds the routes of /api/v1. Before the server starts. */
int artifacts_start(const struct project *, struct error *);
void artifacts_stop(void); /* after the last call */

/* Where a call's file stands; of struct route's `more`, the file's path is the caller's to free. */
typedef int artifact_place(const struct call *, struct db *, char **ret_path, struct error *);
struct artifact_route {
	artifact_place *place;
	void (*answer)(struct call *, const struct content *); /* of what was stored */
};
extern const struct artifact_route artifact_by_path; /* of /api/v1 */
/* Makes a file that came before the state of the call, as artifact_begin would have. */
void artifact_adopt(struct call *, struct intake_file *);
/* For struct route; its `more` is a struct artifact_route. */
int artifact_begin(struct call *, struct error *);
int artifact_take(struct call *, const void *, size_t, struct error *);
int artifact_store(struct call *, struct project *, struct error *); /* LANE_SLOW */
int artifact_send(struct call *, struct project *, struct error *);  /* LANE_READ */
void artifact_forget(void *state);
/* The path as it stands in the URL. */
artifact_place artifact_place_path;
