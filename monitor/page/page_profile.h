/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "monitor/page/page_internal.h"
/* Parts of the page of a profile that only some have; each writes nothing where there is nothing. */
struct js;

void page_profile_figures(struct html *, const struct js *shown); /* in the heading: repeated rows */
void page_profile_target(struct html *, const struct js *shown);  /* its balance */
void page_profile_full(struct html *, const struct js *shown);	  /* correlations and outliers */
