/* SPDX-License-Identifier: Apache-2.0 */
/* Proofs of strangers: one line of error, or a proof whose check says yes or no. One that holds stops holding when its event
 * is another. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "registry/tlog_proof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(tlog_proof_release) struct tlog_proof proof = { 0 };
	struct error err = { 0 };

	if (tlog_proof_parse((const char *)data, size, &proof, &err) < 0) {
		if (err.code != ERR_USAGE || strchr(err.msg, '\n'))
			abort();
		return 0;
	}
	if (!proof.entry || !proof.len || proof.path.len > MERKLE_PROOF || !proof.checkpoint.origin || !proof.checkpoint.note)
		abort();
	if (tlog_proof_check(&proof, &err) < 0) {
		if (err.code != ERR_DAMAGED || strchr(err.msg, '\n'))
			abort();
		return 0;
	}
	proof.entry[0] ^= 1;
	if (tlog_proof_check(&proof, &err) == 0)
		abort();
	return 0;
}
