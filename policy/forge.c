/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/forge.h"
#include <stdlib.h>
#include <string.h>
#include "base/digest.h"
#include "base/error.h"
#include "base/http_client.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "policy/notify.h"

#define DESCRIPTION_MAX 140 /* bytes; GitHub takes as many characters */
#define REPO_MAX	400

/* What differs. In paths %R is the repository, %S the commit, %N the number, %C the comment, %P the page. */
static const struct {
	const char *name, *site, *api;
	const char *statuses, *comments, *page, *comment, *edit;
	const char *authorization, *accept;
	const char *states[FORGE_CANCELLED + 1];
	const char *context; /* key of a status's name */
	bool whole_repo;     /* the repository is one escaped component */
} kinds[] = {
	[FORGE_GITHUB] = {
		.name = "github", .site = "https://api.github.com", .api = "",
		.statuses = "/repos/%R/statuses/%S",
		.comments = "/repos/%R/issues/%N/comments", .page = "?per_page=100&page=%P",
		.comment = "/repos/%R/issues/comments/%C", .edit = "PATCH",
		.authorization = "Authorization: Bearer ", .accept = "Accept: application/vnd.github+json",
		.states = { "pending", "success", "failure", "error", "error" }, .context = "context",
	},
	[FORGE_GITEA] = {
		.name = "gitea", .api = "/api/v1",
		.statuses = "/repos/%R/statuses/%S",
		.comments = "/repos/%R/issues/%N/comments", .page = "?limit=100&page=%P",
		.comment = "/repos/%R/issues/comments/%C", .edit = "PATCH",
		.authorization = "Authorization: token ", .accept = "Accept: application/json",
		.states = { "pending", "success", "failure", "error", "error" }, .context = "context",
	},
	[FORGE_GITLAB] = {
		.name = "gitlab", .api = "/api/v4",
		.statuses = "/projects/%R/statuses/%S",
		.comments = "/projects/%R/merge_requests/%N/notes", .page = "?per_page=100&page=%P&sort=asc&order_by=created_at",
		.comment = "/projects/%R/merge_requests/%N/notes/%C", .edit = "PUT",
		.authorization = "PRIVATE-TOKEN: ", .accept = "Accept: application/json",
		.states = { "pending", "success", "failed", "failed", "canceled" }, .context = "name", .whole_repo = true,
	},
};

bool forge_kind_parse(const char *text, enum forge_kind *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (!strcmp(kinds[i].name, text)) {
			*ret = (enum forge_kind)i;
			return true;
		}
	return false;
}

/* ---- which one ---- */

/* OWNER/NAME, with more groups before on GitLab; it becomes part of a path. */
static bool repo_fits(enum forge_kind kind, const char *repo)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/";
	size_t slashes = 0;

	for (const char *c = repo; *c; c++)
		slashes += *c == '/';
	return strlen(repo) <= REPO_MAX && !repo[strspn(repo, allowed)] && slashes && (slashes == 1 || kinds[kind].whole_repo) &&
	       *repo != '/' && *repo != '.' && repo[strlen(repo) - 1] != '/' && !strstr(repo, "//") && !strstr(repo, "/.");
}

static char *without_slashes(const char *url)
{
	size_t len = strlen(url);

	while (len && url[len - 1] == '/')
		len--;
	return xstrndup(url, len);
}

int forge_read(const struct js *config, struct forge *ret, struct error *err)
{
	const char *name = js_get_str(config, "kind"), *url = js_get_str(config, "url"), *repo = js_get_str(config, "repo");
	struct endpoint endpoint CLEANUP(endpoint_release) = { 0 };
	enum forge_kind kind;

	if (!name || !forge_kind_parse(name, &kind)) {
		error_set(err, ERR_USAGE, "no forge '%.40s' is known", name ? name : "");
		return error_help(err, "it is github, gitea (also for Forgejo) or gitlab");
	}
	if (!url && !(url = kinds[kind].site))
		return error_set(err, ERR_USAGE, "where is the forge? Say --forge-url https://HOST");
	if (endpoint_parse(url, &endpoint, err) < 0)
		return error_wrap(err, "--forge-url");
	if (strchr(endpoint.path, '?'))
		return error_set(err, ERR_USAGE, "--forge-url has a query");
	if (!repo || !repo_fits(kind, repo)) {
		error_set(err, ERR_USAGE, "'%.100s' is no repository of a forge", repo ? repo : "");
		return error_help(err, "such as: --forge-repo team/churn");
	}
	*ret = (struct forge){ .kind = kind, .url = without_slashes(url), .repo = xstrdup(repo) };
	return 0;
}

void forge_release(struct forge *forge)
{
	free(forge->url);
	free(forge->repo);
	*forge = (struct forge){ 0 };
}

/* ---- requests ---- */

void forge_request_release(struct forge_request *request)
{
	free(request->url);
	free(request->body);
	*request = (struct forge_request){ 0 };
}

char *forge_authorization(const struct forge *forge, const char *token)
{
	return xasprintf("%s%s", kinds[forge->kind].authorization, token);
}

const char *forge_accept(const struct forge *forge)
{
	return kinds[forge->kind].accept;
}

struct blanks {
	const char *sha;
	int64_t number, comment;
	int page;
};

static void put_blank(const struct forge *forge, char blank, const struct blanks *values, struct strbuf *out)
{
	if (blank == 'R' && kinds[forge->kind].whole_repo)
		http_escape(out, forge->repo);
	else if (blank == 'R')
		strbuf_puts(out, forge->repo);
	else if (blank == 'S')
		http_escape(out, values->sha);
	else
		strbuf_printf(out, "%lld", (long long)(blank == 'N' ? values->number : blank == 'C' ? values->comment : values->page));
}

static void put_path(const struct forge *forge, const char *path, const struct blanks *values, struct strbuf *out)
{
	for (; *path; path++)
		if (*path == '%')
			put_blank(forge, *++path, values, out);
		else
			strbuf_putc(out, *path);
}

static char *url_of(const struct forge *forge, const char *path, const char *query, const struct blanks *values)
{
	struct strbuf url = STRBUF_INIT;

	strbuf_printf(&url, "%s%s", forge->url, kinds[forge->kind].api);
	put_path(forge, path, values, &url);
	put_path(forge, query, values, &url);
	return strbuf_detach(&url);
}

static char *body_of(const struct js *body)
{
	struct strbuf text = STRBUF_INIT;

	js_dump(body, JS_COMPACT, &text);
	return strbuf_detach(&text);
}

static const char *const state_names[] = { "pending", "success", "failure", "error", "cancelled" };

const char *forge_state_name(enum forge_state state)
{
	return state_names[state];
}

bool forge_state_parse(const char *text, enum forge_state *ret)
{
	for (size_t i = 0; text && i < ARRAY_LEN(state_names); i++)
		if (!strcmp(text, state_names[i])) {
			*ret = (enum forge_state)i;
			return true;
		}
	return false;
}

/* At most `max` bytes, of whole characters. */
static char *cut(const char *text, size_t max)
{
	size_t len = strlen(text);

	if (len <= max)
		return xstrdup(text);
	for (len = max - 3; len && ((unsigned char)text[len] & 0xc0) == 0x80;)
		len--;
	return xasprintf("%.*s...", (int)len, text);
}

void forge_status(const struct forge *forge, const char *sha, enum forge_state state, const char *context,
		  const char *description, struct forge_request *ret)
{
	CLEANUP(cleanup_free) char *line = cut(description, DESCRIPTION_MAX);
	const struct blanks values = { .sha = sha };
	CLEANUP_JS struct js *body = js_object();

	js_set_str(body, "state", kinds[forge->kind].states[state]);
	js_set_str(body, kinds[forge->kind].context, context);
	js_set_str(body, "description", line);
	*ret = (struct forge_request){
		.method = "POST",
		.url = url_of(forge, kinds[forge->kind].statuses, "", &values),
		.body = body_of(body),
	};
}

/* ---- the comment ---- */

void forge_mark(const char *token, const char *project, int64_t number, struct strbuf *ret)
{
	CLEANUP(cleanup_free) char *about = xasprintf("mlops comment\n%s\n%lld", project, (long long)number);
	char hex[DIGEST_HEX + 1];
	struct digest mac;
	struct hmac hmac;

	hmac_init(&hmac, token, strlen(token));
	hmac_update(&hmac, about, strlen(about));
	hmac_final(&hmac, &mac);
	strbuf_printf(ret, "<!-- mlops %s -->\n", digest_format(&mac, hex));
}

void forge_comments(const struct forge *forge, int64_t number, int page, struct forge_request *ret)
{
	const struct blanks values = { .number = number, .page = page };

	*ret = (struct forge_request){
		.method = "GET",
		.url = url_of(forge, kinds[forge->kind].comments, kinds[forge->kind].page, &values),
	};
}

int forge_comment_find(const char *text, size_t len, const char *mark, int64_t *ret_id, size_t *ret_n, int64_t *ret_first,
		       struct error *err)
{
	CLEANUP(cleanup_free) char *line = xstrndup(mark, strcspn(mark, "\n")); /* forges may turn line feeds to CRLF */
	CLEANUP_JS struct js *list = NULL;
	int r = 0;

	if (js_count(text, len) > JS_STRANGERS_MAX)
		return error_set(err, ERR_ENV, "the forge's list of comments is too long");
	if (js_parse(text, len, "the forge's list of comments", &list, err) < 0 || js_typeof(list) != JS_ARRAY)
		return error_set(err, ERR_ENV, "the forge's answer is no list of comments");
	for (size_t i = 0; i < js_len(list) && !r; i++) {
		const char *body = js_get_str(js_at(list, i), "body");
		int64_t id = js_get_int(js_at(list, i), "id", 0);

		if (id <= 0 || !body || strncmp(body, line, strlen(line)) != 0)
			continue;
		*ret_id = id;
		r = 1;
	}
	*ret_n = js_len(list);
	*ret_first = js_get_int(js_at(list, 0), "id", 0);
	return r;
}

void forge_comment(const struct forge *forge, int64_t number, int64_t id, const char *markdown, struct forge_request *ret)
{
	const struct blanks values = { .number = number, .comment = id };
	CLEANUP_JS struct js *body = js_object();

	js_set_str(body, "body", markdown);
	*ret = (struct forge_request){
		.method = id ? kinds[forge->kind].edit : "POST",
		.url = url_of(forge, id ? kinds[forge->kind].comment : kinds[forge->kind].comments, "", &values),
		.body = body_of(body),
	};
}
