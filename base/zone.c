/* SPDX-License-Identifier: Apache-2.0 */
#include "base/zone.h"
#include <ctype.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "base/zone_rule.h"

#define DIRECTORY   "/usr/share/zoneinfo"
#define FILE_MAX    (1u << 20)
#define NAME_BYTES  100
#define HEAD	    44
#define TYPES_MAX   256
#define OFFSET_MAX  (26 * 3600)
#define NEAR	    (2 * OFFSET_MAX) /* a wall and its moment are nearer than that */

struct change {
	int64_t at;
	int32_t offset; /* from then on */
};
struct zone {
	int32_t first;          /* before all changes */
	struct change *changes; /* ascending, each to another offset */
	size_t len;
	bool ruled;             /* after the last of them, which is at: */
	int64_t rule_from;
	struct zone_rule rule;
};

void zone_free(struct zone *zone)
{
	if (!zone)
		return;
	free(zone->changes);
	free(zone);
}

void cleanup_zone(struct zone **zone)
{
	zone_free(*zone);
}

/* ---- files ---- */

struct reader {
	const unsigned char *data;
	size_t len, at;
};

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t get64(const unsigned char *p)
{
	return (int64_t)((uint64_t)get32(p) << 32 | get32(p + 4));
}

/* Counts of a block, in the order of the header. */
struct head {
	int version;
	uint32_t utc, std, leaps, times, types, chars;
};

static bool read_head(struct reader *r, struct head *ret)
{
	const unsigned char *p = r->data + r->at;

	if (r->len - r->at < HEAD || memcmp(p, "TZif", 4) != 0)
		return false;
	*ret = (struct head){ p[4], get32(p + 20), get32(p + 24), get32(p + 28), get32(p + 32), get32(p + 36), get32(p + 40) };
	r->at += HEAD;
	return ret->types > 0 && ret->types <= TYPES_MAX && ret->times < FILE_MAX && ret->leaps < FILE_MAX &&
	       ret->chars < FILE_MAX && ret->utc <= TYPES_MAX && ret->std <= TYPES_MAX;
}

static size_t block_size(const struct head *h, size_t time)
{
	return h->times * (time + 1) + h->types * 6u + h->chars + h->leaps * (time + 4) + h->std + h->utc;
}

/* Changes that change the offset; what only changes a name is none. */
static bool read_changes(const struct reader *r, const struct head *h, struct zone *zone)
{
	const unsigned char *times = r->data + r->at, *kinds = times + h->times * 8u, *types = kinds + h->times;
	int32_t offset = (int32_t)get32(types);

	zone->first = offset;
	zone->changes = xcalloc(h->times + 1u, sizeof(*zone->changes));
	for (uint32_t i = 0; i < h->times; i++) {
		int64_t at = get64(times + i * 8u);
		int32_t to;

		if (kinds[i] >= h->types || (i && at <= get64(times + (i - 1) * 8u)))
			return false;
		to = (int32_t)get32(types + kinds[i] * 6u);
		if (to <= -OFFSET_MAX || to >= OFFSET_MAX)
			return false;
		zone->rule_from = at;
		if (to != offset)
			zone->changes[zone->len++] = (struct change){ at, to };
		offset = to;
	}
	return zone->first > -OFFSET_MAX && zone->first < OFFSET_MAX;
}

/* The line after the block: what goes on for ever. */
static bool read_footer(const struct reader *r, struct zone *zone)
{
	const char *text = (const char *)r->data + r->at;
	const char *end;
	CLEANUP(cleanup_free) char *rule = NULL;

	if (r->at >= r->len || *text != '\n' || !(end = memchr(text + 1, '\n', r->len - r->at - 1)))
		return false;
	rule = xstrndup(text + 1, (size_t)(end - text) - 1);
	zone->ruled = *rule != '\0';
	return !zone->ruled || zone_rule_parse(rule, &zone->rule);
}

static bool read_file(struct reader *r, struct zone *zone)
{
	struct head h;

	if (!read_head(r, &h) || h.version < '2' || block_size(&h, 4) > r->len - r->at)
		return false;
	r->at += block_size(&h, 4);
	if (!read_head(r, &h) || block_size(&h, 8) > r->len - r->at || !read_changes(r, &h, zone))
		return false;
	r->at += block_size(&h, 8);
	if (!h.times)
		zone->rule_from = INT64_MIN;
	return read_footer(r, zone);
}

int zone_read(const void *data, size_t len, const char *name, struct zone **ret, struct error *err)
{
	CLEANUP(cleanup_zone) struct zone *zone = xcalloc(1, sizeof(*zone));
	struct reader r = { data, len, 0 };

	if (!read_file(&r, zone))
		return error_set(err, ERR_ENV, "the file of time zone %.100s is none of tzdata (RFC 8536, version 2 or later)", name);
	*ret = steal(&zone);
	return 0;
}

/* ---- names ---- */

/* One that is looked up below the directory of zones, and nowhere else. */
static bool is_name(const char *name)
{
	if (!isalpha((unsigned char)*name) || strlen(name) > NAME_BYTES)
		return false;
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("_+-/", *p))
			return false;
	return true;
}

static const char *directory(void)
{
	const char *dir = getenv("TZDIR");

	return dir && *dir == '/' ? dir : DIRECTORY;
}

/* Names below one directory of zones, to offer the nearest. */
static void add_names(const char *dir, const char *prefix, struct strlist *ret)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;

	if (fs_list_dir(AT_FDCWD, dir, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.len; i++)
		if (isupper((unsigned char)*names.items[i]))
			strlist_push_owned(ret, xasprintf("%s%s", prefix, names.items[i]));
}

static int no_zone(const char *name, struct error *err)
{
	const char *slash = strchr(name, '/');
	CLEANUP(cleanup_free) char *region = slash ? xstrndup(name, (size_t)(slash - name) + 1) : xstrdup("");
	CLEANUP(cleanup_free) char *dir = path_join(directory(), region);
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;
	const char *near;

	add_names(directory(), "", &names);
	if (!names.len) {
		error_set(err, ERR_ENV, "time zones are not installed at %s", directory());
		return error_help(err, "install tzdata, or use UTC");
	}
	if (slash && is_name(name))
		add_names(dir, region, &names);
	near = strlist_nearest(&names, name);
	error_set(err, ERR_USAGE, "there is no time zone '%.100s'", name);
	if (near)
		return error_help(err, "did you mean '%s'?", near);
	return error_help(err, "write one of tzdata, such as UTC or Europe/Berlin");
}

int zone_load(const char *name, struct zone **ret, struct error *err)
{
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP_STRBUF struct strbuf data = STRBUF_INIT;

	if (!strcmp(name, "UTC")) {
		*ret = xcalloc(1, sizeof(**ret));
		return 0;
	}
	path = path_join(directory(), name);
	if (!is_name(name) || io_read_file(AT_FDCWD, path, FILE_MAX, &data, NULL) < 0)
		return no_zone(name, err);
	return zone_read(data.buf, data.len, name, ret, err);
}

/* ---- asking ---- */

/* Changes at or before the moment. */
static size_t changes_until(const struct zone *zone, int64_t utc_s)
{
	size_t low = 0, high = zone->len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (zone->changes[mid].at <= utc_s)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

int32_t zone_offset(const struct zone *zone, int64_t utc_s)
{
	size_t n;

	if (zone->ruled && utc_s >= zone->rule_from)
		return zone_rule_offset(&zone->rule, utc_s);
	n = changes_until(zone, utc_s);
	return n ? zone->changes[n - 1].offset : zone->first;
}

int64_t zone_change(const struct zone *zone, int64_t utc_s)
{
	size_t n = changes_until(zone, utc_s);
	int64_t at = ZONE_NEVER;

	if (n < zone->len)
		return zone->changes[n].at;
	if (zone->ruled)
		at = zone_rule_change(&zone->rule, utc_s > zone->rule_from ? utc_s : zone->rule_from);
	return at;
}

int zone_moments(const struct zone *zone, int64_t wall_s, int64_t ret[2])
{
	int64_t from = wall_s - NEAR, gap = wall_s;
	int32_t offset = zone_offset(zone, from);
	int n = 0;

	while (from <= wall_s + NEAR) {
		int64_t to = zone_change(zone, from), at = wall_s - offset;
		int32_t next = to == ZONE_NEVER ? offset : zone_offset(zone, to);

		if (at >= from && at < to && n < 2)
			ret[n++] = at;
		if (to == ZONE_NEVER)
			break;
		if (at >= to && wall_s - next < to)
			gap = to;
		from = to;
		offset = next;
	}
	if (!n)
		ret[0] = gap;
	return n;
}
