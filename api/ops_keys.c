/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that sign. */
#include "api/ops_rows.h"

static const struct op rows[] = {
	{ .name = "key.add", .command = "key add", .method = "POST", .path = "/keys",
	  .role = ROLE_ADMIN, .flags = OP_AUDIT | OP_INPUT | OP_LONG, .handler = op_key_add,
	  .params = PARAMS(
		{ .name = "name", .flags = OPP_REQUIRED, .value = "NAME", .help = "whose it is; policies may name it" },
		TEXT("public", 0, "FILE", COMPLETE_PATH, "the public key in PEM; default: the standard input")),
	  .summary = "trust somebody else's public key",
	  .details =
		"Examples:\n"
		"  mlops key add --name builders --public builders.pem\n"
		"  mlops key add --name auditors < auditors.pem\n"
		"\n"
		"Attestations, bundles and checkpoints of other logs are verified with it. Keys\n"
		"of this project are made by init and by key rotate.\n" },
	{ .name = "key.list", .command = "key list", .method = "GET", .path = "/keys",
	  .role = ROLE_VIEWER, .flags = OP_PAGED, .handler = op_key_list,
	  .summary = "keys that sign for this project, and others that it trusts",
	  .details =
		"Examples:\n"
		"  mlops key list\n"
		"  mlops --json key list\n" },
	{ .name = "key.show", .command = "key show", .method = "GET", .path = "/key",
	  .role = ROLE_VIEWER, .flags = OP_LONG, .handler = op_key_show,
	  .params = PARAMS(ARG("key", 0, "KEY", COMPLETE_NONE, "its name, or 8 digits of its id or more; default: the active one")),
	  .summary = "a public key, as openssl and as tools for signed notes read it",
	  .details =
		"Examples:\n"
		"  mlops key show\n"
		"  mlops key show 3f2a9c01\n"
		"  mlops --json key show | jq -r .public > churn.pem\n" },
	{ .name = "key.rotate", .command = "key rotate", .method = "POST", .path = "/keys/rotate",
	  .role = ROLE_ADMIN, .flags = OP_AUDIT | OP_LONG, .handler = op_key_rotate,
	  .params = PARAMS(
		TEXT("name", 0, "NAME", COMPLETE_NONE, "another name; default: that of the old one"),
		TEXT("reason", 0, "TEXT", COMPLETE_NONE, "why; it is in the audit log")),
	  .summary = "sign with a new key; old signatures stay valid",
	  .details =
		"Examples:\n"
		"  mlops key rotate\n"
		"  mlops key rotate --reason 'a year has passed'\n"
		"\n"
		"The private half is .mlops/keys/ID.pem, mode 600. A service gets it from systemd\n"
		"with LoadCredential=mlops-signing-key:FILE; the file may then be moved away.\n" },
	{ .name = "key.revoke", .command = "key revoke", .method = "POST", .path = "/keys/{key}/revoke",
	  .role = ROLE_ADMIN, .flags = OP_AUDIT | OP_LONG, .handler = op_key_revoke,
	  .params = PARAMS(
		ARG("key", OPP_REQUIRED, "KEY", COMPLETE_NONE, "its name, or 8 digits of its id or more"),
		TEXT("reason", 0, "TEXT", COMPLETE_NONE, "why; it is in the audit log")),
	  .summary = "believe nothing new that a key signs",
	  .details =
		"Examples:\n"
		"  mlops key revoke 3f2a9c01 --reason 'the laptop was stolen'\n"
		"\n"
		"What it signed of the audit log up to now stays valid. When it is the active\n"
		"key, a new one is made at once.\n" },
};
OP_TABLE(ops_keys, rows);
