/* SPDX-License-Identifier: Apache-2.0 */
/* With seasons a window is compared with those parts of the reference that are of its own. */
#include <stdlib.h>
#include "base/error.h"
#include "base/mem.h"
#include "monitor/watch/watch_internal.h"

#define SEASON_PART 24 /* so much of a season to both sides is the same season */

static bool same_season(const struct watch *w, int64_t a, int64_t b)
{
	int64_t season = w->season_ms ? w->season_ms : w->season_windows;
	int64_t apart = a > b ? a - b : b - a;

	return (apart < season - apart ? apart : season - apart) <= season / SEASON_PART;
}

static int merge_parts(const struct watching *x, const struct content *contents, size_t n, struct profile **ret,
		       struct error *err)
{
	CLEANUP(cleanup_profile) struct profile *whole = NULL;

	for (size_t i = 0; i < n; i++) {
		CLEANUP(cleanup_profile) struct profile *part = NULL;
		if (watch_profile(x, &contents[i], &part, err) < 0)
			return -1;
		if (!whole)
			whole = steal(&part);
		else if (profile_merge(whole, part, err) < 0)
			return -1;
	}
	profile_finish(whole);
	*ret = steal(&whole);
	return 0;
}

static int seasonal_basis(const struct watching *x, const struct content *contents, size_t n, struct basis *ret,
			  struct error *err)
{
	CLEANUP(cleanup_free) struct profile **parts = xcalloc(n, sizeof(*parts));
	struct basis basis = { 0 };
	int r = merge_parts(x, contents, n, &basis.profile, err);

	for (size_t i = 0; r == 0 && i < n; i++)
		r = watch_profile(x, &contents[i], &parts[i], err);
	if (r == 0)
		r = watch_calibrate(x, (const struct profile *const *)parts, n, false, &basis.features, err);
	if (r == 0 && x->watch->columns.prediction)
		r = watch_calibrate(x, (const struct profile *const *)parts, n, true, &basis.predictions, err);
	for (size_t i = 0; i < n; i++)
		profile_free(parts[i]);
	if (r < 0)
		basis_release(&basis);
	else
		*ret = basis;
	return r;
}

int watch_basis(struct watching *x, const struct group *group, struct basis *ret, struct error *err)
{
	CLEANUP(cleanup_free) struct monitor_part *parts = NULL;
	CLEANUP(cleanup_free) struct content *contents = NULL;
	int64_t phase = watch_phase(x->watch, group->last, group->ms);
	size_t n = 0, same = 0;

	if (!x->watch->season_ms && !x->watch->season_windows)
		return 0;
	if (monitor_parts(x->db, x->row.id, &parts, &n, err) < 0)
		return -1;
	contents = xcalloc(n + 1, sizeof(*contents));
	for (size_t i = 0; i < n; i++)
		if (same_season(x->watch, parts[i].phase, phase))
			contents[same++] = parts[i].profile;
	if (!same) {
		error_set(err, ERR_UNDECIDED, "the reference of monitor %s has no window of the season of window %lld",
			  x->watch->name, (long long)group->last);
		return error_help(err, "let the reference span a whole season, or leave season = out");
	}
	return seasonal_basis(x, contents, same, ret, err) < 0 ? -1 : 1;
}
