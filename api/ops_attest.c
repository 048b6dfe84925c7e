/* SPDX-License-Identifier: Apache-2.0 */
/* Signed statements: made, and verified. */
#include "api/ops_rows.h"

static const struct op rows[] = {
	{ .name = "attest.make", .command = "attest", .method = "POST", .path = "/attestations",
	  .role = ROLE_ENGINEER, .flags = OP_LOCAL | OP_AUDIT | OP_LONG, .handler = op_attest,
	  .params = PARAMS(ARG("name", OPP_REQUIRED, "NAME", COMPLETE_NAME, "a model version, a run, or a version of what a step made"),
			   TEXT("output", 'o', "FILE", COMPLETE_PATH, "also write the statements there, an envelope a line"),
			   FLAG("force", 'f', "replace that file")),
	  .summary = "sign how something was made, and what its gate said",
	  .details =
		"Examples:\n"
		"  mlops attest churn@v3\n"
		"  mlops attest last -o run.intoto.jsonl\n"
		"  mlops attest model.joblib@v2 -o model.joblib.intoto.jsonl\n"
		"\n"
		"States what the record knows as SLSA provenance, and of a model version the test\n"
		"result of its gate, and signs it with the project's key (in-toto statements in\n"
		"DSSE envelopes). Versions that a pipeline makes are attested by themselves; with\n"
		"mlops config attest.runs yes, runs are, too. A version that waits for its policy\n"
		"asks for its alias again. What stands in a statement, and how to check it with\n"
		"openssl alone: docs/attest.md.\n" },
	{ .name = "attest.verify", .command = "verify", .method = "GET", .path = "/attestations/verify",
	  .role = ROLE_VIEWER, .flags = OP_LOCAL | OP_TRY_PROJECT | OP_LONG, .handler = op_verify,
	  .params = PARAMS(ARG("names", OPP_REQUIRED | OPP_MANY, "NAME|FILE", COMPLETE_NAME,
			       "model versions, runs, versions of data; files, also outside of a project"),
			   TEXT("policy", 'p', "FILE", COMPLETE_PATH, "what its statements must say; default: that of the version"),
			   MANY("key", 'k', "FILE", COMPLETE_PATH, "public key to trust, PEM; default: the keys of the project"),
			   MANY("attestation", 'a', "FILE", COMPLETE_PATH, "envelopes, one a line; default: FILE.intoto.jsonl, and what is kept")),
	  .summary = "check who made something, from what, and that it is still that",
	  .details =
		"Examples:\n"
		"  mlops verify churn@champion\n"
		"  mlops verify churn@v3 --policy release.ini\n"
		"  mlops verify model.joblib --key auditors.pem -a model.joblib.intoto.jsonl\n"
		"\n"
		"Hashes the bytes, checks the signatures of what was stated about them, and, with\n"
		"a policy, that who built it, from which repository and branch, with which gates\n"
		"and data is what it asks for. Exit status 7: it is not; 8: nothing is known that\n"
		"is signed; 9: its bytes are damaged. docs/attest.md has the policy's keys.\n" },
};
OP_TABLE(ops_attest, rows);
