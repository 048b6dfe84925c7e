/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
/*
 * A hash of bytes that is the same on every machine, for ever: sketches that are kept and the sides of splits are made of
 * it. Not for security: who chooses the bytes can make them hash alike.
 */
uint64_t stable_hash(const void *, size_t, uint64_t seed);
