/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a file of an environment: what is taken is NAME=VALUE, each name once, and none of ours. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/strmap.h"
#include "pipeline/env_file.h"
#include "pipeline/problems.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int truth)
{
	if (!truth)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct problems problems CLEANUP(problems_release) = PROBLEMS_INIT;
	struct strlist items CLEANUP(strlist_release) = STRLIST_INIT;
	struct strmap names CLEANUP(strmap_release) = STRMAP_INIT;
	int r = env_file_parse((const char *)data, size, "e.env", &problems, &items);

	require((r < 0) == (problems.count > 0) && items.len <= ENV_FILE_NAMES_MAX);
	for (size_t i = 0; i < items.len; i++) {
		size_t len = strcspn(items.items[i], "=");
		CLEANUP(cleanup_free) char *name = xstrndup(items.items[i], len);
		require(len && items.items[i][len] == '=' && !strchr(items.items[i], '\n'));
		require(strncmp(name, "MLOPS_", 6) != 0);
		require(name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")] == '\0');
		require(!strmap_set(&names, name, &names));
	}
	for (size_t i = 0; i < problems.len; i++)
		require(problems.items[i].at.line > 0 && *problems.items[i].error.msg);
	return 0;
}
