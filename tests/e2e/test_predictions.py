# SPDX-License-Identifier: Apache-2.0
"""Which version answered which request: rows with ids, when their window closes."""
import json
import sqlite3

import pytest

SECONDS = 3
PIPELINE = """[step.train]
cmd = sh -c 'cat seed > best'
in  = seed
out = best

[model.churn]
from  = best
alias = champion

[monitor.m]
model      = churn@champion
data       = logs/*.jsonl
reference  = ref.csv
window     = 500 rows
time       = {time}
id         = id
prediction = p
label      = y
labels     = labels/*.csv
"""


@pytest.fixture
def champions(mlops, project):
    """Two champions, one after the other; when each became it, in ms."""
    (project / "logs").mkdir()
    (project / "ref.csv").write_text("a,p\n" + "".join(f"{i % 97},{i % 2}\n" for i in range(1000)))
    (project / "pipeline.ini").write_text(PIPELINE.format(time="time"))
    times = []
    for seed in "12":
        (project / "seed").write_text(seed)
        assert mlops("run").status == 0
    with sqlite3.connect(project / ".mlops/registry.db") as db:
        times = [t for t, in db.execute("SELECT time FROM promotions ORDER BY id")]
    assert len(times) == 2
    return times


def write_rows(project, name, ids, time, **more):
    """Rows with these ids; ids of None have none."""
    (project / "logs" / name).write_text("".join(
        json.dumps({"a": i % 97, "p": i % 2} | ({"id": one} if one is not None else {}) | ({"time": time} if time else {}) | more) + "\n"
        for i, one in enumerate(ids)))


def answers(project):
    """id's key -> (window, time, model)"""
    with sqlite3.connect(project / ".mlops/registry.db") as db:
        return db.execute("SELECT p.number, p.time, a.model, a.alias, a.move FROM predictions p"
                          " LEFT JOIN prediction_answers a ON a.id = p.answer ORDER BY 1, 2, 3").fetchall()


def test_the_champion_of_the_moment_answered(mlops, project, champions):
    first, second = champions
    write_rows(project, "1.jsonl", [f"a{i}" for i in range(500)], first)
    write_rows(project, "2.jsonl", [f"b{i}" for i in range(500)], second, model="churn")
    write_rows(project, "3.jsonl", [f"c{i}" for i in range(500)], second, model="churn@v1")
    write_rows(project, "4.jsonl", [None] * 500, second)
    write_rows(project, "5.jsonl", ["open"], second)
    assert mlops("monitor", "check", "m").status in (0, 7)
    found = answers(project)
    assert len(found) == 1500 and len(set(found)) == 3
    assert {row[2:] for row in found} == {("churn@v1", "champion", 1), ("churn@v2", "champion", 2), ("churn@v1", "", 0)}
    assert [(w, t) for w, t, *_ in (found[0], found[500], found[1000])] == [(0, first), (1, second), (2, second)]
    # what was judged is not written again
    assert mlops("monitor", "check", "m").status in (0, 7) and answers(project) == found


def test_rows_without_times_and_ids_of_all_kinds(mlops, project, champions):
    (project / "pipeline.ini").write_text(PIPELINE.format(time="rows:1h from 2020-01-01"))
    ids = [i if i % 3 else f"\u00fc {i}" for i in range(497)] + ["x" * 100000, "twice", "twice"]
    write_rows(project, "1.jsonl", ids, None)
    assert mlops("monitor", "check", "m").status in (0, 7)
    found = answers(project)
    assert len(found) == 499  # one id twice
    assert {row[2] for row in found} == {None}  # in 2020 nobody was champion
    assert found[0][1] == 1577836800000

