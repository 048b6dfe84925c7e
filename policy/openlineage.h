/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
/*
 * Runs in OpenLineage's words: RunEvent of spec 2-0-2 (openlineage.io/spec/2-0-2/OpenLineage.json) with the facets parent,
 * executionParameters, processing_engine, errorMessage, jobType, sourceCodeLocation, version, inputStatistics and
 * outputStatistics. A pure function.
 *
 * A pipeline is a job of its name, a step one of PIPELINE.STEP; data sets are paths of the project, whose version is the
 * digest of what stands there ("sha256:HEX" of a file, "tree:HEX" of a directory). runId is our id written as a UUID.
 */
struct js;

/* `facts`: of openlineage_facts (registry/openlineage.h). `type`: START, COMPLETE, FAIL or ABORT. `namespace` "": the
 * pipeline's name. What a run read and made is told at its end. */
struct js *openlineage_event(const char *type, int64_t time_ms, const char *namespace, const struct js *facts);
