/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * What a forge is asked, so that a commit shows how its run went and a pull request has one comment of ours. Pure: the
 * requests and what their answers mean; who sends them is api/tell.h.
 *
 *   GitHub         POST /repos/{o}/{r}/statuses/{sha}, .../issues/{n}/comments; PATCH .../issues/comments/{id}
 *   Gitea, Forgejo the same below /api/v1
 *   GitLab         POST /api/v4/projects/{id}/statuses/{sha}, .../merge_requests/{n}/notes; PUT .../notes/{id}
 *
 * The comment is found again by a mark that nobody can know before it is posted: an HMAC, by the forge's token, of what it
 * is about. Who copies it from there comes later, and the oldest one is ours.
 */
struct error;
struct js;
struct strbuf;

enum forge_kind { FORGE_GITHUB, FORGE_GITEA, FORGE_GITLAB };
bool forge_kind_parse(const char *, enum forge_kind *ret);

struct forge {
	enum forge_kind kind;
	char *url;  /* of its site; of GitHub that of its API */
	char *repo; /* OWNER/NAME; of GitLab with all its groups */
};
/* {kind, url, repo} as project.add keeps them; url may be absent for GitHub. ERR_USAGE */
int forge_read(const struct js *, struct forge *ret, struct error *);
void forge_release(struct forge *);

struct forge_request {
	const char *method; /* lent for ever */
	char *url;
	char *body;         /* JSON; NULL: none */
};
void forge_request_release(struct forge_request *);
/* The header that carries the token; the caller wipes and frees it. */
char *forge_authorization(const struct forge *, const char *token);
const char *forge_accept(const struct forge *); /* the header that says which answers are understood */

enum forge_state { FORGE_PENDING, FORGE_SUCCESS, FORGE_FAILURE, FORGE_ERROR, FORGE_CANCELLED };
const char *forge_state_name(enum forge_state); /* "pending" ...: ours, not a forge's */
bool forge_state_parse(const char *, enum forge_state *ret);
/* `context` is the name of the check; the description is cut to what all of them take. */
void forge_status(const struct forge *, const char *sha, enum forge_state, const char *context, const char *description,
		  struct forge_request *ret);

/* The line that marks our comment, with its line feed. */
void forge_mark(const char *token, const char *project, int64_t number, struct strbuf *ret);
#define FORGE_PAGE 100 /* comments a page */
/* Comments of a pull request, a page from 1, the oldest first. */
void forge_comments(const struct forge *, int64_t number, int page, struct forge_request *ret);
/* The first of a page's comments that holds the mark. 1 and its id; 0: none. *ret_n: how many there are; *ret_first: id of
 * the first, by which a server that knows no pages is told. ERR_ENV: this is no list of comments. */
int forge_comment_find(const char *text, size_t len, const char *mark, int64_t *ret_id, size_t *ret_n, int64_t *ret_first,
		       struct error *);
/* `id` 0: a new one. */
void forge_comment(const struct forge *, int64_t number, int64_t id, const char *markdown, struct forge_request *ret);
