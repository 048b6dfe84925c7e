/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A request for an operation. */
struct error;
struct js;
struct op;
struct strbuf;

/* Appends "/api/v1/..." with the path's fields, and the query when there is no body. *ret_body: a JSON object of what
 * is neither; NULL: none. ERR_USAGE: a field of the path is missing. */
int remote_path(const struct op *, const struct js *args, struct strbuf *ret_path, struct js **ret_body, struct error *);
