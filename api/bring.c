/* SPDX-License-Identifier: Apache-2.0 */
/* What a fresh clone lacks before its first run: data that mlops.lock names and a step reads. */
#include <string.h>
#include <sys/stat.h>
#include "api/data.h"
#include "api/ops.h"
#include "api/remotes.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/shell.h"
#include "pipeline/grammar.h"
#include "registry/lockfile.h"
#include "registry/project.h"
#include "store/checkout.h"
#include "store/tombstone.h"

/* As written: what holds ${} may be anything. */
static bool is_read(const struct pipeline *pipeline, const char *path)
{
	for (size_t i = 0; i < pipeline->nsteps; i++) {
		const struct textlist *in = &pipeline->steps[i].in;
		for (size_t k = 0; k < in->len; k++) {
			CLEANUP(cleanup_free) char *clean = NULL;
			const char *text = in->items[k].text;
			if (strstr(text, "${") || path_is_pattern(text) || path_clean("", text, &clean, NULL) < 0 ||
			    path_contains(clean, path) || path_contains(path, clean))
				return true;
		}
	}
	return false;
}

void data_tell(struct op_context *ctx, const char *text)
{
	CLEANUP_JS struct js *event = js_object();

	if (!ctx->emit)
		return;
	js_set_str(event, "event", "note");
	js_set_str(event, "text", text);
	ctx->emit(ctx->ctx, event);
}

int data_put(struct op_context *ctx, const char *path, const struct content *content, struct error *err)
{
	CLEANUP(cleanup_free) char *word = shell_word(path), *keep = xasprintf("run: mlops add %s to keep what is there", word);
	CLEANUP_JS struct js *notes = js_array();
	struct scanner scanner;
	struct checkout checkout = {
		.scanner = &scanner, .unknown = UNKNOWN_REFUSE, .keep = keep, .verify = true, .progress = ctx->progress,
	};
	struct checkout_result result = { 0 };

	if (project_store(ctx->project, &checkout.store, err) < 0 || data_scanner(ctx, NULL, &scanner, err) < 0 ||
	    checkout_link_parse(settings_get(&ctx->project->settings, SETTING_CHECKOUT_LINK), &checkout.link, err) < 0 ||
	    remotes_fetch(ctx, content, 1, notes, NULL, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(notes); i++)
		data_tell(ctx, js_text(js_at(notes, i)));
	return checkout_path(&checkout, path, content, &result, err);
}

static int bring_path(struct op_context *ctx, const char *path, const struct content *content, struct error *err)
{
	CLEANUP(cleanup_free) char *text = xasprintf("brought %s, as mlops.lock names it", path);

	if (data_put(ctx, path, content, err) < 0) {
		bool forgotten = err && !strcmp(err->help, TOMBSTONE_HELP);
		CLEANUP(cleanup_free) char *word = shell_word(path);

		error_wrap(err, "%s is missing, and cannot be brought as mlops.lock names it", path);
		if (forgotten)
			return error_help(err, "the rest of a directory comes with: mlops checkout %s; then: mlops add %s", word, word);
		return error_help(err, "run: mlops pull, where the remote is; or put the file there by hand");
	}
	data_tell(ctx, text);
	return 0;
}

int data_bring(struct op_context *ctx, const struct pipeline *pipeline, struct error *err)
{
	struct lockfile lock CLEANUP(lockfile_release) = LOCKFILE_INIT;
	struct project *p = ctx->project;

	/* A lock file that cannot be read is told by the run itself. */
	if (!lockfile_may_have(p->rootfd, LOCKED_DATA) || lockfile_load(p->rootfd, &lock, NULL) < 0 || lock.conflicts)
		return 0;
	for (size_t i = 0; i < lock.len; i++) {
		const struct lock_entry *entry = &lock.entries[i];
		struct content content;
		struct stat st;
		if (entry->kind != LOCKED_DATA || fs_stat_beneath(p->rootfd, entry->name, &st, NULL) != 0 ||
		    !is_read(pipeline, entry->name) || !lockfile_content(&lock, LOCKED_DATA, entry->name, &content))
			continue;
		if (bring_path(ctx, entry->name, &content, err) < 0)
			return -1;
	}
	return 0;
}
