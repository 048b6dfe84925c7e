/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/reply_object.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "agent/call.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/http_client.h"
#include "base/http_range.h"
#include "base/mem.h"
#include "store/content.h"
#include "store/store.h"

#define OCTETS "application/octet-stream"

/* By the end of the name. */
static const struct {
	const char *end, *type;
} types[] = {
	{ ".txt", "text/plain" },	{ ".log", "text/plain" },
	{ ".err", "text/plain" },	{ ".md", "text/markdown" },
	{ ".py", "text/x-python" },	{ ".yaml", "text/plain" },
	{ ".yml", "text/plain" },	{ ".cfg", "text/plain" },
	{ ".conf", "text/plain" },	{ ".ini", "text/plain" },
	{ ".toml", "text/plain" },	{ "MLmodel", "text/plain" },
	{ "MLproject", "text/plain" },	{ ".json", "application/json" },
	{ ".jsonl", "text/plain" },	{ ".csv", "text/csv" },
	{ ".tsv", "text/tab-separated-values" },
	{ ".html", "text/html" },	{ ".htm", "text/html" },
	{ ".xml", "text/xml" },		{ ".css", "text/css" },
	{ ".js", "text/javascript" },	{ ".svg", "image/svg+xml" },
	{ ".png", "image/png" },	{ ".jpg", "image/jpeg" },
	{ ".jpeg", "image/jpeg" },	{ ".gif", "image/gif" },
	{ ".webp", "image/webp" },	{ ".bmp", "image/bmp" },
	{ ".ico", "image/x-icon" },	{ ".tif", "image/tiff" },
	{ ".tiff", "image/tiff" },	{ ".pdf", "application/pdf" },
	{ ".zip", "application/zip" },	{ ".tar", "application/x-tar" },
	{ ".gz", "application/gzip" },	{ ".mp4", "video/mp4" },
	{ ".webm", "video/webm" },	{ ".mp3", "audio/mpeg" },
	{ ".wav", "audio/x-wav" },
};

static const char *type_of(const char *name)
{
	size_t len = name ? strlen(name) : 0;

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		size_t end = strlen(types[i].end);

		if (len >= end && !strcasecmp(name + len - end, types[i].end))
			return types[i].type;
	}
	return OCTETS;
}

/* RFC 6266: the name as ASCII for old clients, and as it is. */
static void add_disposition(struct call *call, const char *path)
{
	CLEANUP_STRBUF struct strbuf value = STRBUF_INIT;
	const char *name = path_base(path);

	strbuf_puts(&value, "attachment; filename=\"");
	for (const char *s = name; *s; s++) {
		bool plain = (unsigned char)*s >= ' ' && (unsigned char)*s < 0x7f && *s != '"' && *s != '\\';

		strbuf_putc(&value, plain ? *s : '_');
	}
	strbuf_puts(&value, "\"; filename*=UTF-8''");
	http_escape(&value, name);
	call_add_header(call, "Content-Disposition", value.buf);
}

/* Whether a list of ETags, or '*', names this one; a weak one names it as well. */
static bool etag_listed(const char *list, const char *etag)
{
	size_t len = strlen(etag);

	for (const char *at = list; (at = strstr(at, etag)); at += len)
		if (!at[len] || strchr(", \t", at[len]))
			return true;
	return list && !strcmp(list, "*");
}

static void add_headers(struct call *call, const char *etag, const char *name)
{
	call_add_header(call, "ETag", etag);
	call_add_header(call, "Accept-Ranges", "bytes");
	call_add_header(call, "Cache-Control", "private, no-cache");
	call_add_header(call, "Content-Security-Policy", "sandbox; default-src 'none'");
	if (name)
		add_disposition(call, name);
}

static int open_checked(struct store *store, const struct content *content, struct error *err)
{
	char hex[DIGEST_HEX + 1];
	uint64_t size;
	int fd = store_open_object(store, &content->id, &size, err);

	digest_format(&content->id, hex);
	if (fd < 0)
		return err->code == ERR_NOT_FOUND ? error_set(err, ERR_DAMAGED, "object %s is not in the store", hex)
						  : -1;
	if (size == content->size)
		return fd;
	cleanup_fd(&fd);
	return error_set(err, ERR_DAMAGED, "object %s is damaged: it has %llu bytes, not %llu", hex,
			 (unsigned long long)size, (unsigned long long)content->size);
}

/* What of it was asked for. */
static enum http_range range_of(const struct call *call, const char *etag, uint64_t size, uint64_t *ret_at,
				uint64_t *ret_len)
{
	const char *range = call_header(call, "Range"), *only_if = call_header(call, "If-Range");

	*ret_at = 0;
	*ret_len = size;
	if (!range || strcmp(call->method, "GET") != 0 || (only_if && strcmp(only_if, etag) != 0))
		return HTTP_RANGE_NONE;
	return http_range_parse(range, size, ret_at, ret_len);
}

int reply_object(struct call *call, struct store *store, const struct content *content, const char *name,
		 struct error *err)
{
	CLEANUP(cleanup_fd) int fd = -1;
	const char *has = call_header(call, "If-None-Match");
	char etag[DIGEST_HEX + 3], hex[DIGEST_HEX + 1], range[80];
	uint64_t at, len;

	snprintf(etag, sizeof(etag), "\"%s\"", digest_format(&content->id, hex));
	if (has && etag_listed(has, etag)) {
		call_reply(call, 304, NULL, "", 0);
		add_headers(call, etag, NULL);
		return 0;
	}
	fd = open_checked(store, content, err);
	if (fd < 0)
		return -1;
	switch (range_of(call, etag, content->size, &at, &len)) {
	case HTTP_RANGE_NONE:
		call_reply_file(call, 200, type_of(name), steal_fd(&fd), 0, content->size);
		break;
	case HTTP_RANGE_PART:
		call_reply_file(call, 206, type_of(name), steal_fd(&fd), at, len);
		snprintf(range, sizeof(range), "bytes %llu-%llu/%llu", (unsigned long long)at,
			 (unsigned long long)(at + len - 1), (unsigned long long)content->size);
		call_add_header(call, "Content-Range", range);
		break;
	case HTTP_RANGE_BEYOND:
		call_reply(call, 416, NULL, "", 0);
		snprintf(range, sizeof(range), "bytes */%llu", (unsigned long long)content->size);
		call_add_header(call, "Content-Range", range);
		break;
	}
	add_headers(call, etag, name);
	return 0;
}
