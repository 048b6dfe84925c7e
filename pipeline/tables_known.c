/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .mlops/checked: the first line, then the hex digest of each look that would find nothing new, a line each. It belongs to
 * one work tree, whose lock is held by who writes it. It is a cache: the database knows the same file by file.
 */
#include <string.h>
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "pipeline/tables.h"
#include "pipeline/tables_internal.h"
#include "registry/project.h"

#define KNOWN_FILE "checked"
#define KNOWN_HEAD "mlops checked 1\n"
#define KNOWN_MAX  8192 /* of more, those go that were of no use to this run */

void tables_load_known(struct tables *t)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct digest id;
	char hex[DIGEST_HEX + 1] = "";

	if (io_read_file(t->project->dirfd, KNOWN_FILE, 64u << 20, &text, NULL) < 0 ||
	    strncmp(text.buf, KNOWN_HEAD, strlen(KNOWN_HEAD)) != 0)
		return;
	for (size_t at = strlen(KNOWN_HEAD); at + DIGEST_HEX + 1 <= text.len; at += DIGEST_HEX + 1) {
		memcpy(hex, text.buf + at, DIGEST_HEX);
		if (!digest_parse(hex, &id) || text.buf[at + DIGEST_HEX] != '\n')
			return;
		strmap_set(&t->known, hex, NULL);
	}
}

void tables_save(struct tables *t)
{
	struct strlist lines CLEANUP(strlist_release) = STRLIST_INIT;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (!t || !t->grown)
		return;
	for (size_t i = 0; i < t->known.len; i++)
		if (t->known.len <= KNOWN_MAX || t->known.entries[i].value)
			strlist_push(&lines, t->known.entries[i].key);
	strlist_sort(&lines);
	strbuf_puts(&text, KNOWN_HEAD);
	for (size_t i = 0; i < lines.len; i++)
		strbuf_printf(&text, "%s\n", lines.items[i]);
	io_replace_file(t->project->dirfd, KNOWN_FILE, text.buf, text.len, 0644, false, NULL);
	t->grown = false;
}
