/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Errors on their way between processes: {code, message, where, help}; empty parts are left out. */
struct error;
struct js;

struct js *error_to_json(const struct error *); /* caller frees */
/* Returns -1. A code that this version does not know, or nothing that is an error at all, becomes ERR_ENV; `fallback`
 * is the message of one that has none. */
int error_from_json(const struct js *, const char *fallback, struct error *);
