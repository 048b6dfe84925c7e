/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/http_client.h"
#include "base/mem.h"
#include "runners/docker_internal.h"
/* Where the engine listens, and why it may not answer there. */

/* -- where it listens -- */

static int refuse_address(struct error *err, const char *host, const char *why, const char *help)
{
	error_set(err, ERR_ENV, "cannot use DOCKER_HOST=%.300s: %s", host, why);
	return error_help(err, "%s", help);
}

static int use_unix(struct docker_address *address, const char *host, struct error *err)
{
	const char *path = host + strlen("unix://");

	if (*path != '/')
		return refuse_address(err, host, "its path is not absolute",
				      "write unix:///PATH, or unset DOCKER_HOST");
	address->url = xstrdup("http://engine");
	address->unix_path = xstrdup(path);
	return 0;
}

static char *cert_file(const char *name, const char *host, struct error *err)
{
	const char *dir = getenv("DOCKER_CERT_PATH"), *home = getenv("HOME");
	CLEANUP(cleanup_free) char *usual = xasprintf("%s/.docker", home ? home : "");
	CLEANUP(cleanup_free) char *path = path_join(dir && *dir ? dir : usual, name);
	CLEANUP(cleanup_free) char *why = NULL;

	if (access(path, R_OK) == 0)
		return steal(&path);
	why = xasprintf("%s: %s", path, strerror(errno));
	refuse_address(err, host, why, "put ca.pem, cert.pem and key.pem into DOCKER_CERT_PATH");
	return NULL;
}

static int use_tcp(struct docker_address *address, const char *host, struct error *err)
{
	const char *name = host + strlen("tcp://"), *verify = getenv("DOCKER_TLS_VERIFY");
	size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:[]");

	if (!len || (name[len] && strcmp(name + len, "/") != 0))
		return refuse_address(err, host, "it is not tcp://HOST:PORT", "write tcp://HOST:PORT");
	if (!verify || !*verify)
		return refuse_address(err, host,
				      "without TLS anybody who reaches that port is root on its machine",
				      "set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH, or unset DOCKER_HOST to use "
				      "the engine's Unix socket");
	address->ca = cert_file("ca.pem", host, err);
	address->cert = address->ca ? cert_file("cert.pem", host, err) : NULL;
	address->key = address->cert ? cert_file("key.pem", host, err) : NULL;
	if (!address->key)
		return -1;
	address->url = xasprintf("https://%.*s", (int)len, name);
	return 0;
}

static int use_named(struct docker_address *address, const char *host, struct error *err)
{
	static const struct {
		const char *scheme;
		int (*use)(struct docker_address *, const char *host, struct error *);
	} schemes[] = { { "unix://", use_unix }, { "tcp://", use_tcp } };

	address->text = xstrdup(host);
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (!strncmp(host, schemes[i].scheme, strlen(schemes[i].scheme)))
			return schemes[i].use(address, host, err);
	if (!strncmp(host, "ssh://", strlen("ssh://")))
		return refuse_address(err, host, "ssh:// is not supported",
				      "steps use files of this machine: use its own engine, and unset DOCKER_HOST");
	return refuse_address(err, host, "only unix:// and tcp:// with TLS are supported",
			      "write unix:///PATH, or unset DOCKER_HOST");
}

static bool is_socket(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* The first of the usual sockets that is there; when there is none, Docker's. */
static char *usual_socket(void)
{
	static const struct {
		bool own; /* below $XDG_RUNTIME_DIR */
		const char *path;
	} places[] = {
		{ false, "/var/run/docker.sock" },
		{ true, "docker.sock" },
		{ true, "podman/podman.sock" },
		{ false, "/run/podman/podman.sock" },
	};
	const char *run = getenv("XDG_RUNTIME_DIR");

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		CLEANUP(cleanup_free) char *path = NULL;

		if (places[i].own && (!run || *run != '/'))
			continue;
		path = places[i].own ? path_join(run, places[i].path) : xstrdup(places[i].path);
		if (is_socket(path))
			return steal(&path);
	}
	return xstrdup(places[0].path);
}

int docker_address_find(struct docker_address *address, struct error *err)
{
	const char *host = getenv("DOCKER_HOST");
	CLEANUP(cleanup_free) char *path = NULL;
	CLEANUP(cleanup_free) char *usual = NULL;

	if (!host || !*host) {
		path = usual_socket();
		host = usual = xasprintf("unix://%s", path);
	}
	return use_named(address, host, err);
}

void docker_address_release(struct docker_address *address)
{
	free(address->text);
	free(address->url);
	free(address->unix_path);
	free(address->ca);
	free(address->cert);
	free(address->key);
	*address = (struct docker_address){ 0 };
}

/* -- why nothing answers -- */

/* The socket's group, when being in it would help. */
static bool socket_group(const char *path, char *ret, size_t size)
{
	char buf[4096];
	struct group gr, *found = NULL;
	struct stat st;

	if (stat(path, &st) < 0 || !(st.st_mode & S_IWGRP) || st.st_gid == 0)
		return false;
	if (getgrgid_r(st.st_gid, &gr, buf, sizeof(buf), &found) != 0 || !found)
		return false;
	snprintf(ret, size, "%s", found->gr_name);
	return true;
}

static int help_permission(const struct docker_address *address, struct error *err)
{
	char buf[4096], group[128];
	struct passwd pw, *found = NULL;

	if (!address->unix_path || !socket_group(address->unix_path, group, sizeof(group)))
		return error_help(err, "use an engine of your own: rootless Docker, or systemctl --user start "
				       "podman.socket; or let root look at: ls -l %.200s",
				  address->unix_path ? address->unix_path : "");
	if (getpwuid_r(getuid(), &pw, buf, sizeof(buf), &found) != 0 || !found)
		return error_help(err, "let your user join the group %s", group);
	return error_help(err, "sudo usermod -aG %s %s, then log in again", group, found->pw_name);
}

int docker_address_error(const struct docker_address *address, const struct error *why, struct error *err)
{
	const struct error old = *why; /* may be *err */
	const char *at = address->text;

	switch (old.sys) {
	case ENOENT:
		error_set(err, ERR_ENV, "no container engine answers at %s", at);
		error_help(err, "install and start Docker (apt-get install docker.io) or Podman (systemctl --user "
				"start podman.socket), or set DOCKER_HOST; or leave image= out");
		break;
	case EACCES:
	case EPERM:
		error_set(err, ERR_ENV, "no permission to use the container engine at %s", at);
		help_permission(address, err);
		break;
	case ECONNREFUSED:
		error_set(err, ERR_ENV, "no container engine answers at %s: connection refused", at);
		error_help(err, "is it running? systemctl start docker");
		break;
	case ETIMEDOUT:
		error_set(err, ERR_ENV, "the container engine at %s hangs: %s", at, old.msg);
		error_help(err, "restart it: systemctl restart docker");
		break;
	default:
		error_set(err, ERR_ENV, "the container engine at %s gave no answer: %s", at, old.msg);
		if (address->ca && old.sys == EPROTO)
			error_help(err, "check that ca.pem, cert.pem and key.pem in DOCKER_CERT_PATH are for this engine");
		else
			error_help(err, "is it an engine, and running? docker -H %.200s version", at);
	}
	if (err)
		err->sys = old.sys;
	return -1;
}
