/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "monitor/watch/watch.h"
/* Monitors of the pipeline, as monitor/ takes them. */
struct error;
struct monitor_section;
struct op_context;
struct pipeline;
struct schema;

struct monitor_setup {
	struct pipeline *pipeline;
	const struct monitor_section *section; /* of it */
	struct schema *schema;
	struct watch watch; /* lends texts of the pipeline */
};
void monitor_setup_release(struct monitor_setup *);
/* By name; ERR_NOT_FOUND with the nearest. `file` NULL: pipeline.ini. */
int monitor_setup_load(struct op_context *, const char *file, const char *name, struct monitor_setup *ret, struct error *);
/* Of a section that was found already. `pipeline` and `section` are lent, and not kept in *ret. */
int monitor_setup_of(struct op_context *, const struct pipeline *, const struct monitor_section *,
		     struct monitor_setup *ret, struct error *);
/* Whether rows or labels come over HTTP. */
bool monitor_takes(const struct watch *);
struct monitor_how {
	bool stored; /* the reference is in the store: files of this work tree are another project's */
	int (*next)(void *ctx, struct error *); /* as of watch_host; NULL: nobody is asked */
	void *ctx;
};
/* watch_check; then segments that are done with are removed. `how` may be NULL. monitor_check.c */
int monitor_check(struct op_context *, const struct watch *, const struct monitor_how *, struct js **ret, struct error *);
/* What the section says, without its schema. */
void monitor_watch(const struct op_context *, const struct monitor_section *, struct watch *ret);
/* "1000 rows", "7d", "file" */
char *monitor_window_text(const struct window_rule *);
/* "data/train.csv", "the first 26 windows" */
char *monitor_reference_text(const struct watch *);
