/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * GET /api/v1/openapi.json: OpenAPI 3.1 of what /api/v1 serves, made from the table of operations, so it cannot say
 * anything else than what is checked. It is the same for everybody and says nothing of what is stored.
 */
struct call;
struct error;
struct js;
struct project;

/* A route's `serve`. */
int openapi_serve(struct call *, struct project *, struct error *);
/* Caller frees. */
struct js *openapi_document(void);
