/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "registry/ingest.h"
/* What the files of the inflow share. */
#define INGEST_DIR "inflow" /* in .mlops */

extern const char *const ingest_kinds[];
/* Of a segment, below .mlops. Caller frees. */
char *ingest_path(const char *monitor, enum monitor_kind, int64_t number);
