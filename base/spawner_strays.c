/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/spawner_internal.h"

#define ENVIRON_MAX (4U << 20)

/* A pipe's last reader and the like ends by itself, so that comes first. */
enum { STAGE_WAIT, STAGE_TERM, STAGE_KILL };
static const struct {
	int signo;
	int64_t ms;
} stages[] = {
	[STAGE_WAIT] = { 0, 100 },
	[STAGE_TERM] = { SIGTERM, 1000 },
	[STAGE_KILL] = { SIGKILL, 3000 }, /* after that it sleeps where no signal reaches it */
};
/* When the owner asked the step to end, the owner's grace counts, and KILL is its word too. */
#define ASKED_MS 30000

struct pids {
	pid_t *items;
	size_t len, cap;
};

static void pids_release(struct pids *pids)
{
	free(pids->items);
}

/* Whole: entries leave the list only when we reap them, and new ones join at its end. */
static void read_children(const struct warden *w, struct pids *ret)
{
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	ssize_t n;
	char *at;

	if (w->children_fd < 0 || lseek(w->children_fd, 0, SEEK_SET) < 0)
		return;
	do {
		strbuf_reserve(&text, 1024);
		n = read(w->children_fd, text.buf + text.len, 1024);
		text.len += n > 0 ? (size_t)n : 0;
		text.buf[text.len] = '\0';
	} while (n > 0);
	for (at = text.buf;;) {
		long pid = strtol(at, &at, 10);

		if (pid <= 0)
			return;
		GROW(ret->items, ret->len, ret->cap);
		ret->items[ret->len++] = (pid_t)pid;
	}
}

static bool is_running_step(const struct warden *w, pid_t pid)
{
	for (size_t i = 0; i < w->nsteps; i++)
		if (w->steps[i].runs && w->steps[i].pid == pid)
			return true;
	return false;
}

static bool any_step_runs(const struct warden *w)
{
	for (size_t i = 0; i < w->nsteps; i++)
		if (w->steps[i].runs)
			return true;
	return false;
}

/* All strays come with their group unless that group is not theirs to take down. */
static void signal_stray(const struct warden *w, pid_t pid, int signo)
{
	pid_t group = getpgid(pid);

	if (group <= 0 || group == w->self || is_running_step(w, group))
		group = 0;
	kill(group ? -group : pid, signo);
	if (signo == SIGTERM)
		kill(group ? -group : pid, SIGCONT); /* a stopped process does not die of TERM */
}

static int read_environ(pid_t pid, struct strbuf *ret)
{
	CLEANUP(cleanup_fd) int fd = -1;
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	do {
		strbuf_reserve(ret, 16384);
		n = read(fd, ret->buf + ret->len, 16384);
		ret->len += n > 0 ? (size_t)n : 0;
	} while (n > 0 && ret->len < ENVIRON_MAX);
	ret->buf[ret->len] = '\0';
	return 0;
}

/* The id after our marker; a spawner inside a step extends the step's marker by "/...". */
static bool find_marker(const struct warden *w, const struct strbuf *env, uint32_t *ret)
{
	size_t len = strlen(w->marker);

	for (const char *at = env->buf; at < env->buf + env->len; at += strlen(at) + 1) {
		char *end;
		unsigned long id;

		if (strncmp(at, w->marker, len) != 0 || !isdigit((unsigned char)at[len]))
			continue;
		id = strtoul(at + len, &end, 10);
		if (*end && *end != '/')
			continue;
		*ret = (uint32_t)id;
		return true;
	}
	return false;
}

static struct warden_step *find_owner(const struct warden *w, pid_t pid)
{
	CLEANUP_STRBUF struct strbuf env = STRBUF_INIT;
	pid_t group = getpgid(pid);
	uint32_t id;

	for (size_t i = 0; i < w->nsteps; i++)
		if (w->steps[i].pid == group)
			return &w->steps[i];
	if (read_environ(pid, &env) < 0 || !find_marker(w, &env, &id))
		return NULL;
	for (size_t i = 0; i < w->nsteps; i++)
		if (w->steps[i].id == id)
			return &w->steps[i];
	return NULL;
}

/* Also those of nobody known, once no step runs that they could be of. */
static void find_strays(const struct warden *w, const struct warden_step *step, struct pids *ret)
{
	CLEANUP(pids_release) struct pids children = { 0 };
	bool idle = !any_step_runs(w);

	read_children(w, &children);
	for (size_t i = 0; i < children.len; i++) {
		const struct warden_step *owner;

		if (is_running_step(w, children.items[i]))
			continue;
		owner = find_owner(w, children.items[i]);
		if (owner != step && (owner || !idle))
			continue;
		GROW(ret->items, ret->len, ret->cap);
		ret->items[ret->len++] = children.items[i];
	}
}

/* The step's own group has heard the owner's request; a second one often means "at once". */
static void signal_strays(const struct warden *w, const struct warden_step *step,
			  const struct pids *strays)
{
	int signo = stages[step->stage].signo;

	for (size_t i = 0; i < strays->len; i++)
		if (signo == SIGKILL || !step->asked || getpgid(strays->items[i]) != step->pid)
			signal_stray(w, strays->items[i], signo);
}

bool strays_removed(struct warden *w, struct warden_step *step, int64_t now)
{
	CLEANUP(pids_release) struct pids strays = { 0 };

	find_strays(w, step, &strays);
	if (!strays.len)
		return true;
	if (now >= step->deadline) {
		if (step->stage == STAGE_KILL)
			return true;
		step->stage++;
		step->deadline = now + stages[step->stage].ms;
		if (step->stage == STAGE_TERM && step->asked)
			step->deadline = now + ASKED_MS;
		signal_strays(w, step, &strays);
	} else if (step->stage == STAGE_KILL) {
		/* Those that came to us when their parents died. */
		signal_strays(w, step, &strays);
	}
	return false;
}

void strays_begin(struct warden_step *step, int64_t now)
{
	bool at_once = step->asked || step->stage > STAGE_WAIT;

	step->deadline = at_once ? now : now + stages[STAGE_WAIT].ms;
}

void strays_hurry(struct warden_step *step, int signo, int64_t now)
{
	if (signo == SIGKILL && step->stage < STAGE_KILL)
		step->stage = STAGE_TERM; /* KILL comes next */
	else if ((signo == SIGTERM || signo == SIGINT) && step->stage == STAGE_WAIT)
		step->asked = true;
	else
		return;
	step->deadline = now;
}

void strays_signal_all(struct warden *w, int signo)
{
	CLEANUP(pids_release) struct pids children = { 0 };

	for (size_t i = 0; i < w->nsteps; i++)
		if (w->steps[i].runs) {
			kill(-w->steps[i].pid, signo);
			if (signo == SIGTERM)
				kill(-w->steps[i].pid, SIGCONT);
		}
	read_children(w, &children);
	for (size_t i = 0; i < children.len; i++)
		if (!is_running_step(w, children.items[i]))
			signal_stray(w, children.items[i], signo);
}
