/* SPDX-License-Identifier: Apache-2.0 */
/* Quantiles: values as they are, then counts of different ones or levels of KLL. */
#include "monitor/profile/sketch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "monitor/profile/sketch_internal.h"

/* A tail of at most this many values is joined to another one; a longer one is a run of its own. */
#define SHORT_TAIL 4096
/* Of the bound of one rank: the largest error over all x is below it with 99 %. Measured: the 99th percentile was 3.1 to 3.6 for
 * random values in whatever parts they came, and less for ordered ones. */
#define ERROR_DEVIATIONS 3.7

struct sketch *sketch_new(size_t exact, uint64_t seed)
{
	struct sketch *s = xcalloc(1, sizeof(*s));

	s->exact = exact;
	s->seed = seed;
	s->sorted = true;
	return s;
}

static void drop_view(struct sketch *s)
{
	free(steal(&s->view));
	free(steal(&s->view_weights));
	s->nview = 0;
}

static void drop_body(struct sketch *s)
{
	kll_release(s);
	free(steal(&s->values));
	free(steal(&s->weights));
	s->nvalues = 0;
	hll_free(steal(&s->hll));
}

void sketch_free(struct sketch *s)
{
	if (!s)
		return;
	drop_view(s);
	drop_body(s);
	free(s->tail);
	free(s);
}

void cleanup_sketch(struct sketch **s)
{
	sketch_free(*s);
}

void sketch_clear(struct sketch *s)
{
	drop_view(s);
	drop_body(s);
	s->count = s->coins = s->distinct = 0;
	s->ntail = 0;
	s->sorted = true;
	s->variance = 0;
}

uint64_t sketch_count(const struct sketch *s)
{
	return s->count;
}

bool sketch_exact(const struct sketch *s)
{
	return !s->nlevels;
}

double sketch_error(const struct sketch *s)
{
	return s->nlevels ? ERROR_DEVIATIONS * sqrt(s->variance) / (double)s->count : 0;
}

static bool has_body(const struct sketch *s)
{
	return s->nlevels || s->nvalues;
}

/* ---- different values, ascending, with counts ---- */

struct counted {
	double *values;
	uint64_t *weights;
	size_t n;
};
static void counted_release(struct counted *c)
{
	free(c->values);
	free(c->weights);
}

/* Of a sorted run; false: there are more than PROFILE_VALUES. */
static bool count_run(const double *run, size_t n, struct counted *ret)
{
	struct counted c = { xreallocarray(NULL, PROFILE_VALUES, sizeof(double)),
			     xreallocarray(NULL, PROFILE_VALUES, sizeof(uint64_t)), 0 };

	for (size_t i = 0; i < n; i++) {
		if (c.n && c.values[c.n - 1] == run[i]) {
			c.weights[c.n - 1]++;
			continue;
		}
		if (c.n == PROFILE_VALUES) {
			counted_release(&c);
			return false;
		}
		c.values[c.n] = run[i];
		c.weights[c.n++] = 1;
	}
	*ret = c;
	return true;
}

/* Adds to the body, which has no levels; false: they would be too many, and nothing is changed. */
static bool join_counted(struct sketch *s, const double *values, const uint64_t *weights, size_t n)
{
	CLEANUP(counted_release)
	struct counted all = { xreallocarray(NULL, s->nvalues + n + 1, sizeof(double)),
			       xreallocarray(NULL, s->nvalues + n + 1, sizeof(uint64_t)), 0 };

	for (size_t i = 0, k = 0; i < s->nvalues || k < n;) {
		bool ours = k == n || (i < s->nvalues && s->values[i] <= values[k]);
		bool theirs = i == s->nvalues || (k < n && values[k] <= s->values[i]);

		all.values[all.n] = ours ? s->values[i] : values[k];
		all.weights[all.n++] = (ours ? s->weights[i] : 0) + (theirs ? weights[k] : 0);
		i += ours;
		k += theirs;
	}
	if (all.n > PROFILE_VALUES)
		return false;
	free(s->values);
	free(s->weights);
	s->values = steal(&all.values);
	s->weights = steal(&all.weights);
	s->nvalues = all.n;
	return true;
}

/* ---- from exact to levels ---- */

static void need_hll(struct sketch *s)
{
	if (!s->hll)
		s->hll = hll_new();
}

/* The counted body becomes levels. */
static void leave_counts(struct sketch *s)
{
	if (!s->nvalues)
		return;
	need_hll(s);
	hll_add_numbers(s->hll, s->values, s->nvalues);
	kll_push_weighted(s, s->values, s->weights, s->nvalues);
	free(steal(&s->values));
	free(steal(&s->weights));
	s->nvalues = 0;
}

/* A sorted run into the body, which may be empty. `known` has its values already; NULL: they are looked at. */
static void fold_run(struct sketch *s, const double *run, size_t n, const struct hll *known)
{
	struct counted c;

	if (!n)
		return;
	if (!s->nlevels && !known && count_run(run, n, &c)) {
		bool joined = join_counted(s, c.values, c.weights, c.n);

		counted_release(&c);
		if (joined)
			return;
	}
	leave_counts(s);
	need_hll(s);
	if (known)
		hll_merge(s->hll, known);
	else
		hll_add_numbers(s->hll, run, n);
	kll_push_run(s, run, n, 0);
}

static void sort_tail(struct sketch *s)
{
	CLEANUP(cleanup_free) double *scratch = NULL;

	if (s->sorted)
		return;
	scratch = xreallocarray(NULL, s->ntail, sizeof(*scratch));
	sort_numbers(s->tail, s->ntail, scratch);
	s->sorted = true;
	s->distinct = 0;
}

/* Where the tail is made of other sketches' tails, and surely has too many values to be counted. */
static bool fold_runs(struct sketch *s)
{
	if (s->sorted || !kll_push_runs(s, s->tail, s->ntail, s->nlevels ? 0 : PROFILE_VALUES + 1))
		return false;
	leave_counts(s);
	need_hll(s);
	hll_add_numbers(s->hll, s->tail, s->ntail);
	return true;
}

static void fold_tail(struct sketch *s)
{
	CLEANUP(cleanup_free) struct hll *known = NULL;

	if (!fold_runs(s)) {
		sort_tail(s);
		if (!has_body(s))
			known = steal(&s->hll);
		fold_run(s, s->tail, s->ntail, known);
	}
	s->ntail = 0;
	s->sorted = true;
	s->distinct = 0;
}

double *sketch_room(struct sketch *s, size_t n)
{
	if (s->ntail + n > s->tail_cap) {
		size_t room = s->tail_cap ? s->tail_cap * 2 : 64;

		s->tail_cap = room > s->ntail + n ? room : s->ntail + n;
		s->tail = xreallocarray(s->tail, s->tail_cap, sizeof(*s->tail));
	}
	return s->tail + s->ntail;
}

/* What was known of the tail holds no more. */
static void tail_grew(struct sketch *s, size_t n)
{
	s->ntail += n;
	s->sorted = s->ntail < 2;
	s->distinct = 0;
	if (!has_body(s))
		hll_free(steal(&s->hll));
}

void sketch_took(struct sketch *s, size_t n)
{
	drop_view(s);
	s->count += n;
	tail_grew(s, n);
}

void sketch_limit(struct sketch *s, size_t exact)
{
	if (exact < s->exact)
		s->exact = exact;
	if (s->ntail > s->exact) {
		drop_view(s);
		fold_tail(s);
	}
}

static void append(struct sketch *s, const double *values, size_t n)
{
	double *room = sketch_room(s, n);

	for (size_t i = 0; i < n; i++)
		room[i] = values[i] + 0.0; /* there is but one zero */
	tail_grew(s, n);
	if (s->ntail > s->exact)
		fold_tail(s);
}

void sketch_add(struct sketch *s, const double *values, size_t n)
{
	drop_view(s);
	s->count += n;
	append(s, values, n);
}

void sketch_seal(struct sketch *s)
{
	if (has_body(s) && s->ntail) {
		drop_view(s);
		fold_tail(s);
	}
	sort_tail(s);
	if (has_body(s) || s->distinct || !s->ntail)
		return;
	s->distinct = 1;
	for (size_t i = 1; i < s->ntail; i++)
		s->distinct += s->tail[i] != s->tail[i - 1];
	if (s->distinct > PROFILE_VALUES && s->exact != SIZE_MAX) {
		need_hll(s);
		hll_add_numbers(s->hll, s->tail, s->ntail);
	}
}

double sketch_distinct(struct sketch *s)
{
	sketch_seal(s);
	if (s->nlevels)
		return hll_count(s->hll);
	return s->nvalues ? (double)s->nvalues : (double)s->distinct;
}

/* ---- merge ---- */

static void merge_tail(struct sketch *into, struct sketch *from)
{
	CLEANUP(cleanup_free) struct hll *known = NULL;

	if (from->ntail <= SHORT_TAIL || (into->ntail <= into->exact && from->ntail <= into->exact - into->ntail)) {
		append(into, from->tail, from->ntail);
		return;
	}
	if (!has_body(into))
		fold_tail(into);
	sort_tail(from);
	known = has_body(from) ? NULL : steal(&from->hll);
	fold_run(into, from->tail, from->ntail, known);
}

static void merge_body(struct sketch *into, struct sketch *from)
{
	if (!has_body(into))
		fold_tail(into);
	if (from->nvalues && !into->nlevels && join_counted(into, from->values, from->weights, from->nvalues))
		return;
	leave_counts(into);
	need_hll(into);
	if (from->nvalues) {
		hll_add_numbers(into->hll, from->values, from->nvalues);
		kll_push_weighted(into, from->values, from->weights, from->nvalues);
		return;
	}
	hll_merge(into->hll, from->hll);
	kll_merge(into, from);
}

void sketch_merge(struct sketch *into, struct sketch *from)
{
	drop_view(into);
	if (from->exact < into->exact)
		into->exact = from->exact;
	into->count += from->count;
	if (!into->ntail && !has_body(into) && !has_body(from) && from->ntail <= into->exact) {
		double *spare = into->tail;
		size_t cap = into->tail_cap;

		into->tail = from->tail;
		into->tail_cap = from->tail_cap;
		into->ntail = from->ntail;
		into->sorted = from->sorted;
		into->distinct = from->distinct;
		hll_free(into->hll);
		into->hll = steal(&from->hll);
		from->tail = spare;
		from->tail_cap = cap;
	} else {
		if (has_body(from))
			merge_body(into, from);
		if (from->ntail)
			merge_tail(into, from);
		sketch_limit(into, into->exact);
	}
	sketch_clear(from);
}

/* ---- asking ---- */

struct item {
	double value;
	uint64_t weight;
};
static int compare_items(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	return (x->value > y->value) - (x->value < y->value);
}

/* Equal values are one. */
static void make_view(struct sketch *s)
{
	size_t n = kll_items(s), at = 0;
	CLEANUP(cleanup_free) struct item *items = xreallocarray(NULL, n + 1, sizeof(*items));

	for (size_t h = 0; h < s->nlevels; h++)
		for (size_t i = 0; i < s->levels[h].n; i++)
			items[at++] = (struct item){ s->levels[h].items[i], 1ull << h };
	qsort(items, n, sizeof(*items), compare_items);
	s->view = xreallocarray(NULL, n, sizeof(*s->view));
	s->view_weights = xreallocarray(NULL, n, sizeof(*s->view_weights));
	for (size_t i = 0; i < n; i++) {
		if (s->nview && s->view[s->nview - 1] == items[i].value) {
			s->view_weights[s->nview - 1] += items[i].weight;
			continue;
		}
		s->view[s->nview] = items[i].value;
		s->view_weights[s->nview++] = items[i].weight;
	}
}

size_t sketch_sorted(struct sketch *s, const double **ret_values, const uint64_t **ret_weights)
{
	sketch_seal(s);
	if (s->nlevels && !s->view)
		make_view(s);
	*ret_values = s->nlevels ? s->view : s->nvalues ? s->values : s->tail;
	*ret_weights = s->nlevels ? s->view_weights : s->weights;
	return s->nlevels ? s->nview : s->nvalues ? s->nvalues : s->ntail;
}

double sketch_rank(struct sketch *s, double x)
{
	const double *values;
	const uint64_t *weights;
	size_t n = sketch_sorted(s, &values, &weights), low = 0, high = n;
	uint64_t below = 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (values[mid] <= x)
			low = mid + 1;
		else
			high = mid;
	}
	for (size_t i = 0; weights && i < low; i++)
		below += weights[i];
	return n ? (double)(weights ? below : low) / (double)s->count : NAN;
}
