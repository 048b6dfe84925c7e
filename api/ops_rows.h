/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "api/ops.h"
#include "base/mem.h"
/* How rows of operations are written: one parameter a line. */

#define PARAMS(...) ((const struct op_param[]){ __VA_ARGS__, { .name = NULL } })
#define FLAG(n, l, h) { .name = (n), .letter = (l), .type = OP_BOOL, .help = (h) }
#define INT(n, l, v, h) { .name = (n), .letter = (l), .type = OP_INT, .value = (v), .help = (h) }
#define TEXT(n, l, v, c, h)                                                                        \
	{ .name = (n), .letter = (l), .complete = (c), .value = (v), .help = (h) }
#define MANY(n, l, v, c, h)                                                                        \
	{ .name = (n), .letter = (l), .flags = OPP_MANY, .complete = (c), .value = (v), .help = (h) }
#define ARG(n, f, v, c, h)                                                                         \
	{ .name = (n), .flags = OPP_POSITIONAL | (f), .complete = (c), .value = (v), .help = (h) }
#define FIELD(n, f, t, h)                                                                          \
	{ .name = (n), .type = (t), .flags = (f), .value = (t) == OP_BOOL ? NULL : "VALUE", .help = (h) }
#define OP_TABLE(table, rows_) const struct op_table table = { (rows_), ARRAY_LEN(rows_) }
