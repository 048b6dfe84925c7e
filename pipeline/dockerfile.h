/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include "base/strlist.h"
/*
 * A Dockerfile as far as its images go: which ones FROM, COPY --from and RUN --mount=from name, and the same file with
 * exact ones in their places. Everything else of it is the builder's to judge. Known are the escape directive, lines
 * that go on, comments, here-documents, stages, ARG before FROM, and ${NAME}, ${NAME:-word}, ${NAME:+word} in FROM.
 */
#define DOCKERFILE_MAX_BYTES (128u << 10)
struct dockerfile;
struct error;
struct strbuf;

/* `args` are NAME=VALUE that replace the defaults of ARG. ERR_USAGE, with the line, for an image that is not known before
 * the build runs. */
int dockerfile_parse(const char *text, size_t len, const char *name, const struct strlist *args,
		     struct dockerfile **ret, struct error *);
void dockerfile_free(struct dockerfile *);
void cleanup_dockerfile(struct dockerfile **);
/* Names of images that are no stages of its own, as a user would write them, sorted and unique. Lent. */
const struct strlist *dockerfile_bases(const struct dockerfile *);
/* The line of the builder's step 1, 2, ...; 0 when there is no such instruction. */
int dockerfile_line(const struct dockerfile *, int step);
/* Appends the text with what `pin` gives for each base; the lines keep their numbers. */
void dockerfile_pinned(const struct dockerfile *, const char *(*pin)(void *ctx, const char *base), void *ctx,
		       struct strbuf *);
