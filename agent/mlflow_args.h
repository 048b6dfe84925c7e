/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Arguments as MLflow's server reads them, by protobuf's rules for JSON: of a GET from its query, else from the body;
 * what is no JSON is {}, what is JSON in a JSON text is read again (old clients), null is absent, numbers may be texts,
 * unknown members are ignored, the old name run_uuid is run_id. Errors are in MLflow's words.
 */
struct call;
struct error;
struct js;
struct op;

/* The result fits the operation's parameters. */
int mlflow_args(const struct call *, const struct op *, struct js **ret, struct error *);
/* For routes that need what their operation does not: it is there, and not empty. */
int mlflow_need(const struct js *args, const char *key, struct error *);
/* Of a text, for tests. */
int mlflow_args_of(const char *text, unsigned long len, const struct op *, struct js **ret, struct error *);
