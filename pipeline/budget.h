/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/strlist.h"
/*
 * What the running steps of one run may use together: cores, memory, GPUs, and places in pools. A step takes its
 * share when it starts and gives it back when it ends; never more is taken than there is. The settings run.cpu,
 * run.mem and run.gpu say how much; by default it is what this process may use (base/machine.h). Nothing
 * watches what a step really uses: a container is limited by its engine, a local process by nobody.
 */
struct error;
struct pipeline;
struct plan_node;
struct settings;
struct step;

struct budget {
	const struct pipeline *pipeline;
	double cpu, cpu_used;
	int64_t mem, mem_used;
	struct strlist gpus;  /* ids */
	bool *gpu_used;       /* by index of gpus */
	size_t gpus_free;
	int64_t *pools_used;  /* by index of the pipeline's pools */
};
void budget_open(struct budget *, const struct settings *, const struct pipeline *);
void budget_release(struct budget *);
/* ERR_ENV for a step that asks for more than there is. */
int budget_check(const struct budget *, const struct plan_node *, struct error *);

enum budget_answer {
	BUDGET_FITS,
	BUDGET_POOL_FULL,
	BUDGET_SHORT, /* of cores, memory or GPUs */
};
enum budget_answer budget_fits(const struct budget *, const struct step *);
/* For a step that fits. *ret_gpus: ids of those it got, "0,2", or NULL; the caller frees it. */
void budget_take(struct budget *, const struct step *, char **ret_gpus);
void budget_give(struct budget *, const struct step *, const char *gpus);
