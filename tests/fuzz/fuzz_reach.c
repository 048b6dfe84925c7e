/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of networks: none that is taken lets an address of another family or a socket of this machine through. */
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/un.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/reach.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_free) char *text = xstrndup((const char *)data, size);
	const struct sockaddr_in public = { .sin_family = AF_INET, .sin_addr = { htonl(0x08080808) } };
	const struct sockaddr_un local = { .sun_family = AF_UNIX };
	struct reach reach CLEANUP(reach_release) = { 0 };

	if (reach_parse(text, &reach, NULL) < 0)
		return 0;
	for (size_t i = 0; i < reach.len; i++)
		if (reach.listed[i].bits > 128)
			abort();
	if (reach_allows(&reach, (const struct sockaddr *)&local) || !reach_allows(&reach, (const struct sockaddr *)&public))
		abort();
	return 0;
}
