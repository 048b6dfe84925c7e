/* SPDX-License-Identifier: Apache-2.0 */
#include "runners/docker_log.h"
#include <stdbool.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "runners/docker_internal.h"
/*
 * A frame that lies in what came as a whole is handed on from there; only one that is
 * cut waits in `held`. So memory is one frame, and most bytes are not copied.
 */

#define HEAD      8
#define STAMP_MAX 40

enum { FRAME_STDOUT = 1, FRAME_STDERR = 2, FRAME_ERROR = 3 };

void docker_log_init(struct docker_log *log, int (*frame)(void *ctx, const struct docker_frame *), void *ctx)
{
	*log = (struct docker_log){ .held = STRBUF_INIT, .frame = frame, .ctx = ctx };
}

void docker_log_release(struct docker_log *log)
{
	strbuf_release(&log->held);
}

static size_t text_len(const char *head)
{
	const unsigned char *b = (const unsigned char *)head;

	return (size_t)b[4] << 24 | (size_t)b[5] << 16 | (size_t)b[6] << 8 | b[7];
}

static int check_head(const char *head, struct error *err)
{
	if (head[0] < FRAME_STDOUT || head[0] > FRAME_ERROR || head[1] || head[2] || head[3])
		return error_set(err, ERR_ENV, "the container engine sent a log that has no frames");
	if (text_len(head) > DOCKER_LOG_FRAME_MAX)
		return error_set(err, ERR_ENV, "the container engine sent a log message of %zu bytes",
				 text_len(head));
	return 0;
}

/* Length of "2026-11-22T08:00:00.000000000Z ", or 0. */
static size_t stamp_len(const char *text, size_t len)
{
	const char *blank = memchr(text, ' ', len < STAMP_MAX ? len : STAMP_MAX);

	if (!blank || blank - text < 20 || text[4] != '-' || text[10] != 'T')
		return 0;
	return (size_t)(blank - text) + 1;
}

/* Eight bytes a step; it tells messages apart and has no enemies. */
static uint64_t mix(uint64_t hash, const char *text, size_t len)
{
	const uint64_t prime = 0x9E3779B97F4A7C15;
	uint64_t word;

	for (; len >= sizeof(word); text += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, text, sizeof(word));
		hash = (hash ^ word) * prime;
		hash ^= hash >> 29;
	}
	for (; len; text++, len--)
		hash = (hash ^ (unsigned char)*text) * prime;
	return hash ^ hash >> 32;
}

static int take_frame(struct docker_log *log, const char *head, struct error *err)
{
	const char *text = head + HEAD;
	size_t len = text_len(head), skip;
	struct docker_frame frame;

	if (head[0] == FRAME_ERROR) {
		CLEANUP_STRBUF struct strbuf words = STRBUF_INIT;
		CLEANUP(cleanup_free) char *copy = xstrndup(text, len < 400 ? len : 400);

		docker_add_words(&words, copy);
		return error_set(err, ERR_ENV, "the container engine cannot read the log: %s", words.buf);
	}
	skip = stamp_len(text, len);
	if (!skip)
		return error_set(err, ERR_ENV, "the container engine sent a log message without a time stamp");
	frame = (struct docker_frame){
		.stream = head[0] == FRAME_STDERR ? RUNNER_STDERR : RUNNER_STDOUT,
		.text = text + skip,
		.len = len - skip,
		.stamp = mix(1, text, skip),
		.mark = mix((uint64_t)head[0] << 56 ^ len, text, len),
	};
	return log->frame(log->ctx, &frame);
}

/* Goes on with the frame that was cut. */
static int fill_held(struct docker_log *log, const char *bytes, size_t len, size_t *ret_taken, struct error *err)
{
	size_t want = log->held.len < HEAD ? HEAD : HEAD + text_len(log->held.buf), n;

	*ret_taken = 0;
	while (log->held.len < want && len) {
		n = want - log->held.len < len ? want - log->held.len : len;
		strbuf_add(&log->held, bytes, n);
		bytes += n;
		len -= n;
		*ret_taken += n;
		if (log->held.len < HEAD)
			return 0;
		if (want == HEAD && check_head(log->held.buf, err) < 0)
			return -1;
		want = HEAD + text_len(log->held.buf);
	}
	if (log->held.len < want)
		return 0;
	if (take_frame(log, log->held.buf, err) < 0)
		return -1;
	strbuf_clear(&log->held);
	return 0;
}

int docker_log_feed(struct docker_log *log, const char *bytes, size_t len, struct error *err)
{
	size_t taken;

	while (len) {
		bool whole = !log->held.len && len >= HEAD;

		if (whole && check_head(bytes, err) < 0)
			return -1;
		if (whole && len >= HEAD + text_len(bytes)) {
			taken = HEAD + text_len(bytes);
			if (take_frame(log, bytes, err) < 0)
				return -1;
		} else if (fill_held(log, bytes, len, &taken, err) < 0) {
			return -1;
		}
		bytes += taken;
		len -= taken;
	}
	return 0;
}

int docker_log_end(const struct docker_log *log, struct error *err)
{
	if (log->held.len)
		return error_set(err, ERR_ENV, "the container engine broke a log off inside a message");
	return 0;
}
