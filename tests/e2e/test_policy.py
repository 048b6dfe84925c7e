# SPDX-License-Identifier: Apache-2.0
"""The retraining policy: what drift leads to, once a window, on record, and the same when it is played again."""
import json
import random
import sqlite3

import pytest

from agents import agent, start_agent  # noqa: F401
from steps import result_of
from test_ingest import LINES, lines, wait_for

SECONDS = 12
PIPELINE = """\
[step.train]
cmd = python3 train.py ${trigger.window}
in  = train.py
out = model
      trained.csv

[monitor.m]
model     = churn@champion
data      = http
time      = when
reference = ref.csv
window    = 1w
min_rows  = 500

[trigger.drift]
monitor  = m
steps    = train
cooldown = 2 windows
budget   = 1/day
"""
MODEL = """\
[model.churn]
from      = model
alias     = champion
reference = trained.csv
"""
TRAIN = """\
import random, sys
rng = random.Random(7)
open("model", "w").write("of window " + sys.argv[1] + "\\n")
with open("trained.csv", "w") as f:
    f.write("a,b\\n" + "".join(f"{rng.gauss(3, 1):.6f},{rng.gauss(3, 1):.6f}\\n" for _ in range(3000)))
"""
WEEK = 7 * 86400000
START = 838512000000  # a Monday


def week(number, shift):
    """600 rows of the week."""
    rng = random.Random(number)
    return lines([{"when": START + number * WEEK + i * 1000, "a": round(rng.gauss(shift, 1), 6),
                   "b": round(rng.gauss(shift, 1), 6)} for i in range(600)])


def write_project(directory, pipeline):
    rng = random.Random(1)
    (directory / "ref.csv").write_text(
        "a,b\n" + "".join(f"{rng.gauss(0, 1):.6f},{rng.gauss(0, 1):.6f}\n" for _ in range(3000)))
    (directory / "train.py").write_text(TRAIN)
    (directory / "pipeline.ini").write_text(pipeline)


class Night:
    """A project and its agent."""

    def __init__(self, directory, agent, mlops):
        self.directory, self.agent, self.mlops = directory, agent, mlops

    def send(self, body):
        status, answer = self.agent.owner("POST", "/api/v1/monitors/m/rows", body, LINES)
        assert status == 200, answer

    def command(self, *args, status=0):
        got, out, err = self.mlops("--json", *args, cwd=self.directory)
        assert got == status, (args, got, out[-1000:], err)
        return result_of(out)

    def decisions(self):
        with sqlite3.connect(self.directory / ".mlops/registry.db") as db:
            if not db.execute("SELECT 1 FROM monitors").fetchall():
                return []
        return self.command("monitor", "history", "m")["decisions"]

    def outcomes(self):
        return [d["outcome"] for d in self.decisions()]

    def wait(self, *outcomes):
        try:
            wait_for(lambda: self.outcomes() == list(outcomes), 40)
        except AssertionError:
            raise AssertionError((self.outcomes(), self.command("events", "-n", "12"),
                                  (self.directory / "agent.err").read_text()[-2000:])) from None


@pytest.fixture
def night(tmp_path, mlops, start_agent, environment):
    count = 0

    def start(pipeline):
        nonlocal count
        directory = tmp_path / f"night{count}"
        count += 1
        directory.mkdir()
        mlops("init", cwd=directory)
        write_project(directory, pipeline)
        status, out, err = mlops("project", "add", "home", ".", "--no-checkout", "--allow-local", cwd=directory)
        assert status == 0, (out, err)
        return Night(directory, start_agent(directory=directory), mlops)
    return start


SHIFTS = [0, 3, 3, 3, 3, 6, 6]


def test_a_night_and_the_same_night_again(night):
    """One hears of each week when the one before is settled, the other of all at once: the same decisions."""
    slow, fast = night(PIPELINE + MODEL), night(PIPELINE + MODEL)
    wanted = ["none", "none", "retrain", "promoted", "none", "none", "none", "retrain", "promoted"]
    fast.send(b"".join(week(i, shift) for i, shift in enumerate(SHIFTS + [0])))
    # a window is open until a later row comes
    for i, heard in enumerate([0, 1, 2, 4, 5, 6, 7, 9]):
        slow.send(week(i, (SHIFTS + [0])[i]))
        slow.wait(*wanted[:heard])
    fast.wait(*wanted)
    assert [d["digest"] for d in slow.decisions()] == [d["digest"] for d in fast.decisions()]
    rules = [d["rule"] for d in fast.decisions()]
    assert rules[2] == "windows drifted" and rules[4] == "no alarm"
    replayed = fast.command("monitor", "replay", "m")["counts"]
    assert replayed["same"] == len(SHIFTS) and "different" not in replayed
    assert (replayed["retrain"], replayed["promoted"]) == (2, 2)
