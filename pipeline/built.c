/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/built.h"
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/build.h"
#include "registry/project.h"
#include "runners/docker_build.h"
#include "runners/docker_engine.h"

#define DIR    "images"
#define ID_MAX 128

static char *note_path(const char *key)
{
	return xasprintf(DIR "/%s", key);
}

/* A note that is none counts as absent: the image is built again. */
static char *noted_id(const struct project *p, const char *key)
{
	CLEANUP(cleanup_free) char *path = note_path(key);
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (io_read_file(p->homefd, path, ID_MAX, &text, NULL) < 0 || !text.len || text.buf[text.len - 1] != '\n')
		return NULL;
	text.buf[text.len - 1] = '\0';
	return docker_ref_is_pinned(text.buf) && !strncmp(text.buf, "sha256:", 7) ? xstrdup(text.buf) : NULL;
}

int built_find(const struct project *p, struct docker_engine *engine, const char *key, char **ret_id, struct error *err)
{
	CLEANUP(cleanup_free) char *id = noted_id(p, key);
	int r = id ? docker_image_has_label(engine, id, BUILD_LABEL, key, err) : 0;

	if (r > 0)
		*ret_id = steal(&id);
	return r;
}

int built_note(const struct project *p, const char *key, const char *id, struct error *err)
{
	CLEANUP(cleanup_free) char *path = note_path(key);
	CLEANUP(cleanup_free) char *text = xasprintf("%s\n", id);

	if (fs_make_dirs(p->homefd, DIR, 0777, err) < 0)
		return -1;
	return io_replace_file(p->homefd, path, text, strlen(text), 0666, false, err);
}
