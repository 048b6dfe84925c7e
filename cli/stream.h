/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/strbuf.h"
/*
 * Bytes of an operation to stdout: as they are into files and pipes, harmless on a
 * terminal, and as events {event: "output", text} with --json.
 */
enum stream_mode { STREAM_RAW, STREAM_SAFE, STREAM_JSON };
struct stream {
	enum stream_mode mode;
	bool flush;         /* show each piece at once: somebody follows */
	struct strbuf rest; /* an unfinished line; not in raw mode */
};
/* -1 when stdout takes no more. */
int stream_write(struct stream *, const void *data, size_t len);
/* Writes the unfinished line, if any, and releases. */
void stream_end(struct stream *);
