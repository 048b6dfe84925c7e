/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/options.h"
#include <stdio.h>
#include <string.h>
#include "api/agent_options.h"
#include "base/error.h"
#include "base/mem.h"

static const struct op_param common[] = {
	{ .name = "directory", .letter = 'C', .value = "DIR", .help = "act as if started in DIR" },
	{ .name = "help", .letter = 'h', .type = OP_BOOL, .help = "print this" },
	{ .name = "version", .letter = 'V', .type = OP_BOOL, .help = "print the version" },
	{ .name = "routes", .type = OP_BOOL, .help = "print the routes of MLflow's clients, as lines of JSON" },
	{ .name = NULL },
};

static const struct op_param *find(const struct op_param *p, const char *word, size_t len)
{
	for (; p->name; p++)
		if (word[1] == '-' ? strlen(p->name) == len - 2 && !memcmp(p->name, word + 2, len - 2)
				   : len == 2 && p->letter == word[1])
			return p;
	return NULL;
}

static int push(const char **list, size_t max, const char *value, const char *name, struct error *err)
{
	size_t n = 0;

	while (list[n])
		n++;
	if (n == max)
		return error_set(err, ERR_USAGE, "--%s may be given %zu times at most", name, max);
	list[n] = value;
	return 0;
}

static int check_host(const char *name, struct error *err)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._:[]*";

	if (*name && !name[strspn(name, allowed)])
		return 0;
	error_set(err, ERR_USAGE, "--allow-host takes the name of one host, not '%s'", name);
	return error_help(err, "give it once for each: --allow-host ml.example.org --allow-host ml");
}

static int set(struct agent_options *o, const char *name, const char *value, struct error *err)
{
	const struct {
		const char *name, **text;
		bool *flag;
	} single[] = {
		{ "directory", &o->dir, NULL }, { "tls-cert", &o->cert, NULL },	   { "tls-key", &o->key, NULL },
		{ "help", NULL, &o->help },	{ "version", NULL, &o->version },
		{ "routes", NULL, &o->routes },
	};

	for (size_t i = 0; i < ARRAY_LEN(single); i++) {
		if (strcmp(single[i].name, name))
			continue;
		if (single[i].text)
			*single[i].text = value;
		else
			*single[i].flag = true;
		return 0;
	}
	if (!strcmp(name, "allow-host"))
		return check_host(value, err) < 0 ? -1 : push(o->hosts, AGENT_HOSTS_MAX, value, name, err);
	return push(o->listen, HTTPD_LISTEN_MAX - 1, value, name, err);
}

static int parse_word(struct agent_options *o, char **argv, int *at, struct error *err)
{
	const char *word = argv[(*at)++];
	size_t len = word[0] == '-' && word[1] == '-' ? strcspn(word, "=") : strlen(word);
	const struct op_param *p = NULL;
	const char *value = word[len] ? word + len + 1 : NULL;

	if (word[0] == '-' && len >= 2) {
		p = find(common, word, len);
		p = p ? p : find(agent_params, word, len);
	}
	if (!p) {
		error_set(err, ERR_USAGE, "mlops-agent has no option '%.*s'", (int)len, word);
		return error_help(err, "run: mlops-agent --help");
	}
	if (p->type == OP_BOOL && value)
		return error_set(err, ERR_USAGE, "--%s takes no value", p->name);
	if (p->type != OP_BOOL && !value)
		value = argv[*at] ? argv[(*at)++] : NULL;
	if (p->type != OP_BOOL && !value) {
		error_set(err, ERR_USAGE, "--%s needs a value", p->name);
		return error_help(err, "give it as: --%s %s", p->name, p->value);
	}
	return set(o, p->name, value, err);
}

int agent_options_parse(int argc, char **argv, struct agent_options *ret, struct error *err)
{
	struct agent_options o = { 0 };
	int at = 1;

	while (at < argc)
		if (parse_word(&o, argv, &at, err) < 0)
			return -1;
	if (!o.cert != !o.key) {
		error_set(err, ERR_USAGE, "--tls-cert and --tls-key belong together");
		return error_help(err, "give both, or none of them");
	}
	if (!o.listen[0])
		o.listen[0] = "127.0.0.1:5000";
	while (o.listen[o.nlisten])
		o.nlisten++;
	*ret = o;
	return 0;
}

static void print_rows(const struct op_param *p)
{
	for (; p->name; p++) {
		char left[64], letter[8] = "    ";

		if (p->letter)
			snprintf(letter, sizeof(letter), "-%c, ", p->letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, p->name, p->value ? " " : "",
			 p->value ? p->value : "");
		printf("  %-26s %s\n", left, p->help);
	}
}

void agent_options_help(void)
{
	printf("mlops-agent: %s\n\nUsage: mlops-agent [OPTION...], or: mlops agent [OPTION...]\n\n%s\nOptions:\n",
	       agent_summary, agent_details);
	print_rows(agent_params);
	print_rows(common);
}
