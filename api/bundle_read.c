/* SPDX-License-Identifier: Apache-2.0 */
/* A bundle as a stream of entries: a zstd frame, a tar of one form (base/tar.h), known names in their order. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "api/bundle_internal.h"
#include "base/compress.h"
#include "base/error.h"
#include "base/mem.h"

#define BAD(...) error_set(err, ERR_DAMAGED, __VA_ARGS__)

static const struct part {
	const char *prefix, *suffix;
	enum { ID_NONE, ID_HEX64, ID_HEX32, ID_NUMBER, ID_OBJECT } id;
} parts[BUNDLE_PARTS] = {
	[PART_HEAD] = { "bundle.json", "", ID_NONE },
	[PART_README] = { "README.md", "", ID_NONE },
	[PART_SUMS] = { "SHA256SUMS", "", ID_NONE },
	[PART_SIGNATURE] = { "SHA256SUMS.sig", "", ID_NONE },
	[PART_KEY] = { "keys/", ".pem", ID_HEX64 },
	[PART_CHECKPOINT] = { "log/checkpoint", "", ID_NONE },
	[PART_EVENTS] = { "log/events", "", ID_NONE },
	[PART_PROOF] = { "log/proofs/", ".txt", ID_NUMBER },
	[PART_RUN] = { "runs/", ".json", ID_HEX32 },
	[PART_RESULT] = { "cache/", ".json", ID_HEX64 },
	[PART_MODEL] = { "models/", ".json", ID_HEX64 },
	[PART_DATA] = { "data/", ".json", ID_HEX64 },
	[PART_STATEMENTS] = { "attestations.json", "", ID_NONE },
	[PART_ENVELOPE] = { "attestations/", ".json", ID_HEX64 },
	[PART_REPRODUCTIONS] = { "reproductions.json", "", ID_NONE },
	[PART_LINEAGE] = { "lineage.json", "", ID_NONE },
	[PART_TREE] = { "trees/", "", ID_OBJECT },
	[PART_OBJECT] = { "objects/", "", ID_OBJECT },
};

struct bundle_reader {
	int fd;
	const char *name;
	struct decompressor *zstd;
	struct hasher hasher;
	uint64_t left;	 /* of the entry */
	size_t padding;	 /* behind it */
	uint64_t entries;
	enum bundle_part part;
	char before[TAR_NAME + 1];
	bool ended;
};

/* ---- names ---- */

static bool is_hex(const char *text, size_t len, size_t want)
{
	return len == want && strspn(text, "0123456789abcdef") >= want;
}

static bool is_number(const char *text, size_t len)
{
	return len && len <= 18 && *text != '0' && strspn(text, "0123456789") == len;
}

/* "ab/cdef..." */
static bool read_object(const char *text, size_t len, char ret[DIGEST_HEX + 1])
{
	if (len != DIGEST_HEX + 1 || text[2] != '/')
		return false;
	memcpy(ret, text, 2);
	memcpy(ret + 2, text + 3, DIGEST_HEX - 2);
	ret[DIGEST_HEX] = '\0';
	return is_hex(ret, strlen(ret), DIGEST_HEX);
}

static bool read_id(const struct part *part, const char *name, char ret[DIGEST_HEX + 1])
{
	size_t len = strlen(name), prefix = strlen(part->prefix), suffix = strlen(part->suffix);
	const char *id = name + prefix;

	*ret = '\0';
	if (len < prefix + suffix || strncmp(name, part->prefix, prefix) != 0 || strcmp(name + len - suffix, part->suffix) != 0)
		return false;
	len -= prefix + suffix;
	if (part->id == ID_NONE)
		return !len;
	if (part->id == ID_OBJECT)
		return read_object(id, len, ret);
	if (part->id == ID_NUMBER ? !is_number(id, len) : !is_hex(id, len, part->id == ID_HEX64 ? 64 : 32))
		return false;
	snprintf(ret, DIGEST_HEX + 1, "%.*s", (int)len, id);
	return true;
}

void bundle_name(enum bundle_part part, const char *id, char ret[TAR_NAME + 1])
{
	if (parts[part].id == ID_OBJECT)
		snprintf(ret, TAR_NAME + 1, "%s%.2s/%s", parts[part].prefix, id, id + 2);
	else
		snprintf(ret, TAR_NAME + 1, "%s%s%s", parts[part].prefix, id, parts[part].suffix);
}

static int find_part(const char *name, struct bundle_entry *ret)
{
	for (int i = 0; i < BUNDLE_PARTS; i++) {
		if (!read_id(&parts[i], name, ret->id))
			continue;
		ret->part = (enum bundle_part)i;
		if (parts[i].id == ID_OBJECT)
			digest_parse(ret->id, &ret->digest);
		return 0;
	}
	return -1;
}

/* ---- bytes ---- */

static ssize_t read_file(void *ctx, void *buf, size_t room, struct error *err)
{
	struct bundle_reader *r = ctx;
	ssize_t n;

	do
		n = read(r->fd, buf, room);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_sys(err, errno, "cannot read %s", r->name);
	hasher_update(&r->hasher, buf, (size_t)n);
	return n;
}

int bundle_reader_open(int fd, const char *name, struct bundle_reader **ret, struct error *err)
{
	struct bundle_reader *r;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_sys(err, errno, "cannot read %s from its beginning", name);
	r = xcalloc(1, sizeof(*r));
	r->fd = fd;
	r->name = name;
	hasher_init(&r->hasher);
	r->zstd = decompress_of((struct compressed){ read_file, r }, name);
	*ret = r;
	return 0;
}

void bundle_reader_close(struct bundle_reader *r)
{
	if (!r)
		return;
	decompress_free(r->zstd);
	hasher_release(&r->hasher);
	free(r);
}

void cleanup_bundle_reader(struct bundle_reader **r)
{
	bundle_reader_close(*r);
}

void bundle_reader_digest(struct bundle_reader *r, struct digest *ret)
{
	hasher_final(&r->hasher, ret);
}

static int read_exactly(struct bundle_reader *r, void *buf, size_t len, struct error *err)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = decompress_read(r->zstd, (char *)buf + at, len - at, err);

		if (n < 0)
			return -1;
		if (!n)
			return BAD("%s ends too early: it was cut", r->name);
		at += (size_t)n;
	}
	return 0;
}

ssize_t bundle_reader_read(struct bundle_reader *r, void *buf, size_t room, struct error *err)
{
	size_t want = room < r->left ? room : (size_t)r->left;

	if (!want)
		return 0;
	if (read_exactly(r, buf, want, err) < 0)
		return -1;
	r->left -= want;
	return (ssize_t)want;
}

int bundle_reader_all(struct bundle_reader *r, size_t max, struct strbuf *ret, struct error *err)
{
	char piece[65536];
	ssize_t n;

	if (r->left > max)
		return BAD("'%s' is larger than it may be: %llu bytes", r->before, (unsigned long long)r->left);
	while ((n = bundle_reader_read(r, piece, sizeof(piece), err)) > 0)
		strbuf_add(ret, piece, (size_t)n);
	return n < 0 ? -1 : 0;
}

/* What is left of the entry, and the zeros behind it. */
static int pass_over(struct bundle_reader *r, struct error *err)
{
	char piece[65536];
	ssize_t n;

	while ((n = bundle_reader_read(r, piece, sizeof(piece), err)) > 0)
		;
	if (n < 0 || read_exactly(r, piece, r->padding, err) < 0)
		return -1;
	for (size_t i = 0; i < r->padding; i++)
		if (piece[i])
			return BAD("there are bytes behind the end of '%s'", r->before);
	r->padding = 0;
	return 0;
}

/* The second block of zeros, and nothing more. */
static int read_end(struct bundle_reader *r, struct error *err)
{
	uint8_t block[TAR_BLOCK];
	struct tar_head head;
	ssize_t n;

	if (read_exactly(r, block, sizeof(block), err) < 0)
		return -1;
	if (tar_parse(block, &head, NULL) != 0)
		return BAD("%s goes on behind its end", r->name);
	n = decompress_read(r->zstd, block, 1, err);
	if (n < 0)
		return -1;
	if (n > 0)
		return BAD("%s goes on behind its end", r->name);
	r->ended = true;
	return 0;
}

static int check_order(const struct bundle_reader *r, const struct bundle_entry *entry, struct error *err)
{
	if (!r->entries && entry->part != PART_HEAD)
		return BAD("it is no bundle: '%s' stands where bundle.json must", entry->name);
	if (r->entries && (entry->part < r->part || (entry->part == r->part && strcmp(entry->name, r->before) <= 0)))
		return BAD("'%s' stands twice, or in the wrong place", entry->name);
	if (r->entries == BUNDLE_ENTRIES_MAX)
		return BAD("it has more than %u entries", BUNDLE_ENTRIES_MAX);
	return 0;
}

int bundle_reader_next(struct bundle_reader *r, struct bundle_entry *ret, struct error *err)
{
	struct bundle_entry entry = { 0 };
	uint8_t block[TAR_BLOCK];
	struct tar_head head;
	int n;

	if (r->ended)
		return 0;
	if (pass_over(r, err) < 0 || read_exactly(r, block, sizeof(block), err) < 0)
		return -1;
	n = tar_parse(block, &head, err);
	if (n < 0)
		return error_wrap(err, "%s", r->name);
	if (n == 0)
		return read_end(r, err);
	memcpy(entry.name, head.name, sizeof(entry.name));
	entry.size = head.size;
	if (find_part(head.name, &entry) < 0)
		return BAD("%s: '%s' is nothing that belongs into a bundle", r->name, head.name);
	if (check_order(r, &entry, err) < 0)
		return error_wrap(err, "%s", r->name);
	r->part = entry.part;
	memcpy(r->before, entry.name, sizeof(r->before));
	r->entries++;
	r->left = head.size;
	r->padding = TAR_PADDING(head.size);
	*ret = entry;
	return 1;
}
