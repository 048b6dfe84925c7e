/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include "store/remote.h"
/*
 * What a run asks remotes: whether they hold a result, on the loop's thread, and its bytes, on
 * workers, one fetch at a time. The two have connections of their own, so that looking
 * never waits for bytes.
 */
struct content;
struct digest;
struct error;
struct progress;
struct task;

struct fetcher {
	struct remotes look, bring;
	pthread_mutex_t mutex; /* of bring */
};
/* `from` is lent for the call, and may be NULL: no remotes. */
void fetcher_init(struct fetcher *, const struct remotes *from);
void fetcher_release(struct fetcher *);
/* Brings what the store lacks of the contents. 1: something was brought; 0: nothing was missing, or there is no
 * remote. Notes become the task's. `progress` may ask for its end. */
int fetcher_bring(struct fetcher *, struct task *, const struct content *, size_t n, const struct progress *,
		  struct error *);
