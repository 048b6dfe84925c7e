/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>
/*
 * The terminal: what it is, how wide, whether colours are wanted, and the pager.
 *
 * Colours: --color, else NO_COLOR (not empty: off), else the setting ui.color, where
 * auto means a terminal that is not TERM=dumb. Width: COLUMNS, else the terminal's.
 */
struct settings;

struct term {
	bool out_tty, err_tty;
	bool out_color, err_color;
	bool moves;  /* stderr's cursor can be moved: a live view is possible */
	bool utf8;
	int width, height;
};
enum term_color { TERM_COLOR_UNSAID, TERM_COLOR_AUTO, TERM_COLOR_ALWAYS, TERM_COLOR_NEVER };
/* "auto", "always", "never"; false for anything else. */
bool term_color_parse(const char *word, enum term_color *ret);
/* `settings` may be NULL: outside a project. */
void term_init(struct term *, enum term_color, const struct settings *);
/* The size may change while a live view is on. */
void term_measure(struct term *);

/*
 * Sends this process's stdout through a pager, as git does: MLOPS_UI_PAGER, else PAGER, else the
 * setting's default; run by sh. A project's own file can only switch it off (ui.pager empty),
 * because a cloned project must not name programs to run. Returns the child, or 0 when there is no
 * pager.
 */
pid_t pager_start(const struct settings *);
/* Closes stdout and waits until the reader is done. 0 is legal. */
void pager_wait(pid_t);
