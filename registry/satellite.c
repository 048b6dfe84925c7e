/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/satellite.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/git.h"

#define NOTE_MAX_BYTES (1u << 20)

static const char *const parts[] = { "work", "failed", "aside", "locks" };

/* The project around TOP/.mlops/scratch/ID/NAME, or NULL. */
static char *top_of(const char *root)
{
	char *top = xstrdup(root);
	char *name = strrchr(top, '/'), *id, *tail;
	size_t len = strlen("/" SCRATCH_DIR);

	if (name && name > top) {
		*name = '\0';
		id = strrchr(top, '/');
		if (id && name[1] && id[1]) {
			*id = '\0';
			tail = top + strlen(top) - len;
			if (tail > top && !strcmp(tail, "/" SCRATCH_DIR)) {
				*tail = '\0';
				return top;
			}
		}
	}
	free(top);
	return NULL;
}

static int read_note(int dirfd, const char *root, struct js **ret, struct error *err)
{
	CLEANUP(cleanup_free) char *name = xasprintf("%s/.mlops/" SATELLITE_NOTE, root);
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct js *note;

	if (io_read_file(dirfd, SATELLITE_NOTE, NOTE_MAX_BYTES, &text, err) < 0 ||
	    js_parse(text.buf, text.len, name, &note, err) < 0)
		return -1;
	if (js_typeof(note) != JS_OBJECT) {
		js_free(note);
		return error_set(err, ERR_DAMAGED, "%s is no JSON object", name);
	}
	*ret = note;
	return 0;
}

int satellite_read(const char *root, int dirfd, char **ret_top, struct js **ret_note, struct error *err)
{
	CLEANUP(cleanup_free) char *top = NULL;
	struct stat st;

	if (fstatat(dirfd, SATELLITE_NOTE, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : error_sys(err, errno, "cannot look at %s/.mlops/" SATELLITE_NOTE, root);
	top = top_of(root);
	if (!S_ISREG(st.st_mode) || !top) {
		error_set(err, ERR_DENIED, "%s/.mlops/" SATELLITE_NOTE " is for scratch trees, and this is none: those are in "
			  SCRATCH_DIR " of a project", root);
		return error_help(err, "if you did not make it yourself, do not trust this directory; else remove the file");
	}
	if (read_note(dirfd, root, ret_note, err) < 0)
		return error_help(err, "remove the scratch tree: rm -rf %s", root);
	*ret_top = steal(&top);
	return 1;
}

int satellite_make(int treefd, const struct js *note, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (io_mkdir(treefd, ".mlops", 0777, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		CLEANUP(cleanup_free) char *path = path_join(".mlops", parts[i]);

		if (io_mkdir(treefd, path, 0777, err) < 0)
			return -1;
	}
	js_dump(note, JS_COMPACT, &text);
	strbuf_putc(&text, '\n');
	/* What a power failure leaves of a scratch tree is swept: nothing here must last. */
	return io_replace_file(treefd, ".mlops/" SATELLITE_NOTE, text.buf, text.len, 0666, false, err);
}

static void set_content(struct js *code, const char *key, const struct content *content)
{
	struct js *json = js_object();
	char text[CONTENT_TEXT];

	js_set_str(json, "content", content_format(content, text));
	js_set_int(json, "size", (int64_t)content->size);
	js_set_int(json, "files", (int64_t)content->files);
	js_set(code, key, json);
}

static void get_content(const struct js *code, const char *key, struct content *ret)
{
	const struct js *json = js_get(code, key);
	const char *text = js_get_str(json, "content");

	*ret = (struct content){ .kind = CONTENT_ABSENT };
	if (!text || !content_parse(text, ret))
		return;
	ret->size = (uint64_t)js_get_int(json, "size", 0);
	ret->files = (uint64_t)js_get_int(json, "files", 0);
}

struct js *satellite_code_json(const struct code_version *cv, const struct content *deleted)
{
	struct js *code = js_object();

	js_set_str(code, "commit", cv->commit);
	js_set_str(code, "branch", cv->branch);
	js_set_str(code, "remote", cv->remote);
	js_set_bool(code, "dirty", cv->dirty);
	js_set_str(code, "note", cv->note);
	set_content(code, "changes", &cv->changes);
	set_content(code, "deleted", deleted);
	return code;
}

static char *copy_text(const struct js *code, const char *key)
{
	const char *text = js_get_str(code, key);

	return text ? xstrdup(text) : NULL;
}

void satellite_code(const struct js *note, struct code_version *ret, struct content *ret_deleted)
{
	const struct js *code = js_get(note, "code");
	const char *commit = js_get_str(code, "commit");

	*ret = (struct code_version){ .dirty = js_get_bool(code, "dirty") };
	snprintf(ret->commit, sizeof(ret->commit), "%s", commit ? commit : "");
	ret->branch = copy_text(code, "branch");
	ret->remote = copy_text(code, "remote");
	ret->note = copy_text(code, "note");
	get_content(code, "changes", &ret->changes);
	get_content(code, "deleted", ret_deleted);
}
