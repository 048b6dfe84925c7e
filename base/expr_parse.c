/* SPDX-License-Identifier: Apache-2.0 */
/* From text to code, by precedence climbing. */
#include "base/expr.h"
#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/expr_internal.h"
#include "base/mem.h"

enum level { LEVEL_ANY, LEVEL_OR, LEVEL_AND, LEVEL_NOT, LEVEL_COMPARE, LEVEL_SUM, LEVEL_PRODUCT, LEVEL_VALUE };

/* Longer signs stand before their beginnings. */
static const struct binary {
	const char *word;
	enum level level;
	enum expr_op op;
} binaries[] = {
	{ "or", LEVEL_OR, OP_OR },
	{ "and", LEVEL_AND, OP_AND },
	{ "==", LEVEL_COMPARE, OP_EQ },
	{ "!=", LEVEL_COMPARE, OP_NE },
	{ "<=", LEVEL_COMPARE, OP_LE },
	{ ">=", LEVEL_COMPARE, OP_GE },
	{ "<", LEVEL_COMPARE, OP_LT },
	{ ">", LEVEL_COMPARE, OP_GT },
	{ "+", LEVEL_SUM, OP_ADD },
	{ "-", LEVEL_SUM, OP_SUB },
	{ "*", LEVEL_PRODUCT, OP_MUL },
	{ "/", LEVEL_PRODUCT, OP_DIV },
};

/* What people know from other languages. */
static const struct {
	const char *word, *help;
} foreign[] = {
	{ "&&", "write and" },
	{ "&", "write and" },
	{ "AND", "write and" },
	{ "||", "write or" },
	{ "|", "write or" },
	{ "OR", "write or" },
	{ "!=", "a comparison has two sides" },
	{ "!", "write not" },
	{ "NOT", "write not" },
	{ "==", "a comparison has two sides" },
	{ "=", "write == to compare" },
	{ "True", "write true" },
	{ "False", "write false" },
	{ "$", "a name with other characters than letters, digits, _ and . is written ${NAME}" },
};

struct parser {
	const char *text, *at;
	int depth;
	struct expr *out;
	size_t *ret_offset;
	struct error *err;
};

const char *expr_op_word(enum expr_op op)
{
	for (size_t i = 0; i < ARRAY_LEN(binaries); i++)
		if (binaries[i].op == op)
			return binaries[i].word;
	return op == OP_NOT ? "not" : "-";
}

static int fault(struct parser *p, const char *at)
{
	if (p->ret_offset)
		*p->ret_offset = (size_t)(at - p->text);
	return -1;
}

static bool is_name_start(char c)
{
	return isalpha((unsigned char)c) || c == '_';
}

static size_t name_len(const char *at)
{
	size_t n = 0;

	if (is_name_start(*at))
		while (is_name_start(at[n]) || isdigit((unsigned char)at[n]) || at[n] == '.')
			n++;
	return n;
}

static void skip_blanks(struct parser *p)
{
	p->at += strspn(p->at, " \t\r\n");
}

/* A word ends where no name goes on. */
static size_t word_at(const char *at, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(at, word, n) != 0)
		return 0;
	return is_name_start(*word) && name_len(at) != n ? 0 : n;
}

static bool take_word(struct parser *p, const char *word)
{
	size_t n = word_at(p->at, word);

	p->at += n;
	skip_blanks(p);
	return n > 0;
}

static const struct binary *binary_at(const char *at)
{
	for (size_t i = 0; i < ARRAY_LEN(binaries); i++)
		if (word_at(at, binaries[i].word))
			return &binaries[i];
	return NULL;
}

/* Says what stands where something else should. */
static int unexpected(struct parser *p, const char *wanted)
{
	size_t n = name_len(p->at);

	if (!*p->at)
		error_set(p->err, ERR_USAGE, "the expression ends where %s should stand", wanted);
	else if (n)
		error_set(p->err, ERR_USAGE, "%s should stand before '%.*s'", wanted, (int)(n < 40 ? n : 40), p->at);
	else if (isgraph((unsigned char)*p->at))
		error_set(p->err, ERR_USAGE, "%s should stand before '%c'", wanted, *p->at);
	else
		error_set(p->err, ERR_USAGE, "%s should stand before the byte 0x%02x", wanted, (unsigned char)*p->at);
	for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
		if (word_at(p->at, foreign[i].word)) {
			error_help(p->err, "%s", foreign[i].help);
			break;
		}
	}
	return fault(p, p->at);
}

static struct expr_instr *emit(struct parser *p, enum expr_op op, const char *at)
{
	struct expr *e = p->out;

	GROW(e->code, e->len, e->cap);
	e->code[e->len] = (struct expr_instr){ .op = op, .offset = (size_t)(at - p->text) };
	return &e->code[e->len++];
}

/* Digits, '.', digits, 'e', sign, digits. */
static size_t number_len(const char *text)
{
	const char *at = text + strspn(text, "0123456789");
	const char *tail;

	if (at == text)
		return 0;
	if (*at == '.' && isdigit((unsigned char)at[1]))
		at += 1 + strspn(at + 1, "0123456789");
	if (*at != 'e' && *at != 'E')
		return (size_t)(at - text);
	tail = at + 1 + (at[1] == '-' || at[1] == '+');
	return (size_t)(at - text) + (isdigit((unsigned char)*tail) ? (size_t)(tail - at) + strspn(tail, "0123456789") : 0);
}

size_t expr_read_number(const char *text, double *ret)
{
	size_t n = number_len(text);
	CLEANUP(cleanup_free) char *copy = xstrndup(text, n);
	locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);

	if (n)
		*ret = strtod_l(copy, NULL, plain);
	freelocale(plain);
	return n;
}

static int parse_number(struct parser *p)
{
	double number;
	size_t n = expr_read_number(p->at, &number);

	if (is_name_start(p->at[n]) || p->at[n] == '.') {
		size_t more = n + strspn(p->at + n, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.");
		error_set(p->err, ERR_USAGE, "'%.*s' is no number", (int)(more < 40 ? more : 40), p->at);
		error_help(p->err, "a number is written 12, 1.5 or 1e-3, a text in quotes");
		return fault(p, p->at);
	}
	if (!isfinite(number)) {
		error_set(p->err, ERR_USAGE, "%.*s is too large for a number", (int)(n < 40 ? n : 40), p->at);
		return fault(p, p->at);
	}
	emit(p, OP_NUMBER, p->at)->number = number;
	p->at += n;
	return 0;
}

/* Text between two signs; `open` bytes stand before it. */
static int parse_closed(struct parser *p, enum expr_op op, size_t open, char close, const char *what)
{
	const char *start = p->at + open;
	const char *end = strchr(start, close);

	if (!end) {
		error_set(p->err, ERR_USAGE, "the %s is not closed by %c", what, close);
		return fault(p, p->at);
	}
	if (op == OP_NAME && end == start) {
		error_set(p->err, ERR_USAGE, "${} names nothing");
		return fault(p, p->at);
	}
	emit(p, op, p->at)->text = xstrndup(start, (size_t)(end - start));
	p->at = end + 1;
	return 0;
}

static int parse_level(struct parser *p, enum level min);

static int enter(struct parser *p)
{
	if (++p->depth <= EXPR_DEPTH)
		return 0;
	error_set(p->err, ERR_USAGE, "the expression is nested deeper than %d", EXPR_DEPTH);
	return fault(p, p->at);
}

static int parse_parenthesis(struct parser *p)
{
	const char *open = p->at++;

	skip_blanks(p);
	if (parse_level(p, LEVEL_ANY) < 0)
		return -1;
	if (*p->at == ')') {
		p->at++;
		return 0;
	}
	if (*p->at)
		return unexpected(p, "an operator or )");
	error_set(p->err, ERR_USAGE, "the ( is not closed by )");
	return fault(p, open);
}

static int parse_word(struct parser *p)
{
	static const char *const reserved[] = { "and", "or", "not" };
	size_t n = name_len(p->at);
	const char *start = p->at;

	if (take_word(p, "true") || take_word(p, "false")) {
		emit(p, *start == 't' ? OP_TRUE : OP_FALSE, start);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
		if (!word_at(start, reserved[i]))
			continue;
		unexpected(p, "a value");
		return *start == 'n' ? error_help(p->err, "put it in parentheses: (not ...)") : -1;
	}
	for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
		if (word_at(start, foreign[i].word))
			return unexpected(p, "a value");
	emit(p, OP_NAME, start)->text = xstrndup(start, n);
	p->at += n;
	return 0;
}

static int parse_negation(struct parser *p);

static int parse_value(struct parser *p)
{
	char c = *p->at;
	int r;

	if (enter(p) < 0)
		return -1;
	if (c == '-')
		r = parse_negation(p);
	else if (c == '(')
		r = parse_parenthesis(p);
	else if (isdigit((unsigned char)c))
		r = parse_number(p);
	else if (c == '"' || c == '\'')
		r = parse_closed(p, OP_TEXT, 1, c, "text");
	else if (c == '$' && p->at[1] == '{')
		r = parse_closed(p, OP_NAME, 2, '}', "name");
	else if (is_name_start(c))
		r = parse_word(p);
	else
		r = unexpected(p, "a value");
	skip_blanks(p);
	p->depth--;
	return r;
}

static int parse_negation(struct parser *p)
{
	const char *sign = p->at++;

	skip_blanks(p);
	if (parse_value(p) < 0)
		return -1;
	emit(p, OP_NEGATE, sign);
	return 0;
}

static int parse_not(struct parser *p)
{
	const char *word = p->at;

	if (enter(p) < 0)
		return -1;
	take_word(p, "not");
	if (parse_level(p, LEVEL_NOT) < 0)
		return -1;
	emit(p, OP_NOT, word);
	p->depth--;
	return 0;
}

/* The operator is at hand, its left side parsed. */
static int parse_right(struct parser *p, const struct binary *binary)
{
	bool decides = binary->op == OP_OR || binary->op == OP_AND;
	const char *at = p->at;
	size_t branch = p->out->len;
	const struct binary *next;

	take_word(p, binary->word);
	if (decides)
		emit(p, binary->op, at);
	if (parse_level(p, binary->level + 1) < 0)
		return -1;
	if (decides) {
		emit(p, OP_TRUTH, at)->jump = branch;
		p->out->code[branch].jump = p->out->len;
	} else {
		emit(p, binary->op, at);
	}
	next = binary_at(p->at);
	if (binary->level == LEVEL_COMPARE && next && next->level == LEVEL_COMPARE) {
		error_set(p->err, ERR_USAGE, "comparisons do not chain: %s follows %s", next->word, binary->word);
		error_help(p->err, "join them: a < b and b < c");
		return fault(p, p->at);
	}
	return 0;
}

/* All that binds at least as tightly as `min`. */
static int parse_level(struct parser *p, enum level min)
{
	const struct binary *binary;
	int r = min <= LEVEL_NOT && word_at(p->at, "not") ? parse_not(p) : parse_value(p);

	while (r == 0 && (binary = binary_at(p->at)) && binary->level >= min)
		r = parse_right(p, binary);
	return r;
}

int expr_parse(const char *text, struct expr **ret, size_t *ret_offset, struct error *err)
{
	CLEANUP(cleanup_expr) struct expr *e = xcalloc(1, sizeof(*e));
	struct parser p = { .text = text, .at = text, .out = e, .ret_offset = ret_offset, .err = err };

	if (strnlen(text, EXPR_MAX + 1) > EXPR_MAX) {
		error_set(err, ERR_USAGE, "the expression is longer than %d bytes", EXPR_MAX);
		return fault(&p, text + EXPR_MAX);
	}
	skip_blanks(&p);
	if (parse_level(&p, LEVEL_ANY) < 0)
		return -1;
	if (*p.at)
		return unexpected(&p, "an operator");
	*ret = steal(&e);
	return 0;
}
