/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
/*
 * A parsed expression is code for a machine with one stack: each instruction takes its operands from it and leaves one
 * value, so neither the evaluation nor its memory depends on how deep the text nests.
 */
enum expr_op {
	OP_NUMBER, OP_TEXT, OP_TRUE, OP_FALSE, OP_NAME, /* push */
	OP_NEGATE, OP_NOT, OP_TRUTH,                    /* OP_TRUTH: the value stays, and must be a truth */
	OP_OR, OP_AND,                                  /* jumps when the left side decides, else drops it */
	OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE,
	OP_ADD, OP_SUB, OP_MUL, OP_DIV,
};
struct expr_instr {
	enum expr_op op;
	size_t offset;   /* in the text, of what it came from */
	double number;   /* OP_NUMBER */
	char *text;      /* OP_TEXT, OP_NAME; owned */
	size_t jump;     /* OP_OR, OP_AND: the instruction to go on with; OP_TRUTH: the one whose right side it ends */
};
struct expr {
	struct expr_instr *code;
	size_t len, cap;
};
const char *expr_op_word(enum expr_op); /* of an operator: "and", "<=" */
/* A number at the beginning of `text`, without a sign. Returns its bytes, 0 when there is none; one that is too large
 * is an infinity. */
size_t expr_read_number(const char *text, double *ret);
