/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* `mlops agent`: becomes the program mlops-agent. */
struct error;
struct js;
struct op;

extern const struct op command_agent;
/* Returns only when it cannot: -1. */
int agent_execute(const struct js *args, struct error *);
