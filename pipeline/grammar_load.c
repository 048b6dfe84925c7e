/* SPDX-License-Identifier: Apache-2.0 */
/* From files to struct pipeline: the text, the params file, what overrides it; all of it, or the remotes alone. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/params.h"
#include "pipeline/parse_internal.h"
#include "pipeline/show.h"

#define PARAMS_MAX_BYTES (16u << 20)

static int apply_override(struct js *params, const char *override, struct error *err)
{
	const char *equals = strchr(override, '=');
	CLEANUP(cleanup_free) char *key = NULL;
	CLEANUP(strlist_release) struct strlist keys = STRLIST_INIT;
	const char *near;

	if (!equals || equals == override) {
		error_set(err, ERR_USAGE, "-p takes KEY=VALUE, not '%s'", SHOW(override));
		return error_help(err, "for example: -p lr=0.1");
	}
	key = xstrndup(override, (size_t)(equals - override));
	if (param_find(params, key))
		return param_set(params, key, param_value(equals + 1), err);
	error_set(err, ERR_USAGE, "unknown param '%s'", SHOW(key));
	params_keys(params, &keys);
	near = strlist_nearest(&keys, key);
	if (near)
		error_help(err, "did you mean '%s'?", SHOW(near));
	else
		error_help(err, "params are declared in [params] or in the file that [pipeline] params names");
	return -1;
}

/* File, then [params], then -p. */
static int merge_params(struct parser *p, const char *text, size_t len, const char *name,
			const struct strlist *overrides, struct error *err)
{
	CLEANUP_JS struct js *params = NULL;

	if (!text)
		params = js_object();
	else if (params_parse(text, len, name, &params, err) < 0)
		return -1;
	for (size_t i = 0; i < p->nparams; i++) {
		struct inline_param *param = &p->params[i];
		if (param_set(params, param->key, steal(&param->value), err) < 0)
			return error_where(err, p->pipeline->file, param->at.line, param->at.column);
	}
	for (size_t i = 0; overrides && i < overrides->len; i++)
		if (apply_override(params, overrides->items[i], err) < 0)
			return -1;
	p->pipeline->params = steal(&params);
	return 0;
}

int pipeline_parse(const char *text, size_t len, const char *file, const char *params_text,
		   const struct strlist *overrides, struct pipeline **ret, struct error *err)
{
	struct problems problems CLEANUP(problems_release) = PROBLEMS_INIT;
	CLEANUP(parser_release) struct parser p = { .problems = &problems };
	const char *name;

	parse_text(&p, text, len, file, PARSE_ALL);
	if (problems_verdict(&problems, err) < 0)
		return -1;
	name = p.pipeline->params_file.text ? p.pipeline->params_file.text : "params";
	if (merge_params(&p, params_text, params_text ? strlen(params_text) : 0, name, overrides, err) < 0)
		return -1;
	*ret = steal(&p.pipeline);
	return 0;
}

int parse_read_file(int rootfd, const char *path, size_t max, struct strbuf *ret, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = fs_open_beneath(rootfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0, err);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return error_sys(err, errno, "cannot stat %s", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_USAGE, "%s is a %s, not a file", path, fs_kind_name(st.st_mode));
	if ((uintmax_t)st.st_size > max)
		return error_set(err, ERR_USAGE, "%s has %jd bytes; at most %zu are read", path, (intmax_t)st.st_size,
				 max);
	return io_read_fd(fd, path, max, ret, err);
}

static int read_params(int rootfd, struct pipeline *pipeline, struct strbuf *ret, struct error *err)
{
	const struct text_at *file = &pipeline->params_file;
	CLEANUP(cleanup_free) char *path = NULL;

	if (path_clean("", file->text, &path, err) < 0 || parse_read_file(rootfd, path, PARAMS_MAX_BYTES, ret, err) < 0) {
		error_wrap(err, "params file");
		if (err && !*err->help)
			error_help(err, "correct params= of [pipeline]; it names one small file of JSON in the project");
		return error_where(err, pipeline->file, file->at.line, file->at.column);
	}
	strlist_push(&pipeline->params_files, path);
	return 0;
}

/* The params file, [params] and `overrides` together. */
static int load_params(struct parser *p, int rootfd, const struct strlist *overrides, struct error *err)
{
	struct pipeline *pipeline = p->pipeline;
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (!pipeline->params_file.text)
		return merge_params(p, NULL, 0, NULL, overrides, err);
	if (read_params(rootfd, pipeline, &text, err) < 0)
		return -1;
	return merge_params(p, text.buf, text.len, pipeline->params_file.text, overrides, err);
}

static int read_pipeline(struct parser *p, int rootfd, const char *path, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (parse_read_file(rootfd, path, INI_MAX_BYTES, &text, err) < 0) {
		if (err && err->code == ERR_NOT_FOUND)
			error_help(err, "run: mlops init");
		return -1;
	}
	parse_text(p, text.buf, text.len, path, PARSE_ALL);
	return 0;
}

int pipeline_load(int rootfd, const char *path, const struct strlist *overrides, struct pipeline **ret,
		  struct error *err)
{
	struct problems problems CLEANUP(problems_release) = PROBLEMS_INIT;
	CLEANUP(parser_release) struct parser p = { .problems = &problems };

	if (read_pipeline(&p, rootfd, path, err) < 0 || problems_verdict(&problems, err) < 0 ||
	    load_params(&p, rootfd, overrides, err) < 0)
		return -1;
	*ret = steal(&p.pipeline);
	return 0;
}

/* Where the error of a params file stands: in it, or at its name. */
static void params_problem(struct parser *p, const struct error *why)
{
	const struct place at = p->pipeline->params_file.at;

	problems_once(p->problems, p->pipeline->file, *why->where ? parse_place(why) : at, why);
	p->blind = true;
}

int pipeline_check(int rootfd, const char *path, struct problems *problems, struct pipeline **ret)
{
	CLEANUP(parser_release) struct parser p = { .problems = problems };
	struct error why = { 0 };

	if (read_pipeline(&p, rootfd, path, &why) < 0)
		problems_once(problems, path, (struct place){ 0 }, &why);
	else if (load_params(&p, rootfd, NULL, &why) < 0)
		params_problem(&p, &why);
	if (p.pipeline && !p.blind)
		*ret = steal(&p.pipeline);
	return problems->count ? -1 : 0;
}

/* [remote.NAME] for the head "remote.", with or without what is to follow. */
static bool opens_section(const char *head, const char *line, size_t len)
{
	size_t at = 1;

	while (at < len && (line[at] == ' ' || line[at] == '\t'))
		at++;
	return len - at >= strlen(head) && !memcmp(line + at, head, strlen(head));
}

static bool opens_one(const char *const *heads, const char *line, size_t len)
{
	for (; *heads; heads++)
		if (opens_section(*heads, line, len))
			return true;
	return false;
}

/* Keeps the lines of these sections at their places; the others become empty. */
static void keep_sections(const char *const *heads, const char *text, size_t len, struct strbuf *ret)
{
	const char *end = text + len, *stop;
	bool keeps = false;

	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		text += 3;
	for (; text < end; text = stop + 1) {
		stop = memchr(text, '\n', (size_t)(end - text));
		if (!stop)
			stop = end;
		if (*text == '[')
			keeps = opens_one(heads, text, (size_t)(stop - text));
		if (keeps)
			strbuf_add(ret, text, (size_t)(stop - text));
		strbuf_putc(ret, '\n');
	}
}

/* Some sections of a file, which must be whole. */
struct part {
	const char *heads[7];
	enum parse_part part;
};
static const struct part remotes = { { "remote." }, PARSE_REMOTES };
static const struct part schemas = { { "schema." }, PARSE_REMOTES };
static const struct part policies = { { "trigger." }, PARSE_POLICY };
static const struct part definitions = { { "model.", "monitor.", "schema.", "trigger.", "notify." }, PARSE_DEFINITIONS };

static int parse_sections(const struct part *part, const char *text, size_t len, const char *file, struct pipeline **ret,
		      struct error *err)
{
	struct problems problems CLEANUP(problems_release) = PROBLEMS_INIT;
	CLEANUP(parser_release) struct parser p = { .problems = &problems };
	CLEANUP_STRBUF struct strbuf kept = STRBUF_INIT;

	keep_sections(part->heads, text, len, &kept);
	parse_text(&p, kept.buf, kept.len, file, part->part);
	if (problems_verdict(&problems, err) < 0)
		return -1;
	*ret = steal(&p.pipeline);
	return 0;
}

int pipeline_parse_remotes(const char *text, size_t len, const char *file, struct pipeline **ret, struct error *err)
{
	return parse_sections(&remotes, text, len, file, ret, err);
}

int pipeline_parse_definitions(const char *text, size_t len, const char *file, struct pipeline **ret, struct error *err)
{
	return parse_sections(&definitions, text, len, file, ret, err);
}

int pipeline_parse_policy(const char *text, size_t len, const char *file, struct pipeline **ret, struct error *err)
{
	return parse_sections(&policies, text, len, file, ret, err);
}

static int load_part(const struct part *part, int rootfd, const char *path, struct pipeline **ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (parse_read_file(rootfd, path, INI_MAX_BYTES, &text, err) < 0)
		return -1;
	return parse_sections(part, text.buf, text.len, path, ret, err);
}

int pipeline_load_remotes(int rootfd, const char *path, struct pipeline **ret, struct error *err)
{
	return load_part(&remotes, rootfd, path, ret, err);
}

int pipeline_load_schemas(int rootfd, const char *path, struct pipeline **ret, struct error *err)
{
	return load_part(&schemas, rootfd, path, ret, err);
}

int pipeline_load_definitions(int rootfd, const char *path, struct pipeline **ret, struct error *err)
{
	return load_part(&definitions, rootfd, path, ret, err);
}
