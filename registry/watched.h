/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The version that a monitor watches: the one that MODEL@ALIAS, MODEL@vN or MODEL (its newest) names now. */
struct db;
struct error;

/* *ret: "file:HEX" or "tree:HEX" of its files; "v3" when they are not known here; NULL when there is no such version, which
 * is no error. `model` may be NULL. The caller frees it. */
int watched_digest(struct db *, const char *model, char **ret, struct error *);
