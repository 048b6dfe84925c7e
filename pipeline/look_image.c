/* SPDX-License-Identifier: Apache-2.0 */
/* Which exact image a step runs in: a pin of mlops.lock, or the key of one that is built here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "pipeline/build.h"
#include "pipeline/grammar.h"
#include "pipeline/look_internal.h"
#include "pipeline/plan.h"
#include "runners/docker_engine.h"

/* Read once a run, by the name of its section. */
struct look_build {
	struct build *build;
	char pin[6 + DIGEST_HEX + 1]; /* "build:HEX" */
	struct js *record;
};

static struct look_build *known(const struct looker *l, const struct plan_node *node)
{
	return node->build ? strmap_get(&l->builds, node->build->name) : NULL;
}

int look_build(struct looker *l, const struct plan_node *node, const struct build **ret, struct error *err)
{
	struct look_build *found = known(l, node);

	if (!found) {
		struct build *build;

		if (build_make(&l->scanner, l->plan, node->build, &build, err) < 0)
			return -1;
		found = xcalloc(1, sizeof(*found));
		found->build = build;
		strmap_set(&l->builds, node->build->name, found);
	}
	if (ret)
		*ret = found->build;
	return 0;
}

void look_forget_builds(struct looker *l)
{
	for (size_t i = 0; i < l->builds.len; i++) {
		struct look_build *found = l->builds.entries[i].value;

		build_free(found->build);
		js_free(found->record);
		free(found);
	}
	strmap_release(&l->builds);
}

/* A base without a pin may get one before the run. */
static const char *build_pin(struct looker *l, struct look_build *found)
{
	struct digest key;
	char hex[DIGEST_HEX + 1];

	if (!found || (!*found->pin && !build_key(found->build, &l->lock, l->platform, &key)))
		return NULL;
	if (!*found->pin)
		snprintf(found->pin, sizeof(found->pin), "build:%s", digest_format(&key, hex));
	return found->pin;
}

const char *look_pin(struct looker *l, const struct plan_node *node)
{
	if (node->build)
		return build_pin(l, known(l, node));
	return node->image ? build_base_pin(&l->lock, node->image) : NULL;
}

const struct js *look_build_record(struct looker *l, const struct plan_node *node)
{
	struct look_build *found = known(l, node);

	if (found && !found->record && build_pin(l, found))
		found->record = build_record(found->build, &l->lock);
	return found ? found->record : NULL;
}

void look_set_pin(struct looker *l, const char *image, const char *pin)
{
	lockfile_set(&l->lock, LOCKED_IMAGE, image, pin);
}

struct lockfile *look_lock(struct looker *l)
{
	return &l->lock;
}
