/* SPDX-License-Identifier: Apache-2.0 */
/* The context on its way to the engine: each file is read when its turn comes, and hashed again while it is sent. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/archive.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/build_context.h"

#define PIECE (128u << 10)

struct context_stream {
	const struct build_context *context;
	char *dockerfile, *name; /* its text, its path in the tar */
	struct archive_writer *writer;
	struct strbuf out;       /* written, not yet taken */
	size_t taken;            /* of it */
	size_t next;             /* entry */
	int fd;                  /* of the file that is being sent, -1 between files */
	uint64_t left;           /* of it */
	struct hasher hasher;
	bool ended;
	char piece[PIECE];
};

static bool has(const struct build_context *c, const char *path)
{
	for (size_t i = 0; i < c->len; i++)
		if (!strcmp(c->entries[i].path, path))
			return true;
	return false;
}

struct context_stream *context_stream_new(const struct build_context *context, const char *dockerfile)
{
	struct context_stream *s = xcalloc(1, sizeof(*s));

	s->context = context;
	s->dockerfile = xstrdup(dockerfile);
	s->name = xstrdup(".dockerfile.mlops");
	for (int n = 2; has(context, s->name); n++) {
		free(s->name);
		s->name = xasprintf(".dockerfile.mlops%d", n);
	}
	s->out = (struct strbuf)STRBUF_INIT;
	s->fd = -1;
	return s;
}

void context_stream_free(struct context_stream *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	hasher_release(&s->hasher);
	archive_writer_free(s->writer);
	strbuf_release(&s->out);
	free(s->dockerfile);
	free(s->name);
	free(s);
}

const char *context_stream_dockerfile(const struct context_stream *s)
{
	return s->name;
}

static int add_text(struct context_stream *s, const char *path, const char *text, bool exec, struct error *err)
{
	if (archive_writer_file(s->writer, path, exec ? 0755 : 0644, strlen(text), err) < 0)
		return -1;
	return archive_writer_data(s->writer, text, strlen(text), err);
}

/* The Dockerfile, and a .dockerignore that makes the builder remove it, and itself where there was none. */
static int begin(struct context_stream *s, struct error *err)
{
	const struct build_context *c = s->context;
	CLEANUP_STRBUF struct strbuf ignore = STRBUF_INIT;

	if (archive_writer_new(&s->out, &s->writer, err) < 0)
		return -1;
	strbuf_printf(&ignore, "%s\n%s\n", c->ignore ? c->ignore : ".dockerignore", s->name);
	if (add_text(s, ".dockerignore", ignore.buf, c->ignore_exec, err) < 0)
		return -1;
	return add_text(s, s->name, s->dockerfile, false, err);
}

static int changed(const struct context_stream *s, struct error *err)
{
	CLEANUP(cleanup_free) char *path = build_context_path(s->context, s->context->entries[s->next].path);

	error_set(err, ERR_CONFLICT, "%s was changed while it was sent to the engine", path);
	return error_help(err, "run the command again");
}

static int begin_file(struct context_stream *s, const struct context_entry *entry, struct error *err)
{
	const struct build_context *c = s->context;
	CLEANUP(cleanup_free) char *path = build_context_path(c, entry->path);
	struct stat st;

	s->fd = fs_open_beneath(c->rootfd, path, O_RDONLY | O_NONBLOCK, 0, err);
	if (s->fd < 0)
		return -1;
	if (fstat(s->fd, &st) < 0)
		return error_sys(err, errno, "cannot look at %s", path);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != entry->size)
		return changed(s, err);
	s->left = entry->size;
	hasher_init(&s->hasher);
	return archive_writer_file(s->writer, entry->path, entry->exec ? 0755 : 0644, entry->size, err);
}

static int end_file(struct context_stream *s, struct error *err)
{
	const struct context_entry *entry = &s->context->entries[s->next];
	struct digest id;
	char more;

	hasher_final(&s->hasher, &id);
	if (!digest_equal(&id, &entry->id) || read(s->fd, &more, 1) != 0)
		return changed(s, err);
	close(steal_fd(&s->fd));
	s->next++;
	return 0;
}

static int send_piece(struct context_stream *s, struct error *err)
{
	size_t want = s->left < PIECE ? (size_t)s->left : PIECE;
	ssize_t n = read(s->fd, s->piece, want);

	if (n < 0)
		return error_sys(err, errno, "cannot read %s/%s", s->context->dir, s->context->entries[s->next].path);
	if (n == 0)
		return changed(s, err);
	hasher_update(&s->hasher, s->piece, (size_t)n);
	s->left -= (uint64_t)n;
	return archive_writer_data(s->writer, s->piece, (size_t)n, err);
}

/* Writes a little more of the tar. */
static int go_on(struct context_stream *s, struct error *err)
{
	const struct build_context *c = s->context;
	const struct context_entry *entry = s->next < c->len ? &c->entries[s->next] : NULL;

	if (!s->writer)
		return begin(s, err);
	if (s->fd >= 0)
		return s->left ? send_piece(s, err) : end_file(s, err);
	if (!entry) {
		s->ended = true;
		return archive_writer_end(s->writer, err);
	}
	if (!strcmp(entry->path, ".dockerignore")) {
		s->next++;
		return 0;
	}
	if (!entry->target)
		return begin_file(s, entry, err);
	s->next++;
	return archive_writer_link(s->writer, entry->path, entry->target, err);
}

ssize_t context_stream_read(void *context_stream, char *buf, size_t size, struct error *err)
{
	struct context_stream *s = context_stream;
	size_t n;

	while (s->taken == s->out.len) {
		strbuf_clear(&s->out);
		s->taken = 0;
		if (s->ended)
			return 0;
		while (!s->out.len && !s->ended)
			if (go_on(s, err) < 0)
				return -1;
	}
	n = s->out.len - s->taken < size ? s->out.len - s->taken : size;
	memcpy(buf, s->out.buf + s->taken, n);
	s->taken += n;
	return (ssize_t)n;
}
