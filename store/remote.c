/* SPDX-License-Identifier: Apache-2.0 */
#include "store/remote_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "store/store.h"

static const struct {
	const char *name;
	const struct remote_ops *ops;
} schemes[] = {
	{ "file", &remote_dir_ops },
	{ "http", &remote_http_ops },
	{ "https", &remote_http_ops },
};

/* Length of "file" in "file:///mnt/x"; 0 for a plain path. */
static size_t scheme_length(const char *url)
{
	size_t len = strspn(url, "abcdefghijklmnopqrstuvwxyz0123456789+.-");

	return len && !strncmp(url + len, "://", 3) ? len : 0;
}

static const struct remote_ops *find_scheme(const char *url, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (strlen(schemes[i].name) == len && !strncmp(schemes[i].name, url, len))
			return schemes[i].ops;
	return NULL;
}

/* The path of file:///PATH, or a plain one below `base`. */
static int path_of(const char *url, size_t scheme, const char *base, char **ret, struct error *err)
{
	if (!*url)
		return error_set(err, ERR_USAGE, "its url is empty");
	if (url[0] == '~' && (url[1] == '/' || !url[1])) {
		error_set(err, ERR_USAGE, "%s: ~ stands for nothing here", url);
		return error_help(err, "write the whole path");
	}
	if (!scheme) {
		*ret = *url == '/' ? xstrdup(url) : path_join(base, url);
		return 0;
	}
	if (url[scheme + 3] != '/') {
		error_set(err, ERR_USAGE, "%s names a host", url);
		return error_help(err, "a directory is /PATH or file:///PATH");
	}
	*ret = xstrdup(url + scheme + 3);
	return 0;
}

/* Where `path` leads: symlinks of its existing part resolved, the rest appended. NULL when nothing exists. */
static char *resolve(const char *path)
{
	CLEANUP(cleanup_free) char *head = xstrdup(path);
	char *found;

	while (!(found = realpath(head, NULL))) {
		char *slash = strrchr(head, '/');

		if (!slash || slash == head)
			return NULL;
		*slash = '\0';
	}
	CLEANUP(cleanup_free) char *top = found;
	path += strlen(head);
	return *path ? path_join(top, path + 1) : xstrdup(top);
}

/* What is in there belongs to others, who remove what they do not know. */
static int check_place(const char *path, const char *url, const char *base, struct error *err)
{
	static const char *const taken[] = { ".mlops", ".git" };
	CLEANUP(cleanup_free) char *place = resolve(path);

	for (size_t i = 0; place && i < ARRAY_LEN(taken); i++) {
		CLEANUP(cleanup_free) char *named = path_join(base, taken[i]);
		CLEANUP(cleanup_free) char *dir = resolve(named);

		if (!dir || !path_contains(dir, place))
			continue;
		error_set(err, ERR_USAGE, "%s is inside the %s of this project", url, taken[i]);
		return error_help(err, "use a directory of its own, for example one on a mounted share");
	}
	return 0;
}

static int open_url(const char *url, const char *base, bool create, struct remote **ret,
		    struct error *err)
{
	size_t len = scheme_length(url);
	const struct remote_ops *ops = len ? find_scheme(url, len) : &remote_dir_ops;
	CLEANUP(cleanup_free) char *path = NULL;

	if (!strncmp(url, "unix:", 5))
		ops = &remote_http_ops;
	if (!ops) {
		error_set(err, ERR_USAGE, "%.*s:// is not supported by this version", (int)len, url);
		return error_help(err, "use a directory, for example one on a mounted share, or an agent: https://HOST:PORT");
	}
	if (ops != &remote_dir_ops)
		return ops->open(url, create, ret, err);
	if (path_of(url, len, base, &path, err) < 0 || check_place(path, url, base, err) < 0)
		return -1;
	return ops->open(path, create, ret, err);
}

int remote_open(const char *name, const char *url, const char *base, bool create,
		struct remote **ret, struct error *err)
{
	struct remote *remote;

	if (open_url(url, base, create, &remote, err) < 0)
		return error_wrap(err, "remote %s", name);
	remote->name = xstrdup(name);
	remote->url = xstrdup(url);
	*ret = remote;
	return 0;
}

void remote_close(struct remote *remote)
{
	if (!remote)
		return;
	free(remote->name);
	free(remote->url);
	remote->ops->close(remote);
}

#define REF_WORD "abcdefghijklmnopqrstuvwxyz0123456789-"
#define REF_PART 200 /* bytes of a kind or a name */

bool remote_ref_valid(const char *name)
{
	size_t kind = strspn(name, REF_WORD);
	size_t rest;

	if (!kind || kind > REF_PART || name[kind] != '/')
		return false;
	rest = strspn(name + kind + 1, REF_WORD);
	return rest && rest <= REF_PART && !name[kind + 1 + rest];
}

void remotes_release(struct remotes *remotes)
{
	for (size_t i = 0; i < remotes->len; i++) {
		remote_close(remotes->places[i].remote);
		free(remotes->places[i].name);
		free(remotes->places[i].url);
	}
	free(remotes->places);
	free(remotes->base);
	strmap_release(&remotes->told);
	*remotes = (struct remotes){ 0 };
}

static int open_place(struct remotes *remotes, struct remote_place *place, bool create,
		      struct error *err)
{
	if (place->remote)
		return 0;
	return remote_open(place->name, place->url, remotes->base, create, &place->remote, err);
}

struct remote *remotes_use(struct remotes *remotes, size_t i)
{
	struct remote_place *place = &remotes->places[i];
	struct error why = { 0 };

	if (place->failed)
		return NULL;
	if (open_place(remotes, place, false, &why) == 0)
		return place->remote;
	remotes_give_up(remotes, i, why.msg);
	return NULL;
}

void remotes_give_up(struct remotes *remotes, size_t i, const char *why)
{
	struct remote_place *place = &remotes->places[i];

	if (!place->failed && remotes->note)
		remotes->note(remotes->ctx, why);
	place->failed = true;
}

static struct remote_place *find_place(struct remotes *remotes, const char *name)
{
	for (size_t i = 0; i < remotes->len; i++)
		if (!name || !strcmp(remotes->places[i].name, name))
			return &remotes->places[i];
	return NULL;
}

void remotes_names(const struct remotes *remotes, struct strbuf *ret)
{
	for (size_t i = 0; i < remotes->len; i++)
		strbuf_printf(ret, "%s%s", i ? ", " : "", remotes->places[i].name);
}

static int no_such(const struct remotes *remotes, const char *name, struct error *err)
{
	CLEANUP_STRBUF struct strbuf names = STRBUF_INIT;

	if (!remotes->len) {
		error_set(err, ERR_NOT_FOUND, "this project has no remote");
		return error_help(err, "add one to pipeline.ini: [remote.team] with url = DIRECTORY");
	}
	remotes_names(remotes, &names);
	error_set(err, ERR_NOT_FOUND, "there is no remote %s", name);
	return error_help(err, "pipeline.ini has: %s", names.buf);
}

int remotes_open(struct remotes *remotes, const char *name, bool create, struct remote **ret,
		 struct error *err)
{
	struct remote_place *place = find_place(remotes, name);

	if (!place)
		return no_such(remotes, name, err);
	if (open_place(remotes, place, create, err) < 0)
		return -1;
	place->failed = false;
	*ret = place->remote;
	return 0;
}

bool remotes_have(struct remotes *remotes, const struct digest *id)
{
	for (size_t i = 0; i < remotes->len; i++) {
		struct remote *remote = remotes_use(remotes, i);
		struct error why = { 0 };
		bool has = false;

		if (remote && remote->ops->has(remote, id, 1, &has, &why) < 0)
			remotes_give_up(remotes, i, why.msg);
		if (has)
			return true;
	}
	return false;
}

int remotes_ref(struct remotes *remotes, const char *name, struct strbuf *ret, const char **ret_remote)
{
	for (size_t i = 0; i < remotes->len; i++) {
		struct remote *remote = remotes_use(remotes, i);
		struct error why = { 0 };
		int r = remote ? remote->ops->ref_get(remote, name, ret, &why) : 0;

		if (r < 0)
			remotes_give_up(remotes, i, why.msg);
		if (r > 0 && ret_remote)
			*ret_remote = remotes->places[i].name;
		if (r > 0)
			return 1;
	}
	return 0;
}
