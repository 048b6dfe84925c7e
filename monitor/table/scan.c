/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/table/scan.h"
#include <string.h>

scan_way *scan_forced;

void scan_bytewise(const char *text, size_t from, size_t to, char delimiter, struct scan_masks *m)
{
	for (size_t block = from; block < to; block++) {
		const char *p = text + block * SCAN_BLOCK;
		uint64_t delimiters = 0, lines = 0, quotes = 0;

		for (unsigned i = 0; i < SCAN_BLOCK; i++) {
			delimiters |= (uint64_t)(p[i] == delimiter) << i;
			lines |= (uint64_t)(p[i] == '\n' || p[i] == '\r') << i;
			quotes |= (uint64_t)(p[i] == '"') << i;
		}
		m->marks[block] = delimiters | lines;
		m->lines[block] = lines;
		m->quotes[block] = quotes;
	}
	if (to > from && memchr(text + from * SCAN_BLOCK, '\0', (to - from) * SCAN_BLOCK))
		m->nul = true;
}

void scan_blocks(const char *text, size_t from, size_t to, char delimiter, struct scan_masks *m)
{
	scan_way *way = scan_forced ? scan_forced : scan_has_avx2() ? scan_avx2 : scan_bytewise;

	way(text, from, to, delimiter, m);
}
