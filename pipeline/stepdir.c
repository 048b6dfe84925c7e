/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/stepdir.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/error.h"
#include "base/fs.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/strlist.h"
#include "pipeline/parse_internal.h"
#include "pipeline/plan.h"
#include "registry/project.h"

/* Paths below are project paths. */
#define WORK   ".mlops/work"
#define FAILED ".mlops/failed"
#define ASIDE  ".mlops/aside"

static bool exists(struct project *p, const char *path)
{
	struct stat st;

	return fs_stat_beneath(p->rootfd, path, &st, NULL) > 0;
}

/* Opens the parent; nothing is moved through a symlink. */
static int open_parent(struct project *p, const char *path, struct error *err)
{
	const char *slash = strrchr(path, '/');
	CLEANUP(cleanup_free) char *parent = slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");

	return fs_open_direct(p->rootfd, parent, O_RDONLY | O_DIRECTORY, 0, err);
}

static int move(struct project *p, const char *from, const char *to, struct error *err)
{
	CLEANUP(cleanup_fd) int from_dir = -1;
	CLEANUP(cleanup_fd) int to_dir = -1;

	if (fs_make_parents(p->rootfd, to, 0777, err) < 0)
		return -1;
	from_dir = open_parent(p, from, err);
	if (from_dir < 0)
		return -1;
	to_dir = open_parent(p, to, err);
	if (to_dir < 0)
		return -1;
	if (io_rename(from_dir, path_base(from), to_dir, path_base(to), err) < 0) {
		if (err && err->sys == EXDEV)
			error_help(err, "keep outputs on the file system of the project, not on a mount inside it");
		return error_wrap(err, "move %s to %s", from, to);
	}
	return 0;
}

char *stepdir_path(const char *run, const char *step, const char *inside)
{
	return inside ? xasprintf(WORK "/%s/%s/%s", run, step, inside) : xasprintf(WORK "/%s/%s", run, step);
}

/* ---- the journal ---- */

#define SCRATCH_LINE "scratch " /* and the attempt: outputs are written there */

/* A line an output, "0 PATH" when nothing stood there before, "1 PATH" when something did, and "2 PATH" when that is
 * precious. */
static int write_journal(struct project *p, const char *dir, const struct plan_node *node, int attempt,
			 const bool *precious, struct error *err)
{
	CLEANUP(cleanup_free) char *path = path_join(dir, "journal");
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	bool any = false;

	if (attempt)
		strbuf_printf(&text, SCRATCH_LINE "%d\n", attempt);
	/* Old outputs will stand only where the journal says: it must not be lost while they move. */
	for (size_t i = 0; i < node->noutputs; i++) {
		bool had = exists(p, node->outputs[i].path);
		any |= had;
		strbuf_printf(&text, "%d %s\n", had + (had && precious && precious[i]), node->outputs[i].path);
	}
	return io_replace_file(p->rootfd, path, text.buf, text.len, 0666, any && !attempt, err);
}

/* One step, by its journal. */
struct journal {
	struct project *project;
	const char *run, *step;
	struct strlist *notes;
	char *dir, *scratch; /* project paths; scratch is NULL when it wrote in the project */
	struct strlist paths;
	char *marks; /* by index of the path */
	bool kept;
};

static void journal_release(struct journal *j)
{
	strlist_release(&j->paths);
	free(j->dir);
	free(j->scratch);
	free(j->marks);
}

/* Whole lines only; no journal has none. */
static int journal_read(struct project *p, const char *run, const char *step, struct journal *j, struct error *err)
{
	CLEANUP(cleanup_free) char *path = stepdir_path(run, step, "journal");
	CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
	size_t skip = strlen(SCRATCH_LINE);

	*j = (struct journal){ .project = p, .run = run, .step = step, .dir = stepdir_path(run, step, NULL) };
	if (!exists(p, path))
		return 0;
	if (io_read_file(p->rootfd, path, 64u << 20, &text, err) < 0)
		return -1;
	j->marks = xcalloc(text.len + 1, 1);
	for (char *line = text.buf, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (!strncmp(line, SCRATCH_LINE, skip) && !name_fault(line + skip)) {
			free(j->scratch);
			j->scratch = path_join(j->dir, line + skip);
		} else if (end - line > 2) {
			j->marks[j->paths.len] = line[0];
			strlist_push(&j->paths, line + 2);
		}
	}
	return 0;
}

/* ---- beginning ---- */

int stepdir_begin(struct project *p, const char *run, const struct plan_node *node, const bool *precious,
		  struct error *err)
{
	CLEANUP(cleanup_free) char *dir = stepdir_path(run, node->name, NULL);

	if (fs_make_dirs(p->rootfd, dir, 0777, err) < 0 || write_journal(p, dir, node, 0, precious, err) < 0)
		return error_wrap(err, "step %s", node->name);
	for (size_t i = 0; i < node->noutputs; i++) {
		const char *path = node->outputs[i].path;
		CLEANUP(cleanup_free) char *old = xasprintf("%s/old/%s", dir, path);
		if ((exists(p, path) && move(p, path, old, err) < 0) ||
		    fs_make_parents(p->rootfd, path, 0777, err) < 0) {
			if (err && !err->help[0])
				error_help(err, "make room for %s, or correct out= of [step.%s]", path, node->name);
			return error_wrap(err, "step %s: prepare output %s", node->name, path);
		}
	}
	return 0;
}

int stepdir_begin_scratch(struct project *p, const char *run, const struct plan_node *node, int attempt,
			  const bool *precious, struct error *err)
{
	CLEANUP(cleanup_free) char *dir = stepdir_path(run, node->name, NULL);
	CLEANUP(cleanup_free) char *scratch = xasprintf("%s/%d", dir, attempt);

	if (fs_make_dirs(p->rootfd, dir, 0777, err) < 0 ||
	    write_journal(p, dir, node, attempt, precious, err) < 0 ||
	    fs_make_dirs(p->rootfd, scratch, 0777, err) < 0)
		return error_wrap(err, "step %s", node->name);
	return 0;
}

int stepdir_set_precious(struct project *p, const char *run, const struct plan_node *node, int attempt,
			 const bool *precious, struct error *err)
{
	CLEANUP(cleanup_free) char *dir = stepdir_path(run, node->name, NULL);

	return write_journal(p, dir, node, attempt, precious, err);
}

/* A name below `top` that is free: recovery may come here twice. */
static char *free_path(struct project *p, const char *top, const char *path)
{
	char *to = path_join(top, path);

	for (int n = 2; exists(p, to); n++) {
		free(to);
		to = xasprintf("%s/%s.%d", top, path, n);
	}
	return to;
}

/* What a container's engine made as root may be beyond us: then it is put where it blocks nothing. */
static int remove_dir(struct journal *j, struct error *err)
{
	CLEANUP(cleanup_free) char *to = NULL;
	struct error why;

	if (fs_remove_tree(j->project->rootfd, j->dir, &why) == 0)
		return 0;
	to = free_path(j->project, FAILED, j->run);
	if (move(j->project, j->dir, to, NULL) == 0)
		return 0;
	if (err)
		*err = why;
	return -1;
}

/* ---- accepting ---- */

static int put_aside(struct journal *j, const char *from, const char *path, struct error *err)
{
	CLEANUP(cleanup_free) char *top = xasprintf(ASIDE "/%s", j->run);
	CLEANUP(cleanup_free) char *to = NULL;

	if (!exists(j->project, from))
		return 0;
	to = free_path(j->project, top, path);
	if (move(j->project, from, to, err) < 0)
		return -1;
	strlist_push_owned(j->notes, xasprintf("step %s: what stood in %s was in no version and is kept in %s", j->step,
					       path, to));
	return 0;
}

/* From scratch into the project. What stands there makes room; when something did so already, a crash came in
 * between, and this is somebody's file. */
static int install_output(struct journal *j, const char *path, const char *old, struct error *err)
{
	CLEANUP(cleanup_free) char *from = path_join(j->scratch, path);

	if (!exists(j->project, from))
		return 0;
	if (exists(j->project, path) &&
	    (exists(j->project, old) ? put_aside(j, path, path, err) : move(j->project, path, old, err)) < 0)
		return -1;
	return move(j->project, from, path, err);
}

int stepdir_accept(struct project *p, const char *run, const char *step, struct strlist *notes, struct error *err)
{
	struct journal j CLEANUP(journal_release);

	if (journal_read(p, run, step, &j, err) < 0)
		return error_wrap(err, "step %s", step);
	j.notes = notes;
	for (size_t i = 0; i < j.paths.len; i++) {
		const char *path = j.paths.items[i];
		CLEANUP(cleanup_free) char *old = xasprintf("%s/old/%s", j.dir, path);
		if ((j.scratch && install_output(&j, path, old, err) < 0) ||
		    (j.marks[i] == '2' && put_aside(&j, old, path, err) < 0))
			return error_wrap(err, "step %s: output %s", step, path);
	}
	return remove_dir(&j, err);
}

/* ---- rejecting ---- */

static int keep_failed(struct journal *j, const char *from, const char *path, struct error *err)
{
	CLEANUP(cleanup_free) char *top = xasprintf(FAILED "/%s/%s", j->run, j->step);
	CLEANUP(cleanup_free) char *to = free_path(j->project, top, path);

	if (move(j->project, from, to, err) < 0)
		return -1;
	j->kept = true;
	return 0;
}

/* A step may have left a file or symlink where a directory above its output stood. */
static int clear_way(struct journal *j, const char *path, struct error *err)
{
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		CLEANUP(cleanup_free) char *above = xstrndup(path, (size_t)(slash - path));
		struct stat st;
		int there = fs_stat_beneath(j->project->rootfd, above, &st, err);
		if (there < 0)
			return -1;
		if (there && !S_ISDIR(st.st_mode))
			return keep_failed(j, above, above, err);
	}
	return 0;
}

/* What is new goes to failed/, what was old comes back. A mark other than '0' without old/PATH means that the old output
 * still, or again, stands in its place. */
static int reject_output(struct journal *j, char mark, const char *path, struct error *err)
{
	CLEANUP(cleanup_free) char *old = xasprintf("%s/old/%s", j->dir, path);
	bool moved = exists(j->project, old);

	if (moved && clear_way(j, path, err) < 0)
		return -1;
	if (exists(j->project, path) && (moved || mark == '0') && keep_failed(j, path, path, err) < 0)
		return -1;
	return moved ? move(j->project, old, path, err) : 0;
}

/* The project was not touched. */
static int reject_scratch(struct journal *j, const char *path, struct error *err)
{
	CLEANUP(cleanup_free) char *from = path_join(j->scratch, path);
	/* What is, or is reached by, a symlink is no output of it. */
	CLEANUP(cleanup_fd) int fd = fs_open_direct(j->project->rootfd, from, O_PATH, 0, NULL);

	return fd < 0 ? 0 : keep_failed(j, from, path, err);
}

static bool holds_file(struct project *p, const char *path)
{
	struct strlist names CLEANUP(strlist_release) = STRLIST_INIT;
	struct stat st;

	if (fs_stat_beneath(p->rootfd, path, &st, NULL) <= 0)
		return false;
	if (!S_ISDIR(st.st_mode))
		return true;
	if (fs_list_dir(p->rootfd, path, &names, NULL) < 0)
		return true;
	for (size_t i = 0; i < names.len; i++) {
		CLEANUP(cleanup_free) char *inner = path_join(path, names.items[i]);
		if (holds_file(p, inner))
			return true;
	}
	return false;
}

/* What no journal line brought back, because power was lost before the journal was on the disk, is kept. */
static int keep_rest(struct project *p, const char *run, const char *step, const char *dir, struct error *err)
{
	CLEANUP(cleanup_free) char *old = path_join(dir, "old");
	CLEANUP(cleanup_free) char *top = xasprintf(ASIDE "/%s", run);
	CLEANUP(cleanup_free) char *to = NULL;

	if (!holds_file(p, old))
		return 0;
	to = free_path(p, top, step);
	return move(p, old, to, err);
}

int stepdir_reject(struct project *p, const char *run, const char *step, bool *ret_kept, struct error *err)
{
	struct journal j CLEANUP(journal_release);

	if (journal_read(p, run, step, &j, err) < 0)
		return error_wrap(err, "step %s", step);
	for (size_t i = 0; i < j.paths.len; i++)
		if ((j.scratch ? reject_scratch(&j, j.paths.items[i], err) :
				 reject_output(&j, j.marks[i], j.paths.items[i], err)) < 0)
			return error_wrap(err, "step %s", step);
	if (keep_rest(p, run, step, j.dir, err) < 0)
		return error_wrap(err, "step %s", step);
	if (ret_kept)
		*ret_kept = j.kept;
	return remove_dir(&j, err);
}

void stepdir_forget_failed(struct project *p, const char *run, const char *step)
{
	CLEANUP(cleanup_free) char *dir = xasprintf(FAILED "/%s/%s", run, step);

	fs_remove_tree(p->rootfd, dir, NULL);
}

int stepdir_begin_run(struct project *p, const char *run, struct error *err)
{
	CLEANUP(cleanup_free) char *dir = xasprintf(WORK "/%s", run);

	return fs_make_dirs(p->rootfd, dir, 0777, err);
}

int stepdir_end_run(struct project *p, const char *run, struct error *err)
{
	CLEANUP(cleanup_free) char *dir = xasprintf(WORK "/%s", run);
	CLEANUP(cleanup_free) char *probe = xasprintf(WORK "/%s/" STEPDIR_PROBE, run);

	unlinkat(p->rootfd, probe, 0);
	if (unlinkat(p->rootfd, dir, AT_REMOVEDIR) < 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST)
		return error_sys(err, errno, "cannot remove %s", dir);
	return 0;
}

/* Only what stepdir_begin made is recovered: entries with other names are not ours to move or remove. */
static bool is_run(const char *name)
{
	return strlen(name) == 32 && strspn(name, "0123456789abcdef") == 32;
}

bool stepdir_is_name(const char *name)
{
	size_t len = strcspn(name, "@");
	CLEANUP(cleanup_free) char *step = xstrndup(name, len);

	return !name_fault(step) && (!name[len] || !name[len + 1 + strspn(name + len + 1, MATRIX_KEY_BYTES)]);
}

static bool is_scratch(struct project *p, const char *run, const char *step)
{
	struct journal j CLEANUP(journal_release);

	return journal_read(p, run, step, &j, NULL) == 0 && j.scratch;
}

static int recover_run(struct project *p, const char *run, int (*accepted)(void *, const char *, const char *),
		       void *ctx, struct strlist *notes, struct error *err)
{
	CLEANUP(cleanup_free) char *dir = xasprintf(WORK "/%s", run);
	CLEANUP(cleanup_free) char *probe = path_join(dir, STEPDIR_PROBE);
	struct strlist steps CLEANUP(strlist_release) = STRLIST_INIT;
	bool left = exists(p, probe);

	if (fs_list_dir(p->rootfd, dir, &steps, err) < 0)
		return -1;
	for (size_t i = 0; i < steps.len; i++) {
		const char *step = steps.items[i];
		bool kept = false;
		struct error why;
		int yes;

		if (!stepdir_is_name(step))
			continue;
		yes = accepted(ctx, run, step);
		if (yes < 0)
			return -1;
		if (!yes && is_scratch(p, run, step)) {
			left = true;
			continue;
		}
		if (yes) {
			if (stepdir_accept(p, run, step, notes, &why) == 0)
				continue;
			/* What stands in the way is somebody's: the store has the outputs. */
			strlist_push_owned(notes, xstrdup(why.msg));
			if (!is_scratch(p, run, step) || stepdir_reject(p, run, step, NULL, NULL) < 0)
				return error_set(err, why.code, "%s", why.msg);
			continue;
		}
		if (stepdir_reject(p, run, step, &kept, err) < 0)
			return -1;
		strlist_push_owned(notes, kept ? xasprintf("run %.8s was interrupted in step %s: its outputs "
							   "were kept in " FAILED "/%s/%s",
							   run, step, run, step) :
						 xasprintf("run %.8s was interrupted in step %s", run, step));
	}
	return left ? 0 : fs_remove_tree(p->rootfd, dir, err);
}

int stepdir_recover(struct project *p, int (*accepted)(void *, const char *, const char *), void *ctx,
		    struct strlist *notes, struct error *err)
{
	struct strlist runs CLEANUP(strlist_release) = STRLIST_INIT;

	if (!exists(p, WORK))
		return 0;
	if (fs_list_dir(p->rootfd, WORK, &runs, err) < 0)
		return -1;
	for (size_t i = 0; i < runs.len; i++)
		if (is_run(runs.items[i]) && recover_run(p, runs.items[i], accepted, ctx, notes, err) < 0)
			return error_wrap(err, "recover run %.8s", runs.items[i]);
	return 0;
}
