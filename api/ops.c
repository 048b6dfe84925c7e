/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ops.h"
#include "api/data.h"
#include "api/forget.h"
#include "api/ops_rows.h"
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strlist.h"
#include "registry/audit.h"
#include "registry/project.h"

static const struct op rows[] = {
	{ .name = "project.init", .command = "init", .method = "POST", .path = "/project",
	  .role = ROLE_ADMIN, .flags = OP_LOCAL | OP_NO_PROJECT, .handler = op_init,
	  .params = PARAMS(ARG("dir", 0, "DIR", COMPLETE_PATH, "where to make it; default: here")),
	  .summary = "make a project of a directory",
	  .details =
		"Examples:\n"
		"  mlops init              here\n"
		"  mlops init churn        in the new directory churn\n"
		"\n"
		"Makes .mlops/, tells git about it, and, when there is no pipeline.ini, writes\n"
		"one with a single step from the .py and .csv files it finds. Nothing that\n"
		"exists is changed; running it again is safe.\n" },
	{ .name = "data.add", .command = "add", .method = "POST", .path = "/artifacts",
	  .role = ROLE_ENGINEER, .flags = OP_LOCAL | OP_AUDIT | OP_SENDS, .handler = op_add,
	  .params = PARAMS(ARG("paths", OPP_REQUIRED | OPP_MANY, "PATH", COMPLETE_PATH,
			       "files or directories of the project"),
			   FLAG("unchecked", 0, "whatever the schemas of pipeline.ini say")),
	  .summary = "keep a version of files and directories",
	  .details =
		"Examples:\n"
		"  mlops add data/raw            a directory is one version\n"
		"  mlops add train.csv test.csv\n"
		"  mlops add data/raw --agent http://ml:5000   and give it to the agent, where\n"
		"                                triggers and run --update find it\n"
		"\n"
		"Copies the bytes into the store, records the version in mlops.lock and keeps\n"
		"git from tracking the path. What steps read and write is kept by mlops run\n"
		"itself. Patterns in .mlopsignore are left out.\n"
		"\n"
		"Tables for which pipeline.ini has a [schema.NAME] must fit it: else nothing is\n"
		"kept, and the exit status is 7. With --unchecked they are kept all the same, and\n"
		"their event says so; steps will still not read them.\n" },
	{ .name = "data.status", .command = "status", .method = "GET", .path = "/status",
	  .role = ROLE_VIEWER, .flags = OP_LOCAL, .handler = op_status,
	  .summary = "what changed since it was last added or run",
	  .details =
		"Examples:\n"
		"  mlops status\n"
		"  mlops status --json\n"
		"\n"
		"Compares data and outputs on disk with mlops.lock, and says which steps of the\n"
		"pipeline would run and why.\n" },
	{ .name = "data.diff", .command = "diff", .method = "GET", .path = "/diff",
	  .role = ROLE_VIEWER, .flags = OP_PAGED | OP_LONG, .handler = op_diff,
	  .params = PARAMS(ARG("names", OPP_REQUIRED | OPP_MANY, "NAME", COMPLETE_NAME,
			       "one: against what is here; two: against each other")),
	  .summary = "compare runs, versions or the disk",
	  .details =
		"Examples:\n"
		"  mlops diff last                  the last run and the files here\n"
		"  mlops diff 3f2a 91bc             params, metrics, code, data of two runs\n"
		"  mlops diff data/raw@v1 data/raw  two versions of one path\n"
		"\n"
		"A NAME is a run (its id from 4 characters on, or last), a path with or without\n"
		"@vN, a git revision, or sha256:PREFIX.\n" },
	{ .name = "data.checkout", .command = "checkout", .method = "POST", .path = "/checkout",
	  .role = ROLE_ENGINEER, .flags = OP_LOCAL, .handler = op_checkout,
	  .params = PARAMS(
		ARG("paths", OPP_MANY, "PATH", COMPLETE_PATH, "what to bring; default: all"),
		TEXT("from", 0, "NAME", COMPLETE_NAME,
		     "a run, version or revision; default: mlops.lock"),
		TEXT("to", 0, "DIR", COMPLETE_PATH, "write into a new directory instead of here"),
		FLAG("force", 'f', "overwrite files the store does not hold"),
		TEXT("link", 0, "copy|hardlink|symlink", COMPLETE_CHOICE,
		     "how files are made; links are read-only")),
	  .summary = "bring back data, models and code of any version",
	  .details =
		"Examples:\n"
		"  mlops checkout                      what mlops.lock says, after git pull\n"
		"  mlops checkout model.pkl --from 3f2a\n"
		"  mlops checkout --from last --to ../as-it-was\n"
		"  mlops checkout --from churn@champion\n"
		"                                      also mlops.lock of the automatic run that\n"
		"                                      made it: look at it, then commit it\n"
		"\n"
		"Files that changed and are in no version are never overwritten without\n"
		"--force. With --to and a run, code, data and outputs come together.\n" },
	{ .name = "data.push", .command = "push", .method = "POST", .path = "/push",
	  .role = ROLE_ENGINEER, .flags = OP_LOCAL, .handler = op_push,
	  .params = PARAMS(
		ARG("names", OPP_MANY, "NAME", COMPLETE_NAME,
		    "paths of mlops.lock, versions, runs; default: all"),
		TEXT("remote", 0, "NAME", COMPLETE_NONE, "default: the first of pipeline.ini"),
		FLAG("init", 0, "make the remote's directory, once"),
		FLAG("verify", 0, "hash what the remote has, and repair it"),
		FLAG("dry", 'n', "only count what would be sent")),
	  .summary = "send data, runs and results to a remote",
	  .details =
		"Examples:\n"
		"  mlops push --init       the first time: makes the directory of the remote\n"
		"  mlops push              what is not there yet\n"
		"  mlops push model.pkl    one path of mlops.lock\n"
		"  mlops push last         one run, with what it read and made\n"
		"\n"
		"The remote is [remote.NAME] url = DIRECTORY in pipeline.ini, reached by all who\n"
		"share it. Only what it lacks is sent; after Ctrl-C the next push goes on. With\n"
		"--verify all it has is read again, and what is damaged there is replaced.\n" },
	{ .name = "data.pull", .command = "pull", .method = "POST", .path = "/pull",
	  .role = ROLE_ENGINEER, .flags = OP_LOCAL, .handler = op_pull,
	  .params = PARAMS(
		ARG("names", OPP_MANY, "NAME", COMPLETE_NAME,
		    "paths of mlops.lock, versions, runs; default: all"),
		TEXT("remote", 0, "NAME", COMPLETE_NONE, "default: every one of pipeline.ini"),
		FLAG("dry", 'n', "only count what would be brought")),
	  .summary = "bring data, runs and results of others",
	  .details =
		"Examples:\n"
		"  mlops pull              what others pushed; after git pull\n"
		"  mlops pull data/raw     one path of mlops.lock\n"
		"  mlops pull 3f2a91bc     one run, with what it read and made\n"
		"\n"
		"Brings runs and cached results, then the bytes that mlops.lock names, and puts\n"
		"these in their places as mlops checkout does: files that are in no version are\n"
		"never overwritten. A run's files are only stored; checkout --from brings them.\n" },
	{ .name = "data.cat", .command = "cat", .method = "GET", .path = "/cat",
	  .role = ROLE_VIEWER, .flags = OP_STREAM | OP_BYTES, .handler = op_cat,
	  .params = PARAMS(ARG("name", OPP_REQUIRED, "NAME", COMPLETE_NAME,
			       "a version of a file, or DIRECTORY@vN/PATH")),
	  .summary = "print a stored file",
	  .details =
		"Examples:\n"
		"  mlops cat metrics.json@v1\n"
		"  mlops cat data/raw@v2/train.csv > old.csv\n"
		"  mlops cat sha256:9f86d081\n" },
	{ .name = "run.start", .command = "run", .method = "POST", .path = "/runs",
	  .role = ROLE_ENGINEER, .flags = OP_LOCAL | OP_STREAM | OP_AUDIT | OP_SPAWNS,
	  .handler = op_run, .remote = "run.submit",
	  .params = PARAMS(
		ARG("args", OPP_MANY, "FILE.ini|STEP", COMPLETE_PIPELINE_STEP,
		    "a pipeline file, then steps; default: pipeline.ini, all"),
		MANY("param", 'p', "KEY=VALUE", COMPLETE_PARAM,
		     "change a parameter for this run; a list or a range: try each value"),
		INT("jobs", 'j', "N", "steps at a time; default: one a core"),
		FLAG("keep-going", 'k', "after a failure, run what does not depend on it"),
		FLAG("only", 0, "just the named steps, not what they need"),
		FLAG("downstream", 0, "the named steps and all that depends on them"),
		FLAG("force", 'f', "run also what is up to date"),
		FLAG("dry", 'n', "show what would run and why; change nothing"),
		FLAG("no-wait", 0, "fail when another run holds the project"),
		FLAG("detach", 'd', "go on without the terminal"),
		MANY("update", 0, "PATH", COMPLETE_PATH, "first move this data to its newest stored version"),
		TEXT("trigger-time", 0, "TIME", COMPLETE_NONE, "what ${trigger.time} is, as a trigger would give it"),
		INT("trigger-window", 0, "N", "what ${trigger.window} is"),
		TEXT("project", 0, "NAME", COMPLETE_NONE, "a project that an agent is to run, instead of what is here")),
	  .summary = "run the steps that are not up to date",
	  .details =
		"Examples:\n"
		"  mlops run                    the whole of pipeline.ini\n"
		"  mlops run train              up to step train\n"
		"  mlops run -p lr=0.1 -j 4     with a parameter changed, 4 steps at a time\n"
		"  mlops run -p lr=0.1,0.01 -p seed=1..5\n"
		"                               each combination, beside the work tree\n"
		"  mlops run --dry              only say what would run and why\n"
		"  mlops run --detach           go on without the terminal\n"
		"  mlops run --update data/raw  with the newest data that was added, here or to\n"
		"                               the agent; mlops.lock names it then\n"
		"  mlops run --project churn    let the agent run a project that it knows\n"
		"\n"
		"A step runs again when its command, its inputs, the parameters it uses or its\n"
		"program changed; otherwise its outputs are taken from the store. Ctrl-C stops\n"
		"gracefully, a second one kills. Exit status 1: a step failed.\n" },
	{ .name = "run.why", .command = "why", .method = "GET", .path = "/why",
	  .role = ROLE_VIEWER, .flags = OP_LOCAL | OP_PAGED, .handler = op_why,
	  .params = PARAMS(
		ARG("step", 0, "STEP", COMPLETE_STEP, "a step of the pipeline, or a pattern of steps"),
		FLAG("all", 'a', "all steps that are not up to date, in short"),
		TEXT("file", 0, "FILE", COMPLETE_PIPELINE, "the pipeline file; default: pipeline.ini")),
	  .summary = "why a step ran, or would run",
	  .details =
		"Examples:\n"
		"  mlops why train\n"
		"  mlops why 'train@*'         each instance of a matrix\n"
		"  mlops why --all             what a run would do, and why\n"
		"\n"
		"Lists each fact that differs from the accepted result, old -> new: parameters,\n"
		"files of inputs with their sizes, words of the command, program, image and\n"
		"environment; and packages of Python, which do not decide whether it runs. Of a\n"
		"result in place: who made it, when, and in which run. Of a step that waits: for\n"
		"what, in the end.\n" },
	{ .name = "step.accept", .command = "accept", .method = "POST", .path = "/accept",
	  .role = ROLE_ENGINEER, .flags = OP_LOCAL | OP_AUDIT, .handler = op_accept,
	  .params = PARAMS(
		ARG("steps", OPP_REQUIRED | OPP_MANY, "STEP", COMPLETE_STEP, "steps whose outputs are to stay"),
		TEXT("file", 0, "FILE", COMPLETE_PIPELINE, "the pipeline file; default: pipeline.ini")),
	  .summary = "keep outputs after an edit that changes nothing",
	  .details =
		"Examples:\n"
		"  mlops accept train\n"
		"  mlops accept 'train@*' evaluate\n"
		"\n"
		"Declares the outputs in place to be the result of the step as it is now: after\n"
		"a comment or a rename in its code. Nothing runs; who did it is recorded, and\n"
		"why and show tell. What it needs must be up to date, or named too. Remotes get\n"
		"no such result; others have it with mlops.lock.\n" },
	{ .name = "cache.list", .command = "cache list", .method = "GET", .path = "/cache",
	  .role = ROLE_VIEWER, .flags = OP_PAGED | OP_LONG, .handler = op_cache_list,
	  .params = PARAMS(
		ARG("step", 0, "STEP", COMPLETE_STEP, "only results of this step; may be a pattern"),
		INT("limit", 'n', "N", "at most N; default: 20")),
	  .summary = "results that a later run may reuse",
	  .details =
		"Examples:\n"
		"  mlops cache list\n"
		"  mlops cache list train\n"
		"  mlops cache list 'train@mlp-*' -n 100\n"
		"\n"
		"Newest first. HERE: no, when bytes of it are not in the store.\n" },
	{ .name = "cache.rm", .command = "cache rm", .method = "DELETE", .path = "/cache",
	  .role = ROLE_ENGINEER, .flags = OP_AUDIT | OP_LONG, .handler = op_cache_rm,
	  .params = PARAMS(
		ARG("names", OPP_MANY, "STEP|KEY", COMPLETE_STEP, "steps, patterns of steps, or starts of keys"),
		FLAG("all", 'a', "every result")),
	  .summary = "forget results, so that their steps run again",
	  .details =
		"Examples:\n"
		"  mlops cache rm train\n"
		"  mlops cache rm 3f2a91bc\n"
		"\n"
		"Runs and their bytes stay; only their reuse ends. A step that mlops.lock has up\n"
		"to date stays so: mlops run --force STEP. A remote that has a result still\n"
		"gives it to a run.\n" },
	{ .name = "pipeline.dag", .command = "dag", .method = "GET", .path = "/dag",
	  .role = ROLE_VIEWER, .flags = OP_LOCAL | OP_PAGED, .handler = op_dag,
	  .params = PARAMS(
		ARG("file", 0, "FILE", COMPLETE_PIPELINE, "the pipeline file; default: pipeline.ini"),
		FLAG("dot", 0, "as Graphviz text"),
		FLAG("mermaid", 0, "as Mermaid text, for Markdown pages")),
	  .summary = "draw the pipeline",
	  .details =
		"Examples:\n"
		"  mlops dag\n"
		"  mlops dag --dot | dot -Tsvg > dag.svg\n" },
	{ .name = "pipeline.check", .command = "pipeline check", .method = "GET", .path = "/pipeline/check",
	  .role = ROLE_VIEWER, .flags = OP_LOCAL, .handler = op_pipeline_check,
	  .params = PARAMS(
		ARG("file", 0, "FILE", COMPLETE_PIPELINE, "the pipeline file; default: pipeline.ini")),
	  .summary = "find every mistake of a pipeline file",
	  .details =
		"Examples:\n"
		"  mlops pipeline check\n"
		"  mlops pipeline check nightly.ini --json\n"
		"\n"
		"Names all mistakes at once, each with line, column and fix, where run stops at\n"
		"the first. Nothing is hashed or run. Exit status 2: there are some.\n" },
	{ .name = "pipeline.keys", .command = "pipeline keys", .method = "GET", .path = "/pipeline/keys",
	  .role = ROLE_VIEWER, .flags = OP_NO_PROJECT | OP_PAGED, .handler = op_pipeline_keys,
	  .params = PARAMS(ARG("section", 0, "SECTION", COMPLETE_NONE, "pipeline, step, image, ...; default: all")),
	  .summary = "every key that a pipeline file may have",
	  .details =
		"Examples:\n"
		"  mlops pipeline keys\n"
		"  mlops pipeline keys step\n" },
	{ .name = "run.list", .command = "runs", .method = "GET", .path = "/runs",
	  .role = ROLE_VIEWER, .flags = OP_PAGED, .handler = op_runs,
	  .params = PARAMS(
		TEXT("filter", 0, "TEXT", COMPLETE_NONE, "MLflow's filter: the conditions above"),
		TEXT("order-by", 0, "TEXT", COMPLETE_NONE, "such as 'metrics.auc DESC'"),
		INT("limit", 'n', "N", "at most N; default: 20"),
		FLAG("all", 'a', "also the runs of single steps"),
		FLAG("active", 0, "only what is going on now, and who does it")),
	  .summary = "list runs with their params and metrics",
	  .details =
		"Examples:\n"
		"  mlops runs\n"
		"  mlops runs --filter 'metrics.auc > 0.9 AND params.lr = \"0.01\"'\n"
		"  mlops runs --order-by 'metrics.auc DESC' -n 5\n"
		"  mlops runs --active\n"
		"\n"
		"A filter joins conditions by AND over metrics.X, params.X, tags.X and\n"
		"attributes such as status, start_time and run_name; operators = != > >= < <=\n"
		"LIKE ILIKE IN.\n" },
	{ .name = "run.show", .command = "show", .method = "GET", .path = "/show",
	  .role = ROLE_VIEWER, .flags = OP_PAGED, .handler = op_show,
	  .params = PARAMS(ARG("name", 0, "NAME", COMPLETE_NAME,
			       "a run, version or revision; default: last")),
	  .summary = "everything recorded about a run or a version",
	  .details =
		"Examples:\n"
		"  mlops show                  the last run\n"
		"  mlops show 3f2a             a run by the start of its id\n"
		"  mlops show model.pkl@v2     a version of a file, and the run that made it\n" },
	{ .name = "run.logs", .command = "logs", .method = "GET", .path = "/logs",
	  .role = ROLE_VIEWER, .flags = OP_STREAM | OP_BYTES | OP_PAGED,
	  .handler = op_logs,
	  .params = PARAMS(
		ARG("run", 0, "RUN", COMPLETE_RUN, "a run; default: last"),
		ARG("step", 0, "STEP", COMPLETE_STEP, "a step, or a pattern of steps; default: all"),
		FLAG("follow", 'f', "go on while the run does"),
		TEXT("since", 0, "TIME", COMPLETE_NONE, "from then on: 10m, 2026-01-31T10:00"),
		INT("tail", 'n', "N", "the last N lines of all, by time")),
	  .summary = "print what steps printed",
	  .details =
		"Examples:\n"
		"  mlops logs                  all steps of the last run\n"
		"  mlops logs last train       a step, or all instances of a matrix\n"
		"  mlops logs last 'train@xgb-*' --tail 20\n"
		"  mlops logs -f --since 10m   follow the run that is going on\n"
		"\n"
		"Attempts of a step follow each other. Of a log longer than log.max its middle is\n"
		"cut out. With -f the exit status is the run's: 0 finished, 1 failed, 130 killed.\n" },
	{ .name = "run.stop", .command = "stop", .method = "POST", .path = "/runs/{run}/stop",
	  .role = ROLE_ENGINEER, .flags = OP_LONG, .handler = op_stop,
	  .params = PARAMS(
		ARG("run", OPP_REQUIRED, "RUN", COMPLETE_RUN, "a run that is going on"),
		ARG("step", 0, "STEP", COMPLETE_STEP, "only this step of it"),
		FLAG("kill", 'k', "at once, without the time to end well")),
	  .summary = "stop a run, or one step of it",
	  .details =
		"Examples:\n"
		"  mlops stop last\n"
		"  mlops stop 3f2a 'train@mlp-*'\n"
		"\n"
		"Steps have 10 s to end after SIGTERM, as after Ctrl-C.\n" },
	{ .name = "lock.take", .command = "lock take", .method = "POST", .path = "/lock/take",
	  .role = ROLE_ENGINEER, .flags = OP_LOCAL, .handler = op_lock_take,
	  .params = PARAMS(ARG("side", OPP_REQUIRED, "ours|theirs", COMPLETE_CHOICE,
			       "whose values stay")),
	  .summary = "settle mlops.lock after a merge",
	  .details =
		"Examples:\n"
		"  mlops lock take ours\n"
		"  mlops lock take theirs && mlops checkout\n"
		"\n"
		"Two branches that changed one name leave it twice in mlops.lock; status and run\n"
		"name it. This keeps one side's values. Commit mlops.lock afterwards.\n" },
	{ .name = "image.list", .command = "image list", .method = "GET", .path = "/images",
	  .role = ROLE_VIEWER, .flags = OP_LOCAL | OP_PAGED, .handler = op_image_list,
	  .params = PARAMS(
		TEXT("file", 0, "FILE", COMPLETE_PIPELINE, "the pipeline file; default: pipeline.ini")),
	  .summary = "images of the steps: pins, sizes, who uses them",
	  .details =
		"Examples:\n"
		"  mlops image list\n"
		"\n"
		"Every image that a step names or mlops.lock pins: the exact bytes its name\n"
		"stands for here, whether the container engine has them, and who uses it.\n" },
	{ .name = "image.update", .command = "image update", .method = "POST", .path = "/images/update",
	  .role = ROLE_ENGINEER, .flags = OP_LOCAL, .handler = op_image_update,
	  .params = PARAMS(
		ARG("names", OPP_MANY, "IMAGE", COMPLETE_IMAGE, "as the pipeline names it; default: all"),
		TEXT("file", 0, "FILE", COMPLETE_PIPELINE, "the pipeline file; default: pipeline.ini")),
	  .summary = "pin what the names of images stand for now",
	  .details =
		"Examples:\n"
		"  mlops image update\n"
		"  mlops image update python:3.12-slim\n"
		"\n"
		"A run keeps to the bytes that mlops.lock pins, wherever a tag has moved since.\n"
		"This asks the registry again, pulls what is new, and rewrites the pins; steps\n"
		"whose image changed run again. If one name fails, none is changed. Commit\n"
		"mlops.lock afterwards.\n" },
	{ .name = "store.fsck", .command = "fsck", .method = "POST", .path = "/store/fsck",
	  .role = ROLE_ENGINEER, .flags = OP_LONG, .handler = op_fsck,
	  .summary = "hash every stored byte, check every record",
	  .details =
		"Examples:\n"
		"  mlops fsck\n"
		"\n"
		"Damaged objects are moved to .mlops/quarantine, so that they count as absent.\n"
		"What a remote or a file of the work tree still holds is put back from there; for\n"
		"the rest it says what to do. Exit status 9: damage was found, mended or not.\n" },
	{ .name = "project.config", .command = "config", .method = "POST", .path = "/config",
	  .role = ROLE_ADMIN, .flags = OP_TRY_PROJECT, .handler = op_config,
	  .params = PARAMS(
		ARG("key", 0, "KEY", COMPLETE_SETTING, "a setting; default: list them all"),
		ARG("value", 0, "VALUE", COMPLETE_SETTING_VALUE, "its new value"),
		FLAG("unset", 0, "back to the default")),
	  .summary = "show or change settings",
	  .details =
		"Examples:\n"
		"  mlops config                    all, with defaults and where each is from\n"
		"  mlops config run.jobs 4\n"
		"  mlops config --unset run.jobs\n"
		"\n"
		"Settings stand in .mlops/config.ini. MLOPS_RUN_JOBS in the environment goes\n"
		"before run.jobs in the file, and so on for each key.\n" },
	{ .name = "secret.add", .command = "secret add", .method = "PUT", .path = "/secrets/{name}",
	  .role = ROLE_ADMIN, .flags = OP_AUDIT | OP_INPUT, .handler = op_secret_add,
	  .params = PARAMS(ARG("name", OPP_REQUIRED, "NAME", COMPLETE_SECRET,
			       "its name, also that of its variable")),
	  .summary = "keep a secret that steps may read",
	  .details =
		"Examples:\n"
		"  mlops secret add WANDB_KEY            asks for it, unseen\n"
		"  mlops secret add WANDB_KEY < key.txt\n"
		"\n"
		"Kept in .mlops/secrets, readable by you alone; never in records, keys or logs.\n"
		"A step that names it in secrets= finds it in the file $WANDB_KEY_FILE.\n" },
	{ .name = "secret.list", .command = "secret list", .method = "GET", .path = "/secrets",
	  .role = ROLE_ENGINEER, .handler = op_secret_list,
	  .summary = "names of the secrets, and who uses them",
	  .details =
		"Examples:\n"
		"  mlops secret list\n" },
	{ .name = "secret.rm", .command = "secret rm", .method = "DELETE", .path = "/secrets/{name}",
	  .role = ROLE_ADMIN, .flags = OP_AUDIT, .handler = op_secret_rm,
	  .params = PARAMS(ARG("name", OPP_REQUIRED, "NAME", COMPLETE_SECRET, "a secret")),
	  .summary = "delete a secret",
	  .details =
		"Examples:\n"
		"  mlops secret rm WANDB_KEY\n" },
	{ .name = "event.list", .command = "events", .method = "GET", .path = "/events",
	  .role = ROLE_VIEWER, .flags = OP_STREAM | OP_PAGED, .handler = op_event_list,
	  .params = PARAMS(
		FLAG("follow", 'f', "go on with what changes from now on"),
		TEXT("since", 0, "TIME", COMPLETE_NONE, "from then on: 10m, 2026-01-31T10:00"),
		INT("after", 0, "SEQ", "those after this one, the oldest first cut"),
		INT("limit", 'n', "N", "at most N; default: 20")),
	  .summary = "who changed what, and when",
	  .details =
		"Examples:\n"
		"  mlops events                 the newest\n"
		"  mlops events --since 1d -n 1000\n"
		"  mlops events -f              as they come\n"
		"\n"
		"Each change of state is one event, written with the change itself and never\n"
		"edited. What an active run logs is no event; its end is one. With --after the\n"
		"events that follow an event already seen come, from the oldest on.\n" },
	{ .name = "access.whoami", .command = "whoami", .method = "GET", .path = "/whoami",
	  .role = ROLE_VIEWER, .handler = op_whoami,
	  .summary = "as whom you act, and what you may do",
	  .details =
		"Examples:\n"
		"  mlops whoami\n"
		"  mlops --agent https://mlops.example:5000 whoami\n" },
	{ .name = "project.doctor", .command = "doctor", .method = "GET", .path = "/doctor",
	  .role = ROLE_VIEWER, .flags = OP_LOCAL | OP_TRY_PROJECT, .handler = op_doctor,
	  .summary = "check that this machine and project are fit",
	  .details =
		"Examples:\n"
		"  mlops doctor\n"
		"\n"
		"Each check passes, warns or fails, with the command that fixes it. Exit status\n"
		"5: something failed.\n" },
	{ .name = "project.version", .command = "version", .method = "GET", .path = "/version",
	  .role = ROLE_VIEWER, .flags = OP_NO_PROJECT, .handler = op_version,
	  .summary = "print the version",
	  .details =
		"Examples:\n"
		"  mlops version\n"
		"  mlops --version\n" },
};
OP_TABLE(ops_commands, rows);

static const struct op_table *const tables[] = { &ops_commands, &ops_access, &ops_projects, &ops_files, &ops_tracking, &ops_search, &ops_models, &ops_promotions, &ops_monitor, &ops_triggers, &ops_hooks, &ops_ci, &ops_lineage, &ops_audit, &ops_attest, &ops_forget, &ops_keys, &ops_bundle, &ops_reproduce };

const struct op *op_at(size_t i)
{
	for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
		if (i < tables[t]->len)
			return &tables[t]->rows[i];
		i -= tables[t]->len;
	}
	return NULL;
}

const struct op *op_find(const char *name)
{
	const struct op *op;

	for (size_t i = 0; (op = op_at(i)); i++)
		if (!strcmp(op->name, name))
			return op;
	return NULL;
}

const char *op_param_key(const struct op_param *param, char buf[64])
{
	size_t i;

	for (i = 0; param->name[i] && i < 63; i++)
		buf[i] = param->name[i] == '-' ? '_' : param->name[i];
	buf[i] = '\0';
	return buf;
}

static bool is_choice(const char *choices, const char *word)
{
	size_t len = strlen(word);

	while (*choices) {
		size_t n = strcspn(choices, "|");

		if (n == len && !memcmp(choices, word, n))
			return true;
		choices += n + (choices[n] == '|');
	}
	return false;
}

/* How a parameter is called in messages: "--jobs" or "PATH". */
static const char *param_shown(const struct op_param *param, char buf[64])
{
	if (param->flags & OPP_POSITIONAL)
		return param->value;
	snprintf(buf, 64, "--%s", param->name);
	return buf;
}

static int refuse_value(const struct op_param *param, const char *why, struct error *err)
{
	char buf[64];

	return error_set(err, ERR_USAGE, "%s %s", param_shown(param, buf), why);
}

static bool is_real(const struct js *value)
{
	enum js_type type = js_typeof(value);

	return type == JS_INT || type == JS_REAL ||
	       (type == JS_STR && is_choice("NaN|Infinity|-Infinity", js_text(value)));
}

static int check_text(const struct op_param *param, const char *text, struct error *err)
{
	char buf[64];

	if (param->complete == COMPLETE_CHOICE && !is_choice(param->value, text))
		return error_set(err, ERR_USAGE, "%s must be %s, not '%s'",
				 param->flags & OPP_POSITIONAL ? param->name : param_shown(param, buf), param->value,
				 text);
	if (!*text && (param->complete == COMPLETE_PATH || param->flags & OPP_REQUIRED))
		return refuse_value(param, "is empty", err);
	return 0;
}

static int check_value(const struct op_param *param, const struct js *value, struct error *err)
{
	switch (param->type) {
	case OP_TEXT:
		return js_typeof(value) == JS_STR ? check_text(param, js_text(value), err)
						  : refuse_value(param, "must be text", err);
	case OP_INT:
		if (js_typeof(value) != JS_INT)
			return refuse_value(param, "must be a whole number", err);
		if (!(param->flags & OPP_SIGNED) && js_int_value(value) < 0)
			return refuse_value(param, "must not be negative", err);
		return 0;
	case OP_BOOL:
		return js_typeof(value) == JS_BOOL ? 0 : refuse_value(param, "must be true or false", err);
	case OP_REAL:
		return is_real(value) ? 0 : refuse_value(param, "must be a number", err);
	case OP_JSON:
		break;
	}
	return 0;
}

static int help_command(const struct op *op, struct error *err)
{
	return op->command ? error_help(err, "run: mlops help %s", op->command) : -1;
}

static int check_param(const struct op *op, const struct op_param *param, const struct js *args,
		       struct error *err)
{
	char key[64], buf[64];
	const struct js *value = js_get(args, op_param_key(param, key));

	if (!value) {
		if (!(param->flags & OPP_REQUIRED))
			return 0;
		error_set(err, ERR_USAGE, "%s is missing", param_shown(param, buf));
		return help_command(op, err);
	}
	if (!(param->flags & OPP_MANY))
		return check_value(param, value, err) ? help_command(op, err) : 0;
	if (js_typeof(value) != JS_ARRAY)
		return error_set(err, ERR_USAGE, "%s must be a list", param_shown(param, buf));
	if (!js_len(value) && param->flags & OPP_REQUIRED)
		return error_set(err, ERR_USAGE, "%s is missing", param_shown(param, buf));
	for (size_t i = 0; i < js_len(value); i++)
		if (check_value(param, js_at(value, i), err))
			return -1;
	return 0;
}

static bool is_param(const struct op *op, const char *key)
{
	char buf[64];

	for (const struct op_param *p = op->params; p && p->name; p++)
		if (!strcmp(op_param_key(p, buf), key))
			return true;
	return false;
}

static int refuse_unknown(const struct op *op, const char *key, struct error *err)
{
	CLEANUP(strlist_release) struct strlist known = STRLIST_INIT;
	const char *nearest;
	char buf[64];

	for (const struct op_param *p = op->params; p && p->name; p++)
		strlist_push(&known, op_param_key(p, buf));
	error_set(err, ERR_USAGE, "%s has no argument '%s'", op->name, key);
	nearest = strlist_nearest(&known, key);
	return nearest ? error_help(err, "did you mean '%s'?", nearest) : -1;
}

static int check_unknown(const struct op *op, const struct js *args, struct error *err)
{
	for (void *it = js_iter(args); it; it = js_next(args, it))
		if (!is_param(op, js_iter_key(it)))
			return refuse_unknown(op, js_iter_key(it), err);
	return 0;
}

int op_check(const struct op *op, const struct js *args, struct error *err)
{
	if (args && js_typeof(args) != JS_OBJECT)
		return error_set(err, ERR_USAGE, "arguments of %s must be a JSON object", op->name);
	if (args && check_unknown(op, args, err))
		return -1;
	for (const struct op_param *p = op->params; p && p->name; p++)
		if (check_param(op, p, args, err))
			return -1;
	return 0;
}

static int open_or_adopt(struct op_context *ctx, struct error *err)
{
	CLEANUP(cleanup_free) char *root = NULL;
	int r;

	if (project_open(ctx->dir, &ctx->project, err) == 0)
		return 0;
	if (err->code != ERR_NOT_FOUND)
		return -1;
	r = project_adopt(ctx->dir, &root, err);
	if (r <= 0)
		return -1;
	error_clear(err);
	ctx->adopted = true;
	return project_open(ctx->dir, &ctx->project, err);
}

int op_open(const struct op *op, struct op_context *ctx, struct error *err)
{
	struct error why;

	error_clear(&why);
	if (ctx->project || op->flags & OP_NO_PROJECT || open_or_adopt(ctx, &why) == 0 || op->flags & OP_TRY_PROJECT)
		return 0;
	if (err)
		*err = why;
	return -1;
}

static void tell_adopted(struct op_context *ctx)
{
	CLEANUP_JS struct js *event = NULL;
	CLEANUP(cleanup_free) char *text = NULL;

	if (!ctx->adopted || !ctx->emit)
		return;
	text = xasprintf("made %s/.mlops: a fresh clone had none", ctx->project->root);
	event = js_object();
	js_set_str(event, "event", "note");
	js_set_str(event, "text", text);
	ctx->emit(ctx->ctx, event);
	ctx->adopted = false;
}

void op_close(struct op_context *ctx)
{
	if (ctx->project)
		project_close(ctx->project);
	ctx->project = NULL;
}

const char *op_actor(const struct op_context *ctx)
{
	return ctx->actor ? ctx->actor : ctx->project->actor;
}

bool op_is_remote(const struct op_context *ctx)
{
	return ctx->origin && !strcmp(ctx->origin, "http");
}

const struct settings *op_settings(const struct op_context *ctx)
{
	return ctx->project ? &ctx->project->settings : NULL;
}

/* What a killed command had begun. Trouble with it is no trouble of this one. */
static void go_on_forgetting(const struct op *op, struct op_context *ctx)
{
	CLEANUP(cleanup_free) char *text = NULL;
	struct error why = { 0 };

	if (!ctx->project || op_is_remote(ctx) || op->flags & (OP_WRITES | OP_NO_PROJECT | OP_TRY_PROJECT))
		return;
	if (forget_resume(ctx, &why) == 0)
		return;
	text = xasprintf("something that is to be forgotten is not gone yet: %s", why.msg);
	data_tell(ctx, text);
}

/* A change has been committed, whether or not all of it went well. That nothing can be signed is told with the next one,
 * too, until somebody mends it. */
static void sign_what_is_due(const struct op *op, struct op_context *ctx)
{
	CLEANUP(cleanup_free) char *text = NULL;
	struct error why = { 0 };

	if (!(op->flags & OP_AUDIT) || op_is_remote(ctx) || !ctx->project || !ctx->project->db ||
	    checkpoint_due(ctx->project, clock_wall_ms(), &why) == 0)
		return;
	text = xasprintf("the audit log is not signed: %s%s%s", why.msg, *why.help ? "; " : "", why.help);
	data_tell(ctx, text);
}

int op_call(const struct op *op, struct op_context *ctx, const struct js *args,
	    struct js **ret_result, struct error *err)
{
	CLEANUP_JS struct js *none = args ? NULL : js_object();
	int failed;

	if (op_check(op, args, err) || op_open(op, ctx, err))
		return -1;
	tell_adopted(ctx);
	go_on_forgetting(op, ctx);
	failed = op->handler(ctx, args ? args : none, ret_result, err);
	sign_what_is_due(op, ctx);
	return failed;
}
