/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdint.h>
/*
 * Cards of model versions: all that the record knows of one, made of facts and never typed in. Only `limitations` is the
 * words of a person, from the repository.
 */
struct db;
struct error;
struct js;
struct op_context;
struct strbuf;

/*
 * {model, number, content, aliases[], description, registered, run{run_id, name, user, pipeline, start_time, end_time},
 * code{commit, branch, remote, dirty}, data[{path, content}], training{content, profile, rows, columns}, params{}, metrics{},
 * slices{columns[], rows[[]]}, gate{verdict, champion, lines[]}, history[promotions], approvals[], monitors[{name, state,
 * alarm, windows, drifted}],
 * drift[{monitor, window, time, state, reason}], environment{}, files{ROLE: {path, content}}, limitations}. Members that nothing
 * is known of are absent.
 */
int card_make(struct op_context *, struct db *, const char *model, int64_t number, struct js **ret, struct error *);
void card_markdown(const struct js *card, struct strbuf *);
void card_html(const struct js *card, struct strbuf *); /* one self-contained page */
/* Keeps the card of a version that was just made, in both forms. Outside of a transaction. */
int card_keep(struct op_context *, struct db *, const char *model, int64_t number, struct error *);
/* Sets what proves it: "events", "attestations", "reproduction", "checkpoint", and "commands" to be typed. What cannot be read
 * is left out. After all other members. */
void card_audit(struct db *, const char *model, int64_t number, struct js *card);
/* Sets "monitors" of those that watch an alias of the model, and "drift", their last windows that were not fine. What cannot
 * be read is left out. */
void card_monitors(struct op_context *, struct db *, const char *model, struct js *card);
