/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "cli/agent.h"

static const struct op_param completion_params[] = {
	{ .name = "shell", .flags = OPP_POSITIONAL | OPP_REQUIRED, .complete = COMPLETE_CHOICE,
	  .value = "bash|zsh|fish", .help = "the shell to make it for" },
	{ .name = NULL },
};
const struct op command_completion = {
	.name = "cli.completion", .command = "completion", .flags = OP_NO_PROJECT,
	.params = completion_params,
	.summary = "print a completion script for a shell",
	.details =
		"Examples:\n"
		"  mlops completion bash > ~/.local/share/bash-completion/completions/mlops\n"
		"  mlops completion zsh > ~/.zsh/functions/_mlops\n"
		"  mlops completion fish > ~/.config/fish/completions/mlops.fish\n"
		"\n"
		"Packages install it already. Steps, runs and artifacts are completed too.\n",
};
static const struct op_param help_params[] = {
	{ .name = "command", .flags = OPP_POSITIONAL | OPP_MANY, .complete = COMPLETE_COMMAND,
	  .value = "COMMAND", .help = "default: list all commands" },
	{ .name = NULL },
};
const struct op command_help = {
	.name = "cli.help", .command = "help", .flags = OP_NO_PROJECT,
	.params = help_params,
	.summary = "explain a command",
	.details =
		"Examples:\n"
		"  mlops help run\n"
		"  mlops run --help\n"
		"  mlops help --json       every command and option, for programs\n",
};

static const struct op_param login_params[] = {
	{ .name = "url", .flags = OPP_POSITIONAL, .value = "URL", .help = "the agent; default: --agent or MLOPS_AGENT" },
	{ .name = "rm", .type = OP_BOOL, .help = "forget the token instead" },
	{ .name = NULL },
};
const struct op command_login = {
	.name = "cli.login", .command = "login", .flags = OP_NO_PROJECT, .method = "POST",
	.params = login_params,
	.summary = "keep a token for an agent",
	.details =
		"Examples:\n"
		"  mlops login https://mlops.example:5000            asks for it, unseen\n"
		"  mlops login https://mlops.example:5000 < token\n"
		"  mlops login --rm https://mlops.example:5000\n"
		"\n"
		"Asks the agent whether it knows the token, then keeps it for --agent, push and\n"
		"pull, in mlops/credentials.json of ~/.config, for you alone. Whoever runs the\n"
		"agent makes one: mlops token add NAME\n",
};

const struct op_param global_params[] = {
	{ .name = "agent",
	  .value = "URL",
	  .help = "let the agent there do it; MLOPS_AGENT: what needs no work tree" },
	{ .name = "directory",
	  .letter = 'C',
	  .complete = COMPLETE_PATH,
	  .value = "DIR",
	  .help = "act as if started in DIR" },
	{ .name = "json", .type = OP_BOOL, .help = "print the result as JSON" },
	{ .name = "color",
	  .complete = COMPLETE_CHOICE,
	  .value = "auto|always|never",
	  .help = "when to use colors" },
	{ .name = "no-pager", .type = OP_BOOL, .help = "never page long output" },
	{ .name = "quiet",
	  .letter = 'q',
	  .type = OP_BOOL,
	  .help = "print only errors and what was asked for" },
	{ .name = "help", .letter = 'h', .type = OP_BOOL, .help = "explain the command" },
	{ .name = "version", .letter = 'V', .type = OP_BOOL, .help = "print the version" },
	{ .name = NULL },
};

static const struct op *const own[] = { &command_agent, &command_completion, &command_help, &command_login };

size_t command_count(void)
{
	size_t n = ARRAY_LEN(own);
	const struct op *op;

	for (size_t i = 0; (op = op_at(i)); i++)
		n += op->command != NULL;
	return n;
}

const struct op *command_at(size_t i)
{
	const struct op *op;

	for (size_t k = 0; (op = op_at(k)); k++)
		if (op->command && i-- == 0)
			return op;
	return own[i];
}

/* Words of a command that stand at the start of `words`: all of it, or fewer than it has. */
static bool command_matches(const char *command, const char *const *words, size_t nwords,
			    size_t *ret_used)
{
	size_t used = 0;

	while (*command) {
		size_t len = strcspn(command, " ");

		if (used == nwords || strlen(words[used]) != len ||
		    memcmp(words[used], command, len))
			break;
		used++;
		command += len + (command[len] == ' ');
	}
	*ret_used = used;
	return *command == '\0';
}

static const char *nearest_command(const char *typed)
{
	const char *names[64];
	size_t n = 0;

	for (size_t i = 0; i < command_count() && n < ARRAY_LEN(names); i++)
		names[n++] = command_at(i)->command;
	return nearest_word(names, n, typed);
}

/* What other programs call it. */
static const char *command_alias(const char *typed)
{
	static const struct {
		const char *typed, *command;
	} aliases[] = {
		{ "ls", "runs" },          { "list", "runs" },     { "history", "runs" },
		{ "repro", "run" },        { "exec", "run" },      { "start", "run" },
		{ "restore", "checkout" }, { "graph", "dag" },     { "verify", "fsck" },
		{ "commit", "add" },       { "track", "add" },     { "settings", "config" },
		{ "metrics", "runs" },     { "params", "runs" },   { "compare", "diff" },
		{ "upload", "push" },      { "explain", "why" },   { "new", "init" },
		{ "fetch", "pull" },       { "download", "pull" }, { "sync", "pull" },
	};

	for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
		if (!strcmp(aliases[i].typed, typed))
			return aliases[i].command;
	return NULL;
}

struct step_seek {
	const char *name;
	bool found;
};

static void seek_step(void *ctx, const char *word, const char *help)
{
	struct step_seek *seek = ctx;

	(void)help;
	seek->found |= word && !strcmp(word, seek->name);
}

static bool is_step(const char *name)
{
	struct step_seek seek = { name, false };

	op_offer_values(NULL, COMPLETE_STEP, NULL, seek_step, &seek);
	return seek.found;
}

/* "mlops cache list, mlops cache rm". Caller frees. */
static char *commands_of(const char *first)
{
	struct strbuf sb = STRBUF_INIT;
	size_t len = strlen(first);

	for (size_t i = 0; i < command_count(); i++) {
		const char *command = command_at(i)->command;
		if (!strncmp(command, first, len) && command[len] == ' ')
			strbuf_printf(&sb, "%smlops %s", sb.len ? ", " : "", command);
	}
	return strbuf_detach(&sb);
}

static int unknown_command(const char *const *words, size_t nwords, const struct op *begun,
			   struct error *err)
{
	CLEANUP(cleanup_free) char *typed =
		begun && nwords > 1 ? xasprintf("%s %s", words[0], words[1]) : xstrdup(words[0]);
	const char *nearest = command_alias(typed);

	if (begun && nwords == 1) {
		CLEANUP(cleanup_free) char *wholes = commands_of(typed);
		error_set(err, ERR_USAGE, "'%s' is not a whole command", typed);
		return error_help(err, "run: %s", wholes);
	}
	error_set(err, ERR_USAGE, "there is no command '%s'", typed);
	if (!nearest && is_step(typed))
		return error_help(err, "it is a step; run it with: mlops run %s", typed);
	if (!nearest)
		nearest = nearest_command(typed);
	if (nearest)
		return error_help(err, "did you mean '%s'?", nearest);
	return error_help(err, "run: mlops help");
}

int command_find(const char *const *words, size_t nwords, const struct op **ret, size_t *ret_used,
		 struct error *err)
{
	const struct op *begun = NULL;

	for (size_t i = 0; i < command_count(); i++) {
		const struct op *op = command_at(i);

		if (command_matches(op->command, words, nwords, ret_used)) {
			*ret = op;
			return 0;
		}
		if (*ret_used)
			begun = op;
	}
	return unknown_command(words, nwords, begun, err);
}

static const struct op_param *find_in(const struct op_param *params, const char *name, size_t len,
				      char letter)
{
	for (const struct op_param *p = params; p && p->name; p++) {
		if (p->flags & OPP_POSITIONAL)
			continue;
		if (letter ? p->letter == letter
			   : strlen(p->name) == len && !memcmp(p->name, name, len))
			return p;
	}
	return NULL;
}

const struct op_param *option_find(const struct op *op, const char *name, size_t len)
{
	const struct op_param *param = op ? find_in(op->params, name, len, 0) : NULL;

	return param ? param : find_in(global_params, name, len, 0);
}

const struct op_param *option_find_letter(const struct op *op, char letter)
{
	const struct op_param *param = op ? find_in(op->params, NULL, 0, letter) : NULL;

	return param ? param : find_in(global_params, NULL, 0, letter);
}

const struct op_param *positional_at(const struct op *op, size_t i)
{
	for (const struct op_param *p = op->params; p && p->name; p++) {
		if (!(p->flags & OPP_POSITIONAL))
			continue;
		if (i == 0 || p->flags & OPP_MANY)
			return p;
		i--;
	}
	return NULL;
}
