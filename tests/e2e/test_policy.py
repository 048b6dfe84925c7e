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
shift = 3 if sys.argv[1] == "1387" else 6
open("model", "w").write("of window " + sys.argv[1] + "\\n")
with open("trained.csv", "w") as f:
    f.write("a,b\\n" + "".join(f"{rng.gauss(shift, 1):.6f},{rng.gauss(shift, 1):.6f}\\n" for _ in range(3000)))
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
    # a rollback brings back what the version before was trained on
    fast.command("model", "rollback", "churn", "--reason", "worse in the shop")
    fast.send(week(len(SHIFTS) + 1, 3))
    fast.wait(*wanted, "none")
    bodies = [d["body"] for d in fast.decisions()]
    assert bodies[-1]["reference"] == bodies[4]["reference"] != bodies[2]["reference"]
    assert bodies[-1]["model"] == bodies[4]["model"]


def test_without_the_alias_the_monitor_has_its_own_reference_again(night):
    one = night(PIPELINE + MODEL)
    one.send(b"".join(week(i, shift) for i, shift in enumerate([0, 3, 3, 3, 0])))
    one.wait("none", "none", "retrain", "promoted", "none")
    own, trained = (one.decisions()[i]["body"]["reference"] for i in (2, 4))
    assert own != trained
    status, answer = one.agent.owner("DELETE", "/api/2.0/mlflow/registered-models/alias",
                                     {"name": "churn", "alias": "champion"})
    assert status == 200, answer
    one.send(week(5, 0))
    one.wait("none", "none", "retrain", "promoted", "none", "none")
    last = one.decisions()[-1]["body"]
    assert (last["reference"], last["state"], last.get("model")) == (own, "OK", None)


def test_a_person_is_asked_and_may_pause(night):
    """Two failures in a row stop it; ack lets it go on, pause holds it."""
    failing = PIPELINE.replace("python3 train.py ${trigger.window}", "sh -c 'exit ${trigger.window}'")
    one = night(failing.replace("2 windows", "1 windows"))
    one.send(b"".join(week(i, 3) for i in range(5)))
    first = ["none", "retrain", "failed", "retrain", "failed", "held"]
    one.wait(*first)
    shown = one.command("monitor", "history", "m")
    assert shown["alarm"] and shown["stopped"] and shown["failures"] == 2
    assert [d["rule"] for d in shown["decisions"]][4:] == ["stopped", "stopped"]
    status, out, err = one.mlops("monitor", "history", "m", cwd=one.directory)
    assert status == 0 and "mlops monitor ack m" in out, (out, err)
    one.command("monitor", "ack", "m", "-m", "seen")
    one.command("monitor", "pause", "m", "-m", "migration")
    one.send(week(5, 3))
    one.wait(*first, "ack", "pause", "held")
    assert one.decisions()[-1]["rule"] == "paused"
    one.command("monitor", "resume", "m")
    one.send(week(6, 3))
    one.wait(*first, "ack", "pause", "held", "resume", "retrain", "failed")
    replayed = one.command("monitor", "replay", "m")["counts"]
    assert replayed["same"] == 6 and "different" not in replayed


def test_what_people_answer_later_counts(night):
    """Two that people rejected stop it like two that a gate rejected; one that they let through begins anew."""
    asks = MODEL + "approve = approver\n"
    one = night((PIPELINE + asks).replace("2 windows", "1 windows"))
    one.send(b"".join(week(i, 3) for i in range(3)))
    first = ["none", "retrain", "pending"]
    one.wait(*first)
    one.command("model", "reject", "churn@v1", "--reason", "worse in the shop")
    one.wait(*first, "rejected")
    outcome = lambda: [f["outcome"] for f in one.command("trigger", "history", "-n", "9")["firings"]]  # noqa: E731
    shown = one.command("monitor", "history", "m")
    assert outcome() == ["rejected"] and shown["failures"] == 1
    assert shown["decisions"][-1]["rule"] == "a person rejects it"
    one.send(week(3, 3))
    second = first + ["rejected", "retrain", "pending"]
    one.wait(*second)
    one.command("model", "reject", "churn@v2", "--reason", "worse again")
    one.send(week(4, 3))
    one.wait(*second, "rejected", "held")
    assert one.decisions()[-1]["rule"] == "stopped" and outcome() == ["rejected", "rejected"]
    one.command("monitor", "ack", "m", "-m", "seen")
    one.send(week(5, 3))
    third = second + ["rejected", "held", "ack", "retrain", "pending"]
    one.wait(*third)
    one.command("model", "promote", "churn@v3", "--reason", "good enough")
    assert outcome() == ["promoted", "rejected", "rejected"]
    replayed = one.command("monitor", "replay", "m")["counts"]
    assert "different" not in replayed and replayed["retrain"] == 3


HISTORY = [
    {"window": i, "time": f"2026-01-{i + 1:02}T00:00Z", "state": "DRIFT" if i % 8 > 3 else "OK",
     "worst": 2.5 if i % 8 > 3 else 0.1, "score": 0.9} for i in range(20)
]


@pytest.mark.parametrize("policy,alarms,retrains", [
    ("", 2, 2),
    ("alarm = 5 of 5", 0, 0),
    ("cooldown = 1 windows\nstop_after = 0", 2, 6),
    ("cooldown = 1 windows\nstop_after = 0\nbudget = 1/week", 2, 2),
    ("cooldown = 1 windows", 2, 2),
    ("alarm = 1 of 1\ncooldown = 1 windows\nbudget = 9/week", 8, 8),
])
def test_another_policy_is_tried_on_a_given_history(mlops, project, policy, alarms, retrains):
    (project / "p.ini").write_text(f"[trigger.t]\nmonitor = m\n{policy}\n")
    (project / "h.jsonl").write_text("".join(json.dumps(w) + "\n" for w in HISTORY))
    status, out, err = mlops("--json", "monitor", "replay", "m", "--policy", "p.ini", "--history", "h.jsonl",
                             "--assume", "rejected" if "1 of 1" not in policy else "promoted", cwd=project)
    assert status == 0, err
    result = result_of(out)
    assert (result["counts"]["alarms"], result["cost"]["retrains"], round(result["score"], 9)) == (alarms, retrains, 0.9)


@pytest.mark.parametrize("line,wanted", [
    ("{", "h.jsonl:1"), ('{"state": "OK"}', '"window"'), ('{"window": 1, "state": "BAD"}', "QUARANTINED"),
    ('{"window": 1, "state": "OK", "time": "noon"}', "noon"),
])
def test_a_wrong_history_is_told_with_its_line(mlops, project, line, wanted):
    (project / "h.jsonl").write_text(line + "\n")
    status, out, err = mlops("monitor", "replay", "m", "--history", "h.jsonl", cwd=project)
    assert status == 2 and wanted in err, (status, err)


def test_a_wrong_policy_is_told(mlops, project):
    (project / "p.ini").write_text("[trigger.t]\nmonitor = other\n")
    status, out, err = mlops("monitor", "replay", "m", "--policy", "p.ini", cwd=project)
    assert status == 3 and "monitor = m" in err, err
    (project / "p.ini").write_text("[trigger.t]\nmonitor = m\nalarm = 4 of 3\n")
    status, out, err = mlops("monitor", "replay", "m", "--policy", "p.ini", cwd=project)
    assert status == 2 and "p.ini:3:" in err, err
    status, out, err = mlops("monitor", "replay", "m", cwd=project)
    assert status == 3 and "--history" in err, err
    for verb in ("history", "ack", "pause", "resume"):
        status, out, err = mlops("monitor", verb, "m", cwd=project)
        assert status == 3 and "mlops monitor list" in err, (verb, err)
