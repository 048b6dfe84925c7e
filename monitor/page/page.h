/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Pages and pictures: self-contained HTML (no script, no network, readable in the dark and on paper) and standalone SVG,
 * made of what the operations return. Every text from a table is escaped; pictures have titles and descriptions for
 * those who do not see them.
 */
struct js;
struct strbuf;

#define PAGE_WINDOWS 500u /* of a monitor, the last ones; a strip of more has cells that nobody can see */

/* `name` heads the page: what was looked at, as the user typed it. */
void page_profile(const struct js *shown, const char *name, struct strbuf *ret); /* of profile_show */
void page_drift(const struct js *verdict, const char *reference, const char *current, struct strbuf *ret); /* of drift_judge */
void page_schema(const struct js *report, const char *name, struct strbuf *ret); /* of schema_check */
/*
 * Of monitor.show:
 *   {"monitor", "reference": what the windows are compared with, "method",
 *    "alarm": bool, "windows_by_state": {STATE: how many there are, also of those that are not in:}
 *    "windows": [{"window","from","to","rows","time","state","reason","score_max","judged","drifted",
 *      "columns": [{"name","state","score","threshold","nulls": share}]}],
 *    "performance": [{"window","metric","value","low","high","baseline"}]}
 * Windows are in order of time, as are figures of one metric; from and to are texts to show, or numbers of rows; time is in
 * milliseconds since 1970. What is not known is left out. "score_max" is the highest score over its threshold.
 */
void page_monitor(const struct js *shown, struct strbuf *ret);
/* One drawing: the table of columns with their pictures. */
void svg_drift(const struct js *verdict, struct strbuf *ret);
