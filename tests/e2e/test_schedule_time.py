# SPDX-License-Identifier: Apache-2.0
"""Schedules while clocks run fast, are set, or are changed by law: each time is decided once."""
import datetime
import glob
import json
import time

import pytest

from agents import Agent

SECONDS = 11
LIBRARY = next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None)
pytestmark = pytest.mark.skipif(not LIBRARY, reason="faketime is not installed")

PIPELINE = """[step.a]
cmd = true
cache = no
[trigger.night]
cron = 30 2 * * *
tz = Europe/Berlin
catchup = all
[trigger.late]
cron = 30 2 * * *
tz = Europe/Berlin
[trigger.hour]
cron = 0 * * * *
tz = Europe/Berlin
catchup = all
[trigger.never]
cron = 0 12 * * *
catchup = none
"""


TRIGGERS = ("night", "late", "hour", "never")


def utc(text):
    return datetime.datetime.fromisoformat(text + "+00:00")


@pytest.fixture
def agent_at(project, environment):
    """agent_at("2026-03-27 20:00:00") -> an agent that lives then, maybe at another pace."""
    agents = []

    def start(moment):
        # ASan wants to be the first library, and its own clock may be any
        agents.append(Agent(project, {**environment, "LD_PRELOAD": LIBRARY, "FAKETIME": "@" + moment, "TZ": "UTC",
                                      "NO_FAKE_STAT": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                                      "ASAN_OPTIONS": "verify_asan_link_order=0"}))
        return agents[-1]

    yield start
    for one in agents:
        one.stop()


def causes(mlops, trigger):
    found = json.loads(mlops("--json", "trigger", "history", "churn", trigger, "-n", "1000").out)["firings"]
    assert all(f["decision"] == "skipped" for f in found)
    return [utc(f["cause"][len("cron:"):-1]) for f in found][::-1], found[::-1]


def wait(look, seconds=30):
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.05)


def hours(first, last):
    return [first + datetime.timedelta(hours=n) for n in range(int((last - first).total_seconds() // 3600) + 1)]


def test_a_week_with_a_change_of_clocks_and_what_was_missed(project, mlops, agent_at):
    (project / "pipeline.ini").write_text(PIPELINE)
    assert mlops("project", "add", "churn", project, "--no-checkout", "--allow-local").status == 0
    agent = agent_at("2026-03-27 20:10:00")
    wait(lambda: len(json.loads(mlops("--json", "trigger", "list").out)["triggers"]) == 4)
    for name in TRIGGERS:  # what is recorded is what counts here, not what runs
        assert mlops("trigger", "pause", "churn", name).status == 0
    assert agent.stop() == 0
    assert not causes(mlops, "hour")[0]

    agent = agent_at("2026-03-27 20:10:00 x150000")  # a week in four seconds
    wait(lambda: causes(mlops, "hour")[0][-1:] > [utc("2026-04-03T21:00:00")])
    agent.stop(9)
    times, _ = causes(mlops, "hour")
    assert times == hours(utc("2026-03-27T21:00:00"), times[-1])  # the hour that is left out is none in UTC
    nights, _ = causes(mlops, "night")
    assert nights[:4] == [utc(t) for t in ("2026-03-28T01:30:00", "2026-03-29T01:00:00", "2026-03-30T00:30:00",
                                           "2026-03-31T00:30:00")]
    assert nights == sorted(set(nights))
    before = {name: causes(mlops, name)[0] for name in TRIGGERS}

    agent = agent_at("2026-03-28 00:00:00 x150000")  # set back: what was decided stays decided
    time.sleep(0.5)
    agent.stop()
    assert {name: causes(mlops, name)[0] for name in before} == before

    # ten days later it comes back: all hours, the last night, and nothing of what wants no catching up
    until = before["hour"][-1].replace(hour=0) + datetime.timedelta(days=10, minutes=30)
    agent = agent_at(until.strftime("%Y-%m-%d %H:%M:%S"))
    wait(lambda: causes(mlops, "hour")[0][-1] == until.replace(minute=0))
    wait(lambda: all(len(causes(mlops, name)[0]) > len(before[name]) for name in TRIGGERS))
    agent.stop()
    times, _ = causes(mlops, "hour")
    assert times == hours(utc("2026-03-27T21:00:00"), times[-1])
    nights, rows = causes(mlops, "late")
    assert len(nights) == len(before["late"]) + 1 and rows[-1]["evidence"]["missed"] >= 8
    assert causes(mlops, "never")[1][-1]["reason"].startswith("paused by")


def test_a_clock_that_is_set_back_an_hour_comes_twice(project, mlops, agent_at):
    (project / "pipeline.ini").write_text(PIPELINE)
    assert mlops("project", "add", "churn", project, "--no-checkout", "--allow-local").status == 0
    agent = agent_at("2026-10-24 20:10:00")
    wait(lambda: len(json.loads(mlops("--json", "trigger", "list").out)["triggers"]) == 4)
    for name in TRIGGERS:
        assert mlops("trigger", "pause", "churn", name).status == 0
    assert agent.stop() == 0
    agent = agent_at("2026-10-24 20:10:00 x50000")
    wait(lambda: causes(mlops, "night")[0][-1:] >= [utc("2026-10-26T01:30:00")])
    agent.stop()
    assert causes(mlops, "night")[0][:2] == [utc("2026-10-25T00:30:00"), utc("2026-10-26T01:30:00")]
    times, _ = causes(mlops, "hour")
    assert times == hours(utc("2026-10-24T21:00:00"), times[-1])
