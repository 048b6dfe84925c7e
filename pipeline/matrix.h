/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/strlist.h"
#include "pipeline/grammar.h"
/*
 * The combinations of a step's axes. All are counted before one is made, so that a slip of the keyboard
 * ("1..1000000000") costs nothing.
 *
 * A value is a text; a range of whole numbers, "1..3", or of decimals with its step, "0.1..0.5:0.1", counted exactly
 * and without zeros at the end; or ${params.KEY}, which stands for its value, and of an array for each of its items.
 * The last axis turns fastest. `exclude` takes combinations away, then `include` adds some.
 *
 * A combination's key is made of its own values alone, so that it keeps its name whatever else the matrix has.
 */
struct js;
struct problems;

#define MATRIX_MAX          10000 /* combinations of one step, and of all steps of a plan together */
#define INSTANCE_NAME_BYTES 200   /* of STEP@KEY */

struct matrix {
	size_t naxes, len;
	struct strlist *axes; /* the values of each axis, in the order of the file */
	uint32_t *cells;      /* a row of naxes for each combination: which value of each axis */
	struct strlist keys;  /* of each combination: its values joined by '-' */
};
/* Problems go to the list, with the step's name; -1 when there are some. `file` is the pipeline's. */
int matrix_expand(const struct step *, const struct js *params, const char *file, struct problems *,
		  struct matrix *ret);
void matrix_release(struct matrix *);
const char *matrix_value(const struct matrix *, size_t row, size_t axis);
