/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/term.h"
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/settings.h"

bool term_color_parse(const char *word, enum term_color *ret)
{
	static const char *const words[] = { [TERM_COLOR_AUTO] = "auto",
					     [TERM_COLOR_ALWAYS] = "always",
					     [TERM_COLOR_NEVER] = "never" };

	for (size_t i = TERM_COLOR_AUTO; i < ARRAY_LEN(words); i++) {
		if (strcmp(words[i], word))
			continue;
		*ret = (enum term_color)i;
		return true;
	}
	return false;
}

static bool env_is_set(const char *name)
{
	const char *value = getenv(name);

	return value && *value;
}

static bool is_dumb(void)
{
	const char *term = getenv("TERM");

	return !term || !*term || !strcmp(term, "dumb");
}

static enum term_color color_wanted(enum term_color said, const struct settings *settings)
{
	const char *word =
		settings ? settings_get(settings, SETTING_UI_COLOR) : getenv("MLOPS_UI_COLOR");
	enum term_color wanted;

	if (said != TERM_COLOR_UNSAID)
		return said;
	if (env_is_set("NO_COLOR"))
		return TERM_COLOR_NEVER;
	if (!word || !term_color_parse(word, &wanted))
		return TERM_COLOR_AUTO;
	return wanted;
}

/* wcwidth needs a UTF-8 locale; one is built into glibc, for when none is set. */
static bool use_utf8(void)
{
	const char *codeset;

	if (!setlocale(LC_CTYPE, ""))
		setlocale(LC_CTYPE, "C.UTF-8");
	codeset = nl_langinfo(CODESET);
	if (!strcmp(codeset, "UTF-8"))
		return true;
	setlocale(LC_CTYPE, "C.UTF-8");
	return false;
}

void term_measure(struct term *term)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size = { 0 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size))
			size = (struct winsize){ 0 };
	term->width = columns ? (int)strtol(columns, NULL, 10) : 0;
	if (term->width <= 0)
		term->width = size.ws_col ? size.ws_col : 80;
	if (term->width > 1000)
		term->width = 1000;
	term->height = size.ws_row ? size.ws_row : 24;
}

void term_init(struct term *term, enum term_color said, const struct settings *settings)
{
	enum term_color wanted = color_wanted(said, settings);
	bool dumb = is_dumb();

	term->out_tty = isatty(STDOUT_FILENO);
	term->err_tty = isatty(STDERR_FILENO);
	term->out_color = wanted == TERM_COLOR_ALWAYS ||
			  (wanted == TERM_COLOR_AUTO && term->out_tty && !dumb);
	term->err_color = wanted == TERM_COLOR_ALWAYS ||
			  (wanted == TERM_COLOR_AUTO && term->err_tty && !dumb);
	term->moves = term->err_tty && !dumb;
	term->utf8 = use_utf8();
	term_measure(term);
}
