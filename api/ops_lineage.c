/* SPDX-License-Identifier: Apache-2.0 */
/* What made what. */
#include "api/ops_rows.h"

static const struct op rows[] = {
	{ .name = "lineage", .command = "lineage", .method = "GET", .path = "/lineage",
	  .role = ROLE_VIEWER, .flags = OP_PAGED | OP_LONG, .handler = op_lineage,
	  .params = PARAMS(
		ARG("name", OPP_REQUIRED, "NAME", COMPLETE_NAME, "a run, version, model, digest, commit, file, image or prediction"),
		FLAG("up", 0, "what made it; the default"),
		FLAG("down", 0, "what it touched"),
		INT("depth", 0, "N", "at most so many edges away"),
		TEXT("at", 0, "TIME", COMPLETE_NONE, "as it was then: 10m, 2026-01-31T10:00"),
		INT("limit", 'n', "N", "at most so many nodes, up to 100000; default: 1000, of a picture 500"),
		FLAG("dot", 0, "a graph for Graphviz"),
		FLAG("mermaid", 0, "a flowchart for Markdown"),
		FLAG("html", 0, "a page: one file for people")),
	  .summary = "what made something, and what it touched",
	  .details =
		"Examples:\n"
		"  mlops lineage churn@champion\n"
		"  mlops lineage data/raw.csv --down      which models saw this file?\n"
		"  mlops lineage churn@champion --at 7d   who was it a week ago?\n"
		"  mlops lineage serving/req-4711         which model answered this request?\n"
		"  mlops lineage best@v3 --dot | dot -Tsvg > best.svg\n"
		"\n"
		"A file of the work tree is looked up by its bytes, also inside of directories\n"
		"that were stored whole. What is missing is named: bytes that are not here or\n"
		"were forgotten, commits that this repository lacks, runs without a record.\n"
		"Docs: docs/lineage.md.\n" },
};
OP_TABLE(ops_lineage, rows);
