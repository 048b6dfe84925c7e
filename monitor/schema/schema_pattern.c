/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "monitor/schema/schema_internal.h"

/* After the '[' that opens it: the rest of a bracket expression, whose first ']' may be a member. */
static const char *skip_bracket(const char *p)
{
	if (*p == '^')
		p++;
	if (*p == ']')
		p++;
	for (; *p && *p != ']'; p++) {
		const char *end;

		if (*p != '[' || !p[1] || !strchr(":.=", p[1]))
			continue;
		end = strchr(p + 2, ']');
		while (end && end[-1] != p[1])
			end = strchr(end + 1, ']');
		if (!end)
			return NULL;
		p = end;
	}
	return *p ? p : NULL;
}

/* The larger number of {n}, {n,} or {n,m}; 1 when that is none. */
static unsigned long repeat_of(const char *p)
{
	unsigned long most = 1;

	for (p++; *p && *p != '}'; p++) {
		char *end;
		unsigned long n;

		if (!isdigit((unsigned char)*p))
			continue;
		n = strtoul(p, &end, 10);
		most = n > most ? n : most;
		p = end - 1;
	}
	return most;
}

/*
 * regcomp writes repetitions out, those in repetitions many times, and what refers back takes exponential time. Groups
 * must balance here because they are put into one more.
 */
static int pattern_check(const char *pattern, struct error *err)
{
	unsigned long repeats = 1;
	int depth = 0;

	for (const char *p = pattern; *p; p++) {
		if (*p == '\\' && p[1]) {
			if (isdigit((unsigned char)*++p))
				return error_set(err, ERR_USAGE, "\\%c refers back, which patterns here cannot", *p);
		} else if (*p == '[') {
			p = skip_bracket(p + 1);
			if (!p)
				return error_set(err, ERR_USAGE, "'[' has no ']'");
		} else if (*p == '(') {
			depth++;
		} else if (*p == ')' && --depth < 0) {
			return error_set(err, ERR_USAGE, "')' has no '('");
		} else if (*p == '{') {
			repeats *= repeat_of(p);
		}
		if (repeats > PATTERN_REPEAT)
			return error_set(err, ERR_USAGE, "its repetitions multiply to more than %u", PATTERN_REPEAT);
	}
	return depth ? error_set(err, ERR_USAGE, "'(' has no ')'") : 0;
}

/* Characters are those of UTF-8, whatever the locale of the program: a schema means the same everywhere. */
static locale_t utf8;
static pthread_once_t utf8_once = PTHREAD_ONCE_INIT;

static void open_utf8(void)
{
	utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* Both compiling and matching look at the thread's locale. */
static locale_t enter_utf8(void)
{
	pthread_once(&utf8_once, open_utf8);
	return uselocale(utf8);
}

int pattern_compile(const char *pattern, regex_t *ret, struct error *err)
{
	CLEANUP(cleanup_free) char *whole = NULL;
	locale_t before;
	char why[128];
	int r;

	if (strlen(pattern) > PATTERN_BYTES)
		return error_set(err, ERR_USAGE, "is longer than %u bytes", PATTERN_BYTES);
	if (pattern_check(pattern, err) < 0)
		return -1;
	whole = xasprintf("^(%s)$", pattern);
	before = enter_utf8();
	r = regcomp(ret, whole, REG_EXTENDED | REG_NOSUB);
	uselocale(before);
	if (!r)
		return 0;
	regerror(r, ret, why, sizeof(why));
	why[0] = (char)tolower((unsigned char)why[0]);
	return error_set(err, ERR_USAGE, "is no POSIX extended pattern: %s", why);
}

bool pattern_fits(const regex_t *pattern, const char *text, size_t len)
{
	regmatch_t range = { .rm_so = 0, .rm_eo = (regoff_t)len };
	locale_t before;
	int r;

	if (len > PATTERN_VALUE)
		return false;
	before = enter_utf8();
	r = regexec(pattern, text, 1, &range, REG_STARTEND);
	uselocale(before);
	return !r;
}
