/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
/*
 * What must not happen twice (OP_ONCE). Clients send a request again when its answer did not come: the connection broke,
 * they waited too long, this program was killed. To make a run again would leave two of them.
 *
 * The answer is kept in the database, in the transaction of the change, until it is known that the client has it, and
 * whoever sends the same request again (the same asker, method, path, query and body, byte by byte) gets it instead of a
 * new thing. It is taken to have it when it asks for something else on the same connection, or ends that connection
 * in order. Who had gone before the answer went out, whose connection broke, or who acknowledged nothing for seconds
 * has not got it; nor has anybody whose answer was still kept when this program was killed. Two that ask the same at the
 * same time are two: a kept answer is given again only when nobody waits for it any more.
 *
 * An answer that nobody fetched is dropped after 15 minutes, when no client tries any longer.
 *
 * Threads: once_serve, once_sweep, once_undo and once_committed on the writer's; the others on any.
 */
struct call;
struct db;
struct error;
struct project;
struct receipt; /* of one answer: goes with its call, then with the connection */

/* Reads what was kept. Before the first call. */
int once_start(struct project *, struct error *);
/* What went out has arrived, as far as anybody can tell now. After the last call. */
void once_stop(struct project *);
/* Serves the call, or answers what was answered before; inside the transaction. */
int once_serve(struct call *, struct project *, int (*serve)(struct call *, struct project *, struct error *),
	       struct error *);
/* The transaction was lost. */
void once_undo(struct call *);
/* Drops, within the transaction, what clients have and what is too old; it is gone after once_committed. */
int once_sweep(struct db *, struct error *);
void once_committed(void);

/* How the answer fares, told by the server. Each takes the receipt, and NULL is legal. */
void once_lost(struct receipt *);                /* it was not sent */
struct receipt *once_sent(struct receipt *);     /* gives it to the connection */
void once_arrived(struct receipt *);             /* the connection asks for more */
void once_closed(struct receipt *);              /* the connection ends; its socket is still open */
