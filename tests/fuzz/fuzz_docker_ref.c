/* SPDX-License-Identifier: Apache-2.0 */
/* A name of an image: refused with a reason, or its canonical form is parsed into the same parts. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "runners/docker_engine.h"
#include "runners/docker_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_equal(const char *a, const char *b)
{
	if ((a && b) ? strcmp(a, b) != 0 : a != b)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_free) char *text = xstrndup((const char *)data, size);
	CLEANUP(cleanup_free) char *name = NULL;
	struct docker_ref ref, again;
	struct error err;

	if (docker_ref_parse(text, &ref, &err) < 0) {
		if (err.code != ERR_USAGE || !*err.msg || !*err.help)
			abort();
		return 0;
	}
	name = docker_ref_format(&ref);
	if (docker_ref_parse(name, &again, &err) < 0)
		abort();
	must_equal(ref.registry, again.registry);
	must_equal(ref.repository, again.repository);
	must_equal(ref.tag, again.tag);
	must_equal(ref.digest, again.digest);
	if (docker_ref_is_pinned(text) != (ref.digest != NULL) ||
	    docker_repository_equal(text, name) != (ref.repository != NULL))
		abort();
	docker_ref_release(&ref);
	docker_ref_release(&again);
	return 0;
}
