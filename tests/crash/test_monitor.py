# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at any point of a check: the next one judges what is left, and no window is judged twice or lost."""
import random
import sqlite3
import subprocess

import pytest
from sweep import ENV, MLOPS, run, sweep

SECONDS = 25
PIPELINE = """\
[step.none]
cmd = true
[monitor.m]
data       = logs/*.csv
reference  = first 3 windows
window     = 100 rows
min_rows   = 100
id         = id
prediction = said
label      = truth
labels     = labels/*.csv
"""


def rows(seed, first, n):
    rng = random.Random(seed)
    return "".join(f"r{first + i},{rng.gauss(0, 1):.6f},{rng.randint(0, 1)}\n" for i in range(n))


@pytest.fixture
def template(tmp_path):
    """Six windows, two of which came after the reference was made; all their labels are there."""
    top = tmp_path / "template"
    (top / "logs").mkdir(parents=True)
    (top / "labels").mkdir()
    run(top, "init")
    (top / "pipeline.ini").write_text(PIPELINE)
    (top / "logs/1.csv").write_text("id,a,said\n" + rows(1, 0, 410))
    run(top, "monitor", "check", "m", check=False)
    (top / "logs/2.csv").write_text("id,a,said\n" + rows(2, 410, 220))
    rng = random.Random(3)
    (top / "labels/1.csv").write_text("id,truth\n" + "".join(f"r{i},{rng.randint(0, 1)}\n" for i in range(630)))
    return top


def facts(work):
    with sqlite3.connect(work / ".mlops/registry.db") as db:
        windows = db.execute("SELECT number, rows, state, digest, profile, labelled, wrong FROM monitor_windows"
                             " ORDER BY number").fetchall()
        told = db.execute("SELECT json_extract(body, '$.window'), count(*) FROM events WHERE operation = 'monitor.window'"
                          " GROUP BY 1 ORDER BY 1").fetchall()
        pairs = db.execute("SELECT key, prediction, label FROM monitor_pairs ORDER BY key").fetchall()
        errors = db.execute("SELECT json_extract(errors, '$.seen'), json_extract(errors, '$.wrong') FROM monitors").fetchall()
    return windows, told, pairs, errors


def test_a_killed_check_is_ended_by_the_next(template, tmp_path):
    whole = tmp_path / "whole"
    subprocess.run(["cp", "-a", template, whole], check=True)
    run(whole, "monitor", "check", "m", check=False)
    run(whole, "monitor", "check", "m", check=False)
    want = facts(whole)
    assert [n for n, *_ in want[0]] == [3, 4, 5] and want[1] == [(3, 1), (4, 1), (5, 1)] and want[3][0][0] == 300

    def check(work):
        run(work, "monitor", "check", "m", check=False)
        run(work, "monitor", "check", "m", check=False)
        assert facts(work) == want

    assert sweep(template, tmp_path, ["monitor", "check", "m"], check, 2) > 35


@pytest.mark.parametrize("point", ["monitor.judged", "monitor.closed", "monitor.joined", "monitor.referred"])
def test_a_check_killed_at_a_named_point(template, tmp_path, point):
    """Says nothing of a build without those points: it is not killed there."""
    whole, work = tmp_path / "whole", tmp_path / "work"
    for top in (whole, work):
        subprocess.run(["cp", "-a", template, top], check=True)
        if point == "monitor.referred":
            (top / ".mlops/registry.db").unlink()
            for path in (top / ".mlops").glob("registry.db-*"):
                path.unlink()
            run(top, "init")
    for _ in range(8):
        subprocess.run([MLOPS, "monitor", "check", "m"], cwd=work, env=ENV | {"MLOPS_FAILPOINT": f"{point}=kill"},
                       capture_output=True, timeout=60)
    for top in (whole, work):
        run(top, "monitor", "check", "m", check=False)
        run(top, "monitor", "check", "m", check=False)
    assert facts(work) == facts(whole)
