/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Who asks, and whether he may. */
struct call;
struct error;

/* Sets call->who. ERR_AUTH: it is not known who asks; ERR_DENIED. Default is no. */
int access_check(struct call *, struct error *);
