/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strmap.h"
#include "runners/docker_internal.h"
/*
 * The reply to a pull, a push or a build: a JSON object a line, under status 200 whatever
 * happens, with an error as one of the objects. A layer is downloaded, then extracted; only
 * the first counts, as the second starts from zero again. One that is pushed counts, too.
 */

#define MAX_LINE   (1 << 20)
#define MAX_LAYERS 10000

struct layer {
	uint64_t done, total;
};

struct docker_stream {
	struct strbuf line; /* what came of the newest one */
	struct strmap layers;
	struct strbuf failure;
	bool failed;
	void (*each)(void *ctx, const struct js *event);
	void *ctx;
};

struct docker_stream *docker_stream_new(void)
{
	struct docker_stream *stream = xcalloc(1, sizeof(*stream));

	stream->line = stream->failure = (struct strbuf)STRBUF_INIT;
	return stream;
}

void docker_stream_each(struct docker_stream *stream, void (*each)(void *ctx, const struct js *event), void *ctx)
{
	stream->each = each;
	stream->ctx = ctx;
}

void docker_stream_free(struct docker_stream *stream)
{
	if (!stream)
		return;
	for (size_t i = 0; i < stream->layers.len; i++)
		free(stream->layers.entries[i].value);
	strmap_release(&stream->layers);
	strbuf_release(&stream->line);
	strbuf_release(&stream->failure);
	free(stream);
}

const char *docker_stream_failure(const struct docker_stream *stream)
{
	return stream->failed ? stream->failure.buf : NULL;
}

void docker_stream_bytes(const struct docker_stream *stream, uint64_t *ret_done, uint64_t *ret_total)
{
	uint64_t done = 0, total = 0;

	for (size_t i = 0; i < stream->layers.len; i++) {
		const struct layer *layer = stream->layers.entries[i].value;

		done += layer->done;
		total += layer->total;
	}
	*ret_done = done;
	*ret_total = total;
}

static struct layer *find_layer(struct docker_stream *stream, const char *id)
{
	struct layer *layer = strmap_get(&stream->layers, id);

	if (layer || stream->layers.len == MAX_LAYERS)
		return layer;
	layer = xcalloc(1, sizeof(*layer));
	strmap_set(&stream->layers, id, layer);
	return layer;
}

static bool is_size(int64_t size)
{
	return size >= 0 && size <= INT64_MAX / MAX_LAYERS / 2; /* so that no sum wraps */
}

static void note_progress(struct docker_stream *stream, const struct js *event)
{
	const char *id = js_get_str(event, "id"), *status = js_get_str(event, "status");
	const struct js *detail = js_get(event, "progressDetail");
	int64_t current = js_get_int(detail, "current", -1), total = js_get_int(detail, "total", -1);
	struct layer *layer;

	if (!id || !status)
		return;
	if (!strcmp(status, "Downloading") || !strcmp(status, "Pushing")) {
		layer = find_layer(stream, id);
		if (!layer || !is_size(current))
			return;
		if (is_size(total) && total > 0)
			layer->total = (uint64_t)total;
		layer->done = (uint64_t)current;
		if (layer->total && layer->done > layer->total)
			layer->done = layer->total;
		return;
	}
	layer = strmap_get(&stream->layers, id);
	if (layer && strcmp(status, "Waiting") != 0 && strcmp(status, "Pulling fs layer") != 0 &&
	    strncmp(status, "Retrying", strlen("Retrying")) != 0)
		layer->done = layer->total;
}

/* What a build prints may hold a NUL, which no text of ours can. */
static void drop_nuls(struct strbuf *line)
{
	for (char *at = line->buf; (at = strstr(at, "\\u0000"));)
		memcpy(at, "\\ufffd", 6);
}

static int take_line(struct docker_stream *stream, struct error *err)
{
	CLEANUP_JS struct js *event = NULL;
	const char *words;
	bool blank = !stream->line.buf[strspn(stream->line.buf, " \t\r")];

	if (blank && strlen(stream->line.buf) == stream->line.len)
		return 0;
	drop_nuls(&stream->line);
	if (js_parse(stream->line.buf, stream->line.len, "what the engine says", &event, err) < 0) {
		if (err)
			err->code = ERR_ENV;
		return -1;
	}
	words = js_get_str(js_get(event, "errorDetail"), "message");
	words = words ? words : js_get_str(event, "error");
	if (words) {
		stream->failed = true;
		docker_add_words(&stream->failure, words);
		return error_set(err, ERR_ENV, "%.800s", stream->failure.buf);
	}
	note_progress(stream, event);
	if (stream->each)
		stream->each(stream->ctx, event);
	return 0;
}

int docker_stream_feed(struct docker_stream *stream, const char *bytes, size_t len, struct error *err)
{
	while (len > 0) {
		const char *end = memchr(bytes, '\n', len);
		size_t part = end ? (size_t)(end - bytes) : len;

		if (stream->line.len + part > MAX_LINE)
			return error_set(err, ERR_ENV, "the engine sent a line of more than 1 MiB");
		strbuf_add(&stream->line, bytes, part);
		if (!end)
			return 0;
		if (take_line(stream, err) < 0)
			return -1;
		strbuf_clear(&stream->line);
		bytes += part + 1;
		len -= part + 1;
	}
	return 0;
}

int docker_stream_end(struct docker_stream *stream, struct error *err)
{
	int rc = stream->line.len ? take_line(stream, err) : 0;

	strbuf_clear(&stream->line);
	return rc;
}
