/* SPDX-License-Identifier: Apache-2.0 */
/* Text of image list and image update. */
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/print.h"

#define DIGEST_SHOWN 19 /* "sha256:" and twelve digits */

/* The digest alone, shortened: the repository stands in the name. */
static const char *short_pin(const char *pin, char buf[DIGEST_SHOWN + 1])
{
	const char *at = pin ? strchr(pin, '@') : NULL;
	size_t len;

	if (!pin)
		return "-";
	pin = at ? at + 1 : pin;
	len = strnlen(pin, DIGEST_SHOWN);
	memcpy(buf, pin, len);
	buf[len] = '\0';
	return buf;
}

static void steps_text(const struct js *steps, struct strbuf *sb)
{
	for (size_t i = 0; i < js_len(steps); i++)
		strbuf_printf(sb, "%s%s", i ? ", " : "", js_text(js_at(steps, i)));
}

static void put_engine(struct print *p, const struct js *result)
{
	const struct js *engine = js_get(result, "engine"), *none = js_get(result, "no_engine");

	print_put(p, STYLE_DIM, "engine: ");
	if (engine) {
		print_put(p, STYLE_PLAIN, "%s %s at %s\n", js_get_str(engine, "product"),
			  js_get_str(engine, "version"), js_get_str(engine, "address"));
		return;
	}
	print_put(p, STYLE_WARN, "none");
	print_put(p, STYLE_PLAIN, " (%s)\n", js_get_str(none, "message"));
	if (js_get_str(none, "help"))
		print_put(p, STYLE_DIM, "  %s\n", js_get_str(none, "help"));
}

static void image_row(struct table *table, const struct js *image)
{
	CLEANUP_STRBUF struct strbuf steps = STRBUF_INIT;
	char pin[DIGEST_SHOWN + 1], size[HUMAN];
	bool known = js_get(image, "here"), here = js_get_bool(image, "here");
	const char *platform = js_get_str(image, "platform");

	steps_text(js_get(image, "steps"), &steps);
	table_cell(table, STYLE_NAME, "%s", js_get_str(image, "name"));
	table_cell(table, STYLE_PLAIN, "%s", short_pin(js_get_str(image, "pin"), pin));
	table_cell(table, here ? STYLE_GOOD : STYLE_DIM, "%s", !known ? "?" : here ? "yes" : "no");
	table_cell(table, STYLE_PLAIN, "%s",
		   here ? human_bytes((uint64_t)js_get_int(image, "size", 0), size) : "-");
	table_cell(table, STYLE_PLAIN, "%s", platform ? platform : "-");
	table_cell(table, STYLE_PLAIN, "%s", steps.len ? steps.buf : "-");
}

static void put_built(struct print *p, const struct js *image)
{
	const char *pushed = js_get_str(image, "pushed"), *problem = js_get_str(image, "problem");

	if (pushed) {
		print_word(p, STYLE_NAME, js_get_str(image, "name"));
		print_put(p, STYLE_DIM, " was pushed: %s\n", pushed);
	}
	if (problem) {
		print_put(p, STYLE_WARN, "note:");
		print_put(p, STYLE_PLAIN, " %s\n", problem);
	}
}

void print_image_list(struct print *p, const struct js *result)
{
	static const struct table_column columns[] = {
		{ .title = "IMAGE", .shrink = true },
		{ .title = "PIN", .shrink = true },
		{ .title = "HERE", .drop = 2 },
		{ .title = "SIZE", .right = true, .drop = 3 },
		{ .title = "PLATFORM", .drop = 4 },
		{ .title = "STEPS", .shrink = true, .drop = 1 },
	};
	const struct js *images = js_get(result, "images");
	bool unresolved = false;
	struct table table;

	put_engine(p, result);
	if (!js_len(images)) {
		print_put(p, STYLE_PLAIN, "no step runs in a container; one with image= does\n");
		return;
	}
	table_init(&table, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < js_len(images); i++) {
		image_row(&table, js_at(images, i));
		unresolved |= !js_get_str(js_at(images, i), "pin") && !js_get_str(js_at(images, i), "problem");
	}
	table_print(&table, p);
	for (size_t i = 0; i < js_len(images); i++)
		put_built(p, js_at(images, i));
	if (unresolved)
		print_put(p, STYLE_DIM, "one without a pin gets it when it is first run\n");
}

void print_image_update(struct print *p, const struct js *result)
{
	const struct js *images = js_get(result, "images"), *notes = js_get(result, "notes");
	char old[DIGEST_SHOWN + 1], now[DIGEST_SHOWN + 1];
	size_t changed = 0;

	for (size_t i = 0; i < js_len(images); i++) {
		const struct js *image = js_at(images, i);

		print_word(p, STYLE_NAME, js_get_str(image, "name"));
		if (js_get_bool(image, "changed")) {
			print_put(p, STYLE_PLAIN, "  %s -> %s\n", short_pin(js_get_str(image, "old"), old),
				  short_pin(js_get_str(image, "new"), now));
			changed++;
		} else {
			print_put(p, STYLE_DIM, "  unchanged, %s\n", short_pin(js_get_str(image, "new"), now));
		}
	}
	if (!js_len(images))
		print_put(p, STYLE_PLAIN, "no step names an image that could be updated\n");
	for (size_t i = 0; i < js_len(notes); i++) {
		print_put(p, STYLE_WARN, "note:");
		print_put(p, STYLE_PLAIN, " %s\n", js_text(js_at(notes, i)));
	}
	if (changed) {
		print_put(p, STYLE_BOLD, "next:");
		print_put(p, STYLE_PLAIN, " mlops run, then commit mlops.lock\n");
	}
}
