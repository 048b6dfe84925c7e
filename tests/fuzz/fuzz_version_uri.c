/* SPDX-License-Identifier: Apache-2.0 */
/* URIs of model versions: the first line, and a root on the second. What is clean and within a root names its parts. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "registry/version_source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_parts(const char *uri)
{
	struct uri_parts parts;
	size_t len = strlen(uri);

	uri_split(uri, &parts);
	if (parts.path < uri || parts.path + parts.path_len > uri + len || parts.scheme_len > len)
		abort();
}

static void check_models(const char *uri)
{
	struct models_uri models = { 0 };
	struct error err = { 0 };

	if (models_uri_parse(uri, &models, &err) < 0) {
		if (err.code != ERR_USAGE)
			abort();
		return;
	}
	if (!models.model_id == !models.name || (models.model_id && (models.version || models.alias || models.stage)))
		abort();
	models_uri_release(&models);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(cleanup_free) char *uri = xstrndup(size ? (const char *)data : "", size);
	char *root = strchr(uri, '\n');

	if (root)
		*root++ = '\0';
	check_parts(uri);
	check_models(uri);
	if (uri_is_clean(uri) && (!strcmp(uri, "..") || strstr(uri, "/../") || strstr(uri, "%00")))
		abort();
	/* what is within something has parts, and so is within itself */
	if (root && uri_is_within(uri, root) && !uri_is_within(uri, uri))
		abort();
	return 0;
}
