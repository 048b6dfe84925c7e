/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ops_rows.h"

#define PATH(f) FIELD("path", f, OP_TEXT, "EXPERIMENT/RUN/artifacts/PATH, or another place for files")
#define PAGE                                                                                                   \
	{ .name = "max-results", .type = OP_INT, .value = "N", .help = "entries of a page; all without it" },  \
		FIELD("page-token", 0, OP_TEXT, "next_page_token of the page before")

#define DIGEST FIELD("digest", OPP_REQUIRED, OP_TEXT, "its SHA-256, 64 hexadecimal digits")
#define DIGESTS FIELD("digests", OPP_REQUIRED | OPP_MANY, OP_TEXT, "at most 10000 of them")
#define KIND    FIELD("kind", OPP_REQUIRED, OP_TEXT, "runs or cache")

static const struct op rows[] = {
	{ .name = "artifact.list", .method = "GET", .path = "/artifacts", .role = ROLE_VIEWER, .about = ABOUT_FILE,
	  .flags = OP_TRACKING, .handler = op_artifact_list, .params = PARAMS(PATH(0), PAGE),
	  .summary = "files and directories below a path" },
	{ .name = "artifact.get", .method = "GET", .path = "/artifacts/{path*}", .role = ROLE_VIEWER,
	  .about = ABOUT_FILE, .flags = OP_TRACKING | OP_ROUTED, .params = PARAMS(PATH(OPP_REQUIRED)),
	  .summary = "the bytes of a file: Range, If-Range and If-None-Match are heeded, the ETag is its SHA-256" },
	{ .name = "artifact.put", .method = "PUT", .path = "/artifacts/{path*}", .role = ROLE_ENGINEER,
	  .about = ABOUT_FILE, .flags = OP_TRACKING | OP_ROUTED, .params = PARAMS(PATH(OPP_REQUIRED)),
	  .summary = "store the body as a file, durably" },
	{ .name = "artifact.rm", .method = "DELETE", .path = "/artifacts/{path*}", .role = ROLE_ENGINEER,
	  .about = ABOUT_FILE, .flags = OP_TRACKING | OP_WRITES, .handler = op_artifact_rm,
	  .params = PARAMS(PATH(OPP_REQUIRED)), .summary = "remove a file, or all below a directory" },
	{ .name = "run.artifacts", .method = "GET", .path = "/runs/{run_id}/artifacts", .role = ROLE_VIEWER,
	  .about = ABOUT_RUN, .flags = OP_TRACKING, .handler = op_run_artifacts,
	  .params = PARAMS(FIELD("run-id", OPP_REQUIRED, OP_TEXT, "its id"),
			   FIELD("path", 0, OP_TEXT, "a directory below its artifacts"), PAGE),
	  .summary = "files and directories of a run" },
	{ .name = "logged_model.artifacts", .method = "GET", .path = "/logged-models/{model_id}/artifacts",
	  .role = ROLE_VIEWER, .about = ABOUT_LOGGED_MODEL, .flags = OP_TRACKING, .handler = op_logged_model_artifacts,
	  .params = PARAMS(FIELD("model-id", OPP_REQUIRED, OP_TEXT, "its id"),
			   FIELD("path", 0, OP_TEXT, "a directory below its artifacts"), PAGE),
	  .summary = "files and directories of a logged model" },
	{ .name = "object.get", .method = "GET", .path = "/objects/{digest}", .role = ROLE_VIEWER,
	  .flags = OP_OBJECTS | OP_ROUTED, .params = PARAMS(DIGEST),
	  .summary = "the bytes of an object: Range, If-Range and If-None-Match are heeded" },
	{ .name = "object.put", .method = "PUT", .path = "/objects/{digest}", .role = ROLE_ENGINEER,
	  .flags = OP_OBJECTS | OP_ROUTED, .params = PARAMS(DIGEST),
	  .summary = "store the body, if it is what its name says" },
	{ .name = "object.missing", .method = "POST", .path = "/objects/missing", .role = ROLE_VIEWER,
	  .flags = OP_OBJECTS | OP_LONG, .handler = op_object_missing, .params = PARAMS(DIGESTS),
	  .summary = "which of these objects are not stored" },
	{ .name = "object.verify", .method = "POST", .path = "/objects/verify", .role = ROLE_ENGINEER,
	  .flags = OP_OBJECTS | OP_LONG, .handler = op_object_verify, .params = PARAMS(DIGESTS),
	  .summary = "hash these objects; damaged ones are set aside, and can be put anew" },
	{ .name = "ref.list", .method = "GET", .path = "/refs/{kind}", .role = ROLE_VIEWER,
	  .flags = OP_OBJECTS, .handler = op_ref_list,
	  .params = PARAMS(KIND, PAGE), .summary = "names of runs, of results of the cache, or of data" },
	{ .name = "ref.get", .method = "GET", .path = "/refs/{kind}/{name}", .role = ROLE_VIEWER,
	  .flags = OP_OBJECTS | OP_LONG, .handler = op_ref_get,
	  .params = PARAMS(KIND, FIELD("name", OPP_REQUIRED, OP_TEXT, "an id of a run, or a step key")),
	  .summary = "what a run, a result of the cache, or data is" },
	{ .name = "ref.put", .method = "PUT", .path = "/refs/{kind}/{name}", .role = ROLE_ENGINEER,
	  .flags = OP_OBJECTS | OP_LONG, .handler = op_ref_put,
	  .params = PARAMS(KIND, FIELD("name", OPP_REQUIRED, OP_TEXT, "an id of a run, a step key, or the SHA-256 of a path"),
			   FIELD("text", OPP_REQUIRED, OP_TEXT, "the object of its record, or the result or version itself")),
	  .summary = "take a run, a result of the cache, or a version of data, whose objects are stored" },
};
OP_TABLE(ops_files, rows);
