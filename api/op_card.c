/* SPDX-License-Identifier: Apache-2.0 */
/* model card: what the record knows of a version. */
#include "api/card.h"
#include "api/ops.h"
#include "api/promote.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "registry/cards.h"
#include "registry/project.h"

/* model.card {name, html} -> {card{}, markdown, kept{}}: as things stand now, and where the card of its making is; or {page}. */
int op_model_card(struct op_context *ctx, const struct js *args, struct js **ret_result, struct error *err)
{
	CLEANUP(target_release) struct target target = { 0 };
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	CLEANUP_JS struct js *kept = NULL;
	struct js *card;
	struct db *db;

	if (project_db(ctx->project, &db, err) < 0 ||
	    target_version(db, js_get_str(args, "name"), NULL, &target, err) < 0 ||
	    card_find(db, target.model, target.number, &kept, err) < 0 ||
	    card_make(ctx, db, target.model, target.number, &card, err) < 0)
		return -1;
	*ret_result = js_object();
	if (js_get_bool(args, "html")) {
		card_html(card, &text);
		js_free(card);
		js_set_str(*ret_result, "page", text.buf);
		return 0;
	}
	card_markdown(card, &text);
	js_set(*ret_result, "card", card);
	js_set_str(*ret_result, "markdown", text.buf);
	if (kept)
		js_set(*ret_result, "kept", steal(&kept));
	return 0;
}
