# SPDX-License-Identifier: Apache-2.0
"""SIGKILL of the agent while windows are judged, decided on and retrained for: each is decided once, as without kills."""
import os
import random
import signal
import sqlite3
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
from agents import Agent  # noqa: E402
from sweep import ENV, run  # noqa: E402

SECONDS = 8
ROUNDS = 100 if os.environ.get("MLOPS_SOAK") else 14
PIPELINE = """\
[step.train]
cmd = sh -c 'echo of window ${trigger.window} > model'
out = model

[monitor.m]
model     = churn@champion
data      = logs/*.csv
time      = when
reference = ref.csv
window    = 1w
min_rows  = 500

[model.churn]
from  = model
alias = champion

[trigger.drift]
monitor  = m
cooldown = 2 windows
budget   = 1/day
"""
WEEK = 7 * 86400
START = 838512000  # a Monday
SHIFTS = [0, 3, 3, 3, 3, 0, 3, 3, 3, 0]


def rows(seed, shift):
    rng = random.Random(seed)
    return "".join(f"{START + seed * WEEK + i},{rng.gauss(shift, 1):.6f}\n" for i in range(600))


def write_project(top):
    (top / "logs").mkdir(parents=True)
    run(top, "init")
    rng = random.Random(99)
    (top / "ref.csv").write_text("a\n" + "".join(f"{rng.gauss(0, 1):.6f}\n" for _ in range(3000)))
    (top / "pipeline.ini").write_text(PIPELINE)
    (top / "logs/1.csv").write_text("when,a\n" + "".join(rows(i, shift) for i, shift in enumerate(SHIFTS)))
    run(top, "project", "add", "home", ".", "--no-checkout", "--allow-local")


def facts(top):
    """Digests of the decisions in their order, events that tell them, firings that ran, versions that were made."""
    with sqlite3.connect(top / ".mlops/registry.db") as db:
        return (db.execute("SELECT kind, number, outcome, hex(digest) FROM decisions ORDER BY id").fetchall(),
                db.execute("SELECT count(*) FROM events WHERE operation = 'monitor.decide'").fetchone()[0],
                db.execute("SELECT cause, decision, outcome FROM firings ORDER BY id").fetchall(),
                db.execute("SELECT count(*) FROM model_versions").fetchone()[0])


def wait(agent, top, done, seconds=60):
    end = time.monotonic() + seconds
    while not done(facts(top)):
        assert time.monotonic() < end, (facts(top), (top / "agent.err").read_text()[-2000:])
        time.sleep(0.05)


def test_each_window_is_decided_once_whenever_the_agent_is_killed(tmp_path):
    whole, work = tmp_path / "whole", tmp_path / "work"
    for top in (whole, work):
        write_project(top)
    windows = len(SHIFTS) - 1  # the last one is open
    agent = Agent(whole, ENV)
    try:
        wait(agent, whole, lambda f: sum(k == "window" for k, *_ in f[0]) == windows and f[0][-1][2] != "retrain")
    finally:
        agent.stop()
    want = facts(whole)
    assert [o for _, _, o, _ in want[0]].count("retrain") >= 2 and want[1] == len(want[0]) and want[3] >= 2
    rng = random.Random(5)
    for i in range(ROUNDS):
        agent = Agent(work, ENV)
        time.sleep(rng.uniform(0, 0.4))
        agent.stop(signal.SIGKILL)
    agent = Agent(work, ENV)
    try:
        wait(agent, work, lambda f: len(f[0]) >= len(want[0]))
    finally:
        agent.stop()
    assert facts(work) == want
