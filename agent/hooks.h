/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* POST /api/v1/hooks/PROJECT: webhooks of forges (api/webhooks.h). It asks for no token; the signature is the proof. */

/* Adds the route. */
void hooks_start(void);
