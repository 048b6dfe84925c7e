/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/strlist.h"
/*
 * Params: a JSON object whose nested members are named by dots ("train.lr").
 */
struct error;
struct js;

#define PARAM_DEPTH_MAX 64

/* The value as JSON when it parses, else as a string. Never fails. Owned by the caller. */
struct js *param_value(const char *text);
/* ERR_USAGE for an empty part, more than PARAM_DEPTH_MAX parts, or a byte that ${params.KEY} could not name. */
int param_check_key(const char *key, struct error *);
/* Sets a value by its dotted key, making the objects on the way; takes `value` either way. A part on the way that
 * is a plain value, or an object that a plain value would replace, is ERR_USAGE. */
int param_set(struct js *root, const char *key, struct js *value, struct error *);
/* NULL when absent. Lent. */
struct js *param_find(const struct js *root, const char *key);
/* A params file's text: one JSON object; keys with dots or empty ones are refused. */
int params_parse(const char *text, size_t len, const char *name, struct js **ret, struct error *);
/* Keys of all leaves, in the file's order. */
void params_keys(const struct js *root, struct strlist *ret);
/* '*' any text, '?' one byte; linear in practice, quadratic at worst. */
bool param_match(const char *pattern, const char *key);
