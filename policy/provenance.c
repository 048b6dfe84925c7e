/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/provenance.h"
#include <ctype.h>
#include <string.h>
#include "base/base64.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "store/content.h"

#define BUILD_PIPELINE "mlops:pipeline/v1" /* docs/attest.md */
#define BUILD_CLIENT   "mlops:client/v1"
#define JSON_MEDIA     "application/json"

static void copy(struct js *to, const char *key, const struct js *from, const char *from_key)
{
	struct js *value = js_get(from, from_key);

	if (value && js_typeof(value) != JS_NULL)
		js_set(to, key, js_ref(value));
}

static void set_time(struct js *to, const char *key, const struct js *from, const char *from_key)
{
	char text[32];

	if (!js_get(from, from_key))
		return;
	clock_format_utc(js_get_int(from, from_key, 0), text);
	js_set_str(to, key, text);
}

/* ---- what is named ---- */

static void set_digest(struct js *descriptor, const char *algorithm, const char *hex)
{
	struct js *digest = js_object();

	js_set_str(digest, algorithm, hex);
	js_set(descriptor, "digest", digest);
}

static void set_use(struct js *descriptor, const char *use)
{
	struct js *annotations = js_object();

	js_set_str(annotations, "use", use);
	js_set(descriptor, "annotations", annotations);
}

struct js *statement_subject(const char *name, const char *uri, const struct content *content)
{
	struct js *subject = js_object();
	char hex[DIGEST_HEX + 1];

	js_set_str(subject, "name", name);
	js_set_str(subject, "uri", uri);
	set_digest(subject, "sha256", digest_format(&content->id, hex));
	if (content->kind == CONTENT_TREE)
		js_set_str(subject, "mediaType", PROVENANCE_TREE);
	return subject;
}

/* {path, content, use} of a run. */
static struct js *descriptor_of(const struct js *item)
{
	const char *path = js_get_str(item, "path"), *text = js_get_str(item, "content");
	struct content content;

	return path && text && content_parse(text, &content) ? statement_subject(path, NULL, &content) : NULL;
}

/* ---- what it was made from ---- */

/* A client says what its git says, and some people's git says a token there: http needs no user to name a repository, and
 * ssh no password. Caller frees; NULL when there is none. */
static char *remote_of(const struct js *tags)
{
	const char *url = js_get_str(tags, "mlflow.source.git.repoURL"), *scheme = url ? strstr(url, "://") : NULL;
	const char *host = scheme ? scheme + 3 : NULL, *at = host ? memrchr(host, '@', strcspn(host, "/?#")) : NULL;
	const char *colon = at ? memchr(host, ':', (size_t)(at - host)) : NULL;

	if (!at)
		return url ? xstrdup(url) : NULL;
	if (!strncmp(url, "ssh:", strlen("ssh:")))
		return xasprintf("%.*s%s", (int)((colon ? colon : at) - url), url, at);
	return xasprintf("%.*s%s", (int)(host - url), url, at + 1);
}

/* The checkout of a job is on no branch; a push says which one it was. */
static const char *branch_of(const struct provenance_facts *f, const struct js *tags)
{
	static const char heads[] = "refs/heads/";
	const char *branch = js_get_str(tags, "mlflow.source.git.branch"), *ref = js_get_str(js_get(f->job, "args"), "ref");

	return branch ? branch : ref && !strncmp(ref, heads, strlen(heads)) ? ref + strlen(heads) : NULL;
}

static void add_commit(struct js *list, const struct provenance_facts *f, const struct js *tags)
{
	const char *commit = js_get_str(tags, "mlflow.source.git.commit");
	const char *branch = branch_of(f, tags);
	CLEANUP(cleanup_free) char *remote = remote_of(tags), *uri = NULL;
	struct js *code;

	if (!commit || !*commit)
		return;
	code = js_object();
	js_set_str(code, "name", "code");
	if (remote && *remote) {
		uri = xasprintf("git+%s%s%s", remote, branch ? "@refs/heads/" : "", branch ? branch : "");
		js_set_str(code, "uri", uri);
	}
	set_digest(code, "gitCommit", commit);
	set_use(code, "code");
	js_push(list, code);
}

/* Files of a directory that was read: it says that all of them follow. */
static void add_files(struct js *list, struct js *directory, const struct js *files)
{
	if (!files)
		return;
	js_set_int(js_get(directory, "annotations"), "files", (int64_t)js_len(files));
	for (size_t i = 0; i < js_len(files); i++) {
		struct js *file = descriptor_of(js_at(files, i));

		if (!file)
			continue;
		set_use(file, PROVENANCE_PART);
		js_push(list, file);
	}
}

/* Inputs at paths that no project path can be are the code's. */
static void add_inputs(struct js *list, const struct js *inputs)
{
	for (size_t i = 0; i < js_len(inputs); i++) {
		struct js *input = descriptor_of(js_at(inputs, i));

		if (!input)
			continue;
		set_use(input, *js_get_str(input, "name") == '/' ? "code" : "data");
		js_push(list, input);
		add_files(list, input, js_get(js_at(inputs, i), "files"));
	}
}

static void add_images(struct js *list, const struct js *attempts)
{
	CLEANUP_JS struct js *seen = js_object();

	for (size_t i = 0; i < js_len(attempts) && i < PROVENANCE_STEPS; i++) {
		const char *image = js_get_str(js_get(js_at(attempts, i), "record"), "image");
		const char *hex = image ? strstr(image, "sha256:") : NULL;
		struct js *item;

		if (!image || js_get(seen, image))
			continue;
		js_set_bool(seen, image, true);
		item = js_object();
		js_set_str(item, "name", image);
		if (hex && strlen(hex) == strlen("sha256:") + DIGEST_HEX)
			set_digest(item, "sha256", hex + strlen("sha256:"));
		set_use(item, "image");
		js_push(list, item);
	}
}

static struct js *dependencies_of(const struct provenance_facts *f, const struct js *tags)
{
	struct js *list = js_array();

	add_commit(list, f, tags);
	add_inputs(list, js_get(f->run, "inputs"));
	if (f->above)
		for (size_t i = 0; i < js_len(js_get(f->above, "inputs")); i++) {
			const struct js *input = js_at(js_get(f->above, "inputs"), i);
			struct js *code = js_get_str(input, "path") && *js_get_str(input, "path") == '/' ? descriptor_of(input) : NULL;

			if (!code)
				continue;
			set_use(code, "code");
			js_push(list, code);
		}
	add_images(list, f->attempts);
	return list;
}

/* ---- how it was made ---- */

static struct js *asked_of(const struct provenance_facts *f, const struct js *tags)
{
	CLEANUP(cleanup_free) char *remote = remote_of(tags);
	struct js *asked = js_object();

	copy(asked, "pipeline", tags, "mlflow.source.name");
	js_set_str(asked, "repository", remote);
	js_set_str(asked, "branch", branch_of(f, tags));
	copy(asked, "experiment", f->run, "experiment");
	copy(asked, "step", f->run, "step");
	copy(asked, "params", f->run, "params");
	copy(asked, "trigger", js_get(f->job, "args"), "trigger");
	return asked;
}

static struct js *steps_of(const struct js *attempts)
{
	static const char *const of_attempt[] = { "step", "number", "state", "key" };
	static const char *const of_record[] = { "argv", "env", "platform", "image", "program" };
	struct js *steps = js_array();

	for (size_t i = 0; i < js_len(attempts) && i < PROVENANCE_STEPS; i++) {
		const struct js *attempt = js_at(attempts, i), *record = js_get(attempt, "record");
		struct js *step = js_object();

		for (size_t k = 0; k < ARRAY_LEN(of_attempt); k++)
			copy(step, of_attempt[k], attempt, of_attempt[k]);
		for (size_t k = 0; k < ARRAY_LEN(of_record); k++)
			copy(step, of_record[k], record, of_record[k]);
		js_push(steps, step);
	}
	return steps;
}

static struct js *inside_of(const struct provenance_facts *f, const struct js *tags)
{
	const char *dirty = js_get_str(tags, "mlops.code.dirty");
	struct js *inside = js_object();

	copy(inside, "user", f->run, "user");
	copy(inside, "asked_by", f->job, "actor");
	copy(inside, "command", tags, "mlops.command");
	if (dirty)
		js_set_bool(inside, "dirty", !strcmp(dirty, "true"));
	if (js_len(f->attempts))
		js_set(inside, "steps", steps_of(f->attempts));
	if (js_len(f->attempts) > PROVENANCE_STEPS)
		js_set_int(inside, "steps_left_out", (int64_t)(js_len(f->attempts) - PROVENANCE_STEPS));
	return inside;
}

/* Tags are whoever's word; attempts and jobs are written by us alone. */
static bool is_ours(const struct provenance_facts *f)
{
	return f->job || js_len(f->attempts);
}

/* mlops://HOST/agent when somebody asked an agent for it, /cli where a person typed it, and /client where a program of
 * somebody logged what it says. */
static struct js *builder_of(const struct provenance_facts *f, const struct js *tags)
{
	const char *host = is_ours(f) ? js_get_str(tags, "mlops.host") : NULL;
	CLEANUP(cleanup_free) char *id = xasprintf("mlops://%s/%s", host ? host : "unknown",
						   f->job ? "agent" : is_ours(f) ? "cli" : "client");
	struct js *builder = js_object();

	for (char *s = id + strlen("mlops://"); *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("/.-_", *s))
			*s = '-';
	js_set_str(builder, "id", id);
	return builder;
}

static struct js *byproducts_of(const struct js *run)
{
	const struct js *outputs = js_get(run, "outputs");
	struct js *list = js_array();

	for (size_t i = 0; i < js_len(outputs); i++) {
		const char *use = js_get_str(js_at(outputs, i), "use");
		struct js *item = use && strcmp(use, "out") != 0 ? descriptor_of(js_at(outputs, i)) : NULL;

		if (!item)
			continue;
		set_use(item, use);
		js_push(list, item);
	}
	return list;
}

static struct js *details_of(const struct provenance_facts *f, const struct js *tags)
{
	struct js *details = js_object(), *metadata = js_object(), *byproducts = byproducts_of(f->run);

	js_set(details, "builder", builder_of(f, tags));
	copy(metadata, "invocationId", f->run, "run_id");
	set_time(metadata, "startedOn", f->run, "start_time");
	set_time(metadata, "finishedOn", f->run, "end_time");
	js_set(details, "metadata", metadata);
	if (js_len(byproducts))
		js_set(details, "byproducts", byproducts);
	else
		js_free(byproducts);
	return details;
}

/* ---- statements ---- */

static struct js *statement(const char *type, struct js *predicate, const struct js *subjects)
{
	struct js *s = js_object(), *list = js_array();

	for (size_t i = 0; i < js_len(subjects); i++)
		js_push(list, js_ref(js_at(subjects, i)));
	js_set_str(s, "_type", STATEMENT_TYPE);
	js_set(s, "subject", list);
	js_set_str(s, "predicateType", type);
	js_set(s, "predicate", predicate);
	return s;
}

struct js *provenance_slsa(const struct provenance_facts *f, const struct js *subjects)
{
	const struct js *tags = js_get(f->above ? f->above : f->run, "tags");
	struct js *predicate = js_object(), *definition = js_object();

	js_set_str(definition, "buildType", is_ours(f) ? BUILD_PIPELINE : BUILD_CLIENT);
	js_set(definition, "externalParameters", asked_of(f, tags));
	js_set(definition, "internalParameters", inside_of(f, tags));
	js_set(definition, "resolvedDependencies", dependencies_of(f, tags));
	js_set(predicate, "buildDefinition", definition);
	js_set(predicate, "runDetails", details_of(f, tags));
	return statement(PROVENANCE_SLSA, predicate, subjects);
}

/* The section as it was, with what its lines saw. */
static struct js *configuration_of(const struct js *candidate)
{
	CLEANUP(cleanup_free) char *name = xasprintf("[model.%s]", js_get_str(candidate, "model"));
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT, base64 = STRBUF_INIT;
	struct js *list = js_array(), *section = js_object(), *annotations = js_object();
	char hex[DIGEST_HEX + 1];
	struct digest id;

	js_dump(js_get(candidate, "spec"), JS_CANONICAL, &text);
	digest_of(text.buf, text.len, &id);
	base64_encode(text.buf, text.len, &base64);
	js_set_str(section, "name", name);
	set_digest(section, "sha256", digest_format(&id, hex));
	js_set_str(section, "content", base64.buf);
	js_set_str(section, "mediaType", JSON_MEDIA);
	copy(annotations, "lines", candidate, "lines");
	copy(annotations, "champion", candidate, "champion");
	copy(annotations, "version", candidate, "number");
	copy(annotations, "run", candidate, "run_id");
	set_time(annotations, "judged", candidate, "judged");
	js_set(section, "annotations", annotations);
	js_push(list, section);
	return list;
}

static struct js *tests_of(const struct js *candidate, bool passed)
{
	const struct js *lines = js_get(candidate, "lines");
	struct js *tests = js_array();

	for (size_t i = 0; i < js_len(lines); i++)
		if (js_get_bool(js_at(lines, i), "holds") == passed)
			js_push_str(tests, js_get_str(js_at(lines, i), "line"));
	return tests;
}

struct js *provenance_gate(const struct js *candidate, const struct js *subjects)
{
	const char *verdict = js_get_str(candidate, "verdict");
	struct js *predicate = js_object();

	js_set_str(predicate, "result", verdict && !strcmp(verdict, "passed") ? "PASSED" : "FAILED");
	js_set(predicate, "configuration", configuration_of(candidate));
	js_set(predicate, "passedTests", tests_of(candidate, true));
	js_set(predicate, "failedTests", tests_of(candidate, false));
	return statement(PROVENANCE_TEST, predicate, subjects);
}

/* ---- reading ---- */

static const char *fault_of(const struct js *s)
{
	const char *type = js_get_str(s, "_type");
	const struct js *subjects = js_get(s, "subject");

	if (!type || strcmp(type, STATEMENT_TYPE) != 0)
		return "its _type is not " STATEMENT_TYPE;
	if (js_typeof(subjects) != JS_ARRAY || !js_len(subjects))
		return "it has no subject";
	for (size_t i = 0; i < js_len(subjects); i++)
		if (!js_len(js_get(js_at(subjects, i), "digest")) || js_typeof(js_get(js_at(subjects, i), "digest")) != JS_OBJECT)
			return "a subject has no digest";
	if (!js_get_str(s, "predicateType"))
		return "it has no predicateType";
	return js_typeof(js_get(s, "predicate")) == JS_OBJECT ? NULL : "it has no predicate";
}

int statement_parse(const char *text, size_t len, struct js **ret, struct error *err)
{
	CLEANUP_JS struct js *s = NULL;
	const char *fault;

	if (len > STATEMENT_MAX || js_count(text, len) > JS_STRANGERS_MAX)
		return error_set(err, ERR_USAGE, "the statement is larger than any that is read here");
	if (js_parse(text, len, "statement", &s, err) < 0)
		return -1;
	fault = fault_of(s);
	if (fault)
		return error_set(err, ERR_USAGE, "it is no in-toto statement: %s", fault);
	*ret = steal(&s);
	return 0;
}

bool statement_covers(const struct js *s, const char *sha256, const char *uri)
{
	const struct js *subjects = js_get(s, "subject");

	for (size_t i = 0; i < js_len(subjects); i++) {
		const struct js *subject = js_at(subjects, i);
		const char *hex = js_get_str(js_get(subject, "digest"), "sha256"), *said = js_get_str(subject, "uri");

		if (hex && !strcmp(hex, sha256) && (!uri || !said || !strcmp(uri, said)))
			return true;
	}
	return false;
}
