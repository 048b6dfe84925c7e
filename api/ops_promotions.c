/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that move aliases and ask people. */
#include "api/ops_rows.h"

#define VERSION ARG("name", OPP_REQUIRED, "MODEL@vN", COMPLETE_MODEL, "a version")
#define HELD	ARG("name", OPP_REQUIRED, "MODEL[@ALIAS]", COMPLETE_MODEL, "a model, and its alias unless it is the one of its section")
#define ALIAS	TEXT("alias", 0, "ALIAS", COMPLETE_NONE, "default: the one of the model's section, else champion")
#define REASON(when) TEXT("reason", 0, "TEXT", COMPLETE_NONE, when)
#define MOVES	.role = ROLE_ENGINEER, .about = ABOUT_VERSION, .flags = OP_WRITES | OP_AUDIT

static const struct op rows[] = {
	{ .name = "model.promote", .command = "model promote", .method = "POST", .path = "/models/{name}/promote", MOVES,
	  .handler = op_model_promote,
	  .params = PARAMS(VERSION, ALIAS, REASON("of what did not pass its gate or was rejected; an admin's goes past all")),
	  .summary = "move an alias to a version, or ask who has to agree",
	  .details =
		"Examples:\n"
		"  mlops model promote churn@v3\n"
		"  mlops model promote churn@v3 --alias staging\n"
		"  mlops model promote churn@v3 --reason 'the gate looked at last week'\n"
		"\n"
		"Where [model.churn] says approve, people are asked: mlops model approve. A\n"
		"version that did not pass its gate, or was rejected, needs a reason. With\n"
		"protect only the gate moves the alias, or an admin with a reason. Monitors of\n"
		"churn@champion compare with the table that the version was trained on from\n"
		"then on.\n" },
	{ .name = "model.approve", .command = "model approve", .method = "POST", .path = "/models/{name}/approve", MOVES,
	  .handler = op_model_approve, .params = PARAMS(VERSION, ALIAS, REASON("for the record")),
	  .summary = "agree that a version gets its alias",
	  .details =
		"Examples:\n"
		"  mlops model approvals\n"
		"  mlops model approve churn@v3\n"
		"\n"
		"Who started the run, made its commit or asked cannot agree himself. An agent\n"
		"checks that the role or user is one of those asked; without one, that is\n"
		"recorded and not enforced.\n" },
	{ .name = "model.reject", .command = "model reject", .method = "POST", .path = "/models/{name}/reject", MOVES,
	  .handler = op_model_reject, .params = PARAMS(VERSION, ALIAS, REASON("why; it is needed")),
	  .summary = "refuse a version its alias",
	  .details =
		"Examples:\n"
		"  mlops model reject churn@v3 --reason 'worse for new customers'\n"
		"\n"
		"A rejected version gets the alias only by a person with a reason. Who is asked\n"
		"may reject, and who made the version or asked may take it back.\n" },
	{ .name = "model.rollback", .command = "model rollback", .method = "POST", .path = "/models/{name}/rollback", MOVES,
	  .handler = op_model_rollback,
	  .params = PARAMS(HELD, TEXT("to", 0, "vN", COMPLETE_NONE, "default: the one that had it before"), REASON("why; it is needed")),
	  .summary = "give an alias back to the version before",
	  .details =
		"Examples:\n"
		"  mlops model rollback churn --reason 'errors since noon'\n"
		"  mlops model rollback churn@champion --to v2 --reason 'v3 is bad, too'\n"
		"\n"
		"The version that had it is rejected, monitors compare with the former table\n"
		"again, and candidates do not take the alias by themselves until:\n"
		"mlops model release churn\n" },
	{ .name = "model.release", .command = "model release", .method = "POST", .path = "/models/{name}/release", MOVES,
	  .handler = op_model_release, .params = PARAMS(HELD, REASON("for the record")),
	  .summary = "let candidates take an alias again after a rollback",
	  .details =
		"Examples:\n"
		"  mlops model release churn\n" },
	{ .name = "model.approvals", .command = "model approvals", .method = "GET", .path = "/approvals",
	  .role = ROLE_VIEWER, .flags = OP_PAGED, .handler = op_model_approvals,
	  .params = PARAMS(ARG("model", 0, "MODEL", COMPLETE_MODEL, "default: all"), FLAG("all", 'a', "also those that were answered")),
	  .summary = "versions that wait for people to agree",
	  .details =
		"Examples:\n"
		"  mlops model approvals\n"
		"  mlops model approvals churn --all\n" },
	{ .name = "model.card", .command = "model card", .method = "GET", .path = "/models/{name}/card",
	  .role = ROLE_VIEWER, .about = ABOUT_VERSION, .flags = OP_PAGED | OP_LONG, .handler = op_model_card,
	  .params = PARAMS(VERSION, FLAG("html", 0, "a page: one file for people"), FLAG("md", 0, "Markdown, as without it")),
	  .summary = "all that is known of a version, for people",
	  .details =
		"Examples:\n"
		"  mlops model card churn@v3 > MODEL_CARD.md\n"
		"  mlops model card churn@champion --html > churn.html\n"
		"  mlops --json model card churn@v3 | jq .card.gate\n"
		"\n"
		"Data, code, params, metrics, slices, gate, monitors and history come from the\n"
		"record; limitations = FILE of [model.NAME] is in it as it was then. The card as\n"
		"it was when the version was made stays in the store: its digests are in 'kept'\n"
		"of the JSON.\n" },
};
OP_TABLE(ops_promotions, rows);
