/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/strlist.h"
/*
 * Images that are built here: POST /build with a tar of the context, POST /images/NAME/push, and images found again by
 * a label. Every call waits for its end; a build is stopped by its timeout or by a signal, which closes the connection,
 * and the engine then cancels it. The classic builder is asked for: its output is text, a step at a time.
 */
struct docker_engine;
struct error;
struct progress;

/* The image with this label: its id, or 0 when there is none. Several: the newest. */
int docker_image_labelled(struct docker_engine *, const char *label, const char *value, char **ret_id, struct error *);

struct docker_build {
	const char *name;          /* for messages and progress: "image.train" */
	/* Writes the context as a tar, piece by piece, to write(ctx2, ...), which returns -1 when it is to stop. */
	int (*context)(void *ctx, int (*write)(void *sink, const void *data, size_t len), void *sink, struct error *);
	void *ctx;
	const char *dockerfile;    /* path inside the tar */
	const struct strlist *args;   /* NAME=VALUE */
	const struct strlist *labels; /* NAME=VALUE */
	bool network;
	int64_t timeout_ms;
	/* A line that the builder printed; may be NULL. */
	void (*line)(void *line_ctx, const char *text);
	void *line_ctx;
};
/* ERR_FAILED with the failing instruction, and the end of what it printed in `tail` (20 lines; may be NULL). */
int docker_build(struct docker_engine *, const struct docker_build *, const struct progress *, char **ret_id,
		 struct strlist *tail, struct error *);
/* Tags the image and pushes it; *ret_pin is "REPOSITORY@sha256:HEX". */
int docker_push(struct docker_engine *, const char *id, const char *repository, const char *tag, const struct progress *,
		char **ret_pin, struct error *);
