/* SPDX-License-Identifier: Apache-2.0 */
/* Running the code of an expression. */
#include "base/expr.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/expr_internal.h"
#include "base/mem.h"
#include "base/strbuf.h"

static const char *const type_names[] = {
	[EXPR_NUMBER] = "number",
	[EXPR_TEXT] = "text",
	[EXPR_TRUTH] = "truth",
};

void expr_free(struct expr *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->len; i++)
		free(e->code[i].text);
	free(e->code);
	free(e);
}

void cleanup_expr(struct expr **e)
{
	expr_free(*e);
}

int expr_each_name(const struct expr *e, int (*each)(void *ctx, const char *name, size_t offset), void *ctx)
{
	for (size_t i = 0; i < e->len; i++)
		if (e->code[i].op == OP_NAME && each(ctx, e->code[i].text, e->code[i].offset) < 0)
			return -1;
	return 0;
}

bool expr_number(const char *text, double *ret)
{
	bool minus = *text == '-';
	double value;
	size_t n = expr_read_number(text + minus, &value);

	if (!n || text[minus + n] || !isfinite(value))
		return false;
	*ret = minus ? -value : value;
	return true;
}

/* The shortest text that reads back as the same number. */
static void show_number(double number, struct strbuf *sb)
{
	char text[32];
	double again;

	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, number);
		for (char *p = text; *p; p++)
			if (*p == ',')
				*p = '.'; /* whatever the locale divides with */
		if (expr_number(text, &again) && again == number)
			break;
	}
	strbuf_puts(sb, text);
}

void expr_value_show(const struct expr_value *value, struct strbuf *sb)
{
	switch (value->type) {
	case EXPR_NUMBER:
		show_number(value->number, sb);
		break;
	case EXPR_TEXT:
		strbuf_printf(sb, strchr(value->text, '"') ? "'%s'" : "\"%s\"", value->text);
		break;
	case EXPR_TRUTH:
		strbuf_puts(sb, value->truth ? "true" : "false");
		break;
	}
}

struct machine {
	const struct expr *expr;
	expr_lookup *lookup;
	void *ctx;
	struct expr_value *top; /* of a stack as deep as the code is long */
	struct error *err;
};

static int wants(struct machine *m, const char *word, enum expr_type wanted, const struct expr_value *value)
{
	if (value->type == wanted)
		return 0;
	return error_set(m->err, ERR_USAGE, "%s needs a %s and has a %s", word, type_names[wanted],
			 type_names[value->type]);
}

static int look_up(struct machine *m, const char *name)
{
	struct expr_value value = { 0 };

	if (m->lookup(m->ctx, name, &value, m->err) < 0)
		return -1;
	if (value.type == EXPR_NUMBER && !isfinite(value.number))
		return error_set(m->err, ERR_USAGE, "%.120s is no finite number", name);
	*++m->top = value;
	return 0;
}

/* Drops the operand on top: it was the right one. */
static int arithmetic(struct machine *m, enum expr_op op)
{
	struct expr_value *right = m->top--, *left = m->top;
	const char *word = expr_op_word(op);

	if (wants(m, word, EXPR_NUMBER, left) < 0 || wants(m, word, EXPR_NUMBER, right) < 0)
		return -1;
	if (op == OP_DIV && right->number == 0)
		return error_set(m->err, ERR_USAGE, "division by zero");
	switch (op) {
	case OP_ADD:
		left->number += right->number;
		break;
	case OP_SUB:
		left->number -= right->number;
		break;
	case OP_MUL:
		left->number *= right->number;
		break;
	default:
		left->number /= right->number;
	}
	if (!isfinite(left->number))
		return error_set(m->err, ERR_USAGE, "the result of %s is too large for a number", word);
	return 0;
}

/* The order of two values, negative, 0 or positive, as a bit; and those bits with which a comparison holds. */
#define ORDER(order) (1 << (((order) > 0) - ((order) < 0) + 1))
enum { LESS = ORDER(-1), SAME = ORDER(0), MORE = ORDER(1) };
static const unsigned char orders[] = {
	[OP_EQ] = SAME, [OP_NE] = LESS | MORE, [OP_LT] = LESS, [OP_LE] = LESS | SAME, [OP_GT] = MORE, [OP_GE] = MORE | SAME,
};

static int compare(struct machine *m, enum expr_op op)
{
	const struct expr_value *right = m->top--, *left = m->top;
	int order;

	if (left->type != right->type)
		return error_set(m->err, ERR_USAGE, "%s compares a %s with a %s", expr_op_word(op),
				 type_names[left->type], type_names[right->type]);
	if (left->type == EXPR_TRUTH && op != OP_EQ && op != OP_NE)
		return error_set(m->err, ERR_USAGE, "%s does not compare truths", expr_op_word(op));
	if (left->type == EXPR_NUMBER)
		order = (left->number > right->number) - (left->number < right->number);
	else if (left->type == EXPR_TEXT)
		order = strcmp(left->text, right->text);
	else
		order = left->truth - right->truth;
	*m->top = (struct expr_value){ .type = EXPR_TRUTH, .truth = orders[op] & ORDER(order) };
	return 0;
}

/* Runs one instruction; *ret_next is the one to go on with. */
static int step(struct machine *m, size_t at, size_t *ret_next)
{
	const struct expr_instr *instr = &m->expr->code[at];
	enum expr_op op = instr->op;

	*ret_next = at + 1;
	switch (op) {
	case OP_NUMBER:
		*++m->top = (struct expr_value){ .type = EXPR_NUMBER, .number = instr->number };
		return 0;
	case OP_TEXT:
		*++m->top = (struct expr_value){ .type = EXPR_TEXT, .text = instr->text };
		return 0;
	case OP_TRUE:
	case OP_FALSE:
		*++m->top = (struct expr_value){ .type = EXPR_TRUTH, .truth = op == OP_TRUE };
		return 0;
	case OP_NAME:
		return look_up(m, instr->text);
	case OP_NEGATE:
		if (wants(m, "-", EXPR_NUMBER, m->top) < 0)
			return -1;
		m->top->number = -m->top->number;
		return 0;
	case OP_NOT:
		if (wants(m, "not", EXPR_TRUTH, m->top) < 0)
			return -1;
		m->top->truth = !m->top->truth;
		return 0;
	case OP_TRUTH:
		return wants(m, expr_op_word(m->expr->code[instr->jump].op), EXPR_TRUTH, m->top);
	case OP_OR:
	case OP_AND:
		if (wants(m, expr_op_word(op), EXPR_TRUTH, m->top) < 0)
			return -1;
		if (m->top->truth == (op == OP_OR))
			*ret_next = instr->jump;
		else
			m->top--;
		return 0;
	case OP_EQ:
	case OP_NE:
	case OP_LT:
	case OP_LE:
	case OP_GT:
	case OP_GE:
		return compare(m, op);
	default:
		return arithmetic(m, op);
	}
}

int expr_eval(const struct expr *e, expr_lookup *lookup, void *ctx, struct expr_value *ret, size_t *ret_offset,
	      struct error *err)
{
	CLEANUP(cleanup_free) struct expr_value *stack = xcalloc(e->len + 1, sizeof(*stack));
	struct machine m = { .expr = e, .lookup = lookup, .ctx = ctx, .top = stack, .err = err };

	for (size_t at = 0, next; at < e->len; at = next) {
		if (step(&m, at, &next) == 0)
			continue;
		if (ret_offset)
			*ret_offset = e->code[at].offset;
		return -1;
	}
	*ret = *m.top;
	return 0;
}

int expr_holds(const struct expr *e, expr_lookup *lookup, void *ctx, bool *ret, size_t *ret_offset, struct error *err)
{
	struct expr_value value;

	if (expr_eval(e, lookup, ctx, &value, ret_offset, err) < 0)
		return -1;
	if (value.type == EXPR_TRUTH) {
		*ret = value.truth;
		return 0;
	}
	if (ret_offset)
		*ret_offset = e->code[0].offset;
	error_set(err, ERR_USAGE, "it is a %s, and a truth is asked for", type_names[value.type]);
	return error_help(err, "compare it with something: %s", value.type == EXPR_NUMBER ? "... > 0" : "... == \"text\"");
}
