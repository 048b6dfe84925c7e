/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/fetch.h"
#include "base/mem.h"
#include "pipeline/engine.h"
#include "store/store.h"

static void copy(const struct remotes *from, struct remotes *ret)
{
	*ret = (struct remotes){ .base = xstrdup(from->base) };
	ret->places = xcalloc(from->len, sizeof(*ret->places));
	ret->len = from->len;
	for (size_t i = 0; i < from->len; i++)
		ret->places[i] = (struct remote_place){ .name = xstrdup(from->places[i].name),
							.url = xstrdup(from->places[i].url) };
}

void fetcher_init(struct fetcher *f, const struct remotes *from)
{
	*f = (struct fetcher){ 0 };
	pthread_mutex_init(&f->mutex, NULL);
	if (from && from->len) {
		copy(from, &f->look);
		copy(from, &f->bring);
	}
}

void fetcher_release(struct fetcher *f)
{
	remotes_release(&f->look);
	remotes_release(&f->bring);
	pthread_mutex_destroy(&f->mutex);
}

static void take_note(void *ctx, const char *text)
{
	task_note(ctx, "%s", text);
}

int fetcher_bring(struct fetcher *f, struct task *t, const struct content *contents, size_t n, const struct progress *progress,
		  struct error *err)
{
	struct transfer transfer = { .store = t->engine->store, .progress = progress };
	int r;

	if (!f->bring.len)
		return 0;
	pthread_mutex_lock(&f->mutex);
	f->bring.note = take_note;
	f->bring.ctx = t;
	r = transfer_pull(&transfer, &f->bring, contents, n, err);
	pthread_mutex_unlock(&f->mutex);
	return r < 0 ? -1 : transfer.objects > 0;
}
