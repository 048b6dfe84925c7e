/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "monitor/feed.h"
/* What the files of the feed share. */

/* A descriptor of its bytes. ERR_NOT_FOUND when it is gone. */
int feed_file_open(const struct feed *, const struct feed_file *, struct error *);
struct feed_file *feed_add(struct feed *, const char *name);
/* Sorted project paths of the files that match. */
int feed_glob(int rootfd, const char *pattern, struct strlist *ret, struct error *);
/* Runs the query into an unlinked file of JSON lines. */
int feed_query(const char *path, const char *query, int *ret_fd, struct error *);

/* What the bytes of a file are, as far as they are whole rows. */
struct feed_look {
	bool begins;         /* its first `known->seen` bytes are those that were read; known may be NULL */
	uint64_t whole;      /* bytes of whole rows */
	struct digest digest; /* of them */
	bool lines, packed;
};
struct feed_how {
	enum table_format format;
	bool all; /* a last row without its end is whole, too */
};
/* `untouched`: the file is as it was when `known` was noted, so its digest is believed. */
int feed_look_at(int fd, const char *name, const struct feed_how *, const struct monitor_source *known,
		 bool untouched, struct feed_look *ret, struct error *);
