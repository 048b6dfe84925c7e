# SPDX-License-Identifier: Apache-2.0
"""mlops reproduce: what was made is made again from nothing but the store."""
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

from boxes import Box
from steps import result_of

SECONDS = 9

PIPELINE = """\
[pipeline]
name = churn
params = params.json
[step.prepare]
cmd = sh prepare.sh
in  = data/raw
out = clean.txt
[step.train]
cmd = sh train.sh
in  = clean.txt
out = model
params = lr
[step.score]
cmd = sh score.sh
in  = model
metrics = m.json
[model.churn]
from = model
gate = score.auc >= 0.5
reproduced = yes
"""
TRAIN = ". lib/unit.sh; mkdir model; cat clean.txt > model/weights; echo $MLOPS_PARAM_LR $UNIT >> model/weights\n"


@pytest.fixture
def work(tmp_path, mlops, git):
    """A committed project whose steps read code that no section names; its data is ignored by git."""
    root = tmp_path / "work"
    (root / "data/raw").mkdir(parents=True)
    (root / "lib").mkdir()
    git("init", "-q", "-b", "main", cwd=root)
    assert mlops("init", cwd=root).status == 0
    for name, text in {"pipeline.ini": PIPELINE, "params.json": '{"lr": 0.1}', "data/raw/a": "one\n", "data/raw/b": "two\n",
                       "prepare.sh": "cat data/raw/* > clean.txt\n", "train.sh": TRAIN, "lib/unit.sh": "UNIT=5\n",
                       "score.sh": "echo '{\"auc\": 0.9}' > m.json\n", ".gitignore": "/data\n/model\n/clean.txt\n"}.items():
        (root / name).write_text(text)
    git("add", "-A", cwd=root)
    git("commit", "-qm", "one", cwd=root)
    return root


def reproduce(mlops, root, *args, status=0):
    done = mlops("--json", "reproduce", *args, cwd=root)
    assert done.status == status, (done.out, done.err)
    return result_of(done.out)


def pipeline(root, text):
    (root / "pipeline.ini").write_text("[pipeline]\nname = other\n" + text)


def facts(root):
    db = sqlite3.connect(root / ".mlops/registry.db")
    return {table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("runs", "artifact_versions", "cache", "model_versions", "contents")}


def objects(root):
    return {path.parent.name + path.name: path for path in (root / ".mlops/objects").rglob("*") if path.is_file()}


def drop(root, content):
    """The store loses the bytes."""
    objects(root)[content.split(":")[1]].unlink()


def test_a_version_is_made_again_without_repository_work_tree_or_cache(mlops, work):
    """Also a param that was given with -p; then the alias that waited for it moves."""
    first = mlops("run", "-p", "lr=0.7", cwd=work)
    assert first.status == 0 and "waits for proof" in first.out, first
    moved = mlops("model", "promote", "churn@v1", cwd=work)
    assert moved.status == 7 and "mlops reproduce churn@v1" in moved.err
    for path in (".git", "data", "model", "lib"):
        shutil.rmtree(work / path)
    (work / "train.sh").write_text("broken\n")
    before, stored = facts(work), set(objects(work))
    result = reproduce(mlops, work, "churn@v1")
    assert result["verdict"] == "IDENTICAL" and result["subject"] == "churn@v1" and not result["missing"]
    assert [(s["step"], s["same"]) for s in result["steps"]] == [("prepare", True), ("train", True)]
    assert (result["outcome"], result["alias"]) == ("promoted", "champion")
    assert facts(work) == before and set(objects(work)) == stored, "nothing of it is taken for a result"
    assert not (work / ".mlops/scratch").exists()
    event, = [e for e in json.loads(mlops("--json", "audit", "list", cwd=work).out)["events"]
              if e["operation"] == "model.reproduce"]
    assert (event["subject"], event["after"]) == ("churn@v1", "IDENTICAL")
    assert reproduce(mlops, work, "churn@champion", "--compare", "metrics")["steps"][-1]["step"] == "score"


def test_what_differs_from_itself_is_told_by_step_and_byte(mlops, project):
    pipeline(project, "[step.a]\ncmd = sh -c 'echo fix > a'\nout = a\n"
                      "[step.b]\ncmd = sh b.sh\nin = a\nout = d\nmetrics = m.json\n"
                      "[step.c]\ncmd = sh -c 'cat d/2 > c'\nin = d\nout = c\n")
    (project / "b.sh").write_text("mkdir d; echo 1 > d/1; echo same $(date +%s%N) > d/2; echo '{\"auc\": 0.9}' > m.json\n")
    assert mlops("run").status == 0
    result = reproduce(mlops, project, "last", status=7)
    assert result["verdict"] == "DIFFERENT" and (result["first"]["step"], result["first"]["path"]) == ("b", "d")
    difference = result["first"]["difference"]
    assert difference["file"] == "2" and difference["files"] == 1 and 5 <= difference["offset"] < 24
    assert difference["text"]["recorded"] != difference["text"]["made"]
    assert [c["cause"] for c in result["causes"]] == ["itself", "time"]
    assert reproduce(mlops, project, "d", "--compare", "metrics")["verdict"] == "EQUIVALENT"
    assert reproduce(mlops, project, "a")["verdict"] == "IDENTICAL"
    shown = mlops("reproduce", "last", "--step", "c")
    assert shown.status == 0 and "IDENTICAL" in shown.out, "of what d was then"


def test_what_is_equal_to_itself_is_of_its_surroundings(mlops, project):
    pipeline(project, "[step.a]\ncmd = sh -c 'echo \"$TZ\" > a'\nout = a\n")
    assert mlops("run").status == 0
    done = mlops("--json", "reproduce", "last", env={"TZ": "Asia/Tokyo"})
    causes = result_of(done.out)["causes"]
    assert done.status == 7 and [c["cause"] for c in causes] == ["environment", "machine"]
    assert causes[1]["text"] == "TZ: UTC -> Asia/Tokyo"


def test_a_step_that_fails_now_is_different(mlops, project, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "file"
    outside.write_text("x")
    pipeline(project, f"[step.a]\ncmd = sh -c 'cat {outside} > a'\nout = a\n")
    assert mlops("run").status == 0
    outside.unlink()
    result = reproduce(mlops, project, "a@v1", status=7)
    assert result["failure"]["step"] == "a" and "No such file" in "".join(result["failure"]["log"])


def test_what_is_missing_is_named_with_where_it_was_seen(mlops, work):
    assert mlops("run", cwd=work).status == 0
    run = json.loads(mlops("--json", "show", "last", cwd=work).out)["run"]
    raw, = [i["content"] for i in run["inputs"] if i["path"] == "data/raw"]
    drop(work, raw)
    result = reproduce(mlops, work, "churn@v1", status=8)
    line, = result["missing"]
    assert result["verdict"] == "IMPOSSIBLE" and (line["what"], line["content"]) == ("data/raw", raw)
    assert line["last_seen"]["kind"] in ("run", "version") and line["last_seen"]["path"] == "data/raw"
    shown = mlops("reproduce", "churn@v1", cwd=work)
    assert shown.status == 8 and "last seen" in shown.out and "data/raw" in shown.err


def test_without_the_stored_code_it_comes_from_git_with_what_was_changed(mlops, work, git):
    (work / "train.sh").write_text("# changed\n" + TRAIN)
    assert mlops("run", cwd=work).status == 0
    run = json.loads(mlops("--json", "show", "last", cwd=work).out)["run"]
    code, = [i["content"] for i in run["inputs"] if i["path"] == "/code/files"]
    drop(work, code)
    git("checkout", "-q", "train.sh", cwd=work)
    assert reproduce(mlops, work, "churn@v1")["verdict"] == "IDENTICAL"
    shutil.rmtree(work / ".git")
    result = reproduce(mlops, work, "churn@v1", status=8)
    assert result["missing"][0]["what"] == "code" and "branch main" in result["missing"][0]["message"]


def test_code_of_submodules_is_kept_and_git_tells_a_step_its_commit(mlops, work, git, tmp_path):
    part = tmp_path / "part"
    part.mkdir()
    git("init", "-q", cwd=part)
    (part / "unit.sh").write_text("UNIT=9\n")
    git("add", "-A", cwd=part)
    git("commit", "-qm", "part", cwd=part)
    git("-c", "protocol.file.allow=always", "submodule", "-q", "add", str(part), "sub", cwd=work)
    (work / "train.sh").write_text(". sub/unit.sh; mkdir model; echo $UNIT $(git rev-parse HEAD) > model/weights\n")
    git("add", "-A", cwd=work)
    git("commit", "-qm", "two", cwd=work)
    assert mlops("run", cwd=work).status == 0
    shutil.rmtree(work / "sub")
    assert (work / "model/weights").read_text() == "9 " + git("rev-parse", "HEAD", cwd=work)
    assert reproduce(mlops, work, "churn@v1")["verdict"] == "IDENTICAL"


def test_what_no_step_made_cannot_be_made_again(mlops, work):
    assert mlops("add", "data/raw", cwd=work).status == 0
    result = reproduce(mlops, work, "data/raw@v1", status=8)
    assert result["missing"][0]["what"] == "run" and "by hand" in result["missing"][0]["message"]
    assert mlops("reproduce", "nothing@v1", cwd=work).status == 3
    assert mlops("reproduce", "last", "--tolerance", "0.1", cwd=work).status == 2


def test_a_run_of_one_step_only_reads_what_the_others_had_made(mlops, project):
    """And secrets come by name."""
    pipeline(project, "[step.a]\ncmd = sh -c 'echo a >> a'\nout = a\n"
                      "[step.b]\ncmd = sh -c 'cat a $KEY_FILE > b'\nin = a\nout = b\nsecrets = KEY\n")
    assert mlops("secret", "add", "KEY", input="a-secret-value").status == 0
    assert mlops("run").status == 0
    assert mlops("run", "b", "--only", "--force").status == 0
    assert reproduce(mlops, project, "last")["verdict"] == "IDENTICAL"


def test_in_a_container_by_the_image_of_then(mlops, fake, project):
    """One that neither the engine nor the registry has any more is what is missing."""
    box = Box(project, fake.host)
    box.write("in.txt", "in\n")
    box.step("cat in.txt > out.txt", inputs=["in.txt"])
    box.ok("run")
    status, out, err = box.mlops("reproduce", "last")
    assert status == 0 and "IDENTICAL" in out, (out, err)
    fake.images.clear()
    status, out, err = box.mlops("reproduce", "last")
    assert status == 8 and "busybox" in out and "IMPOSSIBLE" in out, (out, err)


def test_one_that_is_killed_leaves_nothing(mlops, project, program, environment):
    pipeline(project, "[step.a]\ncmd = sh -c 'test -e /tmp/none; echo a > a; sleep $(cat seconds)'\nout = a\nin = seconds\n")
    (project / "seconds").write_text("0")
    assert mlops("run").status == 0
    db = sqlite3.connect(project / ".mlops/registry.db")
    before = facts(project)
    started = subprocess.Popen([program, "--json", "reproduce", "last"], cwd=project, env=environment, stdout=subprocess.PIPE,
                               encoding="utf-8")
    assert any('"running"' in line for line in started.stdout)
    os.kill(started.pid, signal.SIGKILL)
    started.communicate()
    deadline = time.monotonic() + 30
    while (project / ".mlops/scratch").exists() and time.monotonic() < deadline:
        assert mlops("run").status == 0  # sweeps, once the steps are gone
    assert not (project / ".mlops/scratch").exists()
    assert facts(project) == before
    assert db.execute("SELECT count(*) FROM reproductions").fetchone() == (0,)
