/* SPDX-License-Identifier: Apache-2.0 */
/* A card as a page: one file, without a script, for those who read and for those who print. */
#include <string.h>
#include "api/card.h"
#include "api/card_internal.h"
#include "base/json.h"
#include "base/mem.h"
#include "monitor/page/page_parts.h"

#define CELL	   400u   /* characters of a text that are shown */
#define PROSE	   65536u
#define OPEN_ROWS  25u    /* of a table, before the fold */

static void put_heading(struct html *h, const struct js *text)
{
	html_element(h, "h2", NULL, js_text(text));
}

static void put_cell(struct html *h, const struct js *text)
{
	page_td_data(h, NULL, js_text(text), CELL);
}

static void put_items(struct html *h, const struct js *items)
{
	html_open_class(h, "table", "facts");
	html_open(h, "tbody");
	for (size_t i = 0; i < js_len(items); i++) {
		html_open(h, "tr");
		html_open(h, "th");
		html_attr(h, "scope", "row");
		html_text(h, js_text(js_at(js_at(items, i), 0)));
		html_close(h);
		put_cell(h, js_at(js_at(items, i), 1));
		html_close(h);
	}
	html_close_n(h, 2);
}

static void put_list(struct html *h, const struct js *list)
{
	page_notes(h, list, js_len(list));
}

static void put_titles(struct html *h, const void *table)
{
	const struct js *titles = js_get(table, "titles");

	for (size_t i = 0; i < js_len(titles); i++) {
		html_open(h, "th");
		html_attr(h, "scope", "col");
		html_data(h, js_text(js_at(titles, i)), HTML_NAME);
		html_close(h);
	}
}

static void put_row(struct html *h, const void *table, size_t at)
{
	const struct js *row = js_at(js_get(table, "rows"), at);

	for (size_t i = 0; i < js_len(js_get(table, "titles")); i++)
		put_cell(h, i < js_len(row) ? js_at(row, i) : NULL);
}

static void put_table(struct html *h, const struct js *table)
{
	page_rows(h,
		  &(struct page_rows){ .head = put_titles,
				       .row = put_row,
				       .caption = "Table",
				       .what = "rows",
				       .n = js_len(js_get(table, "rows")),
				       .open = OPEN_ROWS },
		  table);
}

static void put_prose(struct html *h, const struct js *text)
{
	html_open_class(h, "div", "prose");
	html_data(h, js_text(text), PROSE);
	html_close(h);
}

static void put_note(struct html *h, const struct js *text)
{
	html_open_class(h, "p", "explain");
	html_data(h, js_text(text), CELL);
	html_close(h);
}

static void put_commands(struct html *h, const struct js *commands)
{
	html_open_class(h, "pre", "commands");
	for (size_t i = 0; i < js_len(commands); i++)
		html_elementf(h, "code", NULL, "%s\n", js_text(js_at(commands, i)));
	html_close(h);
}

static const struct {
	const char *block;
	void (*put)(struct html *, const struct js *);
} forms[] = {
	{ "heading", put_heading }, { "items", put_items }, { "list", put_list },	  { "table", put_table },
	{ "prose", put_prose },	    { "note", put_note },   { "commands", put_commands },
};

/* What a manager asks first: did it pass, can it be made again. */
static void put_verdict(struct html *h, const struct js *card)
{
	static const struct {
		const char *verdict, *state;
	} states[] = { { "passed", "OK" }, { "failed", "FAILED" } };
	const char *verdict = js_get_str(js_get(card, "gate"), "verdict");
	const char *again = js_get_str(js_get(card, "reproduction"), "verdict");
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; verdict && i < ARRAY_LEN(states); i++) {
		if (strcmp(states[i].verdict, verdict))
			continue;
		strbuf_printf(&text, "Its gate %s; ", verdict);
		strbuf_puts(&text, again ? "made again: " : "nobody has made it again.");
		strbuf_puts(&text, again ? again : "");
		page_verdict(h, states[i].state, text.buf);
	}
}

void card_html(const struct js *card, struct strbuf *page)
{
	CLEANUP(card_document_release) struct card_document document;
	struct html h = HTML_INIT(page);

	card_document(card, &document);
	page_begin(&h, "Model card", js_text(document.title));
	put_verdict(&h, card);
	page_main(&h);
	for (size_t i = 0; i < js_len(document.blocks); i++)
		for (size_t k = 0; k < ARRAY_LEN(forms); k++) {
			const struct js *block = js_get(js_at(document.blocks, i), forms[k].block);

			if (block)
				forms[k].put(&h, block);
		}
	page_end(&h);
}
