/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "base/digest.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "runners/docker_engine.h"
#include "runners/docker_internal.h"
/*
 * Image names, by the grammar of github.com/distribution/reference. A first component is
 * a registry when it has a dot or a colon, is "localhost", or has an upper-case
 * letter, as no repository has. Docker Hub has three spellings; kept is the shortest.
 */

#define HUB        "docker.io"
#define HUB_OLD    "index.docker.io"
#define MAX_NAME   255 /* registry and path */
#define MAX_TAG    128
#define ALGORITHM  "sha256:"
#define LOWER      "abcdefghijklmnopqrstuvwxyz0123456789"
#define WORD       LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"

static const char tag_help[] = "a tag has letters, digits, '_', '.' and '-', as in python:3.12-slim";

/* -- parts -- */

static bool is_registry(const char *first, size_t len)
{
	if (memchr(first, '.', len) || memchr(first, ':', len))
		return true;
	if (len == strlen("localhost") && !memcmp(first, "localhost", len))
		return true;
	for (size_t i = 0; i < len; i++)
		if (isupper((unsigned char)first[i]))
			return true;
	return false;
}

static bool is_host_component(const char *text, size_t len)
{
	if (!len || text[0] == '-' || text[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && text[i] != '-')
			return false;
	return true;
}

static bool is_port(const char *text)
{
	size_t len = strspn(text, "0123456789");

	return len > 0 && len <= 5 && !text[len];
}

/* "host.name", "host:5000", "[::1]:5000" */
static bool is_host(const char *host)
{
	const char *end;

	if (*host == '[') {
		size_t len = strspn(host + 1, "0123456789abcdefABCDEF:");

		end = host + 1 + len;
		return len > 0 && *end == ']' && (!end[1] || (end[1] == ':' && is_port(end + 2)));
	}
	for (;; host = end + 1) {
		end = host + strcspn(host, ".:");
		if (!is_host_component(host, (size_t)(end - host)))
			return false;
		if (*end != '.')
			return !*end || is_port(end + 1);
	}
}

/* Lower-case letters and digits, parted by one '.', one or two '_', or any number of '-'. */
static bool is_path_component(const char *text, size_t len)
{
	bool word = false; /* the byte before is a letter or a digit */

	for (size_t i = 0; i < len; word = true) {
		size_t parted = 0;

		while (i + parted < len && text[i + parted] && strchr("._-", text[i + parted]))
			parted++;
		if (parted) {
			if (!word || (text[i] == '.' && parted > 1))
				return false;
			if (text[i] == '_' && (parted > 2 || text[i + parted - 1] != '_'))
				return false;
			for (size_t k = 0; text[i] == '-' && k < parted; k++)
				if (text[i + k] != '-')
					return false;
			i += parted;
		}
		if (i == len || !text[i] || !strchr(LOWER, text[i]))
			return false;
		while (i < len && text[i] && strchr(LOWER, text[i]))
			i++;
	}
	return word;
}

static bool is_path(const char *path)
{
	for (;;) {
		size_t len = strcspn(path, "/");

		if (!is_path_component(path, len))
			return false;
		if (!path[len])
			return true;
		path += len + 1;
	}
}

static bool is_tag(const char *tag)
{
	size_t len = strspn(tag, WORD ".-");

	return len > 0 && len <= MAX_TAG && !tag[len] && *tag != '.' && *tag != '-';
}

static bool is_hex(const char *text, size_t len)
{
	return strspn(text, "0123456789abcdef") == len && !text[len];
}

static bool is_digest(const char *text)
{
	return !strncmp(text, ALGORITHM, strlen(ALGORITHM)) && is_hex(text + strlen(ALGORITHM), DIGEST_HEX);
}

/* -- the whole -- */

static int refuse(struct error *err, const char *text, const char *why, const char *help)
{
	error_set(err, ERR_USAGE, "\"%.300s\" names no image: %s", text, why);
	return error_help(err, "%s", help);
}

/* Cuts "@DIGEST" off the name. */
static int take_digest(const char *text, char *name, struct docker_ref *ref, struct error *err)
{
	char *at = strchr(name, '@');

	if (!at)
		return 0;
	*at++ = '\0';
	if (!is_digest(at))
		return refuse(err, text, "what follows the @ is no digest",
			      "a digest is sha256: and 64 digits of lower-case hex, as `docker images --digests` "
			      "shows it");
	ref->digest = xstrdup(at);
	return 0;
}

/* Cuts ":TAG" off the name. The tag of a name with a digest says nothing. */
static int take_tag(const char *text, char *name, struct docker_ref *ref, struct error *err)
{
	char *slash = strrchr(name, '/');
	char *colon = strchr(slash ? slash : name, ':');

	if (colon)
		*colon++ = '\0';
	if (colon && !is_tag(colon))
		return refuse(err, text, *colon ? "its tag is not valid" : "its tag is empty", tag_help);
	if (!ref->digest)
		ref->tag = xstrdup(colon ? colon : "latest");
	return 0;
}

/* The shortest spelling that is not taken for something else. */
static char *hub_repository(const char *path)
{
	static const char prefix[] = "library/";
	size_t skip = !strncmp(path, prefix, strlen(prefix)) ? strlen(prefix) : 0;
	const char *slash;

	if (!strchr(path + skip, '/'))
		path += skip;
	slash = strchr(path, '/');
	if (slash && is_registry(path, (size_t)(slash - path)))
		return xasprintf(HUB "/%s", path);
	if (!slash && (is_hex(path, DIGEST_HEX) || !strcmp(path, "sha256")))
		return xasprintf(HUB "/%s%s", prefix, path);
	return xstrdup(path);
}

static int take_name(const char *text, const char *name, struct docker_ref *ref, struct error *err)
{
	const char *slash = strchr(name, '/'), *path = name;

	if (slash && is_registry(name, (size_t)(slash - name))) {
		path = slash + 1;
		ref->registry = xstrndup(name, (size_t)(slash - name));
		if (!is_host(ref->registry))
			return refuse(err, text, "its registry is not HOST or HOST:PORT",
				      "write [HOST[:PORT]/]PATH[:TAG], as in registry.example.com:5000/ml/train:1");
	}
	if (strlen(name) > MAX_NAME)
		return refuse(err, text, "it is longer than 255 bytes", "choose a shorter name");
	if (!is_path(path))
		return refuse(err, text, *path ? "a repository has lower-case letters, digits, and single separators"
					       : "its repository is empty",
			      "write [HOST[:PORT]/]PATH[:TAG], as in python:3.12-slim");
	if (!ref->registry && is_hex(path, DIGEST_HEX))
		return refuse(err, text, "an image's id has sha256: before it", "write sha256:ID");
	if (ref->registry && strcmp(ref->registry, HUB) && strcmp(ref->registry, HUB_OLD)) {
		ref->repository = xstrdup(name);
		return 0;
	}
	free(ref->registry);
	ref->registry = xstrdup(HUB);
	ref->repository = hub_repository(path);
	return 0;
}

int docker_ref_parse(const char *text, struct docker_ref *ret, struct error *err)
{
	CLEANUP(cleanup_free) char *name = xstrdup(text);
	struct docker_ref ref = { 0 };

	if (!*text)
		return refuse(err, text, "it is empty", "write a name, as in python:3.12-slim");
	if (is_digest(text)) {
		ref.digest = xstrdup(text);
		*ret = ref;
		return 0;
	}
	if (!strncmp(text, ALGORITHM, strlen(ALGORITHM)))
		return refuse(err, text, "an id has 64 digits of lower-case hex",
			      "`docker images --no-trunc` shows whole ids");
	if (take_digest(text, name, &ref, err) < 0 || take_tag(text, name, &ref, err) < 0 ||
	    take_name(text, name, &ref, err) < 0) {
		docker_ref_release(&ref);
		return -1;
	}
	*ret = ref;
	return 0;
}

void docker_ref_release(struct docker_ref *ref)
{
	free(ref->registry);
	free(ref->repository);
	free(ref->tag);
	free(ref->digest);
	*ref = (struct docker_ref){ 0 };
}

bool docker_ref_is_pinned(const char *text)
{
	struct docker_ref ref = { 0 };
	bool pinned = docker_ref_parse(text, &ref, NULL) == 0 && ref.digest;

	docker_ref_release(&ref);
	return pinned;
}

char *docker_ref_format(const struct docker_ref *ref)
{
	if (!ref->repository)
		return xstrdup(ref->digest);
	return xasprintf("%s%s%s", ref->repository, ref->digest ? "@" : ":", ref->digest ? ref->digest : ref->tag);
}

bool docker_repository_equal(const char *one, const char *other)
{
	struct docker_ref a = { 0 }, b = { 0 };
	bool equal = docker_ref_parse(one, &a, NULL) == 0 && docker_ref_parse(other, &b, NULL) == 0 &&
		     a.repository && b.repository && !strcmp(a.repository, b.repository);

	docker_ref_release(&a);
	docker_ref_release(&b);
	return equal;
}
