/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
/*
 * Statements about what was made: in-toto Statement v1 with the predicates SLSA provenance v1 (runs, model versions) and
 * test-result v0.1 (gates). Pure functions from facts, as the registry's readers give them, to JSON.
 */
struct error;
struct js;

#define PROVENANCE_SLSA "https://slsa.dev/provenance/v1"
#define PROVENANCE_TEST "https://in-toto.io/attestation/test-result/v0.1"

/* `run`: of run_load, `above`: the pipeline run or NULL, `subjects`: [{name, digest: {sha256}}]. */
struct js *provenance_slsa(const struct js *run, const struct js *above, const struct js *record, const struct js *subjects);
/* `candidate`: of candidate_load. */
struct js *provenance_gate(const struct js *candidate, const struct js *subjects);
