/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * Which addresses a program may be sent to by a URL that somebody else wrote: those of the public internet, and networks
 * that the operator lists. What counts is the address of the connection, so no name, redirect or resolver gets around it.
 *
 * Not public is what IANA's registries of special-purpose IPv4 and IPv6 addresses (RFC 6890) say is not global, and
 * multicast. IPv6 that carries an IPv4 address (mapped, NAT64) is what that one is.
 */
struct error;
struct sockaddr;

struct reach_network {
	uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
	unsigned bits;       /* of the 128 */
};
struct reach {
	struct reach_network *listed;
	size_t len, cap;
	bool only_listed;    /* public addresses do not do */
};
/* "10.0.0.0/8, ::1/128"; an address alone is itself. ERR_USAGE */
int reach_parse(const char *text, struct reach *ret, struct error *);
void reach_release(struct reach *);
/* AF_INET and AF_INET6; nothing else is allowed. */
bool reach_allows(const struct reach *, const struct sockaddr *);
