/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/head.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/error.h"
#include "base/mem.h"

#define FIELDS_MAX 256

/* RFC 9110, 5.6.2 */
static size_t token_span(const char *text)
{
	return strspn(text, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

static bool is_token(const char *text)
{
	return *text && !text[token_span(text)];
}

bool head_is_target(const char *text)
{
	const char *at = text;

	while (at && (unsigned char)*at > ' ' && *at != 0x7f)
		at++;
	return at && at > text && !*at;
}

static void refuse(struct head *h, const char *why)
{
	if (!h->bad)
		h->bad = why;
}

void head_line(struct head *h, const char *method, const char *target, size_t target_len, const char *version)
{
	if (!is_token(method) || (h->in_place && target && target != method + strlen(method) + 1))
		refuse(h, "the first line does not begin with a method and one blank");
	if (!target || (h->in_place && version != target + target_len + 1))
		refuse(h, "the target of the request is not one word without control characters");
	if (strcmp(version, "HTTP/1.1") && strcmp(version, "HTTP/1.0"))
		refuse(h, "the version is neither HTTP/1.1 nor HTTP/1.0");
	h->bytes = strlen(method) + strlen(version);
}

static bool is_value(const char *text)
{
	for (; *text; text++)
		if (((unsigned char)*text < ' ' && *text != '\t') || *text == 0x7f)
			return false;
	return true;
}

/* In place, up to the line's end: "name: value\r\n", where ':' '\r' and '\n' became zeros. */
static bool is_whole_line(const char *name, const char *value)
{
	const char *after = name + strlen(name) + 1;

	return after + strspn(after, " \t") == value && !value[strlen(value) + 1];
}

void head_field(struct head *h, const char *name, const char *value)
{
	struct {
		const char *name;
		unsigned *count;
		const char **value;
	} once[] = {
		{ "Content-Length", &h->lengths, &h->length },
		{ "Transfer-Encoding", &h->codings, &h->coding },
		{ "Host", &h->hosts, NULL },
		{ "Authorization", &h->authorizations, NULL },
	};

	h->fields++;
	if (!value || (h->in_place && !is_whole_line(name, value)))
		refuse(h, "a line of the head is continued, ends in no CR LF, or holds a NUL");
	else if (!is_token(name))
		refuse(h, "the name of a header is not a word");
	else if (!is_value(value))
		refuse(h, "the value of a header holds a control character");
	if (h->bad)
		return;
	h->bytes += strlen(name) + strlen(value) + 4;
	for (size_t i = 0; i < ARRAY_LEN(once); i++) {
		if (strcasecmp(name, once[i].name))
			continue;
		if ((*once[i].count)++)
			refuse(h, "the head says twice what it may say once");
		else if (once[i].value)
			*once[i].value = value;
	}
}

static int check_coding(const struct head *h, const char *version, struct error *err)
{
	if (h->codings && h->lengths)
		return error_set(err, ERR_USAGE, "the head has both a length and a transfer coding");
	if (h->codings && (strcasecmp(h->coding, "chunked") || strcmp(version, "HTTP/1.1")))
		return error_set(err, ERR_USAGE, "the transfer coding is not chunked, or this is not HTTP/1.1");
	if (h->lengths && (!*h->length || strspn(h->length, "0123456789") != strlen(h->length)))
		return error_set(err, ERR_USAGE, "the content length is no number");
	return 0;
}

int head_check(const struct head *h, const char *version, int64_t *ret_length, int *ret_status, struct error *err)
{
	*ret_status = 400;
	if (h->bad)
		return error_set(err, ERR_USAGE, "%s", h->bad);
	if (!h->hosts && !strcmp(version, "HTTP/1.1"))
		return error_set(err, ERR_USAGE, "the head has no Host");
	if (check_coding(h, version, err) < 0)
		return -1;
	if (h->lengths && strlen(h->length) > 18) {
		*ret_status = 413;
		return error_set(err, ERR_TOO_LARGE, "the content length is too large");
	}
	if (h->bytes > HEAD_MAX || h->fields > FIELDS_MAX) {
		*ret_status = 431;
		return error_set(err, ERR_USAGE, "the head has more than %u bytes or %u headers", HEAD_MAX,
				 FIELDS_MAX);
	}
	*ret_length = h->lengths ? strtoll(h->length, NULL, 10) : h->codings ? -1 : 0;
	return 0;
}
