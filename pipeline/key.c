/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/key.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "pipeline/grammar.h"
#include "pipeline/params.h"
#include "pipeline/plan.h"
#include "pipeline/show.h"

void key_platform(char ret[KEY_PLATFORM])
{
	struct utsname machine;

	if (uname(&machine) < 0) {
		snprintf(ret, KEY_PLATFORM, "unknown");
		return;
	}
	snprintf(ret, KEY_PLATFORM, "%s/%s", machine.sysname, machine.machine);
	for (char *c = ret; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
}

static void add_line(struct strbuf *form, const char *name, const char *value)
{
	strbuf_puts(form, name);
	strbuf_putc(form, ' ');
	show_escape(form, value);
	strbuf_putc(form, '\n');
}

/* "input file:HEX data/x.csv": the content has no blank, so the path may. */
static void add_content(struct strbuf *form, const char *name, const struct content *content, const char *path)
{
	char text[CONTENT_TEXT];

	strbuf_puts(form, name);
	strbuf_putc(form, ' ');
	strbuf_puts(form, content_format(content, text));
	strbuf_putc(form, ' ');
	show_escape(form, path);
	strbuf_putc(form, '\n');
}

/* "param KEY JSON"; a blank in the key is escaped too. The node has them sorted. */
static void add_params(struct strbuf *form, const struct js *params)
{
	CLEANUP_STRBUF struct strbuf json = STRBUF_INIT;

	for (void *it = js_iter(params); it; it = js_next(params, it)) {
		const char *key = js_iter_key(it);
		strbuf_puts(form, "param ");
		for (const char *blank; (blank = strchr(key, ' ')); key = blank + 1) {
			CLEANUP(cleanup_free) char *part = xstrndup(key, (size_t)(blank - key));
			show_escape(form, part);
			strbuf_puts(form, "\\x20");
		}
		show_escape(form, key);
		strbuf_clear(&json);
		js_dump(js_iter_value(it), JS_CANONICAL, &json);
		strbuf_putc(form, ' ');
		show_escape(form, json.buf);
		strbuf_putc(form, '\n');
	}
}

/* "matrix AXIS=VALUE", sorted by axis: the order of a file's lines changes nothing. */
static void add_matrix(struct strbuf *form, const struct js *matrix)
{
	CLEANUP(strlist_release) struct strlist lines = STRLIST_INIT;

	for (void *it = js_iter(matrix); it; it = js_next(matrix, it))
		strlist_push_owned(&lines, xasprintf("%s=%s", js_iter_key(it), js_text(js_iter_value(it))));
	strlist_sort(&lines);
	for (size_t i = 0; i < lines.len; i++)
		add_line(form, "matrix", lines.items[i]);
}

/* "NAME" or "NAME env": which secrets and how, never what they are. */
static void secret_uses(const struct step *step, struct strlist *ret)
{
	for (size_t i = 0; i < step->nsecrets; i++)
		strlist_push_owned(ret, xasprintf("%s%s", step->secrets[i].name, step->secrets[i].env ? " env" : ""));
	strlist_sort(ret);
}

static void add_secrets(struct strbuf *form, const struct step *step)
{
	CLEANUP(strlist_release) struct strlist uses = STRLIST_INIT;

	secret_uses(step, &uses);
	for (size_t i = 0; i < uses.len; i++)
		add_line(form, "secret", uses.items[i]);
}

static struct js *secrets_record(const struct step *step)
{
	CLEANUP(strlist_release) struct strlist uses = STRLIST_INIT;
	struct js *secrets = js_array();

	secret_uses(step, &uses);
	for (size_t i = 0; i < uses.len; i++)
		js_push_str(secrets, uses.items[i]);
	return secrets;
}

/* The digest alone: where an image was pulled from changes nothing. */
static const char *image_digest(const char *pin)
{
	const char *at = strchr(pin, '@');

	return at ? at + 1 : pin;
}

void key_form(const struct key_facts *facts, struct strbuf *form)
{
	const struct plan_node *node = facts->node;
	const struct key_program *program = facts->program;

	strbuf_puts(form, "mlops step key 1\n");
	add_line(form, "runner", facts->image ? "docker" : "local");
	add_line(form, "platform", facts->platform);
	if (program && program->path)
		add_content(form, "program", &program->content, program->path);
	if (facts->image)
		add_line(form, "image", image_digest(facts->image));
	for (size_t i = 0; i < node->argv.len; i++)
		add_line(form, "arg", node->argv.items[i]);
	for (size_t i = 0; i < node->env.len; i++)
		add_line(form, "env", node->env.items[i]);
	add_params(form, node->params);
	for (size_t i = 0; i < facts->ninputs; i++)
		add_content(form, "input", &facts->inputs[i].content, facts->inputs[i].path);
	for (size_t i = 0; i < node->noutputs; i++)
		add_line(form, "output", node->outputs[i].path);
	if (facts->image && node->step->root)
		add_line(form, "user", "root");
	if (facts->image && node->step->network)
		add_line(form, "network", "yes");
	add_secrets(form, node->step);
	add_matrix(form, node->matrix);
}

void key_of(const struct key_facts *facts, struct digest *ret)
{
	CLEANUP_STRBUF struct strbuf form = STRBUF_INIT;

	key_form(facts, &form);
	digest_of(form.buf, form.len, ret);
}

static void set_content(struct js *object, const char *key, const struct content *content)
{
	char text[CONTENT_TEXT];

	js_set_str(object, key, content_format(content, text));
}

struct js *key_record(const struct key_facts *facts)
{
	const struct plan_node *node = facts->node;
	struct js *record = js_object(), *argv = js_array(), *env = js_object();
	struct js *inputs = js_object(), *outputs = js_array();

	js_set_str(record, "platform", facts->platform);
	if (facts->program && facts->program->path) {
		struct js *program = js_object();
		js_set_str(program, "path", facts->program->path);
		set_content(program, "content", &facts->program->content);
		js_set(record, "program", program);
	}
	if (facts->image) {
		js_set_str(record, "image", facts->image);
		if (facts->build)
			js_set(record, "build", js_ref((struct js *)facts->build));
		js_set_str(record, "user", node->step->root ? "root" : NULL);
		js_set_str(record, "network", node->step->network ? "yes" : NULL);
	}
	for (size_t i = 0; i < node->argv.len; i++)
		js_push_str(argv, node->argv.items[i]);
	for (size_t i = 0; i < node->env.len; i++) {
		const char *item = node->env.items[i];
		size_t name = strcspn(item, "=");
		CLEANUP(cleanup_free) char *key = xstrndup(item, name);
		js_set_str(env, key, item[name] ? item + name + 1 : "");
	}
	for (size_t i = 0; i < facts->ninputs; i++)
		set_content(inputs, facts->inputs[i].path, &facts->inputs[i].content);
	for (size_t i = 0; i < node->noutputs; i++)
		js_push_str(outputs, node->outputs[i].path);
	js_set(record, "argv", argv);
	js_set(record, "env", env);
	js_set(record, "params", node->params ? js_ref(node->params) : js_object());
	if (node->matrix)
		js_set(record, "matrix", js_ref(node->matrix));
	if (node->step->nsecrets)
		js_set(record, "secrets", secrets_record(node->step));
	js_set(record, "inputs", inputs);
	js_set(record, "outputs", outputs);
	return record;
}
