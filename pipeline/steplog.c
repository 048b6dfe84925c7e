/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/steplog.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define LINE_MAX_BYTES (64u << 10)

struct steplog {
	int fd;
	int failed; /* errno of the first failed write */
	struct strbuf partial[2]; /* a line that has not ended, by stream */
	struct strbuf out;        /* gathered for one write */
	char *tail[STEPLOG_TAIL]; /* ring of the last lines */
	size_t lines;
};

char *steplog_path(const char *run, const char *step)
{
	return xasprintf(".mlops/logs/%s/%s.log", run, step);
}

int steplog_open(int mlops_fd, const char *run, const char *step, struct steplog **ret, struct error *err)
{
	CLEANUP(cleanup_free) char *path = xasprintf("logs/%s/%s.log", run, step);
	struct steplog *log;
	int fd;

	if (fs_make_parents(mlops_fd, path, 0777, err) < 0)
		return -1;
	fd = openat(mlops_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
	if (fd < 0)
		return error_sys(err, errno, "cannot write the log .mlops/%s", path);
	log = xcalloc(1, sizeof(*log));
	log->fd = fd;
	log->out = log->partial[0] = log->partial[1] = (struct strbuf)STRBUF_INIT;
	*ret = log;
	return 0;
}

/* Only the last lines of a long output are ever kept, and of a long line only its start. */
static void remember_line(struct steplog *log, const char *text, size_t len)
{
	char **slot = &log->tail[log->lines++ % STEPLOG_TAIL];

	free(*slot);
	*slot = xstrndup(text, len < 1000 ? len : 1000);
}

static void flush_out(struct steplog *log)
{
	struct error err;

	if (log->out.len && !log->failed && io_write_all(log->fd, log->out.buf, log->out.len, "log", &err) < 0)
		log->failed = err.sys ? err.sys : EIO;
	strbuf_clear(&log->out);
}

static void write_line(struct steplog *log, int stream, const char *text, size_t len, int64_t now)
{
	char head[32];
	int n = snprintf(head, sizeof(head), "%lld %c ", (long long)now, stream ? 'e' : 'o');

	strbuf_add(&log->out, head, (size_t)n);
	strbuf_add(&log->out, text, len);
	strbuf_putc(&log->out, '\n');
	remember_line(log, text, len);
	if (log->out.len > (256u << 10))
		flush_out(log);
}

void steplog_feed(struct steplog *log, int stream, const char *data, size_t len)
{
	struct strbuf *partial = &log->partial[stream];
	int64_t now = clock_wall_ms();

	while (len) {
		const char *end = memchr(data, '\n', len);
		size_t n = end ? (size_t)(end - data) : len;
		if (partial->len + n > LINE_MAX_BYTES)
			n = LINE_MAX_BYTES - partial->len, end = NULL;
		if (partial->len || !end) {
			strbuf_add(partial, data, n);
			if (end || partial->len == LINE_MAX_BYTES) {
				write_line(log, stream, partial->buf, partial->len, now);
				strbuf_clear(partial);
			}
		} else {
			write_line(log, stream, data, n, now);
		}
		n += end != NULL;
		data += n;
		len -= n;
	}
	flush_out(log);
}

int steplog_error(const struct steplog *log)
{
	return log->failed;
}

void steplog_close(struct steplog *log, struct strlist *tail)
{
	if (!log)
		return;
	for (int stream = 0; stream < 2; stream++) {
		if (log->partial[stream].len)
			write_line(log, stream, log->partial[stream].buf, log->partial[stream].len, clock_wall_ms());
		strbuf_release(&log->partial[stream]);
	}
	flush_out(log);
	for (size_t i = log->lines > STEPLOG_TAIL ? log->lines - STEPLOG_TAIL : 0; tail && i < log->lines; i++)
		strlist_push(tail, log->tail[i % STEPLOG_TAIL]);
	for (size_t i = 0; i < STEPLOG_TAIL; i++)
		free(log->tail[i]);
	strbuf_release(&log->out);
	close(log->fd);
	free(log);
}
