/* SPDX-License-Identifier: Apache-2.0 */
/* One value of an axis: a text, a range of numbers, or a param. Decimals are whole numbers of units, so they stay exact. */
#include <ctype.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/axis.h"
#include "pipeline/expand.h"
#include "pipeline/matrix.h"
#include "pipeline/params.h"
#include "pipeline/show.h"

#define DIGITS_MAX 18 /* fit into int64_t */

struct decimal {
	int64_t units;
	int places;
};

/* A number, as a text that is all of it: [-]digits[.digits] */
static int read_decimal(const char *text, const char *range, struct decimal *ret, struct error *err)
{
	bool negative = *text == '-';
	const char *digits = text + negative;
	size_t whole = strspn(digits, "0123456789");
	size_t places = digits[whole] == '.' ? strspn(digits + whole + 1, "0123456789") : 0;
	const char *end = digits + whole + (places ? places + 1 : 0);

	*ret = (struct decimal){ 0 };
	if (!whole || *end)
		return error_set(err, ERR_USAGE, "'%s' in range '%s' is not a number", SHOW(text), SHOW(range));
	if (whole > 1 && *digits == '0')
		return error_set(err, ERR_USAGE, "'%s' in range '%s' begins with a zero, which its values would not keep",
				 SHOW(text), SHOW(range));
	if (whole + places > DIGITS_MAX)
		return error_set(err, ERR_USAGE, "'%s' in range '%s' has more than %d digits; a step has at most %d "
				 "instances", SHOW(text), SHOW(range), DIGITS_MAX, MATRIX_MAX);
	for (const char *p = digits; p < end; p++)
		if (*p != '.')
			ret->units = ret->units * 10 + (*p - '0');
	ret->units = negative ? -ret->units : ret->units;
	ret->places = (int)places;
	return 0;
}

static bool scale(struct decimal *number, int places)
{
	for (; number->places < places; number->places++)
		if (__builtin_mul_overflow(number->units, 10, &number->units))
			return false;
	return true;
}

static int count_range(struct decimal first, struct decimal last, struct decimal step, const char *text,
		       struct range *ret, struct error *err)
{
	int places = first.places > last.places ? first.places : last.places;
	int64_t distance;

	places = step.places > places ? step.places : places;
	if (!scale(&first, places) || !scale(&last, places) || !scale(&step, places) ||
	    __builtin_sub_overflow(last.units, first.units, &distance))
		return error_set(err, ERR_USAGE, "range '%s' has too many digits", SHOW(text));
	if (step.units <= 0)
		return error_set(err, ERR_USAGE, "the step of range '%s' is not above 0", SHOW(text));
	if (distance < 0) {
		error_set(err, ERR_USAGE, "range '%s' goes down", SHOW(text));
		return error_help(err, "write the smaller number first: the order of a matrix has no meaning");
	}
	*ret = (struct range){ first.units, step.units, places, (uint64_t)(distance / step.units) + 1 };
	return 0;
}

/* "1..3", "0..100:10", "0.1..0.5:0.1" */
static int read_range(const char *text, struct range *ret, struct error *err)
{
	const char *dots = strstr(text, ".."), *colon = strchr(dots, ':');
	CLEANUP(cleanup_free) char *from = xstrndup(text, (size_t)(dots - text));
	CLEANUP(cleanup_free) char *to = colon ? xstrndup(dots + 2, (size_t)(colon - dots - 2)) : xstrdup(dots + 2);
	struct decimal first, last, step = { 1, 0 };

	if (read_decimal(from, text, &first, err) < 0 || read_decimal(to, text, &last, err) < 0 ||
	    (colon && read_decimal(colon + 1, text, &step, err) < 0))
		return error_help(err, "a range is 1..3 or 0.1..0.5:0.1, its numbers without a sign but '-'");
	if (!colon && (first.places || last.places)) {
		error_set(err, ERR_USAGE, "range '%s' of decimals does not say its step", SHOW(text));
		return error_help(err, "write it behind a colon: %s:0.1", SHOW(text));
	}
	return count_range(first, last, step, text, ret, err);
}

/* Whether the text begins as a number does, and has the two dots. */
static bool is_range(const char *text)
{
	const char *digit = text + (*text == '-' || *text == '+');

	digit += *digit == '.' && digit[1] != '.';
	return isdigit((unsigned char)*digit) && strstr(text, "..");
}

static int check_scalar(const char *key, const struct js *value, struct error *err)
{
	static const char *const bad[] = {
		[JS_NULL] = "null", [JS_ARRAY] = "a list", [JS_OBJECT] = "a group of params", [JS_STR] = "an empty text",
	};
	enum js_type type = js_typeof(value);

	if (type == JS_INT || type == JS_REAL || type == JS_BOOL || (type == JS_STR && *js_text(value)))
		return 0;
	error_set(err, ERR_USAGE, "${params.%s} holds %s, which is no value of an axis", SHOW(key), bad[type]);
	return error_help(err, "values are numbers, texts, true and false, or one list of them");
}

static int read_param(const char *text, const struct js *params, struct axis_item *ret, struct error *err)
{
	static const char head[] = "${params.";
	size_t len = strlen(text), at = strlen(head);
	const struct expand_scope scope = { .params = params, .step = "" };
	CLEANUP(cleanup_free) char *expanded = NULL;
	CLEANUP(cleanup_free) char *key = NULL;

	if (strncmp(text, head, at) != 0 || strchr(text, '}') != text + len - 1) {
		error_set(err, ERR_USAGE, "'%s' is no value of an axis: only ${params.KEY} may stand there, alone",
			  SHOW(text));
		return error_help(err, "list the values, or put the list into [params]: seeds = [1, 2, 3]");
	}
	if (expand_text(&scope, text, &expanded, err) < 0)
		return -1;
	key = xstrndup(text + at, len - at - 1);
	*ret = (struct axis_item){ .kind = ITEM_PARAM, .text = text, .param = param_find(params, key), .count = 1 };
	if (js_typeof(ret->param) != JS_ARRAY)
		return check_scalar(key, ret->param, err);
	ret->count = js_len(ret->param);
	for (size_t i = 0; i < ret->count; i++)
		if (check_scalar(key, js_at(ret->param, i), err) < 0)
			return -1;
	if (ret->count)
		return 0;
	error_set(err, ERR_USAGE, "${params.%s} is an empty list, so the step would never run", SHOW(key));
	return error_help(err, "give it a value, or say so with a condition: when = ...");
}

int axis_item_read(const char *text, const struct js *params, struct axis_item *ret, struct error *err)
{
	*ret = (struct axis_item){ .kind = ITEM_TEXT, .text = text, .count = 1 };
	if (strstr(text, "${"))
		return read_param(text, params, ret, err);
	if (!is_range(text))
		return 0;
	ret->kind = ITEM_RANGE;
	if (read_range(text, &ret->range, err) < 0)
		return -1;
	ret->count = ret->range.count;
	return 0;
}

/* Units of 10^-places as text, without zeros at the end: 50 of 2 places are "0.5". */
static char *decimal_text(int64_t units, int places)
{
	uint64_t left = units < 0 ? -(uint64_t)units : (uint64_t)units, scale = 1;

	while (places && left % 10 == 0) {
		left /= 10;
		places--;
	}
	for (int i = 0; i < places; i++)
		scale *= 10;
	if (!places)
		return xasprintf("%s%ju", units < 0 ? "-" : "", (uintmax_t)left);
	return xasprintf("%s%ju.%0*ju", units < 0 ? "-" : "", (uintmax_t)(left / scale), places,
			 (uintmax_t)(left % scale));
}

void axis_item_values(const struct axis_item *item, struct strlist *ret)
{
	const struct range *range = &item->range;

	if (item->kind == ITEM_TEXT) {
		strlist_push(ret, item->text);
	} else if (item->kind == ITEM_RANGE) {
		for (uint64_t i = 0; i < range->count; i++)
			strlist_push_owned(ret, decimal_text(range->first + (int64_t)i * range->step, range->places));
	} else if (js_typeof(item->param) != JS_ARRAY) {
		strlist_push_owned(ret, param_text(item->param));
	} else {
		for (size_t i = 0; i < js_len(item->param); i++)
			strlist_push_owned(ret, param_text(js_at(item->param, i)));
	}
}
