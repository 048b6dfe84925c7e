/* SPDX-License-Identifier: Apache-2.0 */
#include "api/combinations.h"
#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/axis.h"
#include "pipeline/show.h"

void combinations_release(struct combinations *c)
{
	for (size_t i = 0; i < c->nparams; i++) {
		free(c->params[i].key);
		strlist_release(&c->params[i].values);
	}
	free(c->params);
	*c = (struct combinations){ 0 };
}

static void push_trimmed(struct strlist *items, const char *from, const char *to)
{
	while (from < to && isspace((unsigned char)*from))
		from++;
	while (to > from && isspace((unsigned char)to[-1]))
		to--;
	strlist_push_owned(items, xstrndup(from, (size_t)(to - from)));
}

/* Past a JSON string that begins here; NULL when it does not end. */
static const char *skip_string(const char *p)
{
	for (p++; *p && *p != '"'; p++)
		if (*p == '\\' && p[1])
			p++;
	return *p ? p : NULL;
}

/* At commas outside of brackets and strings. What does not close is a text, and its commas are its own. */
static void split(const char *text, struct strlist *items)
{
	const char *start = text;
	long depth = 0;

	for (const char *p = text; *p && depth >= 0; p++) {
		if (*p == '"' && !(p = skip_string(p)))
			break;
		depth += (*p == '[' || *p == '{') - (*p == ']' || *p == '}');
		if (*p == ',' && depth == 0) {
			push_trimmed(items, start, p);
			start = p + 1;
		}
		if (p[1])
			continue;
		if (depth == 0) {
			push_trimmed(items, start, p + 1);
			return;
		}
	}
	strlist_release(items);
	push_trimmed(items, text, text + strlen(text));
}

static bool is_json(const char *item)
{
	return *item && strchr("\"[{", *item);
}

static int add_item(struct param_values *param, const char *item, bool alone, struct error *err)
{
	struct axis_item range;

	if (!*item) {
		error_set(err, ERR_USAGE, "-p %s has an empty value between its commas", SHOW(param->key));
		return error_help(err, "for a text with a comma write: -p '%s=\"a,b\"'", SHOW(param->key));
	}
	if (is_json(item) || strstr(item, "${")) {
		strlist_push(&param->values, item);
		return 0;
	}
	if (axis_item_read(item, NULL, &range, err) < 0) {
		error_wrap(err, "-p %s", SHOW(param->key));
		return error_help(err, "for a text that only looks like a range write: -p '%s=\"%s\"'", SHOW(param->key),
				  SHOW(item));
	}
	if (range.count > COMBINATIONS_MAX - param->values.len) {
		error_set(err, ERR_USAGE, "-p %s has more than %d values", SHOW(param->key), COMBINATIONS_MAX);
		return error_help(err, "run them in parts; a range with larger steps is %s:STEP", SHOW(item));
	}
	param->many = param->many || !alone || range.kind == ITEM_RANGE;
	axis_item_values(&range, &param->values);
	return 0;
}

static int check_repeats(const struct param_values *param, struct error *err)
{
	struct strlist sorted CLEANUP(strlist_release) = STRLIST_INIT;

	for (size_t i = 0; i < param->values.len; i++)
		strlist_push(&sorted, param->values.items[i]);
	strlist_sort(&sorted);
	for (size_t i = 1; i < sorted.len; i++)
		if (!strcmp(sorted.items[i - 1], sorted.items[i])) {
			error_set(err, ERR_USAGE, "-p %s has the value %s twice", SHOW(param->key), SHOW(sorted.items[i]));
			return error_help(err, "leave one of them out");
		}
	return 0;
}

static int read_values(struct param_values *param, const char *text, struct error *err)
{
	struct strlist items CLEANUP(strlist_release) = STRLIST_INIT;

	if (!*text) {
		strlist_push(&param->values, "");
		return 0;
	}
	split(text, &items);
	param->many = items.len > 1;
	for (size_t i = 0; i < items.len; i++)
		if (add_item(param, items.items[i], items.len == 1, err) < 0)
			return -1;
	/* One value is as it was typed. */
	if (!param->many) {
		strlist_release(&param->values);
		strlist_push(&param->values, text);
	}
	return check_repeats(param, err);
}

static int read_param(struct combinations *c, const char *text, struct error *err)
{
	const char *equals = strchr(text, '=');
	struct param_values *param;

	GROW(c->params, c->nparams, c->cap);
	param = &c->params[c->nparams++];
	*param = (struct param_values){ .key = equals ? xstrndup(text, (size_t)(equals - text)) : xstrdup(text) };
	for (size_t i = 0; equals && i + 1 < c->nparams; i++) {
		if (strcmp(c->params[i].key, param->key) != 0)
			continue;
		error_set(err, ERR_USAGE, "-p %s is given twice", SHOW(param->key));
		return error_help(err, "for several values write: -p %s=1,2", SHOW(param->key));
	}
	return equals ? read_values(param, equals + 1, err) : 0;
}

int combinations_read(const struct js *params, struct combinations *ret, struct error *err)
{
	CLEANUP(combinations_release) struct combinations c = { .len = 1 };

	for (size_t i = 0; i < js_len(params); i++) {
		if (read_param(&c, js_text(js_at(params, i)), err) < 0)
			return -1;
		c.many = c.many || c.params[i].many;
	}
	for (size_t i = 0; i < c.nparams; i++) {
		size_t n = c.params[i].values.len;
		if (n && c.len * n > COMBINATIONS_MAX) {
			error_set(err, ERR_USAGE, "the values of -p make more than %d combinations", COMBINATIONS_MAX);
			return error_help(err, "run them in parts");
		}
		c.len *= n ? n : 1;
	}
	*ret = c;
	c = (struct combinations){ 0 };
	return 0;
}

/* Which value of each param: `i` is a number whose last digit is the last param's. */
static const char *value_of(const struct combinations *c, size_t i, size_t param)
{
	for (size_t k = c->nparams; --k > param;)
		i /= c->params[k].values.len ? c->params[k].values.len : 1;
	return c->params[param].values.items[i % c->params[param].values.len];
}

void combination_params(const struct combinations *c, size_t i, struct strlist *ret)
{
	for (size_t k = 0; k < c->nparams; k++) {
		if (c->params[k].values.len)
			strlist_push_owned(ret, xasprintf("%s=%s", c->params[k].key, value_of(c, i, k)));
		else
			strlist_push(ret, c->params[k].key);
	}
}

char *combination_label(const struct combinations *c, size_t i)
{
	struct strbuf label = STRBUF_INIT;

	for (size_t k = 0; k < c->nparams; k++)
		if (c->params[k].many)
			strbuf_printf(&label, "%s%s=%s", label.len ? " " : "", c->params[k].key, value_of(c, i, k));
	return strbuf_detach(&label);
}

struct js *combination_json(const struct combinations *c, size_t i)
{
	struct js *json = js_object();

	for (size_t k = 0; k < c->nparams; k++)
		if (c->params[k].many)
			js_set_str(json, c->params[k].key, value_of(c, i, k));
	return json;
}
