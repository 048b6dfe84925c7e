/* SPDX-License-Identifier: Apache-2.0 */
#include "base/shell.h"
#include <stdbool.h>
#include <string.h>
#include "base/mem.h"
#include "base/strbuf.h"

static bool is_plain(const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "_@%+=:,./-";

	/* bytes of UTF-8 mean nothing to a shell */
	for (; *word; word++)
		if (!((unsigned char)*word & 0x80) && !strchr(plain, *word))
			return false;
	return true;
}

void shell_append(struct strbuf *sb, const char *word)
{
	if (*word && is_plain(word)) {
		strbuf_puts(sb, word);
		return;
	}
	strbuf_putc(sb, '\'');
	for (const char *c = word; *c; c++) {
		if (*c == '\'')
			strbuf_puts(sb, "'\\''");
		else
			strbuf_putc(sb, *c);
	}
	strbuf_putc(sb, '\'');
}

char *shell_word(const char *word)
{
	CLEANUP_STRBUF struct strbuf sb = STRBUF_INIT;

	shell_append(&sb, word);
	return strbuf_detach(&sb);
}
