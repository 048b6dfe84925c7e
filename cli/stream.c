/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/stream.h"
#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "cli/print.h"
#include "cli/text.h"

#define LINE_MAX_BYTES (64u << 10) /* a longer line is shown in pieces */

static void put_json_line(const char *text, size_t len)
{
	CLEANUP_JS struct js *event = js_object();

	js_set_str(event, "event", "output");
	js_set(event, "text", js_strn(text, len));
	print_json(stdout, event, false);
}

static void put_piece(const struct stream *s, const char *text, size_t len)
{
	CLEANUP_STRBUF struct strbuf safe = STRBUF_INIT;

	if (s->mode == STREAM_JSON) {
		put_json_line(text, len && text[len - 1] == '\n' ? len - 1 : len);
		return;
	}
	text_escape(text, len, TEXT_KEEP_LINES, &safe);
	fwrite(safe.buf, 1, safe.len, stdout);
}

/* The last place at or before `at` where a character starts; `at` itself when the bytes are not
 * text. */
static size_t character_start(const char *text, size_t at)
{
	for (size_t back = 0; back < 4; back++)
		if ((text[at - back] & 0xc0) != 0x80)
			return at - back;
	return at;
}

/* Whole lines go out; what is left waits for its end, so that no character is cut in two. */
static void put_lines(struct stream *s)
{
	size_t done = 0;

	for (;;) {
		const char *start = s->rest.buf + done, *newline;
		size_t left = s->rest.len - done, len;

		newline = left ? memchr(start, '\n', left) : NULL;
		len = newline ? (size_t)(newline - start) + 1 : 0;
		if (!newline && left > LINE_MAX_BYTES)
			len = character_start(start, LINE_MAX_BYTES);
		if (!len)
			break;
		put_piece(s, start, len);
		done += len;
	}
	if (done) {
		memmove(s->rest.buf, s->rest.buf + done, s->rest.len - done + 1);
		s->rest.len -= done;
	}
}

int stream_write(struct stream *s, const void *data, size_t len)
{
	if (s->mode == STREAM_RAW) {
		fwrite(data, 1, len, stdout);
	} else {
		strbuf_add(&s->rest, data, len);
		put_lines(s);
	}
	if (s->flush)
		fflush(stdout);
	return ferror(stdout) ? -1 : 0;
}

void stream_end(struct stream *s)
{
	if (s->rest.len)
		put_piece(s, s->rest.buf, s->rest.len);
	strbuf_release(&s->rest);
}
