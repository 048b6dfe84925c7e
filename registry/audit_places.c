/* SPDX-License-Identifier: Apache-2.0 */
/* Where checkpoints are kept outside of the database: whoever rolls it back would have to roll back these, too. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/audit_internal.h"
#include "registry/project.h"

#define FILE_MAX ((size_t)256 << 20)

static void note_error(struct js *notes, const char *what, const struct error *why)
{
	CLEANUP(cleanup_free) char *text = xasprintf("%s: %s", what, why->msg);

	if (notes)
		js_push_str(notes, text);
}

/* ---- the file: notes, with an empty line between ---- */

/* NULL: none is wanted. */
static char *file_path(const struct project *p)
{
	const char *file = settings_get(&p->settings, SETTING_AUDIT_FILE);

	if (!*file)
		return NULL;
	return *file == '/' ? xstrdup(file) : path_join(p->top, file);
}

/* 1, 0 when it is not there, -1. */
static int read_file(const char *path, struct strbuf *ret, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : error_sys(err, errno, "cannot read %s", path);
	return io_read_fd(fd, path, FILE_MAX, ret, err) < 0 ? -1 : 1;
}

static int keep_copy(void *ctx, const char *where, const struct checkpoint *cp)
{
	struct checkpoint *last = ctx;

	(void)where;
	checkpoint_release(last);
	*last = (struct checkpoint){ .origin = xstrdup(cp->origin), .note = xstrdup(cp->note), .size = cp->size, .root = cp->root };
	return 0;
}

/* From the end: where the last whole note begins and what comes after it. *ret_tail is the length of all but a note that a
 * kill cut off. */
static const char *last_note(const struct strbuf *text, size_t *ret_tail)
{
	static const char signature[] = "\n\n\xe2\x80\x94 ";
	const char *head = NULL, *start, *end;

	*ret_tail = 0;
	for (const char *p = text->buf; (p = strstr(p, signature)); p++)
		if (strchr(p + 2, '\n'))
			head = p;
	if (!head)
		return NULL;
	for (end = head + 2; !strncmp(end, signature + 2, strlen(signature + 2)) && strchr(end, '\n');)
		end = strchr(end, '\n') + 1;
	*ret_tail = (size_t)(end - text->buf);
	for (start = head; start > text->buf && !(start[-1] == '\n' && (start - 1 == text->buf || start[-2] == '\n')); start--)
		;
	return start;
}

int places_last(struct project *p, struct checkpoint *ret, struct error *err)
{
	CLEANUP(cleanup_free) char *path = file_path(p);
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct checkpoint cp = { 0 };
	const char *last;
	size_t end;

	/* One that cannot be read can neither be written, which is a note. */
	if (!path || read_file(path, &text, NULL) <= 0 || !(last = last_note(&text, &end)))
		return 0;
	if (checkpoints_read(last, end - (size_t)(last - text.buf), path, keep_copy, &cp, err) < 0)
		return -1;
	if (!cp.note)
		return 0;
	*ret = cp;
	return 1;
}

/* What comes after the last note is the beginning of one, or what a disk leaves of it; and not the text of somebody whose file
 * the setting names. */
static bool is_torn(const struct strbuf *text, size_t end, const char *origin)
{
	const char *at = text->buf + end, *stop = text->buf + text->len;
	size_t len = strlen(origin);

	while (at < stop && (*at == '\n' || !*at))
		at++;
	if ((size_t)(stop - at) < len)
		len = (size_t)(stop - at);
	return !len || !memcmp(at, origin, len);
}

/* Under a lock of the file. What a kill left half written is cut off; what is there already is not written twice. */
static int append_file(int fd, const char *path, const struct checkpoint *cp, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf add = STRBUF_INIT;
	const char *last;
	struct stat st;
	size_t end;

	if (flock(fd, LOCK_EX) < 0)
		return error_sys(err, errno, "cannot lock %s", path);
	if (io_read_fd(fd, path, FILE_MAX, &text, err) < 0 || fstat(fd, &st) < 0)
		return -1;
	last = last_note(&text, &end);
	if (last && end - (size_t)(last - text.buf) == strlen(cp->note) && !memcmp(last, cp->note, strlen(cp->note)))
		return 0;
	if (!is_torn(&text, end, cp->origin))
		return error_set(err, ERR_CONFLICT, "%s holds something else than checkpoints, and is left as it is", path);
	if ((size_t)st.st_size > end && ftruncate(fd, (off_t)end) < 0)
		return error_sys(err, errno, "cannot mend %s", path);
	strbuf_printf(&add, "%s%s", end ? "\n" : "", cp->note);
	return io_write_all(fd, add.buf, add.len, path, err) < 0 ? -1 : io_sync_file(fd, path, err);
}

static int write_file(const char *path, const struct checkpoint *cp, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = -1;

	if (fs_make_way(path, err) < 0)
		return -1;
	fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
	return fd < 0 ? error_sys(err, errno, "cannot write %s", path) : append_file(fd, path, cp, err);
}

/* ---- all of them ---- */

void places_write(struct project *p, const struct checkpoint *cp, struct js *notes)
{
	CLEANUP(cleanup_free) char *path = file_path(p);
	const char *ref = settings_get(&p->settings, SETTING_AUDIT_REF), *remote = settings_get(&p->settings, SETTING_AUDIT_REMOTE);
	struct error why = { 0 };

	if (path && write_file(path, cp, &why) < 0)
		note_error(notes, "the checkpoint is not in audit.file", &why);
	if (*remote && !*ref) {
		error_set(&why, ERR_USAGE, "audit.ref is not set: mlops config audit.ref refs/mlops/audit");
		note_error(notes, "the checkpoint is not in audit.remote", &why);
	}
	if (!*ref)
		return;
	if (ref_write(p, cp, &why) < 0)
		note_error(notes, "the checkpoint is not in audit.ref", &why);
	else if (*remote && ref_push(p, &why) < 0)
		note_error(notes, "the checkpoint is not in audit.remote", &why);
}

static int each_of_ref(struct project *p, bool remote, const char *where,
		       int (*each)(void *ctx, const char *where, const struct checkpoint *), void *ctx, struct js *notes,
		       struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct error why = { 0 };

	if (ref_read(p, remote, &text, &why) >= 0)
		return checkpoints_read(text.buf, text.len, where, each, ctx, err);
	note_error(notes, where, &why);
	return 0;
}

int places_each(struct project *p, int (*each)(void *ctx, const char *where, const struct checkpoint *), void *ctx,
		struct js *notes, struct error *err)
{
	CLEANUP(cleanup_free) char *path = file_path(p);
	const char *ref = settings_get(&p->settings, SETTING_AUDIT_REF), *remote = settings_get(&p->settings, SETTING_AUDIT_REMOTE);
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct error why = { 0 };

	if (path && read_file(path, &text, &why) < 0)
		note_error(notes, "audit.file", &why);
	else if (path && checkpoints_read(text.buf, text.len, path, each, ctx, err) < 0)
		return -1;
	if (*ref && each_of_ref(p, false, ref, each, ctx, notes, err) < 0)
		return -1;
	return *ref && *remote ? each_of_ref(p, true, remote, each, ctx, notes, err) : 0;
}
