/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/drift/drift.h"
#include "monitor/drift/evidently.h"
#include "monitor/profile/profile.h"
#include "monitor/table/table.h"
/* Tables that a seed makes, their profiles, and verdicts on them. */

struct dice {
	uint64_t state;
};
static inline double roll(struct dice *d)
{
	d->state = d->state * 6364136223846793005u + 1442695040888963407u;
	return (double)(d->state >> 11) * 0x1p-53;
}
static inline double roll_normal(struct dice *d)
{
	double u = 1 - roll(d);

	return sqrt(-2 * log(u)) * cos(2 * M_PI * roll(d));
}

static inline struct profile *profile_of_text(const char *csv, const struct profile_options *options)
{
	struct profile *profile;
	struct table *table;
	struct error err;
	int fd = memfd_create("table", MFD_CLOEXEC);

	assert_int_equal(write(fd, csv, strlen(csv)), strlen(csv));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(table_open(fd, "t.csv", &(struct table_options){ 0 }, &table, &err), 0);
	assert_int_equal(profile_table(table, options, &profile, &err), 0);
	table_close(table);
	close(fd);
	return profile;
}

typedef void make_row(struct dice *, size_t row, double shift, struct strbuf *ret);

static inline struct profile *profile_of(const char *header, make_row *make, uint64_t seed, size_t rows, double shift,
					 const struct profile_options *options)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct dice dice = { seed };

	strbuf_printf(&text, "%s\n", header);
	for (size_t row = 0; row < rows; row++) {
		make(&dice, row, shift, &text);
		strbuf_putc(&text, '\n');
	}
	return profile_of_text(text.buf, options);
}

static inline enum drift_state judge(const struct profile *ref, const struct profile *cur, const struct drift_options *options,
				     struct js **ret)
{
	enum drift_state state;
	struct js *verdict;
	struct error err;

	assert_int_equal(drift_judge(ref, cur, NULL, options, &state, &verdict, &err), 0);
	if (ret)
		*ret = verdict;
	else
		js_free(verdict);
	return state;
}

static inline struct js *column_of(const struct js *verdict, const char *name)
{
	struct js *columns = js_get(verdict, "columns");

	for (size_t i = 0; i < js_len(columns); i++)
		if (strcmp(js_get_str(js_at(columns, i), "name"), name) == 0)
			return js_at(columns, i);
	return NULL;
}

static inline const char *state_of(const struct js *verdict, const char *name)
{
	return js_get_str(column_of(verdict, name), "state");
}
