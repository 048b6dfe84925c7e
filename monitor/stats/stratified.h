/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/*
 * Random splits that keep the shares of two classes: row for row those of scikit-learn's StratifiedShuffleSplit with
 * test size 0.1 and an int for seed, which draws from the Mersenne Twister. NannyML decides by them, so they are part
 * of its definition.
 */
struct stratified;
/* At least 11 rows, of which 2 are of each class. The labels (0 or 1) are lent for its life. */
struct stratified *stratified_new(const uint8_t *label, uint32_t n, uint32_t seed);
void stratified_free(struct stratified *);
uint32_t stratified_test_rows(const struct stratified *); /* of each split */
/* The next split: sets held_out[r] of its test rows, and clears that of the others. */
void stratified_next(struct stratified *, bool *held_out);
