/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/budget.h"
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/machine.h"
#include "base/mem.h"
#include "base/settings.h"
#include "base/strbuf.h"
#include "pipeline/grammar.h"
#include "pipeline/plan.h"

static void number_gpus(long n, struct strlist *ret)
{
	for (long i = 0; i < n; i++)
		strlist_push_owned(ret, xasprintf("%ld", i));
}

static void split_gpus(const char *ids, struct strlist *ret)
{
	for (; *ids; ids += strcspn(ids, ","), ids += *ids == ',') {
		size_t len = strcspn(ids, ",");
		CLEANUP(cleanup_free) char *id = xstrndup(ids, len);
		if (len && !strlist_has(ret, id)) /* named twice it is one */
			strlist_push(ret, id);
	}
}

/* "auto", a number, or ids. Who limited us by CUDA_VISIBLE_DEVICES meant what we start, too. */
static void find_gpus(const char *setting, struct strlist *ret)
{
	const char *visible = getenv("CUDA_VISIBLE_DEVICES");

	if (!strcmp(setting, "auto")) {
		if (visible)
			split_gpus(visible, ret);
		else
			number_gpus(machine_gpus(), ret);
		return;
	}
	if (setting[strspn(setting, "0123456789")])
		split_gpus(setting, ret);
	else
		number_gpus(strtol(setting, NULL, 10), ret);
}

void budget_open(struct budget *ret, const struct settings *settings, const struct pipeline *pipeline)
{
	struct budget b = {
		.pipeline = pipeline,
		.cpu = (double)settings_int(settings, SETTING_RUN_CPU),
		.mem = settings_int(settings, SETTING_RUN_MEM),
	};

	find_gpus(settings_get(settings, SETTING_RUN_GPU), &b.gpus);
	if (b.cpu <= 0)
		b.cpu = machine_cpus();
	if (!b.mem)
		b.mem = machine_memory();
	b.gpus_free = b.gpus.len;
	b.gpu_used = xcalloc(b.gpus.len, sizeof(*b.gpu_used));
	b.pools_used = xcalloc(pipeline->npools, sizeof(*b.pools_used));
	*ret = b;
}

void budget_release(struct budget *b)
{
	strlist_release(&b->gpus);
	free(b->gpu_used);
	free(b->pools_used);
}

static int too_much(const struct budget *b, const struct step *step, const char *key, const char *setting, const char *wants,
		    const char *has, struct error *err)
{
	error_set(err, ERR_ENV, "step %s asks for %s = %s, and there %s", step->name, key, wants, has);
	error_where(err, b->pipeline->file, step->at.line, step->at.column);
	return error_help(err, "lower %s= of [step.%s], or say what steps may use: mlops config %s VALUE", key, step->name,
			  setting);
}

static char *size_text(int64_t bytes)
{
	return bytes >= 1 << 30 ? xasprintf("%.1fG", (double)bytes / (1 << 30)) : xasprintf("%.0fM", (double)bytes / (1 << 20));
}

int budget_check(const struct budget *b, const struct plan_node *node, struct error *err)
{
	const struct step *step = node->step;
	CLEANUP(cleanup_free) char *wants = NULL;
	CLEANUP(cleanup_free) char *has = NULL;

	if (step->cpu > b->cpu) {
		wants = xasprintf("%g", step->cpu);
		has = b->cpu == 1 ? xstrdup("is 1 core") : xasprintf("are %g cores", b->cpu);
		return too_much(b, step, "cpu", "run.cpu", wants, has, err);
	}
	if (step->mem > b->mem) {
		CLEANUP(cleanup_free) char *bytes = size_text(b->mem);
		wants = size_text(step->mem);
		has = xasprintf("is %s of memory", bytes);
		return too_much(b, step, "mem", "run.mem", wants, has, err);
	}
	if (step->gpu > (int64_t)b->gpus.len) {
		wants = xasprintf("%lld", (long long)step->gpu);
		has = b->gpus.len ? xasprintf(b->gpus.len == 1 ? "is %zu GPU" : "are %zu GPUs", b->gpus.len) :
				  xstrdup("is no GPU");
		return too_much(b, step, "gpu", "run.gpu", wants, has, err);
	}
	return 0;
}

/* Index + 1; 0: in none. */
static size_t pool_of(const struct budget *b, const struct step *step)
{
	for (size_t i = 0; step->pool.text && i < b->pipeline->npools; i++)
		if (!strcmp(b->pipeline->pools[i].name, step->pool.text))
			return i + 1;
	return 0;
}

enum budget_answer budget_fits(const struct budget *b, const struct step *step)
{
	size_t pool = pool_of(b, step);

	if (pool && b->pools_used[pool - 1] >= b->pipeline->pools[pool - 1].size)
		return BUDGET_POOL_FULL;
	/* Sums of fractions: 0.1 ten times is 1. */
	if (b->cpu_used + step->cpu > b->cpu + 1e-6 || b->mem_used > b->mem - step->mem ||
	    step->gpu > (int64_t)b->gpus_free)
		return BUDGET_SHORT;
	return BUDGET_FITS;
}

void budget_take(struct budget *b, const struct step *step, char **ret_gpus)
{
	CLEANUP_STRBUF struct strbuf ids = STRBUF_INIT;
	size_t pool = pool_of(b, step);
	int64_t left = step->gpu;

	b->cpu_used += step->cpu;
	b->mem_used += step->mem;
	if (pool)
		b->pools_used[pool - 1]++;
	for (size_t i = 0; left && i < b->gpus.len; i++) {
		if (b->gpu_used[i])
			continue;
		b->gpu_used[i] = true;
		b->gpus_free--;
		left--;
		strbuf_printf(&ids, "%s%s", ids.len ? "," : "", b->gpus.items[i]);
	}
	*ret_gpus = step->gpu ? strbuf_detach(&ids) : NULL;
}

void budget_give(struct budget *b, const struct step *step, const char *gpus)
{
	struct strlist ids CLEANUP(strlist_release) = STRLIST_INIT;
	size_t pool = pool_of(b, step);

	b->cpu_used -= step->cpu;
	b->mem_used -= step->mem;
	if (pool)
		b->pools_used[pool - 1]--;
	split_gpus(gpus ? gpus : "", &ids);
	for (size_t i = 0; i < b->gpus.len; i++) {
		for (size_t k = 0; k < ids.len; k++) {
			if (strcmp(ids.items[k], b->gpus.items[i]) != 0)
				continue;
			b->gpu_used[i] = false;
			b->gpus_free++;
		}
	}
}
