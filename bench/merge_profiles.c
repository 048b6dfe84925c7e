/* SPDX-License-Identifier: Apache-2.0 */
/* Merges 1,000 profiles of 50 columns, of 200 rows each, and prints the milliseconds: bench/monitor.py calls it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "monitor/profile/profile.h"
#include "monitor/table/table.h"

enum { PROFILES = 1000, COLUMNS = 50, ROWS = 200 };

static void fill(int fd, unsigned seed)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	srand(seed);
	for (int column = 0; column < COLUMNS; column++)
		strbuf_printf(&text, "%sc%d", column ? "," : "", column);
	strbuf_putc(&text, '\n');
	for (int row = 0; row < ROWS; row++)
		for (int column = 0; column < COLUMNS; column++) {
			if (column % 5)
				strbuf_printf(&text, "%.4f", rand() / (double)RAND_MAX);
			else
				strbuf_printf(&text, "value %d", rand() % 20);
			strbuf_putc(&text, column + 1 < COLUMNS ? ',' : '\n');
		}
	if (ftruncate(fd, 0) || pwrite(fd, text.buf, text.len, 0) != (ssize_t)text.len || lseek(fd, 0, SEEK_SET))
		abort();
}

static struct profile *make(int fd)
{
	const struct profile_options options = { 0 };
	CLEANUP(cleanup_table) struct table *table = NULL;
	struct profile *profile = profile_new(&options);
	struct rows rows;
	struct error err;
	int r;

	if (table_open(fd, "rows.csv", &(struct table_options){ 0 }, &table, &err))
		abort();
	while ((r = table_next(table, &rows, &err)) == 1)
		if (profile_add(profile, table, &rows, &err))
			abort();
	if (r < 0)
		abort();
	profile_finish(profile);
	return profile;
}

int main(void)
{
	static struct profile *profiles[PROFILES];
	FILE *file = tmpfile();
	struct timespec begin, end;
	struct error err;

	if (!file)
		return 1;
	for (unsigned i = 0; i < PROFILES; i++) {
		fill(fileno(file), i + 1);
		profiles[i] = make(fileno(file));
	}
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (unsigned i = 1; i < PROFILES; i++)
		if (profile_merge(profiles[0], profiles[i], &err))
			abort();
	profile_finish(profiles[0]);
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%.3f\n", (double)(end.tv_sec - begin.tv_sec) * 1e3 + (double)(end.tv_nsec - begin.tv_nsec) / 1e6);
	for (unsigned i = 0; i < PROFILES; i++)
		profile_free(profiles[i]);
	fclose(file);
	return 0;
}
