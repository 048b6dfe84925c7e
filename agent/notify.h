/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What systemd wants to know of a service with Type=notify (sd_notify(3)); without it these do nothing. */

/* "READY=1", "STOPPING=1", "WATCHDOG=1", lines of them. */
void notify_send(const char *state);
/* Milliseconds between two WATCHDOG=1; 0: none are waited for. */
int notify_watchdog_ms(void);
