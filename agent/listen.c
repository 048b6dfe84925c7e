/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/listen.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"

#define BACKLOG 1024

/* ---- Unix ---- */

int listen_unix_address(const char *path, struct sockaddr_un *ret, int *ret_dirfd, struct error *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const char *name = path_base(path);
	CLEANUP(cleanup_free) char *dir = NULL;
	int fd;

	*ret_dirfd = -1;
	if (strlen(path) < sizeof(sa.sun_path)) {
		memcpy(sa.sun_path, path, strlen(path) + 1);
		*ret = sa;
		return 0;
	}
	dir = xstrndup(path, (size_t)(name - path));
	fd = open(*dir ? dir : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "cannot open '%s'", dir);
	if ((size_t)snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%s", fd, name) >=
	    sizeof(sa.sun_path)) {
		close(fd);
		return error_set(err, ERR_USAGE, "the name of the socket '%s' is too long", name);
	}
	*ret = sa;
	*ret_dirfd = fd;
	return 0;
}

/* Takes away what a killed process left, and nothing else. */
static int clear_path(const struct sockaddr_un *sa, const char *path, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = -1;
	struct stat st;

	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode)) {
		error_set(err, ERR_CONFLICT, "cannot listen on %s: a %s stands there", path, fs_kind_name(st.st_mode));
		return error_help(err, "move it away, or name another path");
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0)
		return error_set(err, ERR_CONFLICT, "cannot listen on %s: another program does", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return error_sys(err, errno, "cannot remove the old socket %s", path);
	return 0;
}

static int listen_unix(const char *path, bool is_private, struct listen_socket *ret, struct error *err)
{
	CLEANUP(cleanup_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	CLEANUP(cleanup_fd) int dirfd = -1;
	CLEANUP(cleanup_free) char *here = *path == '/' ? xstrdup("") : getcwd(NULL, 0);
	CLEANUP(cleanup_free) char *whole = NULL;
	struct sockaddr_un sa;

	if (!*path)
		return error_set(err, ERR_USAGE, "'unix:' needs a path, such as unix:/run/mlops.sock");
	if (fd < 0 || !here)
		return error_sys(err, errno, "cannot listen on %s", path);
	whole = *here ? path_join(here, path) : xstrdup(path);
	if (listen_unix_address(path, &sa, &dirfd, err) < 0 || clear_path(&sa, path, err) < 0)
		return -1;
	/* Linux gives the new file the socket's own mode, less the umask: it is never open for a moment. */
	if ((is_private && fchmod(fd, 0600) < 0) || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return error_sys(err, errno, "cannot listen on %s", path);
	ret->path = steal(&whole);
	ret->url = xasprintf("unix:%s", ret->path);
	ret->fd = steal_fd(&fd);
	return 0;
}

/* ---- TCP ---- */

/* "HOST:PORT", "[HOST]:PORT" */
static int split(const char *address, char **ret_host, const char **ret_port, struct error *err)
{
	const char *colon = strrchr(address, ':');
	size_t len = colon ? (size_t)(colon - address) : 0;
	bool bracketed = len > 2 && address[0] == '[' && address[len - 1] == ']';

	if (!len || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
	    strtoul(colon + 1, NULL, 10) > UINT16_MAX ||
	    (!bracketed && memchr(address, ':', len))) {
		error_set(err, ERR_USAGE, "'%s' is no address to listen on", address);
		return error_help(err, "such as 127.0.0.1:5000, [::1]:5000, or unix:PATH");
	}
	*ret_host = xstrndup(address + bracketed, len - 2u * bracketed);
	*ret_port = colon + 1;
	return 0;
}

static bool is_loopback(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr) >> 24 == 127;
	return sa->sa_family == AF_INET6 &&
	       IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr);
}

static int refuse_public(const char *address, struct error *err)
{
	error_set(err, ERR_DENIED, "%s can be reached by other machines, so it needs TLS and somebody who may log in",
		  address);
	return error_help(err, "give --tls-cert and --tls-key, and make a token: mlops token add NAME; or listen on "
			  "127.0.0.1 and let a proxy or ssh lead there");
}

static int bind_tcp(const struct addrinfo *ai, const char *address, struct error *err)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), sys;

	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
		/* inherited by its connections */
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){ 1 }, sizeof(int));
	}
	if (fd >= 0 && bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	sys = errno;
	cleanup_fd(&fd);
	error_sys(err, sys, "cannot listen on %s", address);
	if (sys == EADDRINUSE)
		error_help(err, "another program listens there: give another port, such as --listen 127.0.0.1:5001");
	return -1;
}

static int listen_tcp(const char *address, bool is_tls, bool may_be_public, struct listen_socket *ret,
		      struct error *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *found;
	CLEANUP(cleanup_free) char *host = NULL;
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	const char *port;
	char given[16];
	int r;

	if (split(address, &host, &port, err) < 0)
		return -1;
	r = getaddrinfo(host, port, &hints, &found);
	if (r)
		return error_set(err, ERR_USAGE, "cannot listen on %s: %s", address, gai_strerror(r));
	ret->is_loopback = is_loopback(found->ai_addr);
	ret->fd = ret->is_loopback || may_be_public ? bind_tcp(found, address, err) : refuse_public(address, err);
	freeaddrinfo(found);
	if (ret->fd < 0)
		return -1;
	r = getsockname(ret->fd, (struct sockaddr *)&sa, &len);
	if (!r)
		getnameinfo((struct sockaddr *)&sa, len, NULL, 0, given, sizeof(given), NI_NUMERICSERV);
	ret->url = xasprintf(strchr(host, ':') ? "%s://[%s]:%s" : "%s://%s:%s", is_tls ? "https" : "http", host,
			     r ? port : given);
	return 0;
}

int listen_on(const char *address, bool is_tls, bool may_be_public, bool is_private, struct listen_socket *ret,
	      struct error *err)
{
	struct listen_socket s = { .fd = -1 };
	int r = strncmp(address, "unix:", 5) ? listen_tcp(address, is_tls, may_be_public, &s, err)
					     : listen_unix(address + 5, is_private, &s, err);

	if (r < 0)
		return -1;
	*ret = s;
	return 0;
}

void listen_release(struct listen_socket *s)
{
	if (s->path)
		unlink(s->path);
	free(s->path);
	free(s->url);
	*s = (struct listen_socket){ .fd = -1 };
}
