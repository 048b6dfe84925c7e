/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
/* What mask.c looks for: the forms in which a secret shows itself (mask_forms.c). */

/* Lent for the call. The same pattern may come more than once; none holds a line feed. */
typedef void mask_form(void *ctx, const char *pattern, size_t len);
void mask_each_form(const char *secret, size_t len, mask_form *, void *ctx);
