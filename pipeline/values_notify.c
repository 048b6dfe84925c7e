/* SPDX-License-Identifier: Apache-2.0 */
/* What a [notify.NAME] must say to be one. */
#include <string.h>
#include "base/address.h"
#include "base/mem.h"
#include "pipeline/parse_internal.h"
#include "pipeline/show.h"

#define SECRET "${secret."

static const char *const words[] = { "fail", "fixed", "drift", "approval", "promoted" };
static const char *const formats[] = { "json", "text" };

static void want(struct parser *p, const struct notify_section *notify, const char *key, const char *example)
{
	error_help(problem(p, notify->at.line, notify->at.column, "[notify.%s] has no '%s'", notify->name, key), "%s",
		   example);
}

static bool is_one_of(const char *const *list, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i], text))
			return true;
	return false;
}

static void check_on(struct parser *p, const struct notify_section *notify)
{
	for (size_t i = 0; i < notify->on.len; i++) {
		const struct text_at *word = &notify->on.items[i];
		const char *near;
		struct error *err;

		if (is_one_of(words, ARRAY_LEN(words), word->text))
			continue;
		near = nearest_word(words, ARRAY_LEN(words), word->text);
		err = problem(p, word->at.line, word->at.column, "'on' does not know '%s'", SHOW(word->text));
		if (near)
			error_help(err, "did you mean '%s'?", near);
		else
			error_help(err, "it knows fail, fixed, drift, approval and promoted");
	}
}

/* The path of a URL may hold what a path of ours may not, so only its host is looked at here. */
static bool host_fits(const char *url, struct error *err)
{
	size_t scheme = !strncmp(url, "https://", 8) ? 8 : !strncmp(url, "http://", 7) ? 7 : 0;
	CLEANUP(cleanup_free) char *host = scheme ? xstrndup(url, scheme + strcspn(url + scheme, "/?#")) : NULL;
	struct address address = { 0 };
	bool fits;

	if (!scheme) {
		error_set(err, ERR_USAGE, "it begins with neither https:// nor http://");
		return false;
	}
	fits = address_parse(host, &address, err) == 0;
	address_release(&address);
	return fits;
}

/* A secret is the whole URL or no part of it: a file that composes URLs could send any secret to any host. */
static void check_url(struct parser *p, const struct notify_section *notify)
{
	const char *url = notify->url.text, *secret = strstr(url, SECRET);
	CLEANUP(cleanup_free) char *name = NULL;
	struct error why = { 0 };
	struct error *err;

	if (!secret && host_fits(url, &why) && !strchr(url, '#'))
		return;
	if (secret == url && strchr(url, '}') == url + strlen(url) - 1) {
		name = xstrndup(url + strlen(SECRET), strlen(url) - strlen(SECRET) - 1);
		if (*name && !name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")])
			return;
	}
	err = problem(p, notify->url.at.line, notify->url.at.column, "'url' does not take '%s'", SHOW(url));
	if (secret)
		error_help(err, "a secret holds the whole URL: url = ${secret.NAME}, and: mlops secret add NAME");
	else
		error_help(err, "such as: https://chat.example.org/hooks/KEY, or ${secret.CHAT_HOOK}");
}

static void check_format(struct parser *p, const struct notify_section *notify)
{
	const struct text_at *format = &notify->format;

	if (!is_one_of(formats, ARRAY_LEN(formats), format->text))
		error_help(problem(p, format->at.line, format->at.column, "'format' does not take '%s'", SHOW(format->text)),
			   "it is json, or text as Slack and Mattermost take it");
}

void notifies_finish(struct parser *p)
{
	for (size_t i = 0; i < p->pipeline->nnotifies; i++) {
		const struct notify_section *notify = &p->pipeline->notifies[i];

		if (!notify->on.len)
			want(p, notify, "on", "say what to tell about: on = fail, drift, approval");
		check_on(p, notify);
		if (notify->url.text)
			check_url(p, notify);
		else
			want(p, notify, "url", "say where to tell it: url = ${secret.CHAT_HOOK}");
		if (notify->format.text)
			check_format(p, notify);
	}
}
