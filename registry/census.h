/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
#include "registry/runs.h"
/* How much there is. It reads every run, which takes 0.1 s a million: for those who ask seldom. */
struct db;
struct error;

#define RUN_STATUSES (RUN_KILLED + 1)
struct census {
	int64_t runs[RUN_STATUSES]; /* that are not deleted, by their status */
	int64_t experiments, models, versions;
};
int census_take(struct db *, struct census *ret, struct error *);
