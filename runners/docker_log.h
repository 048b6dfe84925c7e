/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/strbuf.h"
#include "runners/runner.h"
/*
 * A container's log as an engine sends it: frames of an 8-byte header (stream, three
 * zeros, length big endian) and one message, "RFC3339-STAMP TEXT". A line is one
 * message; of a line longer than 16 KiB each part is one, and they share a stamp.
 *
 * What has no such form is an error: it would be a terminal's stream, or no log.
 */
struct error;

struct docker_frame {
	enum runner_stream stream;
	const char *text; /* without the stamp; lent until the callback returns */
	size_t len;
	uint64_t stamp;   /* told apart: the parts of one line share it */
	uint64_t mark;    /* of stream, stamp and text: two messages have equal ones only when they are parts of one
			     line, with equal text */
};

struct docker_log {
	struct strbuf held; /* the beginning of a frame */
	/* -1 stops; *err stays as it is then. */
	int (*frame)(void *ctx, const struct docker_frame *);
	void *ctx;
};
#define DOCKER_LOG_FRAME_MAX (4 << 20)

void docker_log_init(struct docker_log *, int (*frame)(void *ctx, const struct docker_frame *), void *ctx);
void docker_log_release(struct docker_log *);
/* Any split. -1: no frames, an error that the engine put into the stream, or the callback's. */
int docker_log_feed(struct docker_log *, const char *bytes, size_t len, struct error *);
/* 0 when nothing is left of a frame. */
int docker_log_end(const struct docker_log *, struct error *);
