# SPDX-License-Identifier: Apache-2.0
"""Triggers of times, data, other pipelines and people, in a running agent."""
import contextlib
import datetime
import hashlib
import hmac
import json
import sqlite3
import time
import zoneinfo

import pytest

SECONDS = 12
STEP = "[step.a]\ncmd = sh -c 'date +%N > a.txt'\nout = a.txt\ncache = no\n"


def wait(look, seconds=30):
    """What look() says, once it says something."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.02)


@pytest.fixture
def churn(project, start_agent, mlops):
    """churn(TEXT, ...) -> an agent whose project churn, of its own work tree, has this pipeline.ini."""

    def make(text, before=lambda: None, **named):
        (project / "pipeline.ini").write_text(text)
        assert mlops("project", "add", "churn", project, "--no-checkout", "--allow-local").status == 0
        before()
        return start_agent(**named)

    return make


@pytest.fixture
def said(mlops):
    """said("trigger", "list") -> what the command says as JSON."""

    def call(*args):
        status, out, err = mlops("--json", *args)
        assert status == 0, err
        return json.loads(out)

    return call


@pytest.fixture
def firings(said):
    """Firings of the project, the oldest first."""
    return lambda *args: said("trigger", "history", "churn", *args)["firings"][::-1]


def known(said, *names):
    """Waits until the agent has read these triggers."""
    return wait(lambda: {t["trigger"] for t in said("trigger", "list")["triggers"]} == set(names))


def test_a_person_fires_pauses_and_looks(churn, said, firings, mlops, project):
    churn(STEP + "[trigger.night]\ncron = 0 3 * * *\ntz = Europe/Berlin\nbudget = 1/day\ncooldown = 1d\n")
    known(said, "night")
    first = said("trigger", "fire", "churn", "night", "--id", "4711", "--reason", "why not")
    assert first["decision"] == "run" and first["cause"] == "manual:4711" and first["evidence"] == {"reason": "why not"}
    again = said("trigger", "fire", "churn", "night", "--id", "4711")
    assert again["repeated"] and again["id"] == first["id"]
    done = wait(lambda: [f for f in firings() if f.get("outcome")])
    assert done[0]["outcome"] == "finished" and (project / "a.txt").exists()
    # budget and cooldown are for what comes by itself
    assert said("trigger", "fire", "churn", "night")["decision"] == "run"
    assert mlops("trigger", "pause", "churn", "night", "--reason", "holidays").status == 0
    paused = said("trigger", "fire", "churn", "night")
    assert paused["decision"] == "skipped" and paused["reason"].endswith(": holidays")
    assert "paused" in mlops("trigger", "list").out and "holidays" in mlops("trigger", "show", "churn", "night").out
    assert mlops("trigger", "resume", "churn", "night").status == 0
    assert mlops("trigger", "resume", "churn", "night").status == 4
    status, _, err = mlops("trigger", "fire", "churn", "nigth")
    assert status == 3 and "did you mean 'night'?" in err
    assert mlops("trigger", "fire", "churn", "night", "-p", "lr").status == 2
    operations = [e["operation"] for e in said("events", "-n", "100")["events"]]
    assert operations.count("trigger.fire") == 3 and {"trigger.pause", "trigger.resume"} <= set(operations)


def test_new_data_starts_a_run_once(churn, said, firings, mlops, project):
    (project / "raw").mkdir()
    (project / "raw/1.csv").write_text("a\n1\n")
    (project / "loose").mkdir()
    churn("[step.a]\ncmd = cp raw/1.csv a.csv\nin = raw\nout = a.csv\n[trigger.new]\ndata = raw\n[trigger.loose]\ndata = loose\n",
          before=lambda: mlops("add", "raw"))
    known(said, "new", "loose")
    wait(lambda: seen(project, "new") and seen(project, "loose"))
    assert not firings()
    (project / "raw/1.csv").write_text("a\n2\n")
    assert mlops("add", "raw").status == 0
    first = wait(firings)[0]
    assert (first["kind"], first["cause"], first["evidence"]["before"]) == ("data", "data:raw:v2", "v1")
    assert mlops("add", "raw").status == 0  # no new version
    (project / "loose/x.csv").write_text("1\n")
    wait(lambda: len(firings()) == 2)
    assert firings()[1]["trigger"] == "loose" and firings()[1]["cause"].startswith("data:loose:files:")
    wait(lambda: all(f.get("outcome") for f in firings()))
    # all was up to date for the second one
    assert [f["decision"] for f in firings()] == ["run", "nothing new"]


def seen(project, name):
    """What of the data was decided."""
    with contextlib.closing(sqlite3.connect(project / ".mlops/registry.db")) as db:
        row = db.execute("SELECT seen FROM triggers WHERE name = ?", (name,)).fetchone()
        return row and row[0]


def test_a_run_of_one_project_starts_another(churn, said, firings, mlops, project, tmp_path_factory):
    other = tmp_path_factory.mktemp("etl")
    (other / "pipeline.ini").write_text(STEP)
    assert mlops("config", "agent.dirs", other.parent).status == 0
    assert mlops("project", "add", "etl", other, "--allow-local").status == 0
    churn(STEP + "[trigger.after]\npipeline = etl\n")
    known(said, "after")
    run = said("run", "--project", "etl")["run_id"]
    fired = wait(firings)[0]
    assert fired["kind"] == "pipeline" and fired["cause"] == f"pipeline:{run}"
    wait(lambda: firings()[0].get("outcome") == "finished")
    assert len(firings()) == 1  # its own end starts nothing


def test_triggers_of_a_git_source_are_those_of_its_own_branch(project, start_agent, said, mlops, git, environment, tmp_path_factory):
    far = tmp_path_factory.mktemp("far")
    (far / "pipeline.ini").write_text(STEP + "[trigger.main]\ncron = @daily\n")
    git("init", "-q", "-b", "main", cwd=far)
    git("add", "-A", cwd=far)
    git("commit", "-qm", "one", cwd=far)
    git("checkout", "-qb", "other", cwd=far)
    (far / "pipeline.ini").write_text(STEP + "[trigger.other]\ncron = @hourly\n")
    git("commit", "-qam", "two", cwd=far)
    git("checkout", "-q", "main", cwd=far)
    ssh = far.parent / "ssh"  # the other machine is this one
    ssh.write_text(f"#!/bin/sh\nexec git-upload-pack {far}\n")
    ssh.chmod(0o755)
    environment["GIT_SSH_COMMAND"] = str(ssh)
    agent = start_agent()
    assert mlops("project", "add", "far", "git@example.org:team/far.git").status == 0
    known(said, "main")
    assert mlops("secret", "add", "HOOK_far", input="It's a Secret to Everybody").status == 0
    (far / "pipeline.ini").write_text(STEP + "[trigger.new]\ncron = @daily\n")
    git("commit", "-qam", "three", cwd=far)
    body = json.dumps({"ref": "refs/heads/main", "before": "0" * 40, "after": git("rev-parse", "main", cwd=far).strip(),
                       "repository": {"full_name": "team/far"}, "commits": []}).encode()
    signed = hmac.new(b"It's a Secret to Everybody", body, hashlib.sha256).hexdigest()
    status, answer, _ = agent.request("POST", "/api/v1/hooks/far", body, {
        "Content-Type": "application/json", "X-GitHub-Event": "push", "X-GitHub-Delivery": "1",
        "X-Hub-Signature-256": "sha256=" + signed})
    assert status == 200, answer
    known(said, "new")


def test_a_file_that_changes_changes_triggers(churn, said, mlops, project):
    churn(STEP + "[trigger.a]\ncron = @daily\n")
    known(said, "a")
    (project / "pipeline.ini").write_text(STEP + "[trigger.b]\ncron = @daily\n")
    known(said, "b")
    (project / "pipeline.ini").write_text(STEP + "[trigger.c]\ncron = 60 * * * *\n")
    problem = wait(lambda: said("trigger", "list")["problems"])
    assert "pipeline.ini:6:8: cron: minute: 60 is not one of 0 to 59" in problem[0]["error"]
    known(said, "b")  # as it was
    assert "warning: project churn: pipeline.ini:6:8" in mlops("trigger", "list").out
    assert mlops("project", "rm", "churn").status == 0
    known(said)


@pytest.mark.parametrize("cron, zone, after", [
    ("30 2 * * *", "Europe/Berlin", "2026-03-28"), ("30 2 * * *", "Europe/Berlin", "2026-10-24"),
    ("*/20 * * * *", "America/New_York", "2026-03-08"), ("0 0 * * *", "America/Santiago", "2026-09-05"),
    ("15 1,2 * * sun", "Australia/Lord_Howe", "2026-04-01"), ("0 12 29 2 *", "UTC", "2026-01-01"),
])
def test_times_are_those_of_the_zone(said, cron, zone, after):
    got = said("trigger", "next", "--cron", cron, "--tz", zone, "--after", after + "T00:00Z", "-n", "60")["triggers"][0]["times"]
    minutes, hours = cron.split()[:2]
    zone = zoneinfo.ZoneInfo(zone)
    previous = None
    for text in got:
        moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
        wall = moment.astimezone(zone)
        assert previous is None or moment > previous
        previous = moment
        if "*" in minutes:
            assert wall.minute % 20 == 0
        else:
            # what it shows is what was asked for, or the first minute after a gap
            before = (moment - datetime.timedelta(minutes=1)).astimezone(zone)
            gap = (wall.replace(tzinfo=None) - before.replace(tzinfo=None)) > datetime.timedelta(minutes=1)
            assert wall.minute == int(minutes) and str(wall.hour) in hours.split(",") or gap
    assert len(got) == 60


def test_mistakes_of_schedules_are_named(mlops, project):
    for words, part in ((("--cron", "0 0 31 2 *"), "never comes"), (("--cron", "*/0 * * * *"), "a step is a whole number"),
                        (("--cron", "60 * * * *"), "60 is not one of 0 to 59"), (("--cron", "0 3 * *"), "has 5 fields, not 4"),
                        (("--cron", "@daily", "--tz", "Europe/Berlni"), "did you mean 'Europe/Berlin'?"),
                        (("--cron", "@daily", "--tz", "../../etc/passwd"), "there is no time zone"),
                        (("--tz", "UTC"), "--tz goes with --cron"), (("-n", "0"), "from 1 to 1000")):
        status, _, err = mlops("trigger", "next", *words)
        assert status == 2 and part in err, (words, err)
