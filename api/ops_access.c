/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ops_rows.h"

#define ROLES "viewer|engineer|approver|admin"

static const struct op rows[] = {
	{ .name = "token.add", .command = "token add", .method = "POST", .path = "/tokens",
	  .role = ROLE_ADMIN, .flags = OP_WRITES | OP_AUDIT, .handler = op_token_add,
	  .params = PARAMS(
		ARG("name", OPP_REQUIRED, "NAME", COMPLETE_NONE, "what it will be called"),
		TEXT("role", 0, ROLES, COMPLETE_CHOICE, "default: its user's, or engineer"),
		TEXT("user", 0, "NAME", COMPLETE_NONE, "a user for whom it stands; default: for itself"),
		MANY("scope", 0, "tracking|objects|all", COMPLETE_CHOICE, "what it is for; default: all"),
		TEXT("run", 0, "RUN", COMPLETE_RUN, "the only run that it may write"),
		TEXT("expires", 0, "TIME", COMPLETE_NONE, "how long it holds: 12h, 90d; default: for ever")),
	  .summary = "make a token with which a program logs in",
	  .details =
		"Examples:\n"
		"  mlops token add ci --expires 90d\n"
		"  mlops token add laptop --user anna\n"
		"  mlops token add gpu-box --scope tracking\n"
		"  export MLFLOW_TRACKING_TOKEN=$(mlops --json token add nb | jq -r .token)\n"
		"\n"
		"The token is shown once; only its hash is kept. It goes into the variable\n"
		"MLFLOW_TRACKING_TOKEN, into mlops login, or into the header 'Authorization:\n"
		"Bearer TOKEN'. tracking is what MLflow's clients do, objects push and pull.\n" },
	{ .name = "token.list", .command = "token list", .method = "GET", .path = "/tokens",
	  .role = ROLE_ADMIN, .flags = OP_PAGED, .handler = op_token_list,
	  .summary = "tokens, what they may do and when they were used",
	  .details =
		"Examples:\n"
		"  mlops token list\n" },
	{ .name = "token.rm", .command = "token rm", .method = "DELETE", .path = "/tokens/{name}",
	  .role = ROLE_ADMIN, .flags = OP_WRITES | OP_AUDIT, .handler = op_token_rm,
	  .params = PARAMS(ARG("name", OPP_REQUIRED, "NAME", COMPLETE_NONE, "its name, or the id in it")),
	  .summary = "revoke a token, at once",
	  .details =
		"Examples:\n"
		"  mlops token rm ci\n"
		"  mlops token rm 4fQz81Lc     what stands behind mlops_ in one that was found\n" },
	{ .name = "user.add", .command = "user add", .method = "POST", .path = "/users",
	  .role = ROLE_ADMIN, .flags = OP_AUDIT | OP_INPUT | OP_LONG, .handler = op_user_add,
	  .params = PARAMS(
		ARG("name", OPP_REQUIRED, "NAME", COMPLETE_NONE, "letters, digits and ._@-"),
		TEXT("role", 0, ROLES, COMPLETE_CHOICE, "default: viewer"),
		FLAG("no-password", 0, "can log in by tokens only")),
	  .summary = "add a user with a role and a password",
	  .details =
		"Examples:\n"
		"  mlops user add anna --role engineer        asks for the password, unseen\n"
		"  mlops user add bot --no-password < /dev/null\n"
		"\n"
		"viewers read; engineers also log, run and delete; approvers also let models\n"
		"into production; admins also add users. MLflow's clients take name and password\n"
		"from MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.\n" },
	{ .name = "user.edit", .command = "user edit", .method = "PATCH", .path = "/users/{name}",
	  .role = ROLE_ADMIN, .flags = OP_AUDIT | OP_INPUT | OP_LONG, .handler = op_user_edit,
	  .params = PARAMS(
		ARG("name", OPP_REQUIRED, "NAME", COMPLETE_NONE, "a user"),
		TEXT("role", 0, ROLES, COMPLETE_CHOICE, "another role"),
		FLAG("password", 0, "another password, which is asked for"),
		FLAG("disable", 0, "no login, by password or token, until enabled"),
		FLAG("enable", 0, "may log in again")),
	  .summary = "change a user's role or password, or lock him out",
	  .details =
		"Examples:\n"
		"  mlops user edit anna --role approver\n"
		"  mlops user edit anna --password\n"
		"  mlops user edit anna --disable\n" },
	{ .name = "user.list", .command = "user list", .method = "GET", .path = "/users",
	  .role = ROLE_ADMIN, .flags = OP_PAGED, .handler = op_user_list,
	  .summary = "users and their roles",
	  .details =
		"Examples:\n"
		"  mlops user list\n" },
	{ .name = "user.rm", .command = "user rm", .method = "DELETE", .path = "/users/{name}",
	  .role = ROLE_ADMIN, .flags = OP_WRITES | OP_AUDIT, .handler = op_user_rm,
	  .params = PARAMS(ARG("name", OPP_REQUIRED, "NAME", COMPLETE_NONE, "a user")),
	  .summary = "remove a user with his tokens and permissions",
	  .details =
		"Examples:\n"
		"  mlops user rm anna\n" },
	{ .name = "permission.add", .command = "permission add", .method = "POST", .path = "/permissions",
	  .role = ROLE_ADMIN, .flags = OP_WRITES | OP_AUDIT, .handler = op_permission_add,
	  .params = PARAMS(
		ARG("user", OPP_REQUIRED, "USER", COMPLETE_NONE, "whose"),
		TEXT("experiment", 0, "NAME", COMPLETE_NONE, "an experiment, by name or number"),
		TEXT("model", 0, "NAME", COMPLETE_NONE, "or a registered model"),
		{ .name = "level", .flags = OPP_REQUIRED, .complete = COMPLETE_CHOICE, .value = "none|read|edit|manage",
		  .help = "what he may do with it" }),
	  .summary = "say what a user may do with one experiment or model",
	  .details =
		"Examples:\n"
		"  mlops permission add anna --experiment churn --level manage\n"
		"  mlops permission add anna --model churn --level read\n"
		"  mlops permission add guest --experiment salaries --level none\n"
		"\n"
		"It counts instead of the user's role, there. Without one, viewers read and\n"
		"engineers manage. edit is all but deleting. What a role of approver or admin is\n"
		"needed for stays theirs.\n" },
	{ .name = "permission.list", .command = "permission list", .method = "GET", .path = "/permissions",
	  .role = ROLE_ADMIN, .flags = OP_PAGED, .handler = op_permission_list,
	  .params = PARAMS(ARG("user", 0, "USER", COMPLETE_NONE, "only his; default: all")),
	  .summary = "permissions that differ from roles",
	  .details =
		"Examples:\n"
		"  mlops permission list\n"
		"  mlops permission list anna\n" },
	{ .name = "permission.rm", .command = "permission rm", .method = "DELETE", .path = "/permissions",
	  .role = ROLE_ADMIN, .flags = OP_WRITES | OP_AUDIT, .handler = op_permission_rm,
	  .params = PARAMS(
		ARG("user", OPP_REQUIRED, "USER", COMPLETE_NONE, "whose"),
		TEXT("experiment", 0, "NAME", COMPLETE_NONE, "an experiment, by name or number"),
		TEXT("model", 0, "NAME", COMPLETE_NONE, "or a registered model")),
	  .summary = "let a user's role count again",
	  .details =
		"Examples:\n"
		"  mlops permission rm anna --experiment churn\n" },
};
OP_TABLE(ops_access, rows);
