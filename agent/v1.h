/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
/*
 * /api/v1: every operation of the table (api/ops.h) at its own method and path. Arguments come in the path, in the
 * query and, unless the body is the operation's input, as a JSON object in the body; one that the operation does not
 * know is refused. The result is the answer, 200; an error has its status (base/error.h) and
 * {"error": {code, message, where, help}}, beside the result if there is one.
 *
 * What works in the user's work tree has a path, too, and says there what it needs.
 */
struct op;

/* Adds the routes to the router. */
void v1_start(void);
/* Whether an agent can do it for somebody elsewhere. */
bool v1_serves(const struct op *);
