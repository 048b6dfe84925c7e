/* SPDX-License-Identifier: Apache-2.0 */
/* What a file is, and how far it is whole: one pass over its bytes. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/watch/inflow_internal.h"

#define LOOK_BYTES ((size_t)256 << 10)

static ssize_t read_some(int fd, const struct inflow_how *how, char *buf, uint64_t at)
{
	uint64_t left = how->most ? how->most - at : UINT64_MAX;

	return left ? pread(fd, buf, left < LOOK_BYTES ? (size_t)left : LOOK_BYTES, (off_t)at) : 0;
}

size_t inflow_whole_rows(const char *text, size_t len, bool lines, bool *quoted)
{
	size_t whole = 0;

	if (lines) {
		const char *last = len ? memrchr(text, '\n', len) : NULL;
		return last ? (size_t)(last - text) + 1 : 0;
	}
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"')
			*quoted = !*quoted;
		else if (!*quoted && (text[i] == '\n' || (text[i] == '\r' && i + 1 < len && text[i + 1] != '\n')))
			whole = i + 1;
	}
	return whole;
}

static bool ends_with(const char *name, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len > n && !strncasecmp(name + len - n, end, n);
}

/* As table.h guesses. */
static bool is_lines(const char *name, enum table_format format, const char *text, size_t len)
{
	size_t n = strlen(name), blank = 0;

	if (format != TABLE_GUESS)
		return format == TABLE_JSONL;
	if (ends_with(name, n, ".csv") || ends_with(name, n, ".tsv") || ends_with(name, n, ".tab"))
		return false;
	if (ends_with(name, n, ".jsonl") || ends_with(name, n, ".ndjson"))
		return true;
	while (blank < len && strchr(" \t\r\n", text[blank]))
		blank++;
	return blank < len && text[blank] == '{';
}

static bool is_packed(const char *text, size_t len)
{
	return (len >= 2 && !memcmp(text, "\x1f\x8b", 2)) || (len >= 4 && !memcmp(text, "\x28\xb5\x2f\xfd", 4));
}

struct looker {
	const struct monitor_source *known;
	bool all; /* also a last row without its end */
	struct inflow_look look;
	struct hasher whole, begin;
	uint64_t at;           /* bytes that came */
	struct strbuf rest;    /* of them, behind the last whole row */
	bool quoted;
};

static void looker_release(struct looker *l)
{
	hasher_release(&l->whole);
	hasher_release(&l->begin);
	strbuf_release(&l->rest);
}

/* The bytes that were read before have a digest of their own. */
static void hash_begin(struct looker *l, const char *text, size_t len)
{
	uint64_t left = l->known && l->known->seen > l->at ? l->known->seen - l->at : 0;

	hasher_update(&l->begin, text, len < left ? len : (size_t)left);
}

static void take(struct looker *l, const char *text, size_t len)
{
	size_t whole = l->look.packed || l->all ? len : inflow_whole_rows(text, len, l->look.lines, &l->quoted);

	hash_begin(l, text, len);
	l->at += len;
	if (whole) {
		hasher_update(&l->whole, l->rest.buf, l->rest.len);
		hasher_update(&l->whole, text, whole);
		l->look.whole += l->rest.len + whole;
		strbuf_clear(&l->rest);
	}
	strbuf_add(&l->rest, text + whole, len - whole);
}

static int refuse_row(const char *name, struct error *err)
{
	error_set(err, ERR_USAGE, "%s: a row has more than %zu MiB", name, ROW_BYTES >> 20);
	return error_help(err, "is a quote left open, or is it no table?");
}

int inflow_look_at(int fd, const char *name, const struct inflow_how *how, const struct monitor_source *known,
		 bool untouched, struct inflow_look *ret, struct error *err)
{
	CLEANUP(cleanup_free) char *buf = xmalloc(LOOK_BYTES);
	CLEANUP(looker_release) struct looker l = { .known = known, .all = how->all, .rest = STRBUF_INIT };
	struct digest digest;
	ssize_t n;

	hasher_init(&l.whole);
	hasher_init(&l.begin);
	while ((n = read_some(fd, how, buf, l.at)) > 0) {
		if (!l.at) {
			l.look.packed = is_packed(buf, (size_t)n);
			l.look.lines = is_lines(name, how->format, buf, (size_t)n);
		}
		if (untouched) {
			*ret = (struct inflow_look){ true, known->seen, known->digest, l.look.lines, l.look.packed };
			return 0;
		}
		take(&l, buf, (size_t)n);
		if (l.rest.len > ROW_BYTES)
			return refuse_row(name, err);
	}
	if (n < 0)
		return error_sys(err, errno, "cannot read %s", name);
	hasher_final(&l.begin, &digest);
	l.look.begins = known && l.at >= known->seen && digest_equal(&digest, &known->digest);
	hasher_final(&l.whole, &l.look.digest);
	*ret = l.look;
	return 0;
}
