/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/strlist.h"
/*
 * What -p asks for. A value with a comma that stands outside of JSON's strings, lists and objects is a list of values, of
 * which each may be a range as in a matrix: "0.1,0.01", "1..5", "0.1..0.5:0.1". All else is one value. A JSON string
 * ("\"a,b\"") is one, whatever it holds. All combinations are counted before one is made; the last param turns fastest.
 */
struct error;
struct js;

#define COMBINATIONS_MAX 1000

struct param_values {
	char *key;
	struct strlist values; /* as they are given with -p */
	bool many;             /* was written as a list or a range */
};
struct combinations {
	struct param_values *params; /* in the order of the command line */
	size_t nparams, cap;
	size_t len;
	bool many; /* of one of them: an experiment, and not a plain run */
};
/* `params` is an array of "KEY=VALUE", or NULL. One KEY twice is ERR_USAGE. What is no KEY=VALUE is kept as it is, for
 * the pipeline's reader to refuse. */
int combinations_read(const struct js *params, struct combinations *ret, struct error *);
void combinations_release(struct combinations *);
/* Appends "KEY=VALUE" of every param of one combination. */
void combination_params(const struct combinations *, size_t i, struct strlist *ret);
/* "lr=0.1 seed=1": those that are many. Caller frees. */
char *combination_label(const struct combinations *, size_t i);
/* The same as an object of texts. */
struct js *combination_json(const struct combinations *, size_t i);
