/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One event of an operation, by whoever asked for it. Inside the transaction of the change. */
struct db;
struct error;
struct js;
struct op_context;

struct op_event {
	const char *operation, *subject;
	const char *before, *after; /* may be NULL */
	const struct js *body;      /* may be NULL */
};
int op_event(struct op_context *, struct db *, const struct op_event *, struct error *);
