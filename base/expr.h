/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
/*
 * Conditions: one small language for `when` of steps and for gates of models.
 *
 *     or     expr or expr
 *     and    expr and expr
 *     not    not expr
 *     compare   a == b   a != b   a < b   a <= b   a > b   a >= b     not chained
 *     sum, product   + - * /   unary -
 *     value  1.5  1e-3  "text"  'text'  true  false  name.of.something  ${any name}  ( expr )
 *
 * A bare name is made of letters, digits, '_' and '.' and does not begin with a digit or '.'; text has no escapes: the
 * other quote holds the one.
 *
 * Three types: number, text, truth; none becomes another by itself. Text has == != < <= > >= by bytes, truth has
 * == and !=. Evaluation always ends: in a value, or in an error that says where and why (division by zero, a result
 * that is no finite number, two types that do not compare, a name without a value). `and` and `or` look at their
 * right side only when it decides. Text of at most EXPR_MAX bytes, nested at most EXPR_DEPTH deep.
 */
struct error;
struct expr;

#define EXPR_MAX   4096
#define EXPR_DEPTH 64

enum expr_type { EXPR_NUMBER, EXPR_TEXT, EXPR_TRUTH };
struct expr_value {
	enum expr_type type;
	double number;
	bool truth;
	const char *text; /* lent by the expression, or by who looked it up, until the evaluation's result was used */
};

/* ERR_USAGE for all that can be wrong but what a lookup says; *ret_offset (may be NULL) receives the byte of the text that is wrong, here and below. */
int expr_parse(const char *text, struct expr **ret, size_t *ret_offset, struct error *);
void expr_free(struct expr *);
void cleanup_expr(struct expr **);
/* Every name in it, in order, once for each time it stands there. Stops at the first -1, and returns it. */
int expr_each_name(const struct expr *, int (*each)(void *ctx, const char *name, size_t offset), void *ctx);

/* The number that all of `text` is, written as in an expression, with at most one '-' before it; else false. No locale
 * plays a part. */
bool expr_number(const char *text, double *ret);
/* Appends the value as an expression writes it: 0.87, "text", true. */
struct strbuf;
void expr_value_show(const struct expr_value *, struct strbuf *);

/* The value of a name, or -1 with the reason. */
typedef int expr_lookup(void *ctx, const char *name, struct expr_value *ret, struct error *);
int expr_eval(const struct expr *, expr_lookup *, void *ctx, struct expr_value *ret, size_t *ret_offset,
	      struct error *);
/* The same where a truth is asked for: ERR_USAGE when it is a number or a text. */
int expr_holds(const struct expr *, expr_lookup *, void *ctx, bool *ret, size_t *ret_offset, struct error *);
