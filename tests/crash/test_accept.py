# SPDX-License-Identifier: Apache-2.0
"""SIGKILL in accept: it has happened or not, and nothing runs that was accepted."""
import json
import os
import sqlite3
import subprocess

import pytest
from sweep import ENV, ROOT, run, run_json, sweep

SECONDS = 25

ARMED = os.environ.get("MLOPS_FAILPOINTS_PROGRAM", str(ROOT / "build/asan/mlops"))
PIPELINE = """\
[pipeline]
name = kept
[step.first]
cmd = sh first.sh
in  = first.sh, in.txt
out = mid.txt
[step.second]
cmd = sh second.sh
in  = second.sh, mid.txt
out = end.txt
metrics = m.json
"""


@pytest.fixture
def template(tmp_path):
    """Both steps are up to date; then both scripts got a comment."""
    top = tmp_path / "template"
    top.mkdir()
    run(top, "init")
    (top / "pipeline.ini").write_text(PIPELINE)
    (top / "in.txt").write_text("data\n")
    (top / "first.sh").write_text("echo first >> ran\ncat in.txt > mid.txt\n")
    (top / "second.sh").write_text("echo second >> ran\ncat mid.txt > end.txt\necho '{\"n\": 2}' > m.json\n")
    run(top, "run")
    for name in "first.sh", "second.sh":
        with open(top / name, "a") as script:
            script.write("# a comment\n")
    return top


def accepted(work):
    with sqlite3.connect(f"file:{work}/.mlops/registry.db?mode=ro", uri=True) as db:
        rows = db.execute("SELECT subject FROM events WHERE operation = 'step.accept' ORDER BY seq").fetchall()
    db.close()
    return [subject for subject, in rows]


def check(work):
    """Both or none; the lock names a key only after its event; the next run makes all of it true."""
    told = accepted(work)
    assert told in ([], ["first", "second"]), told
    states = {step["state"] for step in run_json(work, "why", "*")["steps"]}
    assert states <= ({"fresh", "restore"} if told else {"stale", "blocked"}), states
    (work / "ran").unlink()
    run(work, "run")
    assert (work / "ran").exists() != bool(told)
    assert (work / "end.txt").read_text() == "data\n" and json.loads((work / "m.json").read_text()) == {"n": 2}
    assert run_json(work, "run")["steps"] == []
    run(work, "fsck")


def test_a_killed_accept_has_happened_or_not(template, tmp_path):
    assert sweep(template, tmp_path, ["accept", "first", "second"], check, 9) > 10


@pytest.mark.skipif(not os.path.exists(ARMED), reason="needs a build with failpoints")
@pytest.mark.parametrize("point, told", [("accept.stored", []), ("accept.recorded", ["first", "second"])])
def test_between_objects_facts_and_lock(template, point, told):
    lock = (template / "mlops.lock").read_text()
    done = subprocess.run([ARMED, "accept", "first", "second"], cwd=template, env={**ENV, "MLOPS_FAILPOINT": f"{point}=kill"},
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert done.returncode == -9 and accepted(template) == told
    assert (template / "mlops.lock").read_text() == lock, "the lock is written last"
    check(template)
