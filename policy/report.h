/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A run as Markdown, for a pull request or the summary of a CI job. Pure.
 *
 * {project, run_id, state, error, commit, base{name, commit}, metrics{STEP: {KEY: value}}, base_metrics{...},
 *  models[{model, number, verdict, lines[{line, holds, values{}, note, error}], aliases[]}], monitors[{name, state, alarm}]}
 *
 * Names and values are written by others, also in pull requests of strangers: all of them stand in code spans, where they
 * are no markup, no link and call nobody.
 */
struct js;
struct strbuf;

void report_markdown(const struct js *report, struct strbuf *ret);
/* One line for the status of a commit. */
void report_line(const struct js *report, struct strbuf *ret);
