# SPDX-License-Identifier: Apache-2.0
"""Runs that a trigger asked for: what they check out, what they update, how they end, what they leave."""
import json
import os
import signal
import sqlite3
import time

import pytest

SECONDS = 12

PIPELINE = """[step.count]
cmd = sh count.sh
in  = data/raw.csv, count.sh
out = count.txt
[trigger.nightly]
cron   = 0 3 31 1 *
update = data/raw.csv
[trigger.push]
branch = main
[trigger.newest]
cron   = 0 3 31 1 *
cancel = superseded
"""


def wait_for(what, timeout=30):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come")


@pytest.fixture
def team(project, mlops, git, tmp_path_factory, start_agent):
    """An agent with the project "churn": a clone elsewhere, whose data.add went to the agent."""
    top = tmp_path_factory.mktemp("churn")
    (top / "pipeline.ini").write_text(PIPELINE)
    (top / "count.sh").write_text("wc -l < data/raw.csv | tr -d ' ' > count.txt\n")
    git("init", "-q", "-b", "main", cwd=top)
    assert mlops("init", cwd=top).status == 0
    (top / "data").mkdir()
    assert mlops("config", "agent.dirs", top).status == 0

    class Team:
        clone = top

        def start(self):
            self.agent = start_agent()
            return self

        def add(self, text):
            (top / "data/raw.csv").write_text(text)
            done = mlops("--json", "add", "data/raw.csv", "--agent", f"unix:{self.agent.socket}", cwd=top)
            assert done.status == 0, done.out + done.err
            return json.loads(done.out)

        def commit(self, message="more"):
            git("add", "-A", cwd=top)
            git("commit", "-qm", message, cwd=top)
            return git("rev-parse", "HEAD", cwd=top).strip()

        def fire(self, trigger, *options):
            done = mlops("--json", "trigger", "fire", "churn", trigger, *options)
            assert done.status == 0, done.out + done.err
            return json.loads(done.out)

        def firings(self):
            return json.loads(mlops("--json", "trigger", "history", "churn").out)["firings"]

        def settled(self):
            return wait_for(lambda: (f := self.firings()[0]) and (f.get("outcome") or f["decision"] not in ("run", "waiting"))
                            and f)

        def events(self, operation):
            found = json.loads(mlops("--json", "events", "-n", "1000").out)["events"]
            return [e for e in found if e["operation"] == operation]

    return Team()


@pytest.fixture
def churn(team, mlops):
    team.start()
    team.add("a\n")
    team.commit("one")
    done = mlops("project", "add", "churn", team.clone, "--allow-local")
    assert done.status == 0, done.err
    wait_for(lambda: len(json.loads(mlops("--json", "trigger", "list").out)["triggers"]) == 3)
    return team


def outputs(mlops, run):
    return {o["path"]: o["content"] for o in json.loads(mlops("--json", "show", run).out)["run"]["outputs"]}


def test_new_data_reaches_a_triggered_run_and_nothing_new_leaves_none(churn, mlops, project):
    churn.fire("nightly")
    first = churn.settled()
    assert first["decision"] == "run" and first["outcome"] == "finished", first
    assert mlops("cat", f"{first['run_id']}/count.txt").out == "1\n"
    # Nothing came since: all is cached.
    runs = json.loads(mlops("--json", "runs").out)["runs"]
    churn.fire("nightly")
    again = churn.settled()
    assert again["decision"] == "nothing new", again
    assert mlops("show", again["run_id"]).status == 3
    logs = mlops("logs", again["run_id"][:8])
    assert logs.status == 3 and "nothing was new" in logs.err
    assert [r["run_id"] for r in json.loads(mlops("--json", "runs").out)["runs"]] == [r["run_id"] for r in runs]
    # New data arrives from elsewhere; the commit stays.
    sent = churn.add("a\nb\n")
    assert sent["sent"]["objects"] == 1
    assert churn.add("a\nb\n")["sent"]["objects"] == 0
    assert mlops("cat", "data/raw.csv@v2").out == "a\nb\n"
    churn.fire("nightly")
    last = churn.settled()
    assert last["outcome"] == "finished" and mlops("cat", f"{last['run_id']}/count.txt").out == "2\n"
    ends = churn.events("job.end")
    assert sorted(e["body"]["outcome"] for e in ends) == ["finished", "finished", "nothing new"]
    end = next(e for e in ends if e["subject"] == last["run_id"])
    assert end["after"] == "finished" and end["body"]["project"] == "churn" and end["body"]["trigger"] == "nightly"
    assert end["body"]["firing"] == last["id"] and len(end["body"]["commit"]) == 40
    assert json.loads(mlops("--json", "show", last["run_id"]).out)["run"]["tags"]["mlops.trigger"] == "nightly"


@pytest.fixture
def asked(team, mlops, project):
    """asked(**args) -> how a run ended of whose arguments a webhook has said these."""

    def ask(**args):
        run = json.loads(mlops("--json", "run", "--project", "churn").out)["run_id"]
        db = sqlite3.connect(project / ".mlops/registry.db")
        db.execute("UPDATE jobs SET args = ? WHERE run_id = ?", (json.dumps({"args": ["pipeline.ini"], **args}), run))
        db.commit()
        db.close()
        team.start()
        wait_for(lambda: json.loads(mlops("--json", "show", run).out)["run"]["status"] in ("FINISHED", "FAILED"))
        wait_for(lambda: team.events("job.end"))
        assert team.agent.stop() == 0
        return json.loads(mlops("--json", "show", run).out)["run"]

    assert mlops("project", "add", "churn", team.clone, "--allow-local").status == 0
    return ask


SIMPLE = "[step.a]\ncmd = cp in.txt out.txt\nin = in.txt\nout = out.txt\n"


def test_a_run_with_the_time_of_its_trigger_can_be_made_again(churn, mlops):
    with open(churn.clone / "pipeline.ini", "a") as file:
        file.write("[step.stamp]\ncmd = sh -c 'echo $0 > when.txt' ${trigger.time}\nout = when.txt\n")
    churn.commit("a step that takes the time")
    churn.fire("nightly")
    fired = churn.settled()
    assert fired["outcome"] == "finished", fired
    run = json.loads(mlops("--json", "show", fired["run_id"]).out)["run"]
    when = mlops("cat", f"{run['run_id']}/when.txt").out.strip()
    assert run["tags"]["mlops.trigger.time"] == when
    made = mlops("--json", "reproduce", run["run_id"])
    assert made.status == 0 and json.loads(made.out.splitlines()[-1])["verdict"] == "IDENTICAL", made.out + made.err


def test_a_run_is_of_the_commit_and_ref_that_were_pushed(team, asked, mlops, git):
    (team.clone / "pipeline.ini").write_text(SIMPLE)
    (team.clone / "in.txt").write_text("one\n")
    one = team.commit("one")
    (team.clone / "in.txt").write_text("two\n")
    two = team.commit("two")
    git("checkout", "-qb", "other", cwd=team.clone)
    (team.clone / "in.txt").write_text("three\n")
    three = team.commit("three")
    git("checkout", "-q", "main", cwd=team.clone)
    for args, commit, text, branch in (({"commit": one, "ref": "refs/heads/main"}, one, "one", "main"),
                                       ({"ref": "refs/heads/other"}, three, "three", "other"),
                                       ({}, two, "two", None)):
        run = asked(**args)
        assert run["status"] == "FINISHED", run["tags"]
        assert run["tags"]["mlflow.source.git.commit"] == commit
        assert run["tags"].get("mlflow.source.git.branch") == branch
        assert mlops("cat", f"{run['run_id']}/out.txt").out == text + "\n"
    for args, words in (({"commit": "f" * 40, "ref": "refs/heads/main"}, "is not in refs/heads/main any more"),
                        ({"ref": "refs/heads/x:refs/heads/y"}, "is no ref"), ({"commit": "HEAD"}, "is no commit")):
        run = asked(**args)
        assert run["status"] == "FAILED" and words in run["tags"]["mlflow.note.content"], run["tags"]


def test_code_of_a_stranger_runs_by_the_default_branchs_pipeline_and_leaves_nothing(team, asked, mlops, git, project):
    (team.clone / "pipeline.ini").write_text(SIMPLE)
    (team.clone / "in.txt").write_text("one\n")
    team.commit("one")
    git("checkout", "-qb", "fork", cwd=team.clone)
    # What would read the machine's files, or lead elsewhere.
    (team.clone / "pipeline.ini").unlink()
    (team.clone / "pipeline.ini").symlink_to("/etc/hostname")
    team.commit("evil")
    git("checkout", "-q", "main", cwd=team.clone)
    run = asked(ref="refs/heads/fork", untrusted=True)
    # Steps of this machine are not for strangers, whatever the operator allows the project.
    assert run["status"] == "FAILED" and "step a would run on this machine itself" in run["tags"]["mlflow.note.content"]
    git("rm", "-q", "pipeline.ini", cwd=team.clone)
    team.commit("none")
    run = asked(ref="refs/heads/fork", untrusted=True)
    assert run["status"] == "FAILED" and "default branch has no file pipeline.ini" in run["tags"]["mlflow.note.content"]


def test_an_untrusted_run_leaves_no_result_and_gets_no_secret(project, mlops):
    (project / "pipeline.ini").write_text(SIMPLE + "[step.b]\ncmd = true\nsecrets = TOKEN\n")
    (project / "in.txt").write_text("one\n")
    assert mlops("secret", "add", "TOKEN", input="s3cret").status == 0
    stranger = {"MLOPS_JOB_UNTRUSTED": "1"}
    status, _, err = mlops("run", env=stranger)
    assert status == 6 and "step b asks for secrets, and this run is of code that is not trusted" in err, (status, err)
    assert mlops("run", "a", env=stranger).status == 0
    (project / "out.txt").unlink()
    (project / "mlops.lock").unlink()
    # A trusted one finds no result of it.
    assert [s["state"] for s in json.loads(mlops("--json", "run", "a").out.splitlines()[-1])["steps"]] == ["ok"]


def test_a_persons_tree_takes_the_lock_of_an_automatic_run(churn, mlops, project, git):
    """The agent's own project: its clone elsewhere shares the registry by being it."""
    pipeline = PIPELINE + "[model.m]\nfrom = count.txt\nalias = champion\n"
    (churn.clone / "pipeline.ini").write_text(pipeline)
    churn.commit("a model")
    churn.add("a\nb\nc\n")
    churn.fire("nightly")
    done = churn.settled()
    assert done["outcome"] == "promoted", done
    assert not (project / "mlops.lock").exists() or "count.txt" not in (project / "mlops.lock").read_text()
    status, out, err = mlops("checkout", "--from", "m@champion")
    assert status == 0 and "git commit mlops.lock" in out, out + err
    assert (project / "count.txt").read_text() == "3\n" and (project / "data/raw.csv").read_text() == "a\nb\nc\n"
    lock = (project / "mlops.lock").read_text()
    assert "count.txt" in lock and "data/raw.csv" in lock
    assert "names all of it already" in mlops("checkout", "--from", "m@champion").out
    # With a path or --to it is what it always was.
    (project / "mlops.lock").unlink()
    assert mlops("checkout", "count.txt", "--from", "m@champion").status == 0
    assert not (project / "mlops.lock").exists()
    # Nor is the lock that the end of a job adds to its run a forgery.
    assert mlops("audit", "verify").status == 0


def test_superseded_runs_end(churn, mlops):
    (churn.clone / "count.sh").write_text("touch started; while [ ! -e /nonexistent ]; do sleep 0.05; done\n")
    churn.commit()
    first = churn.fire("newest")["run_id"]
    wait_for(lambda: json.loads(mlops("--json", "show", first).out)["run"]["status"] == "RUNNING")
    (churn.clone / "count.sh").write_text("echo 7 > count.txt\n")
    churn.commit()
    churn.fire("newest")
    wait_for(lambda: (f := churn.firings()[0])["decision"] == "run" and f.get("outcome") == "finished")
    firings = churn.firings()
    assert firings[1]["outcome"] == "cancelled", firings
    assert json.loads(mlops("--json", "show", first).out)["run"]["status"] == "KILLED"


def test_a_run_whose_process_died_settles_its_firing(churn, mlops, project):
    (churn.clone / "count.sh").write_text("while [ ! -e /nonexistent ]; do sleep 0.05; done\n")
    churn.commit()
    run = churn.fire("nightly")["run_id"]
    lock = project / ".mlops/locks" / f"job-{run}"
    wait_for(lambda: json.loads(mlops("--json", "show", run).out)["run"]["status"] == "RUNNING" and lock.exists())
    os.kill(int(lock.read_text().split()[0]), signal.SIGKILL)
    assert churn.settled()["outcome"] == "lost"
    assert [e["after"] for e in churn.events("job.end")] == ["lost"]


def test_what_waits_and_is_stopped_has_ended(churn, mlops):
    (churn.clone / "count.sh").write_text("while [ ! -e /nonexistent ]; do sleep 0.05; done\n")
    churn.commit()
    first = churn.fire("nightly")["run_id"]
    wait_for(lambda: json.loads(mlops("--json", "show", first).out)["run"]["status"] == "RUNNING")
    waits = churn.fire("push")["run_id"]
    assert mlops("stop", waits).status == 0
    assert churn.settled()["outcome"] == "cancelled"
    assert mlops("stop", first).status == 0
    assert wait_for(lambda: len(churn.events("job.end")) == 2)
    assert {e["body"]["outcome"] for e in churn.events("job.end")} == {"cancelled"}


def test_data_for_an_agent_is_proven(team, mlops, project):
    agent = team.start().agent
    assert team.add("a\n")["sent"]["agent"].startswith("unix:")
    name = json.loads(mlops("--json", "add", "data/raw.csv", "--agent", f"unix:{agent.socket}", cwd=team.clone).out)
    assert name["added"][0]["version"] == 1
    status, names = agent.owner("GET", "/api/v1/refs/data")
    assert status == 200 and len(names["names"]) == 1
    ref = f"/api/v1/refs/data/{names['names'][0]}"
    text = agent.owner("GET", ref)[1]["text"]
    assert json.loads(text)["path"] == "data/raw.csv"
    other = "0" * 64
    for bad in ("", "[]", "{}", text.replace("raw.csv", "../x"), text.replace("raw.csv", "other.csv"),
                text.replace("data/raw.csv", ".mlops/registry.db"), text.replace("file:", "fil:"),
                text.replace("file:", "tree:"), json.dumps({"path": "data/raw.csv", "content": f"file:{other}"})):
        status, answer = agent.owner("PUT", ref, {"text": bad})
        assert status in (400, 404, 409, 422), (bad, status, answer)
    assert [e["after"][:5] for e in team.events("data.add")] == ["file:"]
    # Nobody there: kept here, and said so.
    (team.clone / "data/raw.csv").write_text("b\n")
    agent.stop()
    status, _, err = mlops("add", "data/raw.csv", "--agent", "http://127.0.0.1:1", cwd=team.clone)
    assert status != 0 and "kept here, but not sent" in err
    assert mlops("cat", "data/raw.csv@v2", cwd=team.clone).out == "b\n"
