/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/base64.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "runners/docker_internal.h"
/*
 * Logins as `docker login` and `podman login` leave them. The name of a credential helper
 * comes from a file of the user, and still is checked before a shell sees it. Passwords
 * are put into the header only: no message and no command line has them.
 */

#define HUB         "docker.io"
#define HUB_KEY     "https://index.docker.io/v1/"
#define HUB_OLD     "index.docker.io"
#define MAX_CONFIG  (1 << 20)
#define MAX_HELPER  65536
#define HELPER_MS   60000 /* it may ask a person to unlock something */
#define HELPER_NAME "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
#define TOKEN_USER  "<token>" /* a helper's word for: the secret is a token */

/* -- the config file -- */

static bool is_hub(const char *registry)
{
	return !strcmp(registry, HUB);
}

/* Whether a key, "https://HOST/v1/" or "HOST", is of the registry. */
static bool key_names(const char *key, const char *registry)
{
	static const char *const schemes[] = { "https://", "http://" };
	size_t len;

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (!strncmp(key, schemes[i], strlen(schemes[i])))
			key += strlen(schemes[i]);
	len = strcspn(key, "/");
	if (is_hub(registry) && len == strlen(HUB_OLD) && !memcmp(key, HUB_OLD, len))
		return true;
	return len == strlen(registry) && !memcmp(key, registry, len);
}

/* The registry's value in an object; the key as docker login writes it wins. */
static struct js *find_entry(const struct js *object, const char *registry)
{
	struct js *exact = js_get(object, is_hub(registry) ? HUB_KEY : registry);

	if (exact)
		return exact;
	for (void *it = js_iter(object); it; it = js_next(object, it))
		if (key_names(js_iter_key(it), registry))
			return js_iter_value(it);
	return NULL;
}

static int bad_config(struct error *err, const char *file, const char *why, const char *registry)
{
	error_set(err, ERR_ENV, "%s: %s %s", file, why, registry);
	return error_help(err, "docker logout %s, then docker login %s", registry, registry);
}

static char *copy(const char *text)
{
	return text && *text ? xstrdup(text) : NULL;
}

/* "auth": base64 of USER:PASSWORD; some writers end it with NUL bytes. */
static bool read_pair(const char *text, struct docker_auth *ret)
{
	CLEANUP_STRBUF struct strbuf pair = STRBUF_INIT;
	char *colon;

	if (!base64_decode(text, &pair))
		return false;
	colon = strchr(pair.buf, ':');
	if (!colon || colon == pair.buf || strlen(colon) == 1)
		return false;
	ret->user = xstrndup(pair.buf, (size_t)(colon - pair.buf));
	ret->password = xstrdup(colon + 1);
	return true;
}

/* An entry of "auths"; one that is empty stands for a login that a helper keeps. */
static bool read_entry(const struct js *entry, struct docker_auth *ret)
{
	const char *pair = js_get_str(entry, "auth"), *user = js_get_str(entry, "username");

	ret->token = copy(js_get_str(entry, "identitytoken"));
	if (pair && *pair)
		return read_pair(pair, ret) || ret->token;
	if (user && js_get_str(entry, "password")) {
		ret->user = copy(user);
		ret->password = copy(js_get_str(entry, "password"));
	}
	return true;
}

static int read_helper(const struct js *config, const char *file, const char *registry, struct docker_auth *ret,
		       struct error *err)
{
	const struct js *entry = find_entry(js_get(config, "credHelpers"), registry);
	const char *name = entry ? js_text(entry) : js_get_str(config, "credsStore");

	if (!name || !*name)
		return 0;
	if (name[strspn(name, HELPER_NAME)])
		return bad_config(err, file, "no credential helper can have the name that stands there for", registry);
	ret->helper = xstrdup(name);
	return 0;
}

int docker_auth_read(const struct js *config, const char *file, const char *registry, struct docker_auth *ret,
		     struct error *err)
{
	struct docker_auth auth = { 0 };
	const struct js *entry = find_entry(js_get(config, "auths"), registry);

	if (read_helper(config, file, registry, &auth, err) < 0)
		return -1;
	if (!read_entry(entry, &auth)) {
		docker_auth_release(&auth);
		return bad_config(err, file, "\"auth\" is not the base64 of USER:PASSWORD for", registry);
	}
	*ret = auth;
	return 0;
}

void docker_auth_release(struct docker_auth *auth)
{
	free(auth->helper);
	free(auth->user);
	free(auth->password);
	free(auth->token);
	*auth = (struct docker_auth){ 0 };
}

/* -- credential helpers -- */

bool docker_auth_from_helper(const char *text, size_t len, struct docker_auth *ret)
{
	CLEANUP_JS struct js *json = NULL;
	const char *user, *secret;

	if (js_parse(text, len, "credentials", &json, NULL) < 0)
		return false;
	user = js_get_str(json, "Username");
	secret = js_get_str(json, "Secret");
	if (!user || !*user || !secret || !*secret)
		return false;
	if (!strcmp(user, TOKEN_USER)) {
		*ret = (struct docker_auth){ .token = xstrdup(secret) };
		return true;
	}
	*ret = (struct docker_auth){ .user = xstrdup(user), .password = xstrdup(secret) };
	return true;
}

static bool says_not_found(const struct strbuf *said)
{
	return strstr(said->buf, "credentials not found") != NULL;
}

/* Replaces what the file says, when the helper knows the registry. *ret_remark: why it could not tell. */
static void ask_helper(const char *registry, struct docker_auth *auth, char **ret_remark)
{
	CLEANUP(cleanup_free) char *program = xasprintf("docker-credential-%s", auth->helper);
	const char *const argv[] = { "sh", "-c", "printf %s \"$1\" | \"$2\" get", "sh",
				     is_hub(registry) ? HUB_KEY : registry, program, NULL };
	CLEANUP_STRBUF struct strbuf said = STRBUF_INIT;
	struct docker_auth told;
	struct error err = { 0 };
	int rc = process_capture(argv, NULL, HELPER_MS, MAX_HELPER, &said, &err);

	if (rc == 0 && docker_auth_from_helper(said.buf, said.len, &told)) {
		docker_auth_release(auth);
		*auth = told;
		return;
	}
	if (rc < 0)
		*ret_remark = xasprintf("%s: %s", program, err.msg);
	else if (rc == 127)
		*ret_remark = xasprintf("%s cannot be run", program);
	else if (!says_not_found(&said) && rc > 0)
		*ret_remark = xasprintf("%s failed with exit status %d", program, rc);
	else if (rc == 0)
		*ret_remark = xasprintf("what %s printed are no credentials", program);
}

/* -- the header -- */

static void build_header(const char *registry, const struct docker_auth *auth, struct strbuf *ret)
{
	CLEANUP_JS struct js *json = js_object();
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

	if (auth->token) {
		js_set_str(json, "identitytoken", auth->token);
	} else if (auth->user && auth->password) {
		js_set_str(json, "username", auth->user);
		js_set_str(json, "password", auth->password);
	}
	if (js_len(json))
		js_set_str(json, "serveraddress", is_hub(registry) ? HUB_KEY : registry);
	js_dump(json, JS_COMPACT, &text);
	base64url_encode(text.buf, text.len, ret);
}

/* The file that logins are in, or NULL. */
static char *config_path(void)
{
	const char *dir = getenv("DOCKER_CONFIG"), *home = getenv("HOME"), *run = getenv("XDG_RUNTIME_DIR");
	CLEANUP(cleanup_free) char *path = NULL;

	if (dir && *dir)
		return path_join(dir, "config.json");
	if (home && *home)
		path = path_join(home, ".docker/config.json");
	if (path && (access(path, F_OK) == 0 || errno != ENOENT))
		return steal(&path);
	free(steal(&path));
	if (run && *run)
		path = path_join(run, "containers/auth.json");
	return steal(&path);
}

/* A parser quotes what it stumbled over, which may be a password. */
static void hide_quotation(char *message)
{
	char *quoted = strstr(message, " near '");

	if (quoted)
		*quoted = '\0';
}

static int read_config(const char *path, struct js **ret, struct error *err)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	struct error why = { 0 };

	if (io_read_file(AT_FDCWD, path, MAX_CONFIG, &text, &why) < 0) {
		if (why.sys == ENOENT || why.sys == ENOTDIR)
			return 0;
		error_set(err, ERR_ENV, "cannot read the registry logins: %s", why.msg);
		return error_help(err, "check the file with ls -l %.300s", path);
	}
	if (text.len == 0)
		return 0;
	if (js_parse(text.buf, text.len, path, ret, &why) == 0 && js_typeof(*ret) == JS_OBJECT)
		return 0;
	hide_quotation(why.msg);
	if (*ret)
		error_set(err, ERR_ENV, "%s is not valid: it must hold a JSON object", path);
	else
		error_set(err, ERR_ENV, "%s", why.msg);
	return error_help(err, "repair %.300s, or remove it and log in again with docker login", path);
}

int docker_login_find(const char *registry, struct docker_login *ret, struct error *err)
{
	CLEANUP(cleanup_free) char *path = config_path();
	CLEANUP_JS struct js *config = NULL;
	CLEANUP_STRBUF struct strbuf header = STRBUF_INIT;
	struct docker_auth auth = { 0 };
	char *remark = NULL;

	if (path && read_config(path, &config, err) < 0)
		return -1;
	if (config && docker_auth_read(config, path, registry, &auth, err) < 0)
		return -1;
	if (auth.helper)
		ask_helper(registry, &auth, &remark);
	build_header(registry, &auth, &header);
	docker_auth_release(&auth);
	*ret = (struct docker_login){ .header = strbuf_detach(&header), .remark = remark };
	return 0;
}

void docker_login_release(struct docker_login *login)
{
	free(login->header);
	free(login->remark);
	*login = (struct docker_login){ 0 };
}
