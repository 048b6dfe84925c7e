/* SPDX-License-Identifier: Apache-2.0 */
/* Runs told in OpenLineage's words: to a server, and to a file. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "api/tell_internal.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "policy/openlineage.h"
#include "registry/openlineage.h"
#include "registry/outbox.h"
#include "registry/project.h"
#include "registry/secrets.h"

#define DEFAULT_PATH "api/v1/lineage" /* of the specification */
#define TIMEOUT_MS   5000
#define REPLY_MAX    (64u << 10)

/* ---- a server ---- */

/* With the usual path where the operator wrote only a server. Caller frees. */
static char *whole_url(const char *url)
{
	const char *host = strstr(url, "://"), *path = host ? strchr(host + 3, '/') : NULL;

	if (path && path[1])
		return xstrdup(url);
	return xasprintf("%s%s" DEFAULT_PATH, url, path ? "" : "/");
}

/* "" without a secret. */
static int put_authorization(struct project *p, struct strbuf *ret, struct error *err)
{
	const char *name = settings_get(&p->settings, SETTING_OPENLINEAGE_SECRET);

	if (!*name)
		return 0;
	strbuf_reserve(ret, SECRET_MAX + sizeof("Authorization: Bearer "));
	strbuf_puts(ret, "Authorization: Bearer ");
	if (secret_get(p, name, ret, err) < 0)
		return error_wrap(err, "openlineage.secret");
	ret->len = strcspn(ret->buf, "\r\n");
	ret->buf[ret->len] = '\0';
	return 0;
}

/* Who is not let in, or knocks at the wrong door, waits for the operator: events are kept, and those behind stay behind. */
static bool is_set_wrong(int status)
{
	return status == 401 || status == 403 || status == 404 || status == 405 || status / 100 == 3;
}

static int tell_url(struct project *p, const struct strbuf *event, int64_t *again_ms, struct error *err)
{
	CLEANUP(cleanup_free) char *url = whole_url(settings_get(&p->settings, SETTING_OPENLINEAGE_URL));
	CLEANUP(secret_wipe) struct strbuf authorization = STRBUF_INIT;
	const char *headers[] = { "Content-Type: application/json", "User-Agent: mlops/" MLOPS_VERSION, NULL, NULL };
	struct exchange x = { .project = p, .method = "POST", .url = url, .headers = headers, .body = event->buf, .anywhere = true,
			      .timeout_ms = TIMEOUT_MS, .max = REPLY_MAX, .reply = STRBUF_INIT, .again_ms = again_ms };
	int r;

	*again_ms = 0;
	if (put_authorization(p, &authorization, err) < 0)
		return -1;
	headers[2] = authorization.len ? authorization.buf : NULL;
	r = tell_exchange(&x, err);
	if (r < 0 && (!x.status || is_set_wrong(x.status)))
		*again_ms = 0;
	strbuf_release(&x.reply);
	return r;
}

/* ---- a file ---- */

/* What a power cut left of a line stays a line by itself. */
static bool needs_newline(int fd, off_t size)
{
	char last;

	return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

static int append(int fd, const char *name, const struct strbuf *event, struct error *err)
{
	CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
	struct stat st;

	if (flock(fd, LOCK_EX) < 0 || fstat(fd, &st) < 0)
		return error_sys(err, errno, "cannot lock %s", name);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_ENV, "%s is not a regular file", name);
	strbuf_puts(&line, needs_newline(fd, st.st_size) ? "\n" : "");
	strbuf_add(&line, event->buf, event->len);
	strbuf_putc(&line, '\n');
	if (io_write_all(fd, line.buf, line.len, name, err) == 0)
		return io_sync_file(fd, name, err);
	(void)!ftruncate(fd, st.st_size); /* if not, the next one begins a new line */
	return -1;
}

/* Durably: what was told is not told again. The directory has to be there. */
static int tell_file(struct project *p, const struct strbuf *event, int64_t *again_ms, struct error *err)
{
	const char *name = settings_get(&p->settings, SETTING_OPENLINEAGE_FILE);
	CLEANUP(cleanup_free) char *path = *name == '/' ? xstrdup(name) : path_join(p->top, name);
	CLEANUP(cleanup_free) char *dir = xstrndup(path, (size_t)(path_base(path) - path));
	CLEANUP(cleanup_fd) int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	*again_ms = 0;
	if (fd >= 0)
		return append(fd, path, event, err);
	fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0644);
	if (fd < 0)
		return error_sys(err, errno, "cannot append to %s", path);
	return append(fd, path, event, err) < 0 ? -1 : io_sync_dir_at(AT_FDCWD, dir, err);
}

/* ---- both ---- */

int tell_openlineage(struct project *p, const struct letter *letter, int64_t *again_ms, struct error *err)
{
	CLEANUP_JS struct js *facts = NULL, *event = NULL;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct db *db;

	*again_ms = 0;
	if (!openlineage_is_on(p, letter->target))
		return error_set(err, ERR_USAGE, "openlineage.%s is not set here", letter->target);
	*again_ms = -1;
	if (project_db(p, &db, err) < 0 || openlineage_facts(db, js_get_str(letter->body, "run"), &facts, err) < 0)
		return -1;
	event = openlineage_event(js_get_str(letter->body, "type"), js_get_int(letter->body, "time", 0),
				  settings_get(&p->settings, SETTING_OPENLINEAGE_NAMESPACE), facts);
	js_dump(event, JS_COMPACT, &text);
	return (!strcmp(letter->target, OPENLINEAGE_FILE) ? tell_file : tell_url)(p, &text, again_ms, err);
}
