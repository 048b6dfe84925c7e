/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "base/strmap.h"
#include "cli/commands.h"

#define RUN_ID       32
#define RUN_ID_SHOWN 8

/*
 * The scripts only ask `mlops __complete WORDS...`, so they follow the table by
 * themselves. Answers may come from file names and databases: bash gets them quoted,
 * zsh and fish quote on their own.
 */
static const char bash_script[] =
	"_mlops()\n"
	"{\n"
	"\tlocal line word typed=() i\n"
	"\tCOMPREPLY=()\n"
	"\tfor ((i = 1; i <= COMP_CWORD; i++)); do\n" /* '@' separates words for bash, not for us */
	"\t\tword=${COMP_WORDS[i]}\n"
	"\t\tif ((${#typed[@]})) && [[ $word == @* || ${typed[-1]} == *@ ]]; then\n"
	"\t\t\ttyped[-1]+=$word\n"
	"\t\telse\n"
	"\t\t\ttyped+=(\"$word\")\n"
	"\t\tfi\n"
	"\tdone\n"
	"\twhile IFS= read -r line; do\n"
	"\t\tif [[ $line == :files ]]; then\n"
	"\t\t\tcompopt -o filenames 2>/dev/null\n"
	"\t\t\twhile IFS= read -r word; do COMPREPLY+=(\"$word\"); done \\\n"
	"\t\t\t\t< <(compgen -f -- \"${COMP_WORDS[COMP_CWORD]}\")\n"
	"\t\t\tcontinue\n"
	"\t\tfi\n"
	"\t\tline=${line%%$'\\t'*}\n"
	"\t\t[[ ${typed[-1]} == *@* && $COMP_WORDBREAKS == *@* ]] && line=${line#*@}\n"
	"\t\tprintf -v word %q \"$line\"\n"
	"\t\t[[ $word == *= ]] && compopt -o nospace 2>/dev/null\n"
	"\t\tCOMPREPLY+=(\"$word\")\n"
	"\tdone < <(mlops __complete \"${typed[@]}\" 2>/dev/null)\n"
	"}\n"
	"complete -F _mlops mlops\n";
static const char zsh_script[] =
	"#compdef mlops\n"
	"_mlops()\n"
	"{\n"
	"\tlocal line files=0\n"
	"\tlocal -a words_found shown space\n"
	"\tfor line in \"${(@f)$(mlops __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)}\"; do\n"
	"\t\tif [[ $line == :files ]]; then\n"
	"\t\t\tfiles=1\n"
	"\t\telif [[ -n $line ]]; then\n"
	"\t\t\twords_found+=(\"${line%%$'\\t'*}\")\n"
	"\t\t\tshown+=(\"${line//$'\\t'/  -- }\")\n"
	"\t\t\t[[ ${words_found[-1]} == *= ]] && space=(-S '')\n"
	"\t\tfi\n"
	"\tdone\n"
	"\t(( $#words_found )) && compadd $space -l -d shown -a words_found\n"
	"\t(( files )) && _files\n"
	"}\n"
	"if [[ $funcstack[1] == _mlops ]]; then\n"
	"\t_mlops \"$@\"\n"
	"else\n"
	"\tcompdef _mlops mlops\n"
	"fi\n";
static const char fish_script[] =
	"function __mlops_complete\n"
	"\tset -l words (commandline -opc)[2..-1] (commandline -ct)\n"
	"\tfor line in (mlops __complete $words 2>/dev/null)\n"
	"\t\tif test \"$line\" = :files\n"
	"\t\t\t__fish_complete_path (commandline -ct)\n"
	"\t\telse\n"
	"\t\t\techo $line\n"
	"\t\tend\n"
	"\tend\n"
	"end\n"
	"complete -c mlops -f -a '(__mlops_complete)'\n";

int completion_script(const char *shell, struct error *err)
{
	static const struct {
		const char *shell, *text;
	} scripts[] = { { "bash", bash_script }, { "zsh", zsh_script }, { "fish", fish_script } };

	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		if (strcmp(scripts[i].shell, shell))
			continue;
		fputs(scripts[i].text, stdout);
		return 0;
	}
	return error_set(err, ERR_USAGE, "there is no completion for '%s'", shell);
}

/* What has been typed of the word that is being completed, and what stands before it:
 * "--from=". */
struct asked {
	const char *word;
	const char *before;
	bool steps; /* instances of steps, which may be very many, are offered when it has their '@' */
};

/* Would make two lines, or two columns, of one answer. */
static bool has_controls(const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++)
		if (*c < 0x20 || *c == 0x7f)
			return true;
	return false;
}

static void offer(const struct asked *asked, const char *word, const char *help)
{
	if (strncmp(word, asked->word, strlen(asked->word)) || has_controls(word))
		return;
	if (help && !has_controls(help))
		printf("%s%s\t%s\n", asked->before, word, help);
	else
		printf("%s%s\n", asked->before, word);
}

static void offer_commands(const struct asked *asked, const char *begun)
{
	size_t len = begun ? strlen(begun) : 0;
	CLEANUP(strmap_release) struct strmap offered = STRMAP_INIT;

	for (size_t i = 0; i < command_count(); i++) {
		const char *command = command_at(i)->command, *rest = command;
		CLEANUP(cleanup_free) char *word = NULL;

		if (begun) {
			if (strncmp(command, begun, len) || command[len] != ' ')
				continue;
			rest = command + len + 1;
		}
		word = xstrndup(rest, strcspn(rest, " "));
		if (!strmap_has(&offered, word))
			offer(asked, word, strchr(rest, ' ') ? NULL : command_at(i)->summary);
		strmap_set(&offered, word, NULL);
	}
}

static void offer_options(const struct asked *asked, const struct op_param *params)
{
	for (const struct op_param *p = params; p && p->name; p++) {
		CLEANUP(cleanup_free) char *word = NULL;

		if (p->flags & OPP_POSITIONAL)
			continue;
		word = xasprintf("--%s", p->name);
		offer(asked, word, p->help);
	}
}

static void offer_choices(const struct asked *asked, const char *choices)
{
	while (*choices) {
		size_t n = strcspn(choices, "|");
		CLEANUP(cleanup_free) char *word = xstrndup(choices, n);

		offer(asked, word, NULL);
		choices += n + (choices[n] == '|');
	}
}

/* From the project, which may hold anything. A run's id is offered as short as people type it. */
static void offer_known(void *ctx, const char *word, const char *help)
{
	const struct asked *asked = ctx;
	CLEANUP(cleanup_free) char *brief = NULL;

	if (!word || (asked->steps && strchr(word, '@') && !strchr(asked->word, '@')))
		return;
	if (strlen(word) == RUN_ID && word[strspn(word, "0123456789abcdef")] == '\0' &&
	    strlen(asked->word) <= RUN_ID_SHOWN)
		brief = xstrndup(word, RUN_ID_SHOWN);
	offer(asked, brief ? brief : word, help);
}

static bool is_pipeline_file(const char *word)
{
	size_t len = strlen(word);

	return len > 4 && !strcmp(word + len - 4, ".ini");
}

static void offer_pipelines(const struct asked *asked)
{
	CLEANUP(strlist_release) struct strlist names = STRLIST_INIT;

	if (strchr(asked->word, '/')) {
		puts(":files");
		return;
	}
	if (fs_list_dir(AT_FDCWD, ".", &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.len; i++)
		if (is_pipeline_file(names.items[i]))
			offer(asked, names.items[i], "a pipeline");
}

/* `before`: see op_offer_values. */
static void offer_value(struct asked asked, const struct op_param *param, const char *before)
{
	switch (param->complete) {
	case COMPLETE_NONE:
		return;
	case COMPLETE_CHOICE:
		offer_choices(&asked, param->value);
		return;
	case COMPLETE_COMMAND:
		offer_commands(&asked, NULL);
		return;
	case COMPLETE_PATH:
		puts(":files");
		return;
	case COMPLETE_PIPELINE:
		offer_pipelines(&asked);
		return;
	case COMPLETE_PIPELINE_STEP:
		if (!before)
			offer_pipelines(&asked);
		break;
	case COMPLETE_STEP:
	case COMPLETE_PARAM:
	case COMPLETE_SETTING:
	case COMPLETE_SETTING_VALUE:
	case COMPLETE_RUN:
	case COMPLETE_NAME:
	case COMPLETE_IMAGE:
	case COMPLETE_SECRET:
	case COMPLETE_MODEL:
		break;
	}
	asked.steps = param->complete == COMPLETE_STEP || param->complete == COMPLETE_PIPELINE_STEP;
	op_offer_values(NULL, param->complete, before, offer_known, &asked);
}

/* How far the words before the unfinished one have come. */
struct typed {
	const struct op *op;
	const char *begun;             /* first word of a command of two */
	const struct op_param *wanted; /* an option that waits for its value */
	const char *before;            /* the argument before */
	const char *file;              /* a pipeline file */
	size_t npositionals;
	bool words_only;
};

static const struct op_param *option_waiting(const struct op *op, const char *word)
{
	const struct op_param *param;

	if (word[1] == '-')
		param = strchr(word, '=') ? NULL : option_find(op, word + 2, strlen(word + 2));
	else
		param = option_find_letter(op, word[strlen(word) - 1]);
	return param && param->type != OP_BOOL ? param : NULL;
}

static void take_word(struct typed *at, const char *word)
{
	const char *pair[2] = { at->begun ? at->begun : word, word };
	struct error ignored;
	size_t used;

	if (is_pipeline_file(word))
		at->file = word;
	if (at->wanted) {
		if (strcmp(word, "=")) /* bash makes three words of --opt=value */
			at->wanted = NULL;
	} else if (!at->words_only && !strcmp(word, "--")) {
		at->words_only = true;
	} else if (!at->words_only && word[0] == '-' && word[1]) {
		at->wanted = option_waiting(at->op, word);
	} else if (at->op) {
		at->before = word;
		at->npositionals++;
	} else if (command_find(pair, at->begun ? 2 : 1, &at->op, &used, &ignored) && !at->begun) {
		at->begun = word;
	}
}

static void offer_for(const struct typed *at, struct asked asked, const struct op_param *param)
{
	offer_value(asked, param, param->complete == COMPLETE_SETTING_VALUE ? at->before : at->file);
}

void completion_answer(const char *const *words, size_t nwords)
{
	struct typed at = { 0 };
	const char *last = nwords ? words[nwords - 1] : "", *equals = strchr(last, '=');
	CLEANUP(cleanup_free) char *before = NULL;
	struct asked asked = { .word = last, .before = "" };
	const struct op_param *param;

	for (size_t i = 0; i + 1 < nwords; i++)
		take_word(&at, words[i]);
	if (at.wanted) {
		asked.word = strcmp(last, "=") ? last : "";
		offer_for(&at, asked, at.wanted);
		return;
	}
	if (!at.words_only && last[0] == '-') {
		if (!equals) {
			offer_options(&asked, at.op ? at.op->params : NULL);
			offer_options(&asked, global_params);
			return;
		}
		param = last[1] == '-' ? option_find(at.op, last + 2, (size_t)(equals - last - 2))
				       : NULL;
		before = xstrndup(last, (size_t)(equals - last) + 1);
		asked = (struct asked){ .word = equals + 1, .before = before };
		if (param)
			offer_for(&at, asked, param);
		return;
	}
	if (!at.op) {
		offer_commands(&asked, at.begun);
		return;
	}
	param = positional_at(at.op, at.npositionals);
	if (param)
		offer_for(&at, asked, param);
}
