/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdarg.h>
#include <stddef.h>
/*
 * Errors: a code the caller can branch on, one message, and how to fix it.
 *
 * A function that can fail returns -1 and fills the caller's struct error, the
 * last argument, which may be NULL. Its outputs are then untouched. The message
 * is one line without a full stop, and gains context as it climbs. Nothing here
 * allocates. Only cli/ and agent/ print errors.
 */

/* name on the wire, HTTP status, exit status of the program */
#define ERROR_CODES(X)                                                                             \
	X(ERR_FAILED, "FAILED", 500, 1)           /* a step failed */                              \
	X(ERR_USAGE, "INVALID_ARGUMENT", 400, 2)  /* usage or bad input */                         \
	X(ERR_NOT_FOUND, "NOT_FOUND", 404, 3)                                                      \
	X(ERR_CONFLICT, "CONFLICT", 409, 4)       /* exists, changed, or locked */                 \
	X(ERR_EXISTS, "ALREADY_EXISTS", 409, 4)   /* made before, by that name */                  \
	X(ERR_ENV, "UNAVAILABLE", 503, 5)         /* disk full, permission, missing program */     \
	X(ERR_DENIED, "PERMISSION_DENIED", 403, 6)                                                 \
	X(ERR_AUTH, "UNAUTHENTICATED", 401, 6)    /* who is it? */                                 \
	X(ERR_UNSUPPORTED, "NOT_IMPLEMENTED", 501, 2)                                              \
	X(ERR_LIMIT, "RESOURCE_EXHAUSTED", 429, 5) /* too much, too often; later it may do */      \
	X(ERR_METHOD, "METHOD_NOT_ALLOWED", 405, 2) /* HTTP: this path has others */               \
	X(ERR_TOO_LARGE, "TOO_LARGE", 413, 2)     /* more bytes than are taken */                  \
	X(ERR_VERDICT, "VERDICT_NO", 422, 7)      /* drift, gate, schema, different: no */         \
	X(ERR_UNDECIDED, "UNDECIDED", 422, 8)     /* cannot judge */                               \
	X(ERR_DAMAGED, "DAMAGED", 500, 9)         /* stored bytes or facts do not hold */          \
	X(ERR_INTERRUPTED, "INTERRUPTED", 499, 130)

enum error_code {
	ERR_NONE,
#define X(code, name, http, exit) code,
	ERROR_CODES(X)
#undef X
};

struct error {
	enum error_code code;
	int sys;         /* errno behind it, or 0 */
	char msg[1024];
	char where[320]; /* FILE:LINE:COLUMN, or "" */
	char help[640];  /* what to type or do next, or "" */
};

const char *error_name(enum error_code);
int error_exit_status(enum error_code);
int error_http_status(enum error_code);

/* These return -1, so that a site reads `return error_set(...)`. A second error_set replaces the first. */
int error_set(struct error *, enum error_code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Like error_set, with ": strerror(sys)" added; the code follows from sys (ENOENT: not found;
 * EEXIST: conflict; all else: environment). Disk full and permission get their help line. */
int error_sys(struct error *, int sys, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Puts "context: " before the message. */
int error_wrap(struct error *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int error_help(struct error *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Line and column count from 1; 0 leaves that part out. */
int error_where(struct error *, const char *file, int line, int column);
void error_clear(struct error *);

/* The optimizer learns that they return -1: what is set on success only is then known to be set. */
static inline int error_result(int r)
{
	(void)r;
	return -1;
}
#define error_set(...)	error_result(error_set(__VA_ARGS__))
#define error_sys(...)	error_result(error_sys(__VA_ARGS__))
#define error_wrap(...) error_result(error_wrap(__VA_ARGS__))
#define error_help(...) error_result(error_help(__VA_ARGS__))
