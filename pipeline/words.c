/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command becomes words by the quoting rules of POSIX, and by nothing else of a
 * shell: what only a shell could do is refused, so that no command means less than it
 * says. ${...} is found in every kind of quotes, because it is ours and not the shell's.
 */
#include <ctype.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "pipeline/expand_internal.h"
#include "pipeline/show.h"

enum quote { PLAIN = 0, SINGLE = '\'', DOUBLE = '"' };

struct shell_state {
	bool shell;      /* a shell was named, and its text has not come yet */
	bool text_next;  /* its -c came: the next word that is no option is the text */
	bool takes_name; /* the next word is the name that -o takes */
};
struct splitter {
	const struct expand_scope *scope;
	const char *cmd;
	size_t pos;
	enum quote quote;
	size_t quote_pos;   /* where it was opened */
	struct shell_state state;
	bool in_shell;      /* this word may be the text of sh -c */
	struct strbuf word;
	bool has_word;      /* also an empty one: '' */
	struct strlist *argv;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

static bool is_shell(const char *word)
{
	static const char *const shells[] = { "sh", "bash", "dash", "ash", "ksh", "zsh", "fish" };
	const char *base = strrchr(word, '/');

	base = base ? base + 1 : word;
	if (strlen(base) > 4)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(shells); i++)
		if (!strcmp(base, shells[i]))
			return true;
	return false;
}

/* Follows the words for the text of a shell's -c: sh [-o NAME] -ec [-x] TEXT, also behind env, nice and the like. */
static void follow_shell(struct shell_state *state, const char *word)
{
	bool option = (word[0] == '-' || word[0] == '+') && word[1];

	if (state->takes_name) {
		state->takes_name = false;
	} else if (state->shell && option) {
		state->text_next = state->text_next || (word[0] == '-' && word[1] != '-' && strchr(word, 'c'));
		state->takes_name = word[1] != '-' && word[strlen(word) - 1] == 'o';
	} else {
		state->shell = (state->shell && !state->text_next) || is_shell(word);
		state->text_next = false;
	}
}

static int refuse(struct splitter *s, const char *what, struct error *err)
{
	error_set(err, ERR_USAGE, "%s in a command: there is no shell", what);
	if (s->has_word && s->in_shell)
		error_help(err, "single quotes leave the text behind -c to the shell: sh -c '...'");
	else if (strchr(s->cmd, '\''))
		error_help(err, "quote it if it is text, or run a shell: sh -c '...'");
	else
		error_help(err, "quote it if it is text, or run a shell: sh -c '%s'", SHOW(s->cmd));
	return expand_fault(s->scope, s->pos);
}

static void begin_word(struct splitter *s)
{
	if (!s->has_word)
		s->in_shell = s->state.text_next && !s->state.takes_name;
	s->has_word = true;
}

static int end_word(struct splitter *s, struct error *err)
{
	if (!s->has_word)
		return 0;
	if (expand_room(s->scope, s->word.len, true, err) < 0)
		return expand_fault(s->scope, s->pos);
	follow_shell(&s->state, s->word.buf);
	strlist_push(s->argv, s->word.buf);
	strbuf_clear(&s->word);
	s->has_word = false;
	return 0;
}

/* At a '$'. */
static int take_dollar(struct splitter *s, struct error *err)
{
	char next = s->cmd[s->pos + 1];
	CLEANUP(cleanup_free) char *what = NULL;
	size_t len = 1;

	if (next == '{')
		return expand_variable(s->scope, s->cmd, &s->pos, s->in_shell, &s->word, err);
	if (next == '$') {
		strbuf_putc(&s->word, '$');
		s->pos += 2;
		return 0;
	}
	if (s->quote != SINGLE && next && (isalnum((unsigned char)next) || strchr("_(!?#@*-", next))) {
		while (isalnum((unsigned char)s->cmd[s->pos + len]) || s->cmd[s->pos + len] == '_')
			len++;
		what = xstrndup(s->cmd + s->pos, len > 1 ? len : 2);
		return refuse(s, SHOW(what), err);
	}
	strbuf_putc(&s->word, '$');
	s->pos++;
	return 0;
}

/* At a backslash outside single quotes; within double quotes it quotes only what POSIX says. */
static int take_backslash(struct splitter *s, struct error *err)
{
	char next = s->cmd[s->pos + 1];

	if (!next) {
		error_set(err, ERR_USAGE, "a backslash ends the command");
		return expand_fault(s->scope, s->pos);
	}
	if (s->quote == DOUBLE && !strchr("$`\"\\", next))
		strbuf_putc(&s->word, '\\');
	strbuf_putc(&s->word, next);
	s->pos += 2;
	return 0;
}

static int take_special(struct splitter *s, char c, struct error *err)
{
	char what[] = "unquoted ?";

	if (s->quote == DOUBLE && c != '`') {
		strbuf_putc(&s->word, c);
		s->pos++;
		return 0;
	}
	what[sizeof(what) - 2] = c;
	return refuse(s, what, err);
}

static void take_quote(struct splitter *s, char c)
{
	if (!s->quote) {
		s->quote = (enum quote)c;
		s->quote_pos = s->pos;
	} else if (s->quote == (enum quote)c) {
		s->quote = PLAIN;
	} else {
		strbuf_putc(&s->word, c);
	}
	s->pos++;
}

/* A run of bytes that mean nothing, or one that may. */
static int take_next(struct splitter *s, struct error *err)
{
	const char *at = s->cmd + s->pos;
	size_t plain = strcspn(at, s->quote == SINGLE ? "'$" : " \t\n$'\"\\|&;<>`*?");
	char c = *at;

	if (plain) {
		begin_word(s);
		strbuf_add(&s->word, at, plain);
		s->pos += plain;
		return 0;
	}
	if (!s->quote && is_blank(c)) {
		if (end_word(s, err) < 0)
			return -1;
		s->pos++;
		return 0;
	}
	begin_word(s);
	if (c == '$')
		return take_dollar(s, err);
	if (c == '\'' || c == '"') {
		take_quote(s, c);
		return 0;
	}
	if (s->quote != SINGLE && c == '\\')
		return take_backslash(s, err);
	if (s->quote != SINGLE && strchr("|&;<>`*?", c))
		return take_special(s, c, err);
	strbuf_putc(&s->word, c);
	s->pos++;
	return 0;
}

/* LR=1 python3 train.py is a shell's way to set the environment. */
static int check_program(struct splitter *s, struct error *err)
{
	const char *first = s->argv->len ? s->argv->items[0] : "";
	const char *equals = strchr(first, '=');

	if (!*first) {
		error_set(err, ERR_USAGE, s->argv->len ? "the command's first word is empty" : "the command is empty");
		return expand_fault(s->scope, 0);
	}
	if (!equals || memchr(first, '/', (size_t)(equals - first)))
		return 0;
	error_set(err, ERR_USAGE, "the command begins with %s: there is no shell that would set it", SHOW(first));
	error_help(err, "write it as: env = %s", SHOW(first));
	return expand_fault(s->scope, 0);
}

int expand_command(const struct expand_scope *scope, const char *cmd, struct strlist *ret_argv, struct error *err)
{
	CLEANUP(strlist_release) struct strlist argv = STRLIST_INIT;
	struct splitter s = { .scope = scope, .cmd = cmd, .word = STRBUF_INIT, .argv = &argv };
	int r = 0;

	while (!r && cmd[s.pos])
		r = take_next(&s, err);
	if (!r && s.quote) {
		error_set(err, ERR_USAGE, "a %s quote is not closed", s.quote == SINGLE ? "single" : "double");
		r = expand_fault(scope, s.quote_pos);
	}
	if (!r)
		r = end_word(&s, err);
	if (!r)
		r = check_program(&s, err);
	strbuf_release(&s.word);
	if (r)
		return -1;
	*ret_argv = argv;
	argv = (struct strlist)STRLIST_INIT;
	return 0;
}
