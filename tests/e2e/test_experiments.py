# SPDX-License-Identifier: Apache-2.0
"""mlops run -p lr=0.1,0.01: every combination in a scratch tree, the work tree as it was."""
import hashlib
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from steps import alive, one_error, result_of, run_json

SECONDS = 20

PIPELINE = """\
[pipeline]
name = exp
[params]
lr = 0.01
seed = 7
[step.prepare]
cmd = sh prepare.sh
in  = data/raw
      prepare.sh
out = clean.txt
[step.train]
cmd = sh train.sh
in  = clean.txt
      train.sh
params = lr, seed
out = models/model.txt
metrics = metrics.json
"""
PREPARE = "cat data/raw/* > clean.txt; echo prepare >> $HOME/ran\n"
TRAIN = """\
echo "train $MLOPS_PARAM_LR $MLOPS_PARAM_SEED" >> $HOME/ran
mkdir -p models
echo "$MLOPS_PARAM_LR $MLOPS_PARAM_SEED $(cat clean.txt)" > models/model.txt
echo "{\\"score\\": $MLOPS_PARAM_SEED}" > metrics.json
"""


@pytest.fixture
def work(tmp_path, mlops, git):
    """A project whose data git ignores, with a commit and a change that is not committed."""
    root = tmp_path / "work"
    root.mkdir()
    git("init", "-q", "-b", "main", cwd=root)
    assert mlops("init", cwd=root).status == 0
    (root / "pipeline.ini").write_text(PIPELINE)
    (root / "prepare.sh").write_text(PREPARE)
    (root / "train.sh").write_text(TRAIN)
    (root / "data/raw").mkdir(parents=True)
    (root / "data/raw/a").write_text("data")
    (root / ".gitignore").write_text("/data\n/tools\n/notes.txt\n/models\n/clean.txt\n")
    git("add", "-A", cwd=root)
    git("commit", "-qm", "one", cwd=root)
    (root / "train.sh").write_text("# changed\n" + TRAIN)
    (root / "new.py").write_text("new\n")
    return root


def state(root):
    """Every file, directory and symlink outside of .git and .mlops: mode, bytes and time."""
    found = {}
    for top, dirs, files in os.walk(root):
        dirs[:] = [d for d in dirs if d not in (".git", ".mlops")]
        for name in [".", *dirs, *files]:
            path = os.path.join(top, name)
            st = os.lstat(path)
            data = b"" if not os.path.isfile(path) else open(path, "rb").read()
            found[os.path.relpath(path, root)] = (st.st_mode, st.st_mtime_ns, hashlib.sha256(data).hexdigest())
    return found


def ran(environment):
    path = os.path.join(environment["HOME"], "ran")
    lines = open(path).read().splitlines() if os.path.exists(path) else []
    if lines:
        os.unlink(path)
    return lines


def rows(result):
    return [(r["params"], r["status"]) for r in result["combinations"]]


def scratch(root):
    return sorted(p.name for p in (root / ".mlops/scratch").glob("*")) if (root / ".mlops/scratch").exists() else []


def show(mlops, root, run):
    got = mlops("show", run, "--json", cwd=root)
    assert got.status == 0, got
    return result_of(got.out)["run"]


def test_two_by_five_leave_the_work_tree_as_it_was(mlops, work, environment, git):
    before = state(work)
    result = run_json(mlops, work, "-p", "lr=0.1,0.01", "-p", "seed=1..5")
    assert state(work) == before and scratch(work) == []
    assert [r["params"] for r in result["combinations"]] == [
        {"lr": lr, "seed": str(seed)} for lr in ("0.1", "0.01") for seed in range(1, 6)]
    assert {r["status"] for r in result["combinations"]} == {"FINISHED"} and result["finished"] == 10
    assert [r["metrics"] for r in result["combinations"]] == [{"score": s} for s in (1, 2, 3, 4, 5)] * 2
    lines = ran(environment)
    assert lines.count("prepare") == 1 and len(lines) == 11, "all share what they have in common"
    assert git("status", "--short", cwd=work).split() == ["M", "train.sh", "??", "new.py"]

    # The code of the run is the project's, with what was not committed.
    run_json(mlops, work, "-p", "lr=0.5")
    plain = show(mlops, work, "last")
    one = show(mlops, work, result["combinations"][0]["run_id"])
    for tag in ("mlflow.source.git.commit", "mlflow.source.git.branch", "mlops.code.dirty", "mlops.code.changes"):
        assert one["tags"][tag] == plain["tags"][tag], tag
    assert one["tags"]["mlops.command"] == "mlops run -p lr=0.1 -p seed=1"
    assert ran(environment) == ["train 0.5 7"], "prepare is shared with a plain run, too"

    got = mlops("runs", "--json", "--filter", f"tags.mlops.experiment = \"{result['experiment']}\"", cwd=work)
    assert sorted(r["run_id"] for r in result_of(got.out)["runs"]) == sorted(
        r["run_id"] for r in result["combinations"])
    pair = [r["run_id"][:8] for r in result["combinations"][:2]]
    assert "seed  1  ->  2" in mlops("diff", *pair, cwd=work).out

    # One of them becomes the state of the work tree, and its command has nothing to do.
    third = result["combinations"][2]
    got = mlops("checkout", "--from", third["run_id"], cwd=work)
    assert got.status == 0 and (work / "models/model.txt").read_text() == "0.1 3 data\n", got
    for again in (1, 2):
        assert run_json(mlops, work, "-p", "lr=0.1", "-p", "seed=3")["ran"] == 0
    assert ran(environment) == [] and (work / "models/model.txt").read_text() == "0.1 3 data\n"


def test_the_table_says_what_to_type_next(mlops, work):
    got = mlops("run", "-p", "lr=0.1,0.2", cwd=work)
    lines = got.out.splitlines()
    assert got.status == 0 and lines[0].split() == ["lr", "score", "RUN", "STATUS", "TOOK"]
    assert [line.split()[0] for line in lines[1:3]] == ["0.1", "0.2"]
    assert "mlops diff" in got.out and "mlops checkout --from RUN" in got.out and "[params] of pipeline.ini" in got.out
    assert "lr=0.1: train" in got.err and "as run" in got.err


def test_what_is_a_list(mlops, work):
    def labels(*params):
        got = mlops("run", "--dry", "--json", *[w for p in params for w in ("-p", p)], cwd=work)
        assert got.status == 0, got
        return [r["label"] for r in result_of(got.out).get("combinations", [])]

    before = state(work)
    assert labels('lr="a,b"') == labels("lr=[1,2]") == labels("lr=0.1") == []
    assert labels("lr=[1,2], [3]") == ["lr=[1,2]", "lr=[3]"]
    assert labels("lr=0.1..0.3:0.1", "seed=1") == ["lr=0.1", "lr=0.2", "lr=0.3"]
    assert state(work) == before and scratch(work) == []
    for params, message in ((["lr=1..1001"], "more than 1000 values"), (["lr=1..100", "seed=1..11"], "more than 1000"),
                            (["lr=1", "lr=2"], "given twice"), (["lr=1,,2"], "empty value"), (["lr=1,1"], "twice"),
                            (["lr=1..x"], "is not a number"), (["rl=1,2"], "rl")):
        got = mlops("run", *[w for p in params for w in ("-p", p)], cwd=work)
        assert got.status == 2 and message in one_error(got.err)[0], got
    assert scratch(work) == []


def test_one_that_fails_does_not_stop_the_others(mlops, work, environment):
    (work / "train.sh").write_text("test $MLOPS_PARAM_SEED != 2 || { echo boom; echo x > left; exit 3; }\n" + TRAIN)
    before = state(work)
    result = run_json(mlops, work, "-p", "seed=1..3", status=1)
    assert [s for _, s in rows(result)] == ["FINISHED", "FAILED", "FINISHED"] and result["failed"] == 1
    assert state(work) == before
    bad = result["combinations"][1]
    assert bad["failure"]["step"] == "train" and bad["failure"]["log"] == ["boom"]
    tree = work / bad["tree"]
    assert (tree / "left").exists() and sorted(p.name for p in tree.parent.iterdir()) == ["2", "kept", "lock"]
    assert show(mlops, work, bad["run_id"])["status"] == "FAILED"
    log = mlops("logs", bad["run_id"], "train", cwd=work)
    assert "boom" in log.out

    # Who goes there finds a work tree with the same runs; a plain run leaves it, the next experiment does not.
    (tree / "train.sh").write_text(TRAIN)
    assert run_json(mlops, tree, "-p", "seed=2")["ran"] == 1
    assert not (tree / ".mlops/registry.db").exists()
    run_json(mlops, work, "-p", "seed=1")
    assert tree.exists()
    run_json(mlops, work, "-p", "seed=1,3")
    assert scratch(work) == []


def test_ignored_things_are_linked_or_copied(mlops, work, environment):
    (work / "tools").mkdir()
    tool = work / "tools/tool"
    tool.write_text("#!/bin/sh\ncat notes.txt > $1; echo changed >> notes.txt\n")
    tool.chmod(0o755)
    (work / "notes.txt").write_text("note\n")
    (work / "pipeline.ini").write_text(
        "[params]\nn = 1\n[step.a]\ncmd = tools/tool a.txt\nparams = n\nout = a.txt\n")
    before = state(work)
    result = run_json(mlops, work, "-p", "n=1,2")
    assert result["finished"] == 2 and state(work) == before
    # The program has the same name in a scratch tree, so the step is known in the work tree.
    assert run_json(mlops, work)["ran"] == 0 and (work / "a.txt").read_text() == "note\n"


def test_without_git(mlops, work, environment):
    shutil.rmtree(work / ".git")
    (work / ".mlopsignore").write_text("/tools\n")
    (work / "tools").mkdir()
    (work / "tools/x").write_text("x")
    (work / "train.sh").write_text(TRAIN + "test -L tools && cat tools/x\n")
    before = state(work)
    result = run_json(mlops, work, "-p", "seed=1,2")
    assert result["finished"] == 2 and state(work) == before
    assert show(mlops, work, result["combinations"][0]["run_id"])["tags"]["mlops.code.note"] == "no git repository"


def test_a_step_that_writes_into_the_work_tree_is_noticed(mlops, work):
    (work / "train.sh").write_text(f"test $MLOPS_PARAM_SEED = 1 || echo more >> {work}/data/raw/a\n" + TRAIN)
    got = mlops("run", "--json", "-p", "seed=1..3", cwd=work)
    assert got.status == 0, got
    result = result_of(got.out)
    assert [r["changed"] for r in result["combinations"]] == [[], ["data/raw/a"], ["data/raw/a"]]
    notes = [json.loads(line)["text"] for line in got.out.splitlines() if '"note"' in line]
    assert any("while seed=2 ran" in n and "data/raw/a" in n for n in notes)
    inputs = [{i["path"]: i["content"] for i in show(mlops, work, r["run_id"])["inputs"]}
              for r in result["combinations"]]
    assert inputs[0] == inputs[1] == inputs[2], "all are of the same state"


def start(program, work, environment, *args):
    return subprocess.Popen([program, "run", "--json", *args], cwd=work, env=environment, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, encoding="utf-8")


def wait_for(path):
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end, path
        time.sleep(0.02)


@pytest.fixture
def slow(work):
    """seed 2 goes on until it is stopped."""
    (work / "train.sh").write_text(
        f"test $MLOPS_PARAM_SEED != 2 || {{ echo $$ > {work.parent}/pid; sleep 1000; }}\n" + TRAIN)
    return work.parent / "pid"


def test_ctrl_c_ends_the_one_that_runs_and_begins_no_other(program, mlops, work, environment, slow):
    before = state(work)
    run = start(program, work, environment, "-p", "seed=1..3")
    wait_for(slow)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=30)
    result = result_of(out)
    assert run.returncode == 130 and result["error"]["code"] == "INTERRUPTED", (out, err)
    assert [s for _, s in rows(result)] == ["FINISHED", "KILLED", None]
    assert show(mlops, work, result["combinations"][1]["run_id"])["status"] == "KILLED"
    assert state(work) == before and scratch(work) == [] and not alive(int(slow.read_text()))


def test_one_that_is_stopped_alone_did_not_finish(program, mlops, work, environment, slow):
    run = start(program, work, environment, "-p", "seed=1..3")
    wait_for(slow)
    busy = result_of(mlops("runs", "--json", "--filter", "status = 'RUNNING'", cwd=work).out)["runs"][0]["run_id"]
    assert mlops("stop", busy, cwd=work).status == 0
    out, err = run.communicate(timeout=30)
    result = result_of(out)
    assert [s for _, s in rows(result)] == ["FINISHED", "KILLED", "FINISHED"]
    assert (run.returncode, result["status"], result["failed"]) == (1, "FAILED", 1), (out, err)
    assert scratch(work) == []


def test_after_kill_9_the_next_run_cleans_up(program, mlops, work, environment, slow):
    run = start(program, work, environment, "-p", "seed=1..3")
    wait_for(slow)
    busy = mlops("runs", "--json", "--filter", "status = 'RUNNING'", cwd=work)
    killed = result_of(busy.out)["runs"][0]["run_id"]
    run.kill()
    run.communicate()
    end = time.monotonic() + 30
    while alive(int(slow.read_text())):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert scratch(work) != []
    while scratch(work):
        assert run_json(mlops, work, "prepare")["status"] == "FINISHED"
        assert time.monotonic() < end
        time.sleep(0.05)
    assert show(mlops, work, killed)["status"] == "KILLED"


def test_a_note_of_a_scratch_tree_leads_nowhere(mlops, work, tmp_path):
    hostile = tmp_path / "clone"
    (hostile / ".mlops/locks").mkdir(parents=True)
    for text in ("{}", str(work)):
        (hostile / ".mlops/home").write_text(text)
        got = mlops("run", cwd=hostile)
        assert got.status not in (0, 1) and "scratch tree" in got.err and ".mlops/home" in got.err
    # Also below a directory that only looks like the place.
    inner = hostile / ".mlops/scratch/a/b"
    (inner / ".mlops/locks").mkdir(parents=True)
    (inner / ".mlops/home").write_text("{}")
    got = mlops("runs", cwd=inner)
    assert got.status != 0 and "error:" in got.err
    os.unlink(hostile / ".mlops/home")
    got = mlops("init", cwd=inner)
    assert got.status == 4 and "scratch tree" in got.err


def test_an_experiment_has_no_place_in_a_scratch_tree(mlops, work):
    (work / "train.sh").write_text("exit 1\n")
    result = run_json(mlops, work, "-p", "seed=1,2", status=1)
    tree = work / result["combinations"][0]["tree"]
    got = mlops("run", "-p", "seed=1,2", cwd=tree)
    assert got.status == 2 and "scratch tree" in got.err
