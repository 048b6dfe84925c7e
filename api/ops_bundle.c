/* SPDX-License-Identifier: Apache-2.0 */
/* A model, a run or a project in one file. */
#include "api/ops_rows.h"

#define FILE_ARG ARG("file", OPP_REQUIRED, "FILE", COMPLETE_PATH, "the bundle")
#define KEY_ARG \
	MANY("key", 0, "FILE", COMPLETE_PATH, "a public key (PEM) of whom it must be signed; may be said again for others")

static const struct op rows[] = {
	{ .name = "bundle.create", .command = "bundle create", .method = "POST", .path = "/bundles",
	  .role = ROLE_VIEWER, .flags = OP_LOCAL | OP_LONG, .handler = op_bundle_create,
	  .params = PARAMS(
		ARG("name", OPP_REQUIRED, "NAME", COMPLETE_NAME, "a model, MODEL@vN, a run, a version of data; . is the project"),
		FILE_ARG,
		FLAG("partial", 0, "leave out what is neither here nor on a remote, and say so in the bundle"),
		FLAG("force", 'f', "replace the file")),
	  .summary = "all that made a model, a run or the project, in one file",
	  .details =
		"Examples:\n"
		"  mlops bundle create churn@champion churn.bundle\n"
		"  mlops bundle create 3f2a91bc run.bundle\n"
		"  mlops bundle create . project.bundle\n"
		"\n"
		"It is a tar in zstd: files by their SHA-256, records of runs and models,\n"
		"signed statements, lineage, and proofs that their events are in the audit log.\n"
		"README.md in it says how to check it with tar, sha256sum and openssl alone.\n"
		"The same content gives the same bytes. What was forgotten is a hole that\n"
		"bundle.json names.\n" },
	{ .name = "bundle.verify", .command = "bundle verify", .method = "POST", .path = "/bundles/verify",
	  .role = ROLE_VIEWER, .flags = OP_LOCAL | OP_LONG | OP_TRY_PROJECT, .handler = op_bundle_verify,
	  .params = PARAMS(FILE_ARG, KEY_ARG),
	  .summary = "check all names, digests, records and proofs of a bundle",
	  .details =
		"Examples:\n"
		"  mlops bundle verify churn.bundle\n"
		"  mlops bundle verify churn.bundle --key owner.pem\n"
		"\n"
		"It needs no project and writes nothing. Who signed it proves something only with\n"
		"--key, or where that key is known (mlops key add). Exit status 9: it does not\n"
		"hold, and why; 7: none of the keys has signed it; 2: a newer mlops wrote it.\n" },
	{ .name = "bundle.import", .command = "bundle import", .method = "POST", .path = "/bundles/import",
	  .role = ROLE_ADMIN, .flags = OP_LOCAL | OP_LONG | OP_AUDIT, .handler = op_bundle_import,
	  .params = PARAMS(FILE_ARG, KEY_ARG),
	  .summary = "take in all of a bundle, or nothing",
	  .details =
		"Examples:\n"
		"  mlops bundle import churn.bundle\n"
		"  mlops bundle import churn.bundle --key owner.pem\n"
		"\n"
		"It is verified first. Runs, models, versions, results and statements that are\n"
		"not known here are added; nothing that is here changes, so doing it again\n"
		"changes nothing. Aliases come along with a model that was not here before;\n"
		"others are moved by people. The other log is kept as evidence beside ours.\n" },
};
OP_TABLE(ops_bundle, rows);
