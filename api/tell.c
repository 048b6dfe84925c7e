/* SPDX-License-Identifier: Apache-2.0 */
/* From events to letters. */
#include "api/tell.h"
#include <string.h>
#include "api/definitions.h"
#include "api/tell_internal.h"
#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "policy/forge.h"
#include "policy/notify.h"
#include "policy/report.h"
#include "registry/events.h"
#include "registry/firings.h"
#include "registry/jobs.h"
#include "registry/outbox.h"
#include "registry/project.h"
#include "registry/projects.h"
#include "registry/run_report.h"

#define READER "outbox"
#define PIECE  200 /* events of one look */

/* One event on its way. */
struct reading {
	struct project *project;
	struct db *db;
	struct definitions *definitions;
	bool fresh;                /* definitions are those of now */
	const struct js *event, *body;
	const char *operation, *subject;
	struct js *letters;
};

static int refresh(struct reading *r, struct error *err)
{
	if (!r->fresh && definitions_refresh(r->project, r->definitions, err) < 0)
		return -1;
	r->fresh = true;
	return 0;
}

static bool is(const struct reading *r, const char *operation)
{
	return !strcmp(r->operation, operation);
}

/* Takes the body. */
static void write_letter(struct reading *r, enum letter_kind kind, const char *target, struct js *body)
{
	CLEANUP(cleanup_free) char *cause = xasprintf("event:%lld", (long long)js_get_int(r->event, "seq", 0));
	struct js *letter = js_object();

	js_set_int(letter, "kind", (int)kind);
	js_set_str(letter, "target", target);
	js_set_str(letter, "cause", cause);
	js_set(letter, "body", body);
	js_push(r->letters, letter);
}

/* ---- people ---- */

static bool has_model(const struct pipeline *p, const char *subject)
{
	size_t len = strcspn(subject, "@");

	for (size_t i = 0; i < p->nmodels; i++)
		if (strlen(p->models[i].name) == len && !strncmp(p->models[i].name, subject, len))
			return true;
	return false;
}

static bool has_monitor(const struct pipeline *p, const char *subject)
{
	for (size_t i = 0; i < p->nmonitors; i++)
		if (!strcmp(p->monitors[i].name, subject))
			return true;
	return false;
}

/* Whether the event is about something of the project. */
static bool concerns(const struct reading *r, const struct definition *d)
{
	const char *project = js_get_str(r->body, "project");

	if (!d->pipeline)
		return false;
	if (is(r, "job.end"))
		return project && !strcmp(project, d->project);
	return is(r, "monitor.decide") ? has_monitor(d->pipeline, r->subject) : has_model(d->pipeline, r->subject);
}

static bool wants(const struct notify_section *section, const char *on)
{
	for (size_t i = 0; i < section->on.len; i++)
		if (!strcmp(section->on.items[i].text, on))
			return true;
	return false;
}

static void tell_project(struct reading *r, const struct definition *d, const struct js *message)
{
	for (size_t i = 0; i < d->pipeline->nnotifies; i++) {
		const struct notify_section *section = &d->pipeline->notifies[i];
		CLEANUP(cleanup_free) char *target = NULL;
		struct js *body, *told;

		if (!wants(section, js_get_str(message, "on")))
			continue;
		told = js_object();
		js_set_str(told, "project", d->project);
		js_set_str(told, "notification", section->name);
		for (void *it = js_iter(message); it; it = js_next(message, it))
			js_set(told, js_iter_key(it), js_ref(js_iter_value(it)));
		body = js_object();
		js_set_str(body, "url", section->url.text);
		js_set_str(body, "format", section->format.text ? section->format.text : "json");
		js_set_str(body, "title", js_get_str(message, "title"));
		js_set(body, "message", told);
		target = xasprintf("%s/%s", d->project, section->name);
		write_letter(r, LETTER_WEBHOOK, target, body);
	}
}

static int facts_of(struct reading *r, struct js *facts, struct error *err)
{
	CLEANUP_JS struct js *job = NULL;
	const char *before;

	if (is(r, "monitor.decide"))
		return report_rule_before(r->db, r->subject, js_get_int(r->body, "window", 0), facts, err);
	if (!is(r, "job.end"))
		return 0;
	if (report_before(r->db, r->subject, &before, err) < 0)
		return -1;
	js_set_str(facts, "before", before);
	if (job_load(r->db, r->subject, &job, NULL) == 0)
		js_set_str(facts, "error", js_get_str(js_get(job, "error"), "message"));
	return 0;
}

static int tell_people(struct reading *r, struct error *err)
{
	CLEANUP_JS struct js *facts = js_object();
	CLEANUP_JS struct js *message = NULL;

	if (facts_of(r, facts, err) < 0)
		return -1;
	message = notify_message(r->event, facts);
	if (!message)
		return 0;
	if (refresh(r, err) < 0)
		return -1;
	for (size_t i = 0; i < r->definitions->len; i++)
		if (concerns(r, &r->definitions->items[i]))
			tell_project(r, &r->definitions->items[i], message);
	if (*settings_get(&r->project->settings, SETTING_NOTIFY_COMMAND)) {
		struct js *body = js_object();

		js_set_str(body, "title", js_get_str(message, "title"));
		js_set(body, "message", js_ref(message));
		write_letter(r, LETTER_COMMAND, "", body);
	}
	return 0;
}

/* ---- forges ---- */

static bool is_commit(const char *text)
{
	return text && (strlen(text) == 40 || strlen(text) == 64) && !text[strspn(text, "0123456789abcdef")];
}

static bool has_forge(struct reading *r, const char *project)
{
	CLEANUP_JS struct js *row = NULL;

	return project && project_row_load(r->db, project, &row, NULL) == 0 && js_get(row, "forge");
}

static void write_status(struct reading *r, const char *project, const char *trigger, const char *commit,
			 enum forge_state state, const char *description)
{
	CLEANUP(cleanup_free) char *context = trigger ? xasprintf("mlops/%s", trigger) : xstrdup("mlops");
	struct js *body = js_object();

	js_set_str(body, "commit", commit);
	js_set_str(body, "state", forge_state_name(state));
	js_set_str(body, "context", context);
	js_set_str(body, "description", description);
	write_letter(r, LETTER_STATUS, project, body);
}

/* A run was asked for. */
static int tell_start(struct reading *r, struct error *err)
{
	const char *slash = strchr(r->subject, '/'), *after = js_get_str(r->event, "after"), *commit;
	CLEANUP(cleanup_free) char *project = xstrndup(r->subject, slash ? (size_t)(slash - r->subject) : 0);
	CLEANUP_JS struct js *firing = NULL;

	(void)err;
	if (!after || strcmp(after, "run") != 0 || !has_forge(r, project) ||
	    firing_load(r->db, js_get_int(r->body, "firing", 0), &firing, NULL) < 0)
		return 0;
	commit = js_get_str(js_get(firing, "args"), "commit");
	if (is_commit(commit))
		write_status(r, project, slash + 1, commit, FORGE_PENDING, "waits for its run");
	return 0;
}

/* A run that did what it should and a gate that says no: the commit is not fit. */
static enum forge_state state_of(const struct reading *r)
{
	static const struct {
		const char *after;
		enum forge_state state;
	} states[] = {
		{ "finished", FORGE_SUCCESS }, { "failed", FORGE_FAILURE }, { "cancelled", FORGE_CANCELLED }, { "lost", FORGE_ERROR },
	};
	const char *after = js_get_str(r->event, "after"), *outcome = js_get_str(r->body, "outcome");

	if (outcome && !strcmp(outcome, "rejected"))
		return FORGE_FAILURE;
	for (size_t i = 0; after && i < ARRAY_LEN(states); i++)
		if (!strcmp(states[i].after, after))
			return states[i].state;
	return FORGE_ERROR;
}

static int tell_end(struct reading *r, struct error *err)
{
	const char *project = js_get_str(r->body, "project"), *commit = js_get_str(r->body, "commit");
	int64_t number = js_get_int(r->body, "number", 0);
	CLEANUP_STRBUF struct strbuf line = STRBUF_INIT, markdown = STRBUF_INIT;
	CLEANUP_JS struct js *report = NULL;

	if (!has_forge(r, project) || (!is_commit(commit) && number <= 0))
		return 0;
	if (refresh(r, err) < 0 || report_of_job(r->project, r->definitions, r->event, &report, err) < 0)
		return -1;
	report_line(report, &line);
	if (is_commit(commit))
		write_status(r, project, js_get_str(r->body, "trigger"), commit, state_of(r), line.buf);
	if (number > 0) {
		struct js *body = js_object();

		report_markdown(report, &markdown);
		js_set_int(body, "number", number);
		js_set_str(body, "title", "comment of a pull request");
		js_set_str(body, "markdown", markdown.buf);
		write_letter(r, LETTER_COMMENT, project, body);
	}
	return 0;
}

static int tell_forge(struct reading *r, struct error *err)
{
	if (is(r, "trigger.fire"))
		return tell_start(r, err);
	return is(r, "job.end") ? tell_end(r, err) : 0;
}

/* ---- all of them ---- */

static int read_event(struct reading *r, const struct js *event, struct error *err)
{
	r->event = event;
	r->body = js_get(event, "body");
	r->operation = js_get_str(event, "operation");
	r->subject = js_get_str(event, "subject");
	if (!r->operation || !r->subject)
		return 0;
	return tell_people(r, err) < 0 || tell_forge(r, err) < 0 ? -1 : 0;
}

int tell_read(struct project *p, struct definitions *definitions, int64_t seen, struct js **ret_letters, int64_t *ret_seen,
	      struct error *err)
{
	const struct event_query query = { .after = seen, .limit = PIECE, .oldest_first = true };
	struct reading r = { .project = p, .definitions = definitions };
	CLEANUP_JS struct js *letters = js_array();
	CLEANUP_JS struct js *events = NULL;

	r.letters = letters;
	if (project_db(p, &r.db, err) < 0 || event_find(r.db, &query, &events, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(events); i++) {
		if (read_event(&r, js_at(events, i), err) < 0)
			return -1;
		seen = js_get_int(js_at(events, i), "seq", seen);
	}
	*ret_letters = steal(&letters);
	*ret_seen = seen;
	return js_len(events) == PIECE;
}

int tell_begin(struct db *db, int64_t *ret_seen, struct error *err)
{
	int64_t last;
	int r = event_reader_load(db, READER, ret_seen, err);

	if (r != 0)
		return r < 0 ? -1 : 0;
	if (event_last(db, &last, err) < 0 || event_reader_store(db, READER, last, err) < 0)
		return -1;
	*ret_seen = last;
	return 0;
}

int tell_store(struct db *db, const struct js *letters, int64_t seen, int64_t now_ms, struct error *err)
{
	for (size_t i = 0; i < js_len(letters); i++) {
		const struct js *letter = js_at(letters, i);

		if (outbox_add(db, (enum letter_kind)js_get_int(letter, "kind", 0), js_get_str(letter, "target"),
			       js_get_str(letter, "cause"), js_get(letter, "body"), now_ms, err) < 0)
			return -1;
	}
	return event_reader_store(db, READER, seen, err);
}
