/* SPDX-License-Identifier: Apache-2.0 */
/* audit verify, prove and checkpoint: the log where it is kept. */
#include <fcntl.h>
#include "api/ops.h"
#include "base/base64.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/audit.h"
#include "registry/audit_verify.h"
#include "registry/project.h"

#define CHECKPOINTS_MAX (64u << 20)

/* ---- verify ---- */

/* A file of the user; an agent has none of his, so there it is the text itself. */
static int read_against(struct op_context *ctx, const char *text, struct strbuf *ret, struct error *err)
{
	CLEANUP(cleanup_free) char *path = *text != '/' ? path_join(ctx->dir, text) : NULL;

	if (!op_is_remote(ctx))
		return io_read_file(AT_FDCWD, path ? path : text, CHECKPOINTS_MAX, ret, err);
	strbuf_puts(ret, text);
	return 0;
}

/* audit.verify {against} -> audit_verify. ERR_DAMAGED, with the result, when something does not hold. */
int op_audit_verify(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	const char *against = js_get_str(args, "against");
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (against && read_against(ctx, against, &text, err) < 0)
		return -1;
	return audit_verify(ctx->project, against ? text.buf : NULL, text.len,
			    op_is_remote(ctx) ? "what was given" : against, ret_result, err);
}

/* ---- checkpoint ---- */

static struct js *describe(const struct checkpoint *cp, struct js *notes)
{
	CLEANUP_STRBUF struct strbuf root = STRBUF_INIT;
	struct js *result = js_object();

	base64_encode(cp->root.b, sizeof(cp->root.b), &root);
	js_set_str(result, "origin", cp->origin);
	js_set_int(result, "size", (int64_t)cp->size);
	js_set_str(result, "root", root.buf);
	js_set_int(result, "time", cp->time_ms);
	js_set_str(result, "note", cp->note);
	js_set(result, "notes", notes);
	return result;
}

/* audit.checkpoint {} -> {origin, size, root, time, note: the signed text, notes[]: where it could not be written} */
int op_audit_checkpoint(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(checkpoint_release) struct checkpoint cp = { 0 };
	struct js *notes;

	(void)args;
	if (checkpoint_make(ctx->project, &cp, &notes, err) < 0)
		return -1;
	*ret_result = describe(&cp, notes);
	return 0;
}

/* ---- prove ---- */

/* The newest checkpoint when the event is in it: so proofs of old events need no key. */
static int find_checkpoint(struct op_context *ctx, struct db *db, uint64_t seq, struct checkpoint *ret, struct error *err)
{
	struct error none = { 0 };

	if (checkpoint_newest(db, ret, &none) == 0) {
		if (ret->size >= seq)
			return 0;
		checkpoint_release(ret);
	} else if (none.code != ERR_NOT_FOUND) {
		if (err)
			*err = none;
		return -1;
	}
	return checkpoint_make(ctx->project, ret, NULL, err);
}

static int check_there(struct db *db, int64_t seq, struct error *err)
{
	uint64_t size;

	if (audit_catch_up(db, err) < 0 || audit_size(db, &size, err) < 0)
		return -1;
	if (seq > 0 && (uint64_t)seq <= size)
		return 0;
	error_set(err, ERR_NOT_FOUND, "there is no event %lld: the last is %lld", (long long)seq, (long long)size);
	return error_help(err, "list them: mlops audit list");
}

/* audit.prove {event} -> {event, size, proof: the text} */
int op_audit_prove(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(checkpoint_release) struct checkpoint cp = { 0 };
	CLEANUP_STRBUF struct strbuf proof = STRBUF_INIT;
	int64_t seq = js_get_int(args, "event", 0);
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 || check_there(db, seq, err) < 0 ||
	    find_checkpoint(ctx, db, (uint64_t)seq, &cp, err) < 0 || audit_proof(db, seq, &cp, &proof, err) < 0)
		return -1;
	*ret_result = js_object();
	js_set_int(*ret_result, "event", seq);
	js_set_int(*ret_result, "size", (int64_t)cp.size);
	js_set_str(*ret_result, "proof", proof.buf);
	return 0;
}
