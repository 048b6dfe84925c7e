/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* GET /: a page for people that says what runs here and how to connect. Without scripts; strangers learn no names and
 * no counts. */
void page_start(void);
