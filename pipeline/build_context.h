/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/digest.h"
/*
 * What an image is built from: the files below a directory of the project without those that its .dockerignore names.
 * Nothing is kept but names and sizes: the tar is made while it is sent. Left out of the project itself is what mlops and
 * git write there: .git, .gitattributes, .gitignore, .mlops, mlops.lock.
 *
 * Files have the mode 0644 or 0755, all else of their stat is forgotten. A symlink is sent as it is, wherever it leads;
 * one that a checkout made to an object of the store is the file it stands for.
 */
#define CONTEXT_MAX_BYTES (2ull << 30)
#define CONTEXT_MAX_FILES 1000000u
struct error;
struct scanner;
struct strbuf;

struct context_entry {
	char *path;      /* in the context */
	char *target;    /* of a symlink, else NULL */
	bool exec;
	uint64_t size;
	struct digest id; /* of a file, once it is hashed */
};
struct build_context {
	char *dir;       /* project path */
	int rootfd;      /* of the project; lent */
	char *ignore;    /* text of its .dockerignore; NULL without one */
	bool ignore_exec;
	struct dockerignore *rules;
	struct context_entry *entries; /* sorted by path */
	size_t len, cap;
	uint64_t bytes;  /* of all files */
};
/* Names and sizes; nothing is read but .dockerignore. ERR_USAGE for what cannot be sent, or is too much. */
int build_context_list(int rootfd, const char *dir, struct build_context *ret, struct error *);
void build_context_release(struct build_context *);
/* The project path of something in the context. Owned. */
char *build_context_path(const struct build_context *, const char *path);
/* The digest of what would be sent, for the image's key: docs/format.md. */
int build_context_digest(const struct scanner *, struct build_context *, struct digest *ret, struct error *);

/* The context as a tar, and in it `dockerfile` under a name that nothing else has; the builder removes it from what is
 * copied. Once it is hashed. */
struct context_stream;
struct context_stream *context_stream_new(const struct build_context *, const char *dockerfile);
void context_stream_free(struct context_stream *);
const char *context_stream_dockerfile(const struct context_stream *); /* its path in the tar; lent */
/* How many bytes; 0 at the end. ERR_CONFLICT for a file that is not any more what was hashed. */
ssize_t context_stream_read(void *context_stream, char *buf, size_t size, struct error *);
