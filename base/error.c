/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int http, exit;
} codes[] = {
	[ERR_NONE] = { "OK", 200, 0 },
#define X(code, name, http, exit) [code] = { name, http, exit },
	ERROR_CODES(X)
#undef X
};

const char *error_name(enum error_code code)
{
	return codes[code].name;
}

int error_exit_status(enum error_code code)
{
	return codes[code].exit;
}

int error_http_status(enum error_code code)
{
	return codes[code].http;
}

void error_clear(struct error *err)
{
	if (!err)
		return;
	err->code = ERR_NONE;
	err->sys = 0;
	err->msg[0] = err->where[0] = err->help[0] = '\0';
}

int (error_set)(struct error *err, enum error_code code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -1;
	error_clear(err);
	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return -1;
}

static enum error_code code_of_errno(int sys)
{
	switch (sys) {
	case ENOENT:
	case ENOTDIR:
		return ERR_NOT_FOUND;
	case EEXIST:
		return ERR_CONFLICT;
	case EINVAL:
	case ENAMETOOLONG:
	case ELOOP:
		return ERR_USAGE;
	default:
		return ERR_ENV;
	}
}

static const char *help_of_errno(int sys)
{
	switch (sys) {
	case ENOSPC:
	case EDQUOT:
		return "free some disk space, then run the command again; nothing was lost";
	case EACCES:
	case EPERM:
		return "check the owner and the permissions of this path (ls -ld)";
	case EROFS:
		return "the file system is read-only: work in a directory you can write to";
	case EMFILE:
	case ENFILE:
		return "raise the limit on open files (ulimit -n)";
	default:
		return "";
	}
}

int (error_sys)(struct error *err, int sys, const char *fmt, ...)
{
	va_list ap;
	size_t len;

	if (!err)
		return -1;
	error_clear(err);
	err->code = code_of_errno(sys);
	err->sys = sys;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	len = strlen(err->msg);
	snprintf(err->msg + len, sizeof(err->msg) - len, ": %s", strerror(sys));
	snprintf(err->help, sizeof(err->help), "%s", help_of_errno(sys));
	return -1;
}

int (error_wrap)(struct error *err, const char *fmt, ...)
{
	char old[sizeof(err->msg)];
	va_list ap;
	size_t len;

	if (!err)
		return -1;
	memcpy(old, err->msg, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	len = strlen(err->msg);
	snprintf(err->msg + len, sizeof(err->msg) - len, ": %s", old);
	return -1;
}

int (error_help)(struct error *err, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	vsnprintf(err->help, sizeof(err->help), fmt, ap);
	va_end(ap);
	return -1;
}

int error_where(struct error *err, const char *file, int line, int column)
{
	if (!err)
		return -1;
	if (line > 0 && column > 0)
		snprintf(err->where, sizeof(err->where), "%s:%d:%d", file, line, column);
	else if (line > 0)
		snprintf(err->where, sizeof(err->where), "%s:%d", file, line);
	else
		snprintf(err->where, sizeof(err->where), "%s", file);
	return -1;
}
