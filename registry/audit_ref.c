/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints as commits of a git ref: each has an empty tree, and the note as its message. So `git log` shows them, a
 * push takes them to where others keep them, and a ref that is not moved forward is seen there. */
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "registry/audit_internal.h"
#include "registry/project.h"

#define FETCHED	   "refs/mlops/fetched-audit"
#define ARGS_MAX   16
#define OUTPUT_MAX ((size_t)256 << 20)
#define LOCAL_MS   20000
#define REMOTE_MS  15000

/* Appends what git prints. The status of git, or -1. It runs no hooks, asks nobody and believes no settings of signing. */
static int git(struct project *p, const char *const *args, const struct strbuf *input, int timeout_ms, struct strbuf *ret,
	       struct error *err)
{
	static const char *const head[] = { "env", "GIT_TERMINAL_PROMPT=0", "GIT_SSH_COMMAND=ssh -oBatchMode=yes", "git", "-c",
					    "core.hooksPath=/dev/null", "-c", "user.name=mlops", "-c", "user.email=mlops@localhost",
					    "-c", "i18n.logOutputEncoding=UTF-8", "-c", "i18n.commitEncoding=UTF-8" };
	const char *argv[ARRAY_LEN(head) + ARGS_MAX + 1] = { NULL };

	memcpy(argv, head, sizeof(head));
	for (size_t i = 0; i < ARGS_MAX && args[i]; i++)
		argv[ARRAY_LEN(head) + i] = args[i];
	return process_tell(argv, p->top, input, timeout_ms, OUTPUT_MAX, ret, err);
}
#define GIT(...) (const char *const[]){ __VA_ARGS__, NULL }

/* The same, where anything but success is an error; *ret is one line without its end. */
static int git_line(struct project *p, const char *const *args, const struct strbuf *input, struct strbuf *ret,
		    struct error *err)
{
	int status = git(p, args, input, LOCAL_MS, ret, err);

	if (status > 0)
		return error_set(err, ERR_ENV, "git %s ended with status %d", args[0], status);
	while (ret->len && ret->buf[ret->len - 1] == '\n')
		ret->buf[--ret->len] = '\0';
	return status;
}

static int check_ref(struct project *p, const char *ref, struct error *err)
{
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	int status = git(p, GIT("rev-parse", "--git-dir"), NULL, LOCAL_MS, &out, err);

	if (status < 0)
		return -1;
	if (status)
		return error_set(err, ERR_ENV, "%s is in no git repository", p->top);
	if (!strncmp(ref, "refs/", 5) && git(p, GIT("check-ref-format", ref), NULL, LOCAL_MS, &out, err) == 0)
		return 0;
	error_set(err, ERR_USAGE, "audit.ref '%.100s' is no name of a ref", ref);
	return error_help(err, "run: mlops config audit.ref refs/mlops/audit");
}

/* Its commit; "" when there is none. */
static int read_tip(struct project *p, const char *ref, struct strbuf *ret, struct error *err)
{
	CLEANUP(cleanup_free) char *commit = xasprintf("%s^{commit}", ref);
	int status = git(p, GIT("rev-parse", "-q", "--verify", commit), NULL, LOCAL_MS, ret, err);

	while (ret->len && ret->buf[ret->len - 1] == '\n')
		ret->buf[--ret->len] = '\0';
	return status < 0 ? -1 : 0;
}

/* A branch on which people work must not get a commit of an empty tree. */
static int check_tip(struct project *p, const char *ref, const char *tip, const char *tree, struct error *err)
{
	CLEANUP(cleanup_free) char *name = xasprintf("%s^{tree}", tip);
	CLEANUP_STRBUF struct strbuf found = STRBUF_INIT;

	if (!*tip)
		return 0;
	if (git_line(p, GIT("rev-parse", "-q", "--verify", name), NULL, &found, err) < 0)
		return -1;
	if (!strcmp(found.buf, tree))
		return 0;
	error_set(err, ERR_CONFLICT, "%s holds something else than checkpoints, and is left as it is", ref);
	return error_help(err, "run: mlops config audit.ref refs/mlops/audit");
}

static int commit_note(struct project *p, const char *ref, const char *tip, const struct strbuf *note, struct error *err)
{
	CLEANUP_STRBUF struct strbuf tree = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf commit = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;

	if (git_line(p, GIT("mktree"), NULL, &tree, err) < 0 || check_tip(p, ref, tip, tree.buf, err) < 0 ||
	    git_line(p, *tip ? GIT("commit-tree", tree.buf, "-F", "-", "-p", tip) : GIT("commit-tree", tree.buf, "-F", "-"), note,
		     &commit, err) < 0)
		return -1;
	return git_line(p, GIT("update-ref", "-m", "checkpoint of the audit log", ref, commit.buf, tip), NULL, &out, err);
}

int ref_write(struct project *p, const struct checkpoint *cp, struct error *err)
{
	const char *ref = settings_get(&p->settings, SETTING_AUDIT_REF);
	CLEANUP_STRBUF struct strbuf tip = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf last = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf note = STRBUF_INIT;

	strbuf_puts(&note, cp->note);
	if (check_ref(p, ref, err) < 0 || read_tip(p, ref, &tip, err) < 0)
		return -1;
	if (tip.len && git(p, GIT("log", "-1", "--format=%B", tip.buf), NULL, LOCAL_MS, &last, err) < 0)
		return -1;
	if (!strncmp(last.buf, cp->note, note.len))
		return 0;
	return commit_note(p, ref, tip.buf, &note, err);
}

int ref_push(struct project *p, struct error *err)
{
	const char *remote = settings_get(&p->settings, SETTING_AUDIT_REMOTE), *ref = settings_get(&p->settings, SETTING_AUDIT_REF);
	CLEANUP(cleanup_free) char *spec = xasprintf("%s:%s", ref, ref);
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	int status = git(p, GIT("push", "-q", "--", remote, spec), NULL, REMOTE_MS, &out, err);

	if (status > 0) {
		error_set(err, ERR_ENV, "git push to '%.100s' ended with status %d", remote, status);
		return error_help(err, "try it by hand: git push %.100s %.100s", remote, spec);
	}
	return status;
}

int ref_read(struct project *p, bool remote, struct strbuf *ret, struct error *err)
{
	const char *ref = settings_get(&p->settings, SETTING_AUDIT_REF), *from = settings_get(&p->settings, SETTING_AUDIT_REMOTE);
	CLEANUP(cleanup_free) char *spec = xasprintf("+%s:" FETCHED, ref);
	CLEANUP_STRBUF struct strbuf tip = STRBUF_INIT;
	CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
	int status;

	if (check_ref(p, ref, err) < 0)
		return -1;
	if (remote) {
		status = git(p, GIT("fetch", "-q", "--no-tags", "--no-write-fetch-head", "--", from, spec), NULL, REMOTE_MS, &out, err);
		if (status)
			return status < 0 ? -1 : error_set(err, ERR_ENV, "git fetch from '%.100s' ended with status %d", from, status);
	}
	if (read_tip(p, remote ? FETCHED : ref, &tip, err) < 0)
		return -1;
	if (!tip.len)
		return 0;
	status = git(p, GIT("log", "-z", "--format=%B", tip.buf), NULL, LOCAL_MS, ret, err);
	if (status)
		return status < 0 ? -1 : error_set(err, ERR_ENV, "git log of %s ended with status %d", ref, status);
	for (char *nul = ret->buf; (nul = memchr(nul, 0, ret->len - (size_t)(nul - ret->buf)));)
		*nul = '\n';
	return 1;
}
