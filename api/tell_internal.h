/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/strbuf.h"
/* What the files of tell share. */
struct definitions;
struct error;
struct js;
struct letter;
struct lockfile;
struct project;

/* tell_http.c: one request */
struct exchange {
	struct project *project;
	const char *method, *url;
	const char *const *headers;
	const char *body;        /* NULL: none */
	bool anywhere;           /* the operator wrote the URL: it may be any address */
	int64_t timeout_ms;      /* 0: 20 s */
	size_t max;
	int status;              /* 0: no answer */
	struct strbuf reply;
	int64_t *again_ms;       /* as of tell_send */
};
/* 0: the status is 2xx, and the reply is there. */
int tell_exchange(struct exchange *, struct error *);

/* tell_openlineage.c */
int tell_openlineage(struct project *, const struct letter *, int64_t *again_ms, struct error *);

/* What a run came to, for its forge (policy/report.h says how it looks). `event` is the job.end. */
int report_of_job(struct project *, const struct definitions *, const struct js *event, struct js **ret, struct error *);
