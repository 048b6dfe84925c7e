/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/moment.h"
#include "base/process.h"
#include "runners/docker_runner.h"
/*
 * What engines say in many words, in ours. Engines know no codes for these: the words of
 * Docker 20.10 to 29 and Podman 4 and 5 are looked for.
 */

/* -- create and start -- */

static const struct {
	const char *words;
	const char *message; /* with the engine's words after it when it ends in a colon */
	const char *help;
	bool passing; /* another attempt may find it mended */
} refusals[] = {
	{ "could not select device driver", "this engine offers no GPU",
	  "install the NVIDIA container toolkit, or leave gpu= out", false },
	{ "unresolvable CDI device", "this engine offers no GPU",
	  "install the NVIDIA container toolkit, or leave gpu= out", false },
	{ "docker-init", "the engine lacks its init program:", "install docker-init (in Debian: tini)", false },
	{ "container-init binary", "the engine lacks its init program:", "install catatonit", false },
	{ "no space left on device", "the engine's disk is full:",
	  "free some space of the engine: docker system df, docker system prune", true },
	{ "bind source path does not exist", "the container engine does not see what the step needs:",
	  "DOCKER_HOST must name an engine of this machine, one that sees the project's directory", false },
	{ "read-only file system", "the image leaves no place to mount what the step needs:",
	  "leave paths of in= and out= out of directories that the image has as volumes", false },
	{ "chdir to cwd", "cannot enter the working directory:", "", false },
	{ "No such image", "the engine lost the image:", "run it again, then it is pulled", true },
	{ "image not known", "the engine lost the image:", "run it again, then it is pulled", true },
	{ "Minimum memory limit", "mem= is too small for a container:", "raise mem=", false },
	{ "", "the container engine refused it:", "", true },
};

bool docker_why_refused(const struct docker_task *task, const char *words, struct runner_exit *ret)
{
	size_t i = 0;
	const char *message;

	(void)task;
	while (!strstr(words, refusals[i].words))
		i++;
	message = refusals[i].message;
	*ret = (struct runner_exit){ .cause = CAUSE_START, .lasting = !refusals[i].passing };
	if (message[strlen(message) - 1] == ':')
		snprintf(ret->message, sizeof(ret->message), "%s %.400s", message, words);
	else
		snprintf(ret->message, sizeof(ret->message), "%s", message);
	snprintf(ret->help, sizeof(ret->help), "%s", refusals[i].help);
	return *refusals[i].words;
}

/* -- the end -- */

/* 536870912 as "512M". */
static void format_size(int64_t bytes, char ret[32])
{
	static const char units[] = "KMGT";
	size_t unit = 0;

	if (bytes % 1024) {
		snprintf(ret, 32, "%lld", (long long)bytes);
		return;
	}
	for (bytes /= 1024; bytes % 1024 == 0 && units[unit + 1]; unit++)
		bytes /= 1024;
	snprintf(ret, 32, "%lld%c", (long long)bytes, units[unit]);
}

static void out_of_memory(const struct docker_task *task, struct runner_exit *ret)
{
	char size[32];

	ret->cause = CAUSE_OOM;
	if (!task->mem) {
		snprintf(ret->message, sizeof(ret->message), "killed by the kernel, out of memory");
		return;
	}
	format_size(task->mem, size);
	snprintf(ret->message, sizeof(ret->message), "killed by the kernel, out of memory (mem = %s)", size);
	snprintf(ret->help, sizeof(ret->help), "raise mem=, or let the step use less");
}

/* A shell, and the init of a container, report a death by signal as 128 + signal. */
static int signal_of(int64_t code)
{
	return code > 128 && code < 128 + 32 ? (int)code - 128 : 0;
}

static bool has_finished(const struct js *state)
{
	const char *at = js_get_str(state, "FinishedAt");

	return at && *at && strncmp(at, "0001-", 5) != 0;
}

/* Rounded up to a second. 0: it is no time that we know. */
static int64_t finished_ms(const struct js *state)
{
	const char *at = js_get_str(state, "FinishedAt"), *rest = at + strcspn(at, ".");
	CLEANUP(cleanup_free) char *text =
		xasprintf("%.*s%s", (int)(rest - at), at, *rest ? rest + 1 + strspn(rest + 1, "0123456789") : "");
	int64_t ms;

	return parse_moment(text, 0, &ms, NULL) == 0 ? ms + (*rest ? 999 : 0) : 0;
}

bool docker_why_ended(const struct docker_task *task, const struct js *inspect, bool oom_rose, struct runner_exit *ret)
{
	const struct js *state = js_get(inspect, "State");
	int64_t code = js_get_int(state, "ExitCode", -1);

	if (!has_finished(state) || code < 0)
		return false;
	*ret = (struct runner_exit){ .cause = CAUSE_EXIT, .code = (int)code, .end_ms = finished_ms(state) };
	if (code != 0 && (js_get_bool(state, "OOMKilled") || oom_rose)) {
		out_of_memory(task, ret);
	} else if (signal_of(code)) {
		ret->cause = CAUSE_SIGNAL;
		ret->signal = signal_of(code);
		snprintf(ret->message, sizeof(ret->message), "killed by %s", process_signal_name(ret->signal));
	}
	return true;
}

/* -- no such program -- */

/* The words of the init behind its name for itself: "[FATAL tini (7)] exec nosuch failed: No such file or directory",
 * "ERROR (catatonit:2): failed to exec pid1: No such file or directory". */
static const char *words_of_init(const char *line, const char *program)
{
	CLEANUP(cleanup_free) char *tini = xasprintf("] exec %s failed: ", program);
	static const char catatonit[] = "failed to exec pid1: ";
	const char *at = strstr(line, tini);

	if (at && !strncmp(line, "[FATAL tini (", 13))
		return at + strlen(tini);
	at = strstr(line, catatonit);
	return at && strstr(line, "(catatonit:") ? at + strlen(catatonit) : NULL;
}

static char *last_line(const char *text, size_t len)
{
	const char *begin;

	while (len && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	begin = len ? memrchr(text, '\n', len) : NULL;
	begin = begin ? begin + 1 : text;
	return xstrndup(begin, (size_t)(text + len - begin));
}

bool docker_why_no_program(const struct docker_task *task, const char *err_end, size_t len, struct runner_exit *ret,
			   bool *ret_foreign)
{
	CLEANUP(cleanup_free) char *line = last_line(err_end, len);
	const char *words = task->exit.code ? words_of_init(line, task->program) : NULL;

	if (!words)
		return false;
	*ret = (struct runner_exit){ .cause = CAUSE_START, .lasting = true };
	*ret_foreign = !strncmp(words, "Exec format error", 17);
	if (!strncmp(words, "No such file", 12)) {
		snprintf(ret->message, sizeof(ret->message), "cannot run %.100s: no such program in the image %.200s",
			 task->program, task->image_shown);
		snprintf(ret->help, sizeof(ret->help), "the program, and the interpreter that its first line names, "
						       "must be in the image or an input of the step");
	} else if (!strncmp(words, "Permission denied", 17)) {
		snprintf(ret->message, sizeof(ret->message), "cannot run %.100s in the image %.200s: permission denied",
			 task->program, task->image_shown);
		snprintf(ret->help, sizeof(ret->help), "it must be a program that user %u may execute", task->uid);
	} else {
		snprintf(ret->message, sizeof(ret->message), "cannot run %.100s in the image %.200s: %.100s",
			 task->program, task->image_shown, words);
	}
	return true;
}
