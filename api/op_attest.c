/* SPDX-License-Identifier: Apache-2.0 */
/* attest: what the record knows of a thing, signed. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include "api/attest.h"
#include "api/candidate_ask.h"
#include "api/ops.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "policy/provenance.h"
#include "registry/project.h"
#include "store/content.h"
#include "store/store.h"

static char *output_path(const struct op_context *ctx, const char *output)
{
	return *output == '/' ? xstrdup(output) : path_join(ctx->dir, output);
}

static int check_output(const struct op_context *ctx, const char *output, bool force, struct error *err)
{
	CLEANUP(cleanup_free) char *path = output ? output_path(ctx, output) : NULL;
	struct stat st;

	if (!output || force || stat(path, &st) < 0)
		return 0;
	error_set(err, ERR_EXISTS, "%s is there already", output);
	return error_help(err, "--force replaces it");
}

/* Envelopes as they are kept: each ends its line. */
static int write_output(struct op_context *ctx, const char *output, const struct js *list, struct error *err)
{
	CLEANUP(cleanup_free) char *path = output_path(ctx, output);
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct store *store;

	if (project_store(ctx->project, &store, err) < 0 || fs_make_way(path, err) < 0)
		return -1;
	for (size_t i = 0; i < js_len(list); i++) {
		struct content content;

		if (!content_parse(js_get_str(js_at(list, i), "content"), &content) ||
		    store_read(store, &content.id, 2 * STATEMENT_MAX, &text, err) < 0)
			return -1;
	}
	return io_replace_file(AT_FDCWD, path, text.buf, text.len, 0644, true, err);
}

/* attest.make {name, output, force} -> {name, attestations[{predicate, content, key, key_name, new}], output, outcome} */
int op_attest(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	struct attest_thing thing CLEANUP(attest_thing_release) = { 0 };
	const char *output = js_get_str(args, "output"), *outcome = NULL;
	CLEANUP_JS struct js *list = NULL;
	struct db *db;

	if (check_output(ctx, output, js_get_bool(args, "force"), err) < 0 || project_db(ctx->project, &db, err) < 0 ||
	    attest_thing_of(ctx, db, js_get_str(args, "name"), &thing, err) < 0 ||
	    attest_make(ctx, db, &thing, &list, err) < 0 || (output && write_output(ctx, output, list, err) < 0) ||
	    (thing.model && candidate_ask_again(ctx, db, thing.model, thing.number, &outcome, err) < 0))
		return -1;
	*ret_result = js_object();
	js_set_str(*ret_result, "name", thing.node);
	js_set(*ret_result, "attestations", steal(&list));
	js_set_str(*ret_result, "output", output);
	js_set_str(*ret_result, "outcome", outcome);
	return 0;
}
