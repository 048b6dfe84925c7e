/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
/*
 * What an event is worth telling to people. Pure: an event and facts about it go in, a message comes out.
 *
 * A message is {id, time, on, title, text, next, operation, subject, project, ...}: `on` is the word that [notify.NAME] lists,
 * `next` the command to type. It is what is sent as JSON; the other shape is {"text"}, as Slack and Mattermost take it.
 */
struct error;
struct js;
struct strbuf;

/* `event` is of event_find. `facts`: {before: state in which the job before it ended, error: why the run failed, rule_before: that decided
 * on the window before}, each may be absent. NULL: nobody is told of it. */
struct js *notify_message(const struct js *event, const struct js *facts);
/* The bytes to send; `text`: in the shape of chats. */
void notify_render(const struct js *message, bool text, struct strbuf *);

/* A URL to send to, in the two parts that a request has. ERR_USAGE, whose message does not hold the URL: it may be a
 * secret. */
struct endpoint {
	char *server; /* scheme, host, port */
	char *path;   /* with its query, escaped as it was written */
	bool plain;   /* http: who is on the way reads along */
};
int endpoint_parse(const char *url, struct endpoint *ret, struct error *);
void endpoint_release(struct endpoint *);
