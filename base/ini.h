/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
/*
 * INI text, whole: any length of line, name or value; the door to inih.
 *
 * Comments start a line with '#' or ';'; inside a value both are text. A line that
 * starts with a blank (space or tab) continues the value above; where no value stands
 * above it may only be a comment. Blank lines and comment lines between continuation
 * lines are skipped. A value ends at the next key or section. Only the first '=' of a
 * line divides; ':' is text. CRLF and a UTF-8 BOM are accepted.
 * Errors (with file, line and column): NUL or invalid UTF-8, text before a section,
 * an unclosed or empty section, text after a section's ']', a line without '=', an
 * empty key, a blank in front of a line that continues nothing, more than
 * INI_MAX_BYTES. Duplicate sections and keys are the caller's to judge: it sees each.
 * Errors come in file order, the handler's among them.
 *
 * inih (Debian's r55) has a buffer of 200 bytes and cuts names at 50: lines are handed
 * to it in pieces as continuation lines, and what it would eat is escaped; both are
 * undone before the caller sees anything.
 */
#define INI_MAX_BYTES (4u << 20)
struct error;

struct ini_line {
	const char *text; /* one line of the value, blanks trimmed, not empty */
	int line, column; /* where it stands, from 1; columns count bytes, a BOM does not count */
};
struct ini_entry {
	const char *section;
	const char *key; /* NULL: the section itself was opened here */
	int line, column; /* of the key, or of the section's name */
	const char *value; /* lines joined by '\n'; "" when empty */
	const struct ini_line *lines;
	size_t nlines; /* 0 when the value is empty */
};
/* Called in file order; everything is lent for the call. Returns 0, or -1 to stop with *err set. */
typedef int ini_handler(void *ctx, const struct ini_entry *, struct error *);

int ini_parse_text(const char *text, size_t len, const char *file, ini_handler *, void *ctx,
		   struct error *);
