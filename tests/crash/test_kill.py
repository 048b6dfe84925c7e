# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at the system calls of add, checkout and run: the next command works, facts hold, fsck is clean."""
import json

import pytest
from sweep import run, run_json, sweep

SECONDS = 90

PIPELINE = """\
[pipeline]
name = sweep
[step.first]
cmd = sh -c 'cat in.txt > mid.txt'
in  = in.txt
out = mid.txt
[step.second]
cmd = sh -c 'cat mid.txt mid.txt > end.txt; echo {\\"n\\": 2} > m.json'
in  = mid.txt
out = end.txt
metrics = m.json
"""


@pytest.fixture
def template(tmp_path):
    """A project that has run once; then its input changed."""
    top = tmp_path / "template"
    top.mkdir()
    run(top, "init")
    (top / "pipeline.ini").write_text(PIPELINE)
    (top / "in.txt").write_text("old\n")
    data = top / "data"
    data.mkdir()
    for i in range(8):
        (data / f"{i}.txt").write_text(f"old {i}\n")
    run(top, "add", "data")
    run(top, "run")
    return top


def test_a_killed_add_is_whole_or_absent(template, tmp_path):
    for i in range(4):
        (template / "data" / f"{i}.txt").write_text(f"new {i}\n")

    def check(work):
        run(work, "fsck")
        shown = run_json(work, "show", "data")
        assert shown["version"] in (1, 2)
        assert run(work, "cat", "data@v1/0.txt").stdout == "old 0\n"
        run(work, "add", "data")
        assert run_json(work, "show", "data")["version"] == 2
        assert run(work, "cat", "data@v2/0.txt").stdout == "new 0\n"
        run(work, "fsck")

    assert sweep(template, tmp_path, ["add", "data"], check, 2) > 50


def test_a_killed_checkout_leaves_whole_files(template, tmp_path):
    for i in range(4):
        (template / "data" / f"{i}.txt").write_text(f"new {i}\n")
    (template / "data" / "7.txt").unlink()
    run(template, "add", "data")

    def check(work):
        for i in range(4):
            assert (work / "data" / f"{i}.txt").read_text() in (f"old {i}\n", f"new {i}\n")
        run(work, "checkout", "data", "--from", "data@v1")
        assert sorted(p.name for p in (work / "data").iterdir()) == [f"{i}.txt" for i in range(8)]
        for i in range(8):
            assert (work / "data" / f"{i}.txt").read_text() == f"old {i}\n"
        run(work, "fsck")

    assert sweep(template, tmp_path, ["checkout", "data", "--from", "data@v1"], check, 1) > 50


def no_run_is_left_running(work):
    runs = run_json(work, "runs", "--all")["runs"]
    states = {r["status"] for r in runs}
    assert states <= {"FINISHED", "KILLED", "FAILED"}, states


def test_a_killed_run_is_finished_by_the_next(template, tmp_path):
    (template / "in.txt").write_text("new\n")

    def check(work):
        # Outputs are never half: old, new, or moved away by the step that was to write them.
        for name, whole in ("mid.txt", ("old\n", "new\n")), ("end.txt", ("old\nold\n", "new\nnew\n")):
            path = work / name
            assert not path.exists() or path.read_text() in (*whole, ""), path.read_text()
        run(work, "fsck")
        run(work, "run")
        assert (work / "mid.txt").read_text() == "new\n"
        assert (work / "end.txt").read_text() == "new\nnew\n"
        assert json.loads((work / "m.json").read_text()) == {"n": 2}
        again = run_json(work, "run")
        assert again["steps"] == [] and again["run_id"] is None, again
        no_run_is_left_running(work)
        assert list((work / ".mlops" / "work").iterdir()) == []
        run(work, "fsck")

    assert sweep(template, tmp_path, ["run", "-j", "1"], check, 2) > 50


def test_a_run_killed_while_it_recovers_recovers(template, tmp_path):
    """A fault during recovery: the run of the crash is itself killed at every call of the next run."""
    (template / "pipeline.ini").write_text(PIPELINE.replace("cat in.txt > mid.txt", "cat in.txt > mid.txt; kill -9 $PPID; sleep 1; exit 1"))
    killed = run(template, "run", check=False)
    assert killed.returncode != 0
    (template / "pipeline.ini").write_text(PIPELINE)

    def check(work):
        run(work, "run")
        assert (work / "mid.txt").read_text() == "old\n"
        assert run_json(work, "run")["steps"] == []
        no_run_is_left_running(work)
        run(work, "fsck")

    assert sweep(template, tmp_path, ["run", "-j", "1"], check, 1) > 20
