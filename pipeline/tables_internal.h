/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <pthread.h>
#include "base/digest.h"
#include "base/strmap.h"
#include "pipeline/data_kinds.h"
/* What tables.c (looking) and tables_known.c (what need not be looked at) share. */
struct db;
struct pipeline;
struct project;
struct schema_section;

struct table_rule {
	const struct schema_section *section;
	void *schema;	   /* of kinds */
	struct digest id;
	struct data_format format;
	char *format_text; /* "delimiter=; null=?", what is not said left out */
};
struct tables {
	const struct data_kinds *kinds;
	struct project *project;
	const struct pipeline *pipeline;
	struct table_rule *rules;
	size_t nrules;
	pthread_mutex_t mutex; /* guards all below */
	struct db *reader;     /* opened when first needed */
	struct strmap known;   /* hex -> not NULL when it was of use to this process */
	bool grown;
};

/* Reads .mlops/checked; without it nothing is known. */
void tables_load_known(struct tables *);
