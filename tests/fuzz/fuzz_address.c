/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of agents: the name of one is an address of the same place, and can stand in a request. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/address.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_free) char *text = xstrndup((const char *)data, size);
	CLEANUP(address_release) struct address first = { 0 }, again = { 0 };

	if (address_parse(text, &first, NULL) < 0)
		return 0;
	if (strpbrk(first.url, " @?#\r\n") || strpbrk(first.prefix, " @?#\r\n"))
		abort();
	if (address_parse(first.name, &again, NULL) < 0 || strcmp(first.name, again.name) ||
	    strcmp(first.url, again.url) || strcmp(first.prefix, again.prefix) || first.is_private != again.is_private)
		abort();
	return 0;
}
