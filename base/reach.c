/* SPDX-License-Identifier: Apache-2.0 */
#include "base/reach.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"

#define V4_BITS 96 /* of ::ffff:0:0 */

/* Not global, by the registries; the first that holds an address decides. */
static const struct {
	const char *network;
	bool global;
} special[] = {
	{ "0.0.0.0/8", false },       { "10.0.0.0/8", false },     { "100.64.0.0/10", false },  { "127.0.0.0/8", false },
	{ "169.254.0.0/16", false },  { "172.16.0.0/12", false },  { "192.0.0.9/32", true },    { "192.0.0.10/32", true },
	{ "192.0.0.0/24", false },    { "192.0.2.0/24", false },   { "192.88.99.0/24", false }, { "192.168.0.0/16", false },
	{ "198.18.0.0/15", false },   { "198.51.100.0/24", false }, { "203.0.113.0/24", false }, { "224.0.0.0/3", false },
	{ "::ffff:0:0/96", true },    /* what is IPv4 and was not named above */
	{ "2001:db8::/32", false },   { "2001::/23", false },      { "2002::/16", false },      { "3fff::/20", false },
	{ "2000::/3", true },         { "::/0", false },
};

static bool holds(const struct reach_network *network, const uint8_t address[16])
{
	unsigned bytes = network->bits / 8, rest = network->bits % 8;

	return !memcmp(network->address, address, bytes) &&
	       (!rest || (network->address[bytes] ^ address[bytes]) >> (8 - rest) == 0);
}

static void map_v4(const void *four, uint8_t ret[16])
{
	memset(ret, 0, 10);
	memset(ret + 10, 0xff, 2);
	memcpy(ret + 12, four, 4);
}

/* "ADDRESS" or "ADDRESS/BITS"; bits beyond the mask do not count. */
static bool parse_network(const char *text, struct reach_network *ret)
{
	const char *slash = strchr(text, '/');
	CLEANUP(cleanup_free) char *address = slash ? xstrndup(text, (size_t)(slash - text)) : xstrdup(text);
	uint8_t four[4];
	bool v4 = inet_pton(AF_INET, address, four) == 1;
	unsigned long bits = v4 ? 32 : 128;

	if (v4)
		map_v4(four, ret->address);
	else if (inet_pton(AF_INET6, address, ret->address) != 1)
		return false;
	if (slash && (!slash[1] || strlen(slash + 1) > 3 || slash[1 + strspn(slash + 1, "0123456789")] ||
		      strtoul(slash + 1, NULL, 10) > bits))
		return false;
	if (slash)
		bits = strtoul(slash + 1, NULL, 10);
	ret->bits = (unsigned)bits + (v4 ? V4_BITS : 0);
	return true;
}

int reach_parse(const char *text, struct reach *ret, struct error *err)
{
	struct reach reach CLEANUP(reach_release) = { 0 };

	while (*(text += strspn(text, ", \t"))) {
		size_t len = strcspn(text, ", \t");
		CLEANUP(cleanup_free) char *word = xstrndup(text, len);

		GROW(reach.listed, reach.len, reach.cap);
		if (!parse_network(word, &reach.listed[reach.len])) {
			error_set(err, ERR_USAGE, "'%.100s' is no network", word);
			return error_help(err, "such as: 10.0.0.0/8, 192.168.1.5, fd00::/8");
		}
		reach.len++;
		text += len;
	}
	*ret = reach;
	reach = (struct reach){ 0 };
	return 0;
}

void reach_release(struct reach *reach)
{
	free(reach->listed);
	*reach = (struct reach){ 0 };
}

/* The 16 bytes by which it is looked up; NAT64 (RFC 6052) leads to the IPv4 address in it. */
static bool normal(const struct sockaddr *addr, uint8_t ret[16])
{
	static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };

	if (addr->sa_family == AF_INET) {
		map_v4(&((const struct sockaddr_in *)(const void *)addr)->sin_addr, ret);
		return true;
	}
	if (addr->sa_family != AF_INET6)
		return false;
	memcpy(ret, &((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr, 16);
	if (!memcmp(ret, nat64, sizeof(nat64)))
		map_v4((uint8_t[4]){ ret[12], ret[13], ret[14], ret[15] }, ret);
	return true;
}

static bool is_global(const uint8_t address[16])
{
	struct reach_network network;

	for (size_t i = 0; i < ARRAY_LEN(special); i++)
		if (parse_network(special[i].network, &network) && holds(&network, address))
			return special[i].global;
	return false;
}

bool reach_allows(const struct reach *reach, const struct sockaddr *addr)
{
	uint8_t address[16];

	if (!normal(addr, address))
		return false;
	for (size_t i = 0; i < reach->len; i++)
		if (holds(&reach->listed[i], address))
			return true;
	return !reach->only_listed && is_global(address);
}
