/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>
/*
 * Signals of a command that starts steps, as long as its event loop does not take them
 * (pipeline/control.h): nothing runs then, so INT, TERM and HUP end it at once, with exit status 130 and
 * a clean terminal. A HUP that was ignored stays so.
 */
void signals_open(bool as_json);
/* This process has left its terminal and whoever reads it: HUP and PIPE end it no more. */
void signals_detach(void);
/* The view takes so many lines above the cursor. */
void signals_view(int lines);
/* This process works for us in a session of its own: it is asked to end, too. 0: none. */
void signals_forward(pid_t);
/* Nobody reads what we print: the terminal is gone, as by HUP. */
void signals_reader_left(void);
