/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/show.h"
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/strbuf.h"

static int is_special(unsigned char c)
{
	return c < 0x20 || c == 0x7f || c == '\\';
}

void show_escape(struct strbuf *sb, const char *text)
{
	while (*text) {
		size_t plain = 0;
		while (text[plain] && !is_special((unsigned char)text[plain]))
			plain++;
		strbuf_add(sb, text, plain);
		text += plain;
		if (*text)
			strbuf_printf(sb, "\\x%02x", (unsigned char)*text++);
	}
}

char *show_text(char buf[SHOW_MAX + 1], const char *text)
{
	CLEANUP(strbuf_release) struct strbuf sb = STRBUF_INIT;
	CLEANUP(cleanup_free) char *head = xstrndup(text, SHOW_MAX + 1);
	size_t len;

	show_escape(&sb, head);
	len = sb.len;
	if (len > SHOW_MAX) {
		len = SHOW_MAX - 3;
		while (len && ((unsigned char)sb.buf[len] & 0xc0) == 0x80)
			len--;
		memcpy(buf, sb.buf, len);
		memcpy(buf + len, "...", 4);
		return buf;
	}
	memcpy(buf, sb.buf, len + 1);
	return buf;
}
