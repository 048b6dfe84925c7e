/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log. */
#include "api/ops_rows.h"

static const struct op rows[] = {
	{ .name = "audit.list", .command = "audit list", .method = "GET", .path = "/audit/events",
	  .role = ROLE_VIEWER, .flags = OP_PAGED | OP_LONG, .handler = op_audit_list,
	  .params = PARAMS(
		TEXT("actor", 0, "NAME", COMPLETE_NONE, "only what this person did"),
		TEXT("subject", 0, "NAME", COMPLETE_NONE, "only what is about it: a model, a path, a run's id"),
		TEXT("operation", 0, "NAME", COMPLETE_NONE, "only such changes: model, model.promote"),
		TEXT("since", 0, "TIME", COMPLETE_NONE, "from then on: 10m, 2026-01-31T10:00"),
		INT("after", 0, "SEQ", "those after this one, the oldest first"),
		INT("limit", 'n', "N", "at most N; default: 1000"),
		FLAG("csv", 0, "as CSV, times as UTC")),
	  .summary = "who changed what, and when, of the whole history",
	  .details =
		"Examples:\n"
		"  mlops audit list --subject churn --operation model.promote\n"
		"  mlops audit list --actor ann --since 2026-01-01\n"
		"  mlops audit list --after 0 -n 100000 --csv > audit.csv\n"
		"\n"
		"A NAME is the whole word, or its beginning up to '@', '.', '/' or a blank: churn\n"
		"is churn@champion and churn@v3, too. '*' and '?' stand for anything.\n" },
	{ .name = "audit.verify", .command = "audit verify", .method = "POST", .path = "/audit/verify",
	  .role = ROLE_ENGINEER, .flags = OP_LONG, .handler = op_audit_verify,
	  .params = PARAMS(TEXT("against", 0, "CHECKPOINT", COMPLETE_PATH,
				"a file with checkpoints that somebody kept; of an agent, their text")),
	  .summary = "check that no record was edited, removed, added or moved",
	  .details =
		"Examples:\n"
		"  mlops audit verify\n"
		"  mlops audit verify --against kept-by-the-auditors.txt\n"
		"\n"
		"Hashes every event again and compares: with the tree that was made when it was\n"
		"written, with every checkpoint and its signature wherever one is kept, and with\n"
		"what aliases, versions, approvals, users, keys, data and runs are now. Exit\n"
		"status 9: something does not hold, and it says what.\n" },
	{ .name = "audit.prove", .command = "audit prove", .method = "POST", .path = "/audit/prove",
	  .role = ROLE_VIEWER, .flags = OP_LONG, .handler = op_audit_prove,
	  .params = PARAMS({ .name = "event", .type = OP_INT, .flags = OPP_POSITIONAL | OPP_REQUIRED, .value = "EVENT",
			     .help = "its number, as audit list shows it" }),
	  .summary = "write the proof that an event is in the log",
	  .details =
		"Examples:\n"
		"  mlops audit prove 120 > promotion.tlog-proof\n"
		"\n"
		"Whoever has the proof and the public key (key show) can check it without the\n"
		"log: by audit check, by tools for C2SP tlog-proofs, or by hand (docs/audit.md).\n" },
	{ .name = "audit.check", .command = "audit check", .method = "GET", .path = "/audit/check",
	  .role = ROLE_VIEWER, .flags = OP_LOCAL | OP_TRY_PROJECT, .handler = op_audit_check,
	  .params = PARAMS(
		ARG("proof", OPP_REQUIRED, "PROOF", COMPLETE_PATH, "a file that audit prove wrote"),
		TEXT("key", 0, "FILE", COMPLETE_PATH,
		     "the log's public key, in PEM or as a line NAME+HASH+KEY; default: the keys of the project")),
	  .summary = "check a proof, also where the log is not",
	  .details =
		"Examples:\n"
		"  mlops audit check promotion.tlog-proof --key churn.pem\n"
		"\n"
		"Prints the event when it holds. Exit status 9: it does not; 8: it does, but no\n"
		"key that is known has signed it.\n" },
	{ .name = "audit.checkpoint", .command = "audit checkpoint", .method = "POST", .path = "/audit/checkpoint",
	  .role = ROLE_ENGINEER, .flags = OP_LONG, .handler = op_audit_checkpoint,
	  .summary = "sign the log as it is now",
	  .details =
		"Examples:\n"
		"  mlops audit checkpoint > for-the-auditors.txt\n"
		"\n"
		"Prints the newest checkpoint, and makes it when something happened since the\n"
		"last. They are also made by themselves: every audit.events events or\n"
		"audit.minutes minutes. Whoever keeps one can later say: audit verify --against.\n" },
};
OP_TABLE(ops_audit, rows);
