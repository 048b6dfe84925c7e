/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "agent/call.h"
#include "api/ops.h"
/*
 * Routes: method and path -> who serves it. A pattern holds {name} for one segment, which is never empty, and ends in
 * {name*} for all the rest with its slashes. Segments are split while they are escaped and decoded once; one that
 * holds an escaped slash, a NUL or no UTF-8 is refused, and so are "." and "..".
 */
struct error;

enum route_flags {
	ROUTE_OPEN = 1,     /* for everybody: says nothing of what is stored */
	ROUTE_TRACKING = 2, /* loopback needs no token; OP_TRACKING has it by itself */
	ROUTE_RAW_BODY = 4, /* the body is not JSON */
	ROUTE_OBJECTS = 8,  /* of a remote: tokens may have that scope alone */
	ROUTE_REFUSED = 16, /* serves nobody: only says that it is not supported */
};

struct route {
	const char *method, *path;
	const struct op *op;   /* whose role counts; NULL: `role` does */
	enum op_role role;     /* besides GET and HEAD at least ROLE_ENGINEER */
	unsigned flags;
	enum lane lane;
	uint64_t max_body;     /* 0: ROUTE_BODY_MAX */
	/* With a body that is not kept: the head is here, it is known who asks. -1 with the error refuses the body. */
	int (*begin)(struct call *, struct error *);
	int (*take)(struct call *, const void *, size_t, struct error *);
	/* Makes the answer; -1: call_fail makes one of the error. On LANE_WRITE inside a transaction, and what it wrote
	 * is undone at -1; the answer is sent after the commit. `project` is the lane's own, NULL on LANE_HERE. */
	int (*serve)(struct call *, struct project *, struct error *);
	void (*forget)(void *state); /* frees call->state */
	void (*fail)(struct call *, const struct error *);
	const void *more;      /* the family's */
};
#define ROUTE_BODY_MAX (16u << 20)

/* Before the server starts: adds routes, which must outlive it. */
void router_add(const struct route *, size_t n);
/* After the last one was added. */
void router_ready(void);
/* Splits path and query, finds the route and checks who asks (access.h). -1: the error says what to answer. */
int router_find(struct call *, const char *query, struct error *);
/* The routes' own way to write an error: of the call's route, else of those that share the start of its path; or NULL. */
void (*router_fail(const struct call *))(struct call *, const struct error *);
/* Adds the header Allow: the methods that this path has. */
void router_allow(struct call *);
/* All routes, for OpenAPI and tests. NULL beyond the last. */
const struct route *router_at(size_t i);
size_t router_count(void);
