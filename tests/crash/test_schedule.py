# SPDX-License-Identifier: Apache-2.0
"""SIGKILL of an agent whose clock runs fast: each time is decided once and starts at most one run."""
import datetime
import glob
import os
import random
import signal
import sqlite3
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
from agents import Agent  # noqa: E402
from sweep import ENV, run  # noqa: E402

SECONDS = 9
ROUNDS = 100 if os.environ.get("MLOPS_SOAK") else 8
PACE = 10000
LIBRARY = next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None)


def rows(project, query):
    with sqlite3.connect(f"file:{project}/.mlops/registry.db?mode=ro", uri=True, timeout=30) as db:
        return db.execute(query).fetchall()


@pytest.mark.skipif(not LIBRARY, reason="faketime is not installed")
def test_kills_of_the_scheduler(tmp_path):
    project = tmp_path / "p"
    project.mkdir()
    log = tmp_path / "log"
    log.write_text("")
    run(project, "init")
    (project / "pipeline.ini").write_text(
        f"[step.a]\ncmd = sh -c 'echo $0 >> {log}' ${{trigger.time}}\ncache = no\n"
        "[trigger.all]\ncron = 0 * * * *\ncatchup = all\n"
        "[trigger.last]\ncron = 30 * * * *\ngroup = other\n[trigger.held]\ncron = 15 * * * *\nbudget = 1/day\n")
    run(project, "project", "add", "churn", str(project), "--no-checkout", "--allow-local")
    start = datetime.datetime(2026, 3, 1, 0, 1)
    begun = time.monotonic()
    dice = random.Random(11)
    for n in range(ROUNDS + 1):
        now = start + datetime.timedelta(seconds=(time.monotonic() - begun) * PACE)
        env = {**ENV, "LD_PRELOAD": LIBRARY, "FAKETIME": f"@{now:%Y-%m-%d %H:%M:%S} x{PACE}", "TZ": "UTC",
               # its semaphore would outlive the agent that was killed with it
               "NO_FAKE_STAT": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
               "ASAN_OPTIONS": "verify_asan_link_order=0"}
        agent = Agent(project, env)
        if n < ROUNDS:
            time.sleep(dice.uniform(0.02, 0.8))
            agent.stop(signal.SIGKILL)
    end = time.monotonic() + 60
    while rows(project, "SELECT count(*) FROM firings WHERE outcome = 'finished'")[0][0] < 6:
        assert time.monotonic() < end, "it does not go on"
        time.sleep(0.05)
    agent.stop()
    while any(project.glob(".mlops/locks/job-*")):
        assert time.monotonic() < end + 60, "a run does not end"
        time.sleep(0.05)

    hours = [int(t) for t, in rows(project, "SELECT time FROM firings JOIN triggers t ON t.id = trigger"
                                            " WHERE t.name = 'all' ORDER BY time")]
    assert hours and hours == list(range(hours[0], hours[-1] + 1, 3600000))
    assert rows(project, "SELECT cause, count(*) FROM firings GROUP BY trigger, cause HAVING count(*) > 1") == []
    # one run each, none without a cause, and each cause told as an event in the same transaction
    assert rows(project, "SELECT run_id FROM firings WHERE decision = 'run' AND run_id NOT IN (SELECT run_id FROM jobs)") == []
    assert rows(project, "SELECT run_id FROM jobs WHERE run_id NOT IN (SELECT run_id FROM firings WHERE run_id IS NOT NULL)") == []
    assert rows(project, "SELECT id FROM firings WHERE id NOT IN (SELECT json_extract(body, '$.firing') FROM events"
                         " WHERE operation = 'trigger.fire')") == []
    days = [t // 86400000 for t, in rows(project, "SELECT time FROM firings JOIN triggers t ON t.id = trigger"
                                                   " WHERE t.name = 'held' AND decision = 'run' ORDER BY time")]
    assert days == sorted(set(days))
    said = log.read_text().split()
    assert said and len(said) == len(set(said)), "a cause ran twice"
