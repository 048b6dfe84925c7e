/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
/* Sockets to listen on. */
struct error;

struct listen_socket {
	int fd;
	char *url;    /* "http://127.0.0.1:5000", "https://...", "unix:PATH"; owned by the caller */
	char *path;   /* of a Unix socket, absolute: to be removed at the end; else NULL */
	bool is_loopback;
};

/* "127.0.0.1:5000", "[::1]:5000", "localhost:0" (port 0: any), "unix:PATH". What is neither loopback nor a Unix socket
 * is refused unless `may_be_public`. A Unix socket is for its owner alone when `is_private`, else as umask says; one
 * that nobody answers on is replaced. Its path may be longer than an address may be. */
int listen_on(const char *address, bool is_tls, bool may_be_public, bool is_private, struct listen_socket *ret,
	      struct error *);
/* Removes the path, frees; the descriptor is not closed. */
void listen_release(struct listen_socket *);
/* The address of a Unix socket, whatever its length: the path, or one through the open directory *ret_dirfd, which the
 * caller closes after its use. */
struct sockaddr_un;
int listen_unix_address(const char *path, struct sockaddr_un *ret, int *ret_dirfd, struct error *);
