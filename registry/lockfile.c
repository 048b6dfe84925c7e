/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mlops.lock in memory: a sorted list. The text is parsed line by line, then sorted
 * once; a name that stands twice becomes one entry with two values, in the order of
 * the lines, which is ours and theirs in what git writes.
 */
#include "registry/lockfile.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define LOCKFILE_MAX_BYTES (64u << 20)
#define NAME_MAX_BYTES     4096
#define VALUE_MAX_BYTES    1024
#define MARKER_LEN         7

static const char *const kind_names[LOCK_KINDS] = {
	[LOCKED_DATA] = "data",
	[LOCKED_IMAGE] = "image",
	[LOCKED_OUT] = "out",
	[LOCKED_STEP] = "step",
};

static void entry_release(struct lock_entry *entry)
{
	free(entry->name);
	free(entry->value);
	free(entry->other);
}

void lockfile_release(struct lockfile *lock)
{
	for (size_t i = 0; i < lock->len; i++)
		entry_release(&lock->entries[i]);
	free(lock->entries);
	*lock = (struct lockfile)LOCKFILE_INIT;
}

/* A line on its way to an entry; `seq` keeps the order of two lines with one name. */
struct line_entry {
	enum lock_kind kind;
	char *name, *value;
	size_t seq;
};
struct parser {
	const char *pos, *end;
	int line;
	bool markers; /* the text has conflict markers of git */
	bool in_base; /* between ||||||| and =======: what both sides replaced */
	bool unsorted;
	struct line_entry *items;
	size_t len, cap;
};

static void parser_release(struct parser *p)
{
	for (size_t i = 0; i < p->len; i++) {
		free(p->items[i].name);
		free(p->items[i].value);
	}
	free(p->items);
}

static int damaged(const struct parser *p, struct error *err, const char *what, const char *text,
		   size_t len)
{
	char shown[80];
	size_t n = 0;

	for (size_t i = 0; i < len && n < sizeof(shown) - 1; i++) {
		unsigned char c = (unsigned char)text[i];
		shown[n++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	shown[n] = '\0';
	error_set(err, ERR_DAMAGED, "%s: line %d: %s: \"%s\"", LOCKFILE_NAME, p->line, what, shown);
	error_where(err, LOCKFILE_NAME, p->line, 0);
	return error_help(err,
			  "delete line %d of %s, or bring the file back: git checkout HEAD -- %s",
			  p->line, LOCKFILE_NAME, LOCKFILE_NAME);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* NULL when an escape is broken or stands for NUL. */
static char *name_unescape(const char *text, size_t len)
{
	CLEANUP(cleanup_free) char *name = xmalloc(len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int high, low;

		if (text[i] != '\\') {
			name[n++] = text[i];
			continue;
		}
		if (len - i < 4 || text[i + 1] != 'x')
			return NULL;
		high = hex_value(text[i + 2]);
		low = hex_value(text[i + 3]);
		if (high < 0 || low < 0 || high + low == 0)
			return NULL;
		name[n++] = (char)(high * 16 + low);
		i += 3;
	}
	name[n] = '\0';
	return steal(&name);
}

static void name_escape(const char *name, struct strbuf *sb)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];
		bool edge_blank = c == ' ' && (i == 0 || i == len - 1);

		if (c < 0x20 || c == 0x7f || c == '\\' || edge_blank)
			strbuf_printf(sb, "\\x%02x", c);
		else
			strbuf_putc(sb, (char)c);
	}
}

/* A path that a checkout may write: clean, inside the project, not the tools' own directories. */
static bool path_is_safe(const char *path)
{
	CLEANUP(cleanup_free) char *clean = NULL;

	if (path_clean("", path, &clean, NULL) < 0 || strcmp(clean, path) || !strcmp(path, "."))
		return false;
	for (const char *part = path; part; part = strchr(part, '/')) {
		size_t len;

		part += *part == '/';
		len = strcspn(part, "/");
		if ((len == 4 && !strncasecmp(part, ".git", 4)) ||
		    (len == 6 && !strncasecmp(part, ".mlops", 6)))
			return false;
	}
	return true;
}

static bool value_is_valid(enum lock_kind kind, const char *value)
{
	struct content content;
	struct digest digest;

	switch (kind) {
	case LOCKED_STEP:
		return digest_parse(value, &digest);
	case LOCKED_DATA:
	case LOCKED_OUT:
		return content_parse(value, &content) && content.kind != CONTENT_ABSENT;
	default:
		return *value && strlen(value) <= VALUE_MAX_BYTES;
	}
}

static bool has_control_byte(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return true;
	return false;
}

static int kind_parse(const char *text, size_t len)
{
	for (int kind = 0; kind < LOCK_KINDS; kind++)
		if (strlen(kind_names[kind]) == len && !memcmp(kind_names[kind], text, len))
			return kind;
	return -1;
}

static int key_compare(enum lock_kind ka, const char *a, enum lock_kind kb, const char *b)
{
	return ka != kb ? (ka < kb ? -1 : 1) : strcmp(a, b);
}

static void parser_push(struct parser *p, enum lock_kind kind, char *name, char *value)
{
	if (p->len) {
		const struct line_entry *last = &p->items[p->len - 1];
		p->unsorted |= key_compare(last->kind, last->name, kind, name) > 0;
	}
	GROW(p->items, p->len, p->cap);
	p->items[p->len] = (struct line_entry){ kind, name, value, p->len };
	p->len++;
}

static int parse_entry(struct parser *p, const char *text, size_t len, struct error *err)
{
	CLEANUP(cleanup_free) char *value = NULL;
	CLEANUP(cleanup_free) char *name = NULL;
	const char *first = memchr(text, ' ', len);
	const char *second =
		first ? memchr(first + 1, ' ', len - (size_t)(first + 1 - text)) : NULL;
	int kind = kind_parse(text, first ? (size_t)(first - text) : len);

	if (has_control_byte(text, len))
		return damaged(p, err, "control byte", text, len);
	if (kind < 0)
		return damaged(p, err, "unknown kind", text, len);
	if (!second)
		return damaged(p, err, "not \"kind value name\"", text, len);
	value = xstrndup(first + 1, (size_t)(second - first - 1));
	if (!value_is_valid((enum lock_kind)kind, value))
		return damaged(p, err, "wrong value", value, strlen(value));
	name = name_unescape(second + 1, len - (size_t)(second + 1 - text));
	if (!name || !*name || strlen(name) > NAME_MAX_BYTES)
		return damaged(p, err, "wrong name", second + 1, len - (size_t)(second + 1 - text));
	if ((kind == LOCKED_DATA || kind == LOCKED_OUT) && !path_is_safe(name))
		return damaged(p, err, "not a path inside the project", name, strlen(name));
	parser_push(p, (enum lock_kind)kind, steal(&name), steal(&value));
	return 0;
}

/* git's markers: seven of one byte, then a blank and a label or the end of the line. */
static bool is_marker(const char *text, size_t len, char mark)
{
	if (len < MARKER_LEN || (len > MARKER_LEN && text[MARKER_LEN] != ' '))
		return false;
	for (size_t i = 0; i < MARKER_LEN; i++)
		if (text[i] != mark)
			return false;
	return true;
}

static bool parse_marker(struct parser *p, const char *text, size_t len)
{
	bool base = is_marker(text, len, '|');

	if (!base && !is_marker(text, len, '<') && !is_marker(text, len, '=') &&
	    !is_marker(text, len, '>'))
		return false;
	p->markers = true;
	p->in_base = base;
	return true;
}

static int parse_lines(struct parser *p, struct error *err)
{
	while (p->pos < p->end) {
		const char *text = p->pos;
		const char *newline = memchr(text, '\n', (size_t)(p->end - text));
		size_t len = (size_t)((newline ? newline : p->end) - text);

		p->pos = newline ? newline + 1 : p->end;
		p->line++;
		if (len && text[len - 1] == '\r')
			len--;
		if (!len || parse_marker(p, text, len) || p->in_base)
			continue;
		if (parse_entry(p, text, len, err) < 0)
			return -1;
	}
	return 0;
}

static int line_compare(const void *a, const void *b)
{
	const struct line_entry *x = a, *y = b;
	int order = key_compare(x->kind, x->name, y->kind, y->name);

	return order ? order : (x->seq < y->seq ? -1 : 1);
}

/* Moves the sorted lines into entries; of more than two values the first and the last stay. */
static void parser_fold(struct parser *p, struct lockfile *lock)
{
	for (size_t i = 0; i < p->len; i++) {
		struct line_entry *item = &p->items[i];
		struct lock_entry *last = lock->len ? &lock->entries[lock->len - 1] : NULL;

		if (!last || key_compare(last->kind, last->name, item->kind, item->name)) {
			GROW(lock->entries, lock->len, lock->cap);
			lock->entries[lock->len++] =
				(struct lock_entry){ item->kind, steal(&item->name),
						     steal(&item->value), NULL };
			continue;
		}
		if (!strcmp(last->value, item->value))
			continue;
		lock->conflicts += !last->other;
		free(last->other);
		last->other = steal(&item->value);
	}
}

int lockfile_parse(const char *text, size_t len, struct lockfile *ret, struct error *err)
{
	CLEANUP(parser_release) struct parser p = { .pos = text, .end = text + len };

	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		p.pos += 3;
	if (parse_lines(&p, err) < 0)
		return -1;
	if (p.unsorted)
		qsort(p.items, p.len, sizeof(*p.items), line_compare);
	*ret = (struct lockfile)LOCKFILE_INIT;
	parser_fold(&p, ret);
	ret->dirty = p.markers;
	return 0;
}

/* A clone may bring it as a symlink, which leads to nothing that is not the project's. */
int lockfile_read(int rootfd, struct strbuf *ret, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = fs_open_beneath(rootfd, LOCKFILE_NAME, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, err);

	return fd < 0 ? -1 : io_read_fd(fd, LOCKFILE_NAME, LOCKFILE_MAX_BYTES, ret, err);
}

bool lockfile_may_have(int rootfd, enum lock_kind kind)
{
	CLEANUP_STRBUF struct strbuf sb = STRBUF_INIT;
	struct error why;
	char line[16];
	size_t len;

	if (lockfile_read(rootfd, &sb, &why) < 0)
		return why.code != ERR_NOT_FOUND;
	len = (size_t)snprintf(line, sizeof(line), "%s ", kind_names[kind]);
	return memmem(sb.buf, sb.len, line, len) != NULL;
}

int lockfile_load(int rootfd, struct lockfile *ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf sb = STRBUF_INIT;
	struct error local;

	if (lockfile_read(rootfd, &sb, &local) < 0) {
		if (local.code == ERR_NOT_FOUND) {
			*ret = (struct lockfile)LOCKFILE_INIT;
			return 0;
		}
		if (err)
			*err = local;
		return -1;
	}
	return lockfile_parse(sb.buf, sb.len, ret, err);
}

/* Index of the entry, or of where it would stand. */
static size_t entry_index(const struct lockfile *lock, enum lock_kind kind, const char *name,
			  bool *ret_found)
{
	size_t low = 0, high = lock->len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order =
			key_compare(lock->entries[mid].kind, lock->entries[mid].name, kind, name);

		if (!order) {
			*ret_found = true;
			return mid;
		}
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*ret_found = false;
	return low;
}

const struct lock_entry *lockfile_find(const struct lockfile *lock, enum lock_kind kind,
				       const char *name)
{
	bool found;
	size_t i = entry_index(lock, kind, name, &found);

	return found ? &lock->entries[i] : NULL;
}

bool lockfile_content(const struct lockfile *lock, enum lock_kind kind, const char *name,
		      struct content *ret)
{
	const struct lock_entry *entry = lockfile_find(lock, kind, name);

	return entry && content_parse(entry->value, ret);
}

bool lockfile_step(const struct lockfile *lock, const char *step, struct digest *ret)
{
	const struct lock_entry *entry = lockfile_find(lock, LOCKED_STEP, step);

	return entry && digest_parse(entry->value, ret);
}

void lockfile_set(struct lockfile *lock, enum lock_kind kind, const char *name, const char *value)
{
	bool found;
	size_t i = entry_index(lock, kind, name, &found);
	struct lock_entry *entry;

	if (!found) {
		GROW(lock->entries, lock->len, lock->cap);
		entry = &lock->entries[i];
		memmove(entry + 1, entry, (lock->len - i) * sizeof(*entry));
		*entry = (struct lock_entry){ kind, xstrdup(name), xstrdup(value), NULL };
		lock->len++;
		lock->dirty = true;
		return;
	}
	entry = &lock->entries[i];
	if (!entry->other && !strcmp(entry->value, value))
		return;
	lock->conflicts -= entry->other != NULL;
	free(steal(&entry->other));
	free(entry->value);
	entry->value = xstrdup(value);
	lock->dirty = true;
}

bool lockfile_remove(struct lockfile *lock, enum lock_kind kind, const char *name)
{
	bool found;
	size_t i = entry_index(lock, kind, name, &found);
	struct lock_entry *entry;

	if (!found)
		return false;
	entry = &lock->entries[i];
	lock->conflicts -= entry->other != NULL;
	entry_release(entry);
	memmove(entry, entry + 1, (lock->len - i - 1) * sizeof(*entry));
	lock->len--;
	lock->dirty = true;
	return true;
}

int lockfile_check(const struct lockfile *lock, struct error *err)
{
	CLEANUP_STRBUF struct strbuf names = STRBUF_INIT;
	size_t shown = 0;

	if (!lock->conflicts)
		return 0;
	for (size_t i = 0; i < lock->len && shown < 3; i++) {
		const struct lock_entry *entry = &lock->entries[i];

		if (!entry->other)
			continue;
		strbuf_printf(&names, "%s%s %s", shown++ ? ", " : "", kind_names[entry->kind],
			      entry->name);
	}
	if (lock->conflicts > shown)
		strbuf_printf(&names, " and %zu more", lock->conflicts - shown);
	error_set(err, ERR_CONFLICT, "%s: two branches disagree about %s", LOCKFILE_NAME,
		  names.buf);
	return error_help(err, "choose a side: mlops lock take ours   or: mlops lock take theirs");
}

size_t lockfile_take(struct lockfile *lock, bool ours)
{
	size_t settled = lock->conflicts;

	for (size_t i = 0; i < lock->len; i++) {
		struct lock_entry *entry = &lock->entries[i];

		if (!entry->other)
			continue;
		free(ours ? steal(&entry->other) : entry->value);
		if (!ours)
			entry->value = steal(&entry->other);
	}
	lock->conflicts = 0;
	lock->dirty |= settled > 0;
	return settled;
}

static void line_format(const struct lock_entry *entry, const char *value, struct strbuf *sb)
{
	strbuf_puts(sb, kind_names[entry->kind]);
	strbuf_putc(sb, ' ');
	strbuf_puts(sb, value);
	strbuf_putc(sb, ' ');
	name_escape(entry->name, sb);
	strbuf_puts(sb, "\n\n");
}

void lockfile_format(const struct lockfile *lock, struct strbuf *sb)
{
	for (size_t i = 0; i < lock->len; i++) {
		line_format(&lock->entries[i], lock->entries[i].value, sb);
		if (lock->entries[i].other)
			line_format(&lock->entries[i], lock->entries[i].other, sb);
	}
}

const char *lock_kind_name(enum lock_kind kind)
{
	return kind_names[kind];
}

int lockfile_save(struct lockfile *lock, int rootfd, struct error *err)
{
	CLEANUP_STRBUF struct strbuf sb = STRBUF_INIT;

	if (!lock->dirty)
		return 0;
	lockfile_format(lock, &sb);
	if (io_replace_file(rootfd, LOCKFILE_NAME, sb.buf, sb.len, 0644, true, err) < 0)
		return -1;
	lock->dirty = false;
	return 0;
}
