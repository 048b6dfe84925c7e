/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ops_rows.h"

#define PATH(f) FIELD("path", f, OP_TEXT, "EXPERIMENT/RUN/artifacts/PATH, or another place for files")
#define PAGE                                                                                                   \
	{ .name = "max-results", .type = OP_INT, .value = "N", .help = "entries of a page; all without it" },  \
		FIELD("page-token", 0, OP_TEXT, "next_page_token of the page before")

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
};
OP_TABLE(ops_files, rows);
