/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/mem.h"
#include "monitor/drift/drift_internal.h"
#include "monitor/profile/profile.h"

void drift_options_release(struct drift_options *options)
{
	strlist_release(&options->columns);
	strlist_release(&options->ignore);
	strlist_release(&options->critical);
}

/* Somebody swapped the two, or compares with the future. */
static void warn_newer(struct judgement *j)
{
	for (size_t i = 0; i < j->ref->ncolumns; i++) {
		const struct column *ref = &j->ref->columns[i], *cur = profile_find(j->cur, ref->name);
		CLEANUP(cleanup_free) char *text = NULL;

		if (!cur || ref->type != COLUMN_TIME || cur->type != COLUMN_TIME || ref->min <= cur->max)
			continue;
		text = xasprintf("the reference is newer than the current table, by column %s", ref->name);
		strlist_push(&j->warnings, text);
	}
}

int drift_judge(const struct profile *reference, const struct profile *current, const struct calibration *calibration,
		const struct drift_options *options, enum drift_state *ret_state, struct js **ret, struct error *err)
{
	CLEANUP(judgement_release) struct judgement j = {
		.ref = reference, .cur = current, .options = options, .calibration = calibration,
	};

	if (judgement_columns(&j, err) < 0)
		return -1;
	warn_newer(&j);
	if (options->method == DRIFT_EVIDENTLY)
		judgement_evidently(&j);
	else
		judgement_weigh(&j);
	*ret = judgement_show(&j);
	*ret_state = j.state;
	return 0;
}
