/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/openlineage.h"
#include <stdbool.h>
#include <string.h>
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "store/content.h"

#define SPEC	 "https://openlineage.io/spec/"
#define PRODUCER "pkg:generic/mlops@" MLOPS_VERSION
#define FACET(version, name) SPEC "facets/" version "/" name ".json#/$defs/" name

struct telling {
	const char *namespace; /* as it was set */
	const struct js *run, *parent, *root;
};

/* ---- names ---- */

static char *uuid_of(const struct js *run)
{
	const char *id = js_get_str(run, "run_id");

	return xasprintf("%.8s-%.4s-%.4s-%.4s-%.12s", id, id + 8, id + 12, id + 16, id + 20);
}

static const char *namespace_of(const struct telling *t)
{
	return *t->namespace ? t->namespace : js_get_str(t->run, "experiment");
}

static void set_job(const struct telling *t, const struct js *run, struct js *job)
{
	const char *pipeline = js_get_str(run, "experiment"), *step = js_get_str(run, "step");
	CLEANUP(cleanup_free) char *name = step ? xasprintf("%s.%s", pipeline, step) : xstrdup(pipeline);

	js_set_str(job, "namespace", namespace_of(t));
	js_set_str(job, "name", name);
}

/* {run: {runId}, job: {namespace, name}} */
static void set_run_and_job(const struct telling *t, const struct js *which, struct js *to)
{
	CLEANUP(cleanup_free) char *uuid = uuid_of(which);
	struct js *run = js_object(), *job = js_object();

	js_set_str(run, "runId", uuid);
	set_job(t, which, job);
	js_set(to, "run", run);
	js_set(to, "job", job);
}

/* ---- facets ---- */

/* Lent: it belongs to `facets`. */
static struct js *add_facet(struct js *facets, const char *name, const char *schema)
{
	struct js *facet = js_object();

	js_set_str(facet, "_producer", PRODUCER);
	js_set_str(facet, "_schemaURL", schema);
	js_set(facets, name, facet);
	return facet;
}

static void add_parent(const struct telling *t, struct js *facets)
{
	struct js *facet, *root;

	if (!t->parent)
		return;
	root = js_object();
	facet = add_facet(facets, "parent", FACET("1-2-0", "ParentRunFacet"));
	set_run_and_job(t, t->parent, facet);
	set_run_and_job(t, t->root, root);
	js_set(facet, "root", root);
}

static void add_params(const struct telling *t, struct js *facets)
{
	const struct js *params = js_get(t->run, "params");
	struct js *list;

	if (!js_len(params))
		return;
	list = js_array();
	for (void *it = js_iter(params); it; it = js_next(params, it)) {
		struct js *one = js_object();

		js_set_str(one, "key", js_iter_key(it));
		js_set_str(one, "value", js_text(js_iter_value(it)));
		js_push(list, one);
	}
	js_set(add_facet(facets, "executionParameters", FACET("1-0-0", "ExecutionParametersRunFacet")), "parameters", list);
}

static struct js *run_facets(const struct telling *t, const char *error, bool python)
{
	struct js *facets = js_object(), *facet;

	add_parent(t, facets);
	add_params(t, facets);
	facet = add_facet(facets, "processing_engine", FACET("1-1-1", "ProcessingEngineRunFacet"));
	js_set_str(facet, "version", MLOPS_VERSION);
	js_set_str(facet, "name", "mlops");
	if (!error)
		return facets;
	facet = add_facet(facets, "errorMessage", FACET("1-0-1", "ErrorMessageRunFacet"));
	js_set_str(facet, "message", error);
	js_set_str(facet, "programmingLanguage", python ? "PYTHON" : "UNKNOWN");
	return facets;
}

/* What RFC 3986 does not let stand in a URI as it is; what is escaped already stays. */
static void put_uri(struct strbuf *to, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		bool lone = c == '%' && strspn(text + 1, "0123456789ABCDEFabcdef") < 2;

		if (c > ' ' && c < 0x7f && !lone && !strchr("\"<>\\^`{|}#", c))
			strbuf_putc(to, (char)c);
		else
			strbuf_printf(to, "%%%02X", c);
	}
}

/* git+URL@COMMIT#FILE, as package managers name a file of a commit; git@HOST:PATH is ssh. A repository that is nowhere else
 * has the commit's intrinsic name (swhid.org). */
static void put_location(struct strbuf *to, const char *remote, const char *commit, const char *file)
{
	const char *colon = remote ? strchr(remote, ':') : NULL, *slash = remote ? strchr(remote, '/') : NULL;

	if (!remote || (!strstr(remote, "://") && *remote != '/' && (!colon || (slash && slash < colon)))) {
		strbuf_printf(to, "swh:1:rev:%s", commit);
		return;
	}
	if (strstr(remote, "://") || *remote == '/') {
		strbuf_puts(to, *remote == '/' ? "git+file://" : "git+");
		put_uri(to, remote);
	} else {
		CLEANUP(cleanup_free) char *host = xstrndup(remote, (size_t)(colon - remote));

		strbuf_puts(to, "git+ssh://");
		put_uri(to, host);
		strbuf_puts(to, colon[1] == '/' ? "" : "/");
		put_uri(to, colon + 1);
	}
	strbuf_printf(to, "@%s#", commit);
	put_uri(to, file ? file : "");
}

/* Of the pipeline's run, whose code it is. */
static void add_code(const struct telling *t, struct js *facets)
{
	const struct js *tags = js_get(t->parent && js_get_str(t->run, "step") ? t->parent : t->run, "tags");
	const char *commit = js_get_str(tags, "mlflow.source.git.commit"), *remote = js_get_str(tags, "mlflow.source.git.repoURL");
	const char *file = js_get_str(tags, "mlflow.source.name");
	CLEANUP_STRBUF struct strbuf url = STRBUF_INIT;
	struct js *facet;

	if (!commit)
		return;
	put_location(&url, remote, commit, file);
	facet = add_facet(facets, "sourceCodeLocation", FACET("1-1-0", "SourceCodeLocationJobFacet"));
	js_set_str(facet, "type", "git");
	js_set_str(facet, "url", url.buf);
	js_set_str(facet, "repoUrl", remote);
	js_set_str(facet, "path", file);
	js_set_str(facet, "version", commit);
	js_set_str(facet, "branch", js_get_str(tags, "mlflow.source.git.branch"));
}

static struct js *job_facets(const struct telling *t)
{
	struct js *facets = js_object();
	struct js *facet = add_facet(facets, "jobType", FACET("2-0-4", "JobTypeJobFacet"));

	js_set_str(facet, "processingType", "BATCH");
	js_set_str(facet, "integration", "MLOPS");
	js_set_str(facet, "jobType", js_get_str(t->run, "step") ? "STEP" : "PIPELINE");
	add_code(t, facets);
	return facets;
}

/* ---- data sets ---- */

static struct js *version_facets(const char *text)
{
	struct js *facets = js_object();
	CLEANUP(cleanup_free) char *version = NULL;
	char hex[DIGEST_HEX + 1];
	struct content content;

	if (!text || !content_parse(text, &content) || content.kind == CONTENT_ABSENT)
		return facets;
	version = xasprintf("%s:%s", content.kind == CONTENT_TREE ? "tree" : "sha256", digest_format(&content.id, hex));
	js_set_str(add_facet(facets, "version", FACET("1-0-1", "DatasetVersionDatasetFacet")), "datasetVersion", version);
	return facets;
}

struct side {
	const char *facets, *statistics, *schema;
};

/* No path of a project begins with a slash: those that do are code. */
static struct js *datasets(const struct telling *t, const struct js *contents, const struct side *side)
{
	struct js *list = js_array();

	for (size_t i = 0; i < js_len(contents); i++) {
		const struct js *content = js_at(contents, i);
		const char *path = js_get_str(content, "path");
		struct js *dataset, *facets, *facet;

		if (!path || *path == '/')
			continue;
		dataset = js_object();
		facets = js_object();
		js_set_str(dataset, "namespace", namespace_of(t));
		js_set_str(dataset, "name", path);
		js_set(dataset, "facets", version_facets(js_get_str(content, "content")));
		facet = add_facet(facets, side->statistics, side->schema);
		js_set_int(facet, "size", js_get_int(content, "size", 0));
		js_set_int(facet, "fileCount", js_get_int(content, "files", 0));
		js_set(dataset, side->facets, facets);
		js_push(list, dataset);
	}
	return list;
}

struct js *openlineage_event(const char *type, int64_t time_ms, const char *namespace, const struct js *facts)
{
	static const struct side in = { "inputFacets", "inputStatistics", FACET("1-0-0", "InputStatisticsInputDatasetFacet") };
	static const struct side out = { "outputFacets", "outputStatistics", FACET("1-0-2", "OutputStatisticsOutputDatasetFacet") };
	const struct telling t = { namespace, js_get(facts, "run"), js_get(facts, "parent"), js_get(facts, "root") };
	bool begins = !strcmp(type, "START"), failed = !strcmp(type, "FAIL");
	const char *error = js_get_str(facts, "error");
	struct js *event = js_object();
	char time[32];

	js_set_str(event, "eventType", type);
	clock_format_utc(time_ms, time);
	js_set_str(event, "eventTime", time);
	js_set_str(event, "producer", PRODUCER);
	js_set_str(event, "schemaURL", SPEC "2-0-2/OpenLineage.json#/$defs/RunEvent");
	set_run_and_job(&t, t.run, event);
	js_set(js_get(event, "run"), "facets", run_facets(&t, failed ? (error ? error : "it failed") : NULL, js_get_bool(facts, "python")));
	js_set(js_get(event, "job"), "facets", job_facets(&t));
	js_set(event, "inputs", begins ? js_array() : datasets(&t, js_get(t.run, "inputs"), &in));
	js_set(event, "outputs", begins ? js_array() : datasets(&t, js_get(t.run, "outputs"), &out));
	return event;
}
