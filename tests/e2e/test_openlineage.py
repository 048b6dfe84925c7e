# SPDX-License-Identifier: Apache-2.0
"""Runs told in OpenLineage's words: when, to whom, once, and in order. What they say is held to schemas in tests/provenance."""
import json
import os
import re
import signal
import sqlite3
import subprocess
import time

import pytest

from agents import Agent
from listeners import Listener

SECONDS = 7
TWO = """[pipeline]
name = churn
[step.one]
cmd = sh -c 'cat in > a'
in  = in
out = a
[step.two]
cmd = sh -c 'cat a > b'
in  = a
out = b
"""
WAITS = """[pipeline]
name = churn
[step.one]
cmd = sh -c 'while test ! -e go; do sleep 0.01; done; echo x > a'
out = a
cache = no
"""
WHOLE = [("START", "churn"), ("START", "churn.one"), ("COMPLETE", "churn.one"), ("START", "churn.two"),
         ("COMPLETE", "churn.two"), ("COMPLETE", "churn")]


def wait_for(what, timeout=30):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come")


def told(path):
    """[(type, job)] of a file of events."""
    return words(json.loads(line) for line in path.read_text().splitlines()) if path.exists() else []


def words(events):
    return [(e["eventType"], e["job"]["name"]) for e in events]


def once(found):
    """Without repeats: who is killed between telling and noting it tells again."""
    return list(dict.fromkeys(found))


def letters(project):
    with sqlite3.connect(project / ".mlops/registry.db", timeout=20) as db:
        return [s for s, in db.execute("SELECT state FROM outbox WHERE kind = 'openlineage' ORDER BY id")]


@pytest.fixture
def pipeline(project):
    def write(text=TWO, data="1"):
        (project / "pipeline.ini").write_text(text)
        (project / "in").write_text(data)
    write()
    return write


@pytest.fixture
def server():
    one = Listener()
    yield one
    one.close()


def test_a_file_without_an_agent(mlops, project, pipeline):
    assert mlops("run").status == 0 and letters(project) == []  # nobody wants to know
    pipeline(data="2")
    assert mlops("config", "openlineage.file", "told.jsonl").status == 0
    assert mlops("run").status == 0
    assert told(project / "told.jsonl") == WHOLE and set(letters(project)) == {"sent"}
    assert mlops("run").status == 0 and len(told(project / "told.jsonl")) == 6  # all was fresh
    events = [json.loads(line) for line in (project / "told.jsonl").read_text().splitlines()]
    run = json.loads(mlops("--json", "show", "last").out)["run"]["run_id"]
    assert events[0]["run"]["runId"].replace("-", "") == run and len({e["run"]["runId"] for e in events}) == 3
    assert {e["job"]["namespace"] for e in events} == {"churn"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", e["eventTime"]) for e in events)
    # half a line, as a power cut leaves it, stays by itself; then nobody wants to know any more
    with open(project / "told.jsonl", "a") as out:
        out.write('{"eventType":"ST')
    pipeline(data="3")
    assert mlops("run", env={"MLOPS_OPENLINEAGE_NAMESPACE": "prod"}).status == 0
    lines = (project / "told.jsonl").read_text().splitlines()
    assert len(lines) == 13 and json.loads(lines[7])["job"]["namespace"] == "prod"
    assert mlops("config", "--unset", "openlineage.file").status == 0
    pipeline(data="4")
    assert mlops("run").status == 0 and len(letters(project)) == 12


def test_a_server_that_is_away_hears_all_later(mlops, project, pipeline, server):
    assert mlops("secret", "add", "MARQUEZ", input="t0ken\n").status == 0
    for key, value in (("url", server.url), ("secret", "MARQUEZ")):
        assert mlops("config", f"openlineage.{key}", value).status == 0
    server.answers += [(503, {})] * 20
    done = mlops("run")
    assert done.status == 0 and "not told" in done.out + done.err and "503" in done.out + done.err
    assert "waiting" in letters(project) and "failed" not in letters(project)
    server.answers.clear()
    server.requests.clear()
    pipeline(data="2")
    assert mlops("run").status == 0
    assert words(r[3] for r in server.requests) == WHOLE * 2 and set(letters(project)) == {"sent"}
    assert {r[:2] for r in server.requests} == {("POST", "/api/v1/lineage")}
    assert {r[2]["Authorization"] for r in server.requests} == {"Bearer t0ken"}
    assert "t0ken" not in mlops("notify", "list").out


@pytest.mark.parametrize("status,state", [(401, "waiting"), (422, "failed")])
def test_who_refuses_an_event_and_who_is_set_wrong(mlops, project, pipeline, server, status, state):
    assert mlops("config", "openlineage.url", server.url + "/lineage?a=1").status == 0
    server.answer = lambda *_: (status, {})
    assert mlops("run").status == 0
    assert letters(project)[0] == state and server.requests[0][1] == "/lineage?a=1"
    server.answer = lambda *_: (201, {})
    assert mlops("notify", "retry", "1").status == (0 if state == "failed" else 3)


def test_bad_settings_do_not_stop_a_run(mlops, project, pipeline):
    (project / "dir").mkdir()
    os.mkfifo(project / "pipe")
    bad = [{"FILE": "dir"}, {"FILE": "pipe"}, {"FILE": "no/such/dir/x"}, {"URL": "nonsense"}, {"URL": "http://127.0.0.1:1"},
           {"URL": "http://127.0.0.1:1", "SECRET": "NONE"}]
    for i, env in enumerate(bad):
        pipeline(data=str(i))
        done = mlops("run", env={f"MLOPS_OPENLINEAGE_{k}": v for k, v in env.items()})
        assert done.status == 0 and "not told to others yet" in done.out + done.err, (env, done)


def test_start_is_told_while_the_run_goes_on_and_a_killed_one_ends(mlops, project, pipeline, environment, program):
    assert mlops("config", "openlineage.file", "told.jsonl").status == 0
    pipeline(WAITS)
    run = subprocess.Popen([program, "run"], cwd=project, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: told(project / "told.jsonl") == WHOLE[:2])
    run.send_signal(signal.SIGKILL)
    run.wait()
    (project / "go").touch()
    assert mlops("run").status == 0
    events = [json.loads(line) for line in (project / "told.jsonl").read_text().splitlines()]
    found = once((e["eventType"], e["job"]["name"], e["run"]["runId"]) for e in events)
    assert {f[:2] for f in found[2:4]} == {("ABORT", "churn"), ("ABORT", "churn.one")}, found
    assert {f[2] for f in found[2:4]} == {f[2] for f in found[:2]}
    assert [f[:2] for f in found[4:]] == WHOLE[:3] + WHOLE[5:]


def test_an_agent_tells_what_others_run(mlops, project, pipeline, environment, program, server):
    assert mlops("config", "openlineage.url", server.url).status == 0
    agent = Agent(project, environment)
    pipeline(WAITS)
    run = subprocess.Popen([program, "run"], cwd=project, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: words(r[3] for r in server.requests) == WHOLE[:2])
    assert {r[2]["User-Agent"].split("/")[0] for r in server.requests} == {"mlops"}
    agent.stop(signal.SIGKILL)
    agent.start()
    (project / "go").touch()
    assert run.wait(30) == 0
    wait_for(lambda: once(words(r[3] for r in server.requests)) == WHOLE[:3] + WHOLE[5:])
    assert agent.stop() == 0
