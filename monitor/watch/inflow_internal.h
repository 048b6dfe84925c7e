/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "monitor/watch/inflow.h"
/* What the files of the inflow share. */

/* The name without INFLOW_ARTIFACT. Lent. */
const char *inflow_artifact(const char *data);
/* A descriptor of its bytes. ERR_NOT_FOUND when it is gone. */
int inflow_file_open(const struct inflow *, const struct inflow_file *, struct error *);
struct inflow_file *inflow_add(struct inflow *, const char *name);
/* Sorted project paths of the files that match. */
int inflow_glob(int rootfd, const char *pattern, struct strlist *ret, struct error *);
/* Runs the query into an unlinked file of JSON lines. */
int inflow_query(const char *path, const char *query, int *ret_fd, struct error *);

/* What the bytes of a file are, as far as they are whole rows. */
struct inflow_look {
	bool begins;         /* its first `known->seen` bytes are those that were read; known may be NULL */
	uint64_t whole;      /* bytes of whole rows */
	struct digest digest; /* of them */
	bool lines, packed;
};
struct inflow_how {
	enum table_format format;
	bool all; /* a last row without its end is whole, too */
	uint64_t most; /* bytes that count; 0: all */
};
/* `untouched`: the file is as it was when `known` was noted, so its digest is believed. */
int inflow_look_at(int fd, const char *name, const struct inflow_how *, const struct monitor_source *known,
		 bool untouched, struct inflow_look *ret, struct error *);
