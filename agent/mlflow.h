/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
/*
 * MLflow's REST API: each route is an operation with MLflow's path, and its JSON where ours differs. Every path stands
 * below /api/2.0, /api/3.0, /ajax-api/2.0 and /ajax-api/3.0 alike, as in MLflow.
 *
 * Errors are MLflow's: {"error_code", "message"} with its names and statuses. A client retries 5xx for minutes, so
 * what is the client's fault is 4xx.
 */
struct call;
struct error;
struct js;
struct project;

struct mlflow_route {
	const char *method, *path; /* below /mlflow: "/experiments/get" */
	const char *op;            /* its name */
	/* Changes arguments, or result, in place; NULL: they are the operation's own. Arguments were checked already
	 * (mlflow_args.h). */
	int (*decode)(const struct call *, struct js *args, struct error *);
	void (*encode)(const struct call *, struct js *result);
};
struct mlflow_table {
	const struct mlflow_route *rows;
	size_t len;
};
extern const struct mlflow_table mlflow_experiments; /* mlflow_experiments.c */
extern const struct mlflow_table mlflow_search; /* mlflow_search.c */
extern const struct mlflow_table mlflow_runs; /* mlflow_runs.c */
extern const struct mlflow_table mlflow_artifacts;
extern const struct mlflow_table mlflow_models, mlflow_versions, mlflow_logged_models;

/* Serves an operation with OP_BYTES, whose arguments are the call's state. */
int mlflow_serve_bytes(struct call *, struct project *, struct error *);
/* Adds them all to the router. */
void mlflow_start(void);
void mlflow_artifacts_start(void); /* the artifact proxy, which stands beside them; by mlflow_start */
void mlflow_unsupported_start(void); /* what is not there says so; by mlflow_start */
/* In a program that does nothing else: all routes on stdout, each a line of JSON {method, path, state, operation}. */
void mlflow_list(void);
void mlflow_fail(struct call *, const struct error *);
