/* SPDX-License-Identifier: Apache-2.0 */
/* A card as Markdown. Its texts come from runs and files, so each is escaped; but for limitations, which are Markdown. */
#include <string.h>
#include "api/card.h"
#include "api/card_internal.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"

/* In a line or a cell of a table: nothing in it is markup, and it ends neither. */
static void put_text(struct strbuf *md, const char *text)
{
	for (const char *s = text ? text : ""; *s; s++) {
		if ((unsigned char)*s < ' ') {
			strbuf_putc(md, ' ');
			continue;
		}
		if (strchr("\\`*_[]<>|#&~", *s))
			strbuf_putc(md, '\\');
		strbuf_putc(md, *s);
	}
}

static void put_row(struct strbuf *md, const struct js *cells, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		strbuf_puts(md, i ? " | " : "| ");
		put_text(md, i < js_len(cells) ? js_text(js_at(cells, i)) : "");
	}
	strbuf_puts(md, " |\n");
}

static void put_heading(struct strbuf *md, const struct js *text)
{
	strbuf_puts(md, "## ");
	put_text(md, js_text(text));
	strbuf_putc(md, '\n');
}

static void put_items(struct strbuf *md, const struct js *items)
{
	for (size_t i = 0; i < js_len(items); i++) {
		strbuf_printf(md, "- %s: ", js_text(js_at(js_at(items, i), 0)));
		put_text(md, js_text(js_at(js_at(items, i), 1)));
		strbuf_putc(md, '\n');
	}
}

static void put_list(struct strbuf *md, const struct js *list)
{
	for (size_t i = 0; i < js_len(list); i++) {
		strbuf_puts(md, "- ");
		put_text(md, js_text(js_at(list, i)));
		strbuf_putc(md, '\n');
	}
}

static void put_table(struct strbuf *md, const struct js *table)
{
	const struct js *titles = js_get(table, "titles"), *rows = js_get(table, "rows");

	put_row(md, titles, js_len(titles));
	for (size_t i = 0; i < js_len(titles); i++)
		strbuf_puts(md, "|---");
	strbuf_puts(md, "|\n");
	for (size_t i = 0; i < js_len(rows); i++)
		put_row(md, js_at(rows, i), js_len(titles));
}

static void put_prose(struct strbuf *md, const struct js *text)
{
	strbuf_puts(md, js_text(text));
	if (md->buf[md->len - 1] != '\n')
		strbuf_putc(md, '\n');
}

static void put_note(struct strbuf *md, const struct js *text)
{
	put_text(md, js_text(text));
	strbuf_putc(md, '\n');
}

static void put_commands(struct strbuf *md, const struct js *commands)
{
	for (size_t i = 0; i < js_len(commands); i++)
		strbuf_printf(md, "    %s\n", js_text(js_at(commands, i)));
}

static const struct {
	const char *block;
	void (*put)(struct strbuf *, const struct js *);
} forms[] = {
	{ "heading", put_heading }, { "items", put_items }, { "list", put_list },	  { "table", put_table },
	{ "prose", put_prose },	    { "note", put_note },   { "commands", put_commands },
};

void card_markdown(const struct js *card, struct strbuf *md)
{
	CLEANUP(card_document_release) struct card_document document;

	card_document(card, &document);
	strbuf_puts(md, "# ");
	put_text(md, js_text(document.title));
	strbuf_putc(md, '\n');
	for (size_t i = 0; i < js_len(document.blocks); i++)
		for (size_t k = 0; k < ARRAY_LEN(forms); k++) {
			const struct js *block = js_get(js_at(document.blocks, i), forms[k].block);

			if (!block)
				continue;
			strbuf_putc(md, '\n');
			forms[k].put(md, block);
		}
}
