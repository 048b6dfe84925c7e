/* SPDX-License-Identifier: Apache-2.0 */
/* Who answered the requests of a window that closes. */
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "monitor/watch/watch_internal.h"
#include "registry/predictions.h"

struct answering {
	const struct form *form;
	struct predictions *predictions;
	int64_t now_ms;
};

/* Rows without times were answered before now, and nobody knows when. */
static int record_answer(void *ctx, const struct form_answer *answer, struct error *err)
{
	const struct answering *a = ctx;

	return predictions_add(a->predictions, answer->key, form_answer_model(a->form, answer),
			       answer->timed ? answer->ms : a->now_ms, err);
}

int watch_answers(struct watching *x, struct form *form, int64_t number, struct error *err)
{
	CLEANUP(cleanup_predictions) struct predictions *predictions =
		predictions_open(x->db, x->row.id, number, x->watch->model);
	struct answering a = { .form = form, .predictions = predictions, .now_ms = clock_wall_ms() };

	return form_each_answer(form, record_answer, &a, err);
}
