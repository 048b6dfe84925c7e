/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the agent tells its operator, on stderr: a line an event, with time, level, message, and members: logfmt on a
 * terminal, JSON otherwise. Control bytes are escaped; headers, bodies and queries, which may hold secrets, never
 * appear. Thread-safe: a line is one write.
 */
struct call;

enum log_level { LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
/* Then pairs: name, value (both text), and NULL. A value NULL leaves its pair out. */
void log_event(enum log_level, const char *msg, ...) __attribute__((sentinel));
/* A call whose answer is 5xx. */
void log_failed_call(const struct call *);
/* A request that was refused before anybody served it, but for one of what is not there; at most some a second, the
 * others are only counted. */
void log_refusal(const struct call *);
