/* SPDX-License-Identifier: Apache-2.0 */
/* What has to be deleted. */
#include "api/ops_rows.h"

#define REQUEST                                                                                         \
	{ .name = "id", .type = OP_INT, .flags = OPP_POSITIONAL | OPP_REQUIRED, .value = "ID",            \
	  .help = "of a request, as forget list shows it" }
#define DIGESTS FIELD("digests", OPP_REQUIRED | OPP_MANY, OP_TEXT, "at most 10000 of them")

/* "forget agree" is found before "forget". */
static const struct op rows[] = {
	{ .name = "forget.agree", .command = "forget agree", .method = "POST", .path = "/forget/{id}/agree",
	  .role = ROLE_ADMIN, .flags = OP_AUDIT | OP_LONG, .handler = op_forget_agree,
	  .params = PARAMS(REQUEST, FLAG("alone", 0, "asked for by the same person; without an agent only")),
	  .summary = "agree that something is forgotten, and remove its bytes",
	  .details =
		"Examples:\n"
		"  mlops forget show 3\n"
		"  mlops forget agree 3\n"
		"\n"
		"Somebody else than who asked, an admin. The bytes go from the store, from all\n"
		"else below .mlops and from the remotes; what is kept are digests, names and the\n"
		"reason. Killed in between, the next command goes on. A remote that cannot be\n"
		"reached is named, and told by the next push or pull, or by this command again.\n"
		"\n"
		"Without an agent nobody proves who he is: the two persons are the users of this\n"
		"machine as events record them, and who works alone says --alone, which is\n"
		"recorded, too.\n" },
	{ .name = "forget.withdraw", .command = "forget withdraw", .method = "POST", .path = "/forget/{id}/withdraw",
	  .role = ROLE_ADMIN, .flags = OP_AUDIT, .handler = op_forget_withdraw, .params = PARAMS(REQUEST),
	  .summary = "take back a request that nobody has agreed to",
	  .details =
		"Examples:\n"
		"  mlops forget withdraw 3\n" },
	{ .name = "forget.list", .command = "forget list", .method = "GET", .path = "/forget",
	  .role = ROLE_ENGINEER, .handler = op_forget_list,
	  .params = PARAMS(FLAG("all", 'a', "also those that are done or withdrawn")),
	  .summary = "what somebody wants to have forgotten, or has",
	  .details =
		"Examples:\n"
		"  mlops forget list\n"
		"  mlops forget list --all\n" },
	{ .name = "forget.show", .command = "forget show", .method = "GET", .path = "/forget/{id}",
	  .role = ROLE_ENGINEER, .handler = op_forget_show, .params = PARAMS(REQUEST),
	  .summary = "what a request is about, and what it touches",
	  .details =
		"Examples:\n"
		"  mlops forget show 3\n" },
	{ .name = "data.forget", .command = "forget", .method = "POST", .path = "/forget",
	  .role = ROLE_ADMIN, .flags = OP_AUDIT | OP_LONG, .handler = op_forget,
	  .params = PARAMS(ARG("name", OPP_REQUIRED, "NAME", COMPLETE_NAME,
			       "a version, DIRECTORY@vN/PATH, RUN/PATH, MODEL@vN or sha256:DIGEST"),
			   TEXT("reason", 0, "TEXT", COMPLETE_NONE, "why; whoever misses the bytes reads it"),
			   FLAG("versions", 0, "every version of the path, and not one"),
			   FLAG("dry", 'n', "only show what it touches")),
	  .summary = "ask that bytes are removed for good: a person's data must go",
	  .details =
		"Examples:\n"
		"  mlops forget data/raw@v3/anna.csv --dry\n"
		"  mlops forget data/raw@v3/anna.csv --reason 'ticket 4711: Art. 17 GDPR'\n"
		"  mlops forget data/users.csv --versions --reason 'ticket 4712'\n"
		"\n"
		"Shows who else names the same bytes, and which runs, models and aliases came of\n"
		"them. Nothing is removed before somebody else agrees: mlops forget agree ID\n"
		"Then the bytes are gone and are not taken again: a directory keeps its list of\n"
		"files, with a hole. Lineage, digests and records stay. Of what was made of the\n"
		"bytes, profiles go, too, because they hold values; models and other outputs\n"
		"stay, and are forgotten by name.\n" },
	{ .name = "object.forget", .method = "POST", .path = "/objects/forget", .role = ROLE_ADMIN,
	  .flags = OP_OBJECTS | OP_LONG | OP_AUDIT, .handler = op_object_forget,
	  .params = PARAMS(DIGESTS, FIELD("reason", OPP_REQUIRED, OP_TEXT, "as it was given where two persons agreed")),
	  .summary = "remove these objects for good, and take them no more" },
	{ .name = "object.forgotten", .method = "POST", .path = "/objects/forgotten", .role = ROLE_VIEWER,
	  .flags = OP_OBJECTS | OP_LONG, .handler = op_object_forgotten, .params = PARAMS(DIGESTS),
	  .summary = "which of these objects were forgotten, when and why" },
};
OP_TABLE(ops_forget, rows);
