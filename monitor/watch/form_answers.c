/* SPDX-License-Identifier: Apache-2.0 */
/* Rows with an id, beside the rest of the window: which request, when, and who answered as far as the row says. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/error.h"
#include "base/mem.h"
#include "monitor/watch/form_internal.h"
#include "registry/predictions.h"

#define PIECE	   65536u /* sorted at once */
#define MODELS_MAX 1000u  /* different ones in a window; what is beyond is a row that names one nobody knows */

/* 0: none, N: models.entries[N - 1], MODELS_MAX + 1: too long a name, or one too many. */
static uint32_t note_model(struct form_private *p, const struct field *f)
{
	CLEANUP(cleanup_free) char *text = NULL;
	void *known;

	if (!f || f->kind == FIELD_NULL || !f->len)
		return 0;
	if (f->len > PREDICTION_MODEL_MAX)
		return MODELS_MAX + 1;
	text = xstrndup(f->text, f->len);
	known = strmap_get(&p->models, text);
	if (known)
		return (uint32_t)(uintptr_t)known;
	if (p->models.len == MODELS_MAX)
		return MODELS_MAX + 1;
	strmap_set(&p->models, text, (void *)(uintptr_t)(p->models.len + 1));
	return (uint32_t)p->models.len;
}

int form_answer(struct form *form, const struct field *id, const struct field *model, const int64_t *ms, struct error *err)
{
	const struct form_answer answer = { .key = prediction_key(id->text, id->len), .ms = ms ? *ms : 0, .timed = ms != NULL,
					    .model = note_model(form->private, model) };

	if (!form->answers)
		form->answers = tmpfile();
	if (!form->answers || fwrite(&answer, sizeof(answer), 1, form->answers) != 1)
		return error_set(err, ERR_ENV, "cannot write a temporary file in /tmp");
	return 0;
}

const char *form_answer_model(const struct form *form, const struct form_answer *answer)
{
	if (!answer->model)
		return NULL;
	return answer->model <= MODELS_MAX ? form->private->models.entries[answer->model - 1].key : "";
}

static int by_key(const void *a, const void *b)
{
	const struct form_answer *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->place < y->place ? -1 : 1;
}

int form_each_answer(struct form *form, int (*each)(void *, const struct form_answer *, struct error *), void *ctx,
		     struct error *err)
{
	CLEANUP(cleanup_free) struct form_answer *piece = NULL;
	size_t n;

	if (!form->answers)
		return 0;
	piece = xcalloc(PIECE, sizeof(*piece));
	rewind(form->answers);
	while ((n = fread(piece, sizeof(*piece), PIECE, form->answers)) > 0) {
		for (size_t i = 0; i < n; i++)
			piece[i].place = (uint32_t)i;
		qsort(piece, n, sizeof(*piece), by_key);
		for (size_t i = 0; i < n; i++)
			if (each(ctx, &piece[i], err) < 0)
				return -1;
	}
	return ferror(form->answers) ? error_set(err, ERR_ENV, "cannot read a temporary file in /tmp") : 0;
}
