/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/strlist.h"
/*
 * Images that are built here: POST /build with a tar of the context, POST /images/NAME/push, and images told by
 * their labels. Every call waits for its end; ending early closes the connection, and the engine then cancels the build. The
 * classic builder is asked for: its output is text, a step at a time.
 */
struct docker_engine;
struct error;
struct progress;

/* Whether the engine has the image of this id, and it has the label: 1, 0, or -1. */
int docker_image_has_label(struct docker_engine *, const char *id, const char *label, const char *value, struct error *);

struct docker_build {
	const char *name;             /* for messages and progress: "image train" */
	/* The context as a tar, as http_request has it: how many bytes, 0 at the end, -1 with the error set. */
	ssize_t (*context)(void *ctx, char *buf, size_t size, struct error *);
	void *ctx;
	uint64_t bytes;               /* of its files, for progress */
	const char *dockerfile;       /* path inside the tar */
	const struct strlist *args;   /* NAME=VALUE */
	const struct strlist *labels; /* NAME=VALUE */
	bool network;                 /* of its RUN instructions */
	int64_t timeout_ms;           /* 0: none */
	bool signals;                 /* SIGINT, SIGTERM and SIGHUP stop it; else only `progress` can */
	/* A line that the builder printed; may be NULL. */
	void (*line)(void *line_ctx, const char *text);
	void *line_ctx;
};
/* How far it came: filled in any case. */
#define DOCKER_BUILD_TAIL 20
struct docker_built {
	char *id;           /* NULL: it failed */
	int step, steps;    /* of the builder; 0 before the first */
	char *instruction;  /* the newest, or NULL */
	struct strlist tail; /* the last lines that it printed */
};
void docker_built_release(struct docker_built *);
/* ERR_FAILED for what the builder refuses or for an instruction that fails, ERR_INTERRUPTED when it was stopped. */
int docker_build(struct docker_engine *, const struct docker_build *, const struct progress *,
		 struct docker_built *ret, struct error *);
/* Tags the image and pushes it; *ret_pin is "REPOSITORY@sha256:HEX". */
int docker_push(struct docker_engine *, const char *id, const char *repository, const char *tag, const struct progress *,
		char **ret_pin, struct error *);
