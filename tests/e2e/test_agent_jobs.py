# SPDX-License-Identifier: Apache-2.0
"""Projects that an agent runs: asked for, queued, executed, ended, found again after a kill."""
import json
import os
import signal
import time

import pytest

SECONDS = 20

STEP = """[step.one]
cmd = sh step.sh
in  = step.sh
out = out.txt
"""


def wait_for(what, timeout=20):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come")


@pytest.fixture
def repository(tmp_path_factory, git):
    """repository(NAME, SCRIPT, **keys) -> a git work tree with a pipeline of one step."""

    def make(name, script, pipeline=STEP):
        top = tmp_path_factory.mktemp(name)
        (top / "pipeline.ini").write_text(f"[pipeline]\nname = {name}\n[params]\nlr = 0.1\n" + pipeline)
        (top / "step.sh").write_text(script + "\n")
        git("init", "-q", "-b", "main", cwd=top)
        git("add", "-A", cwd=top)
        git("commit", "-qm", "one", cwd=top)
        return top

    return make


@pytest.fixture
def jobs(project, mlops, tmp_path_factory):
    """What the tests do with the agent's projects, through the command line."""
    assert mlops("config", "agent.dirs", tmp_path_factory.getbasetemp()).status == 0

    class Jobs:
        def add(self, name, source, *options):
            done = mlops("project", "add", name, source, *options)
            assert done.status == 0, done.err
            return name

        def submit(self, name, *words):
            done = mlops("--json", "run", "--project", name, *words)
            assert done.status == 0, done.out + done.err
            return json.loads(done.out)["run_id"]

        def show(self, run):
            return json.loads(mlops("--json", "show", run).out)["run"]

        def status(self, run):
            return self.show(run)["status"]

        def wait(self, run, *states, timeout=20):
            states = states or ("FINISHED", "FAILED", "KILLED")
            return wait_for(lambda: (s := self.status(run)) in states and s, timeout)

        def active(self):
            return {a["run_id"]: a["state"] for a in json.loads(mlops("--json", "runs", "--active").out)["active"]}

        def settled(self, run):
            """Its process is gone, too."""
            return wait_for(lambda: not (project / ".mlops/locks" / f"job-{run}").exists())

    return Jobs()


def test_a_run_of_a_git_work_tree_has_a_checkout_of_its_own(agent, jobs, repository, mlops, project, git):
    source = repository("alpha", "pwd > out.txt; echo $MLOPS_PARAM_LR >> out.txt; echo hello",
                        STEP + "params = lr\n")
    commit = git("rev-parse", "HEAD", cwd=source).strip()
    (source / "step.sh").write_text("echo not committed\n")
    jobs.add("alpha", source, "--allow-local", "--branch", "main")
    run = jobs.submit("alpha", "-p", "lr=0.5")
    assert mlops("logs", "-f", run).out == "hello\n"
    assert jobs.wait(run) == "FINISHED"
    shown = jobs.show(run)
    assert shown["experiment"] == "alpha"
    assert shown["params"]["lr"] == "0.5"
    assert shown["tags"]["mlflow.source.git.commit"] == commit
    assert shown["tags"]["mlops.project"] == "alpha"
    assert shown["tags"]["mlops.command"] == "mlops run --project alpha -p lr=0.5"
    jobs.settled(run)
    assert not (project / ".mlops/scratch").exists()
    # the lock file that the run left, which nobody commits
    lock = mlops("cat", "sha256:" + jobs.show(run)["tags"]["mlops.lock"].split(":")[-1]).out
    assert "step " in lock and lock.rstrip().splitlines()[-1].endswith(" one")
    out = [o for o in shown["outputs"] if o["path"] == "out.txt"][0]
    made = mlops("cat", "sha256:" + out["content"].split(":")[-1]).out
    assert ".mlops/scratch/" in made and made.endswith("\n0.5\n")
    # the same again: nothing ran, and the run says so
    again = jobs.submit("alpha", "-p", "lr=0.5")
    assert jobs.wait(again) == "FINISHED" and not any(a["state"] == "ok" for a in json.loads(
        mlops("--json", "show", again).out)["attempts"])
    assert jobs.settled(again) and mlops("logs", "-f", again) == (0, "", "")


def test_steps_on_the_machine_itself_need_the_operator(agent, jobs, repository, mlops, project):
    source = repository("beta", "touch /dev/null; echo ran > out.txt")
    jobs.add("beta", source)
    run = jobs.submit("beta")
    assert jobs.wait(run) == "FAILED"
    jobs.settled(run)
    assert "step one would run on this machine itself, which is not allowed here" in jobs.show(run)["tags"]["mlflow.note.content"]
    assert "--allow-local" in mlops("logs", run).err + mlops("logs", run).out
    assert not list(project.glob(".mlops/scratch/*/*/out.txt"))


def test_a_checkout_leads_to_no_file_of_the_machine(agent, jobs, repository, mlops, tmp_path, git):
    secret = tmp_path / "secret"
    secret.write_text("hidden here\n")
    for name, file in (("locked", "mlops.lock"), ("piped", "pipeline.ini"), ("fed", "step.sh")):
        source = repository(name, "true")
        (source / file).unlink(missing_ok=True)
        (source / file).symlink_to(secret)
        git("add", "-A", cwd=source)
        git("commit", "-qm", "two", cwd=source)
        jobs.add(name, source, "--allow-local")
        run = jobs.submit(name)
        assert jobs.wait(run) == "FAILED"
        jobs.settled(run)
        said = mlops("logs", run)
        assert file in said.err + said.out and "hidden" not in said.err + said.out + json.dumps(jobs.show(run))
    # the name of a file beside checkouts
    assert mlops("project", "add", "lock", source).status != 0


def test_what_cannot_start_says_why(agent, jobs, repository, mlops, tmp_path_factory, git):
    source = repository("gamma", "true")
    jobs.add("gone", source, "--allow-local", "--branch", "nowhere")
    jobs.add("gamma", source, "--allow-local")
    plain = tmp_path_factory.mktemp("plain")
    jobs.add("empty", plain, "--allow-local")
    evil = repository("evil", "true")
    (evil / ".mlops").mkdir()
    (evil / ".mlops/home").write_text("{}")
    git("add", "-f", ".mlops/home", cwd=evil)
    git("commit", "-qm", "two", cwd=evil)
    jobs.add("evil", evil, "--allow-local")
    for name, words, text in (("gone", [], "couldn't find remote ref refs/heads/nowhere"),
                              ("gamma", ["nope"], "nope"),
                              ("gamma", ["other.ini"], "other.ini"),
                              ("empty", [], "pipeline.ini"),
                              ("evil", [], "brings a .mlops of its own")):
        run = jobs.submit(name, *words)
        assert jobs.wait(run) == "FAILED"
        assert text in jobs.show(run)["tags"]["mlflow.note.content"], name


def test_sources_are_of_known_kinds(jobs, mlops):
    for source in ("ext::sh -c id", "--upload-pack=id", "git://example.org/a", "http://example.org/a",
                   "https://user:secret@example.org/a", "file://relative", "a@b::c", "-x@h:p", "fd::17",
                   "https://-h/x", "ssh://-oProxyCommand=id/x"):
        done = mlops("project", "add", "bad", "--", source)
        assert done.status == 2, (source, done)
        assert "secret" not in done.err.replace(source, "") or "password" in done.err
    for name in ("Bad", "a/b", "..", ".x", "a" * 65, ""):
        assert mlops("project", "add", name, "https://example.org/a").status == 2, name
    assert mlops("project", "add", "bad", "/etc").status == 6
    for good in ("https://example.org/team/churn.git", "git@example.org:team/churn.git", "ssh://git@example.org:22/x"):
        assert mlops("project", "add", "good", good).status == 0
        assert good in mlops("project", "list").out
        assert mlops("project", "add", "good", "https://example.org/other").status == 4
        assert mlops("project", "rm", "good").status == 0
    assert mlops("project", "rm", "good").status == 3
    assert mlops("run", "--project", "good").status == 3


def test_one_run_a_project_and_two_projects_at_once(agent, jobs, repository, mlops, tmp_path):
    go = tmp_path / "go"
    script = f"while [ ! -e {go} ]; do sleep 0.05; done; echo done > out.txt"
    for name in ("one", "two", "three"):
        jobs.add(name, repository(name, f"# {name}\n{script}"), "--allow-local")
    first, second, third, fourth = (jobs.submit(n) for n in ("one", "one", "two", "three"))
    wait_for(lambda: (a := jobs.active()) and a.get(first) == "running" and a.get(third) == "running")
    active = jobs.active()
    assert active[second] == "queued" and active[fourth] == "queued"
    assert "queued" in mlops("runs", "--active").out
    assert jobs.status(second) == "SCHEDULED"
    # what waits is ended at once, and never starts
    done = mlops("stop", second)
    assert done.status == 0 and jobs.status(second) == "KILLED"
    assert mlops("stop", second).status == 4
    go.touch()
    for run in (first, third, fourth):
        assert jobs.wait(run) == "FINISHED"
    assert jobs.status(second) == "KILLED"


def test_stop_ends_a_run_that_goes_on(agent, jobs, repository, mlops, project):
    jobs.add("slow", repository("slow", "echo begun; exec sleep 60"), "--allow-local")
    run = jobs.submit("slow")
    wait_for(lambda: jobs.active().get(run) == "running")
    wait_for(lambda: "begun" in mlops("logs", run).out)
    started = time.monotonic()
    assert mlops("stop", run).status == 0
    assert time.monotonic() - started < 9
    assert jobs.status(run) == "KILLED"
    jobs.settled(run)
    assert not (project / ".mlops/scratch").exists()


def test_a_run_outlives_its_agent(start_agent, jobs, repository, mlops, tmp_path):
    go = tmp_path / "go"
    jobs.add("long", repository("long", f"echo begun; while [ ! -e {go} ]; do sleep 0.05; done; echo x > out.txt"),
             "--allow-local")
    agent = start_agent()
    run, waiting = jobs.submit("long"), jobs.submit("long")
    wait_for(lambda: jobs.active().get(run) == "running" and "begun" in mlops("logs", run).out)
    agent.stop(signal.SIGKILL)
    assert jobs.active() == {run: "running", waiting: "queued"}
    agent.start()
    time.sleep(0.5)
    assert jobs.active() == {run: "running", waiting: "queued"}
    assert agent.stop() == 0  # a graceful end leaves it alone, too
    go.touch()
    assert jobs.wait(run) == "FINISHED"
    assert jobs.status(waiting) == "SCHEDULED"
    agent.start()
    assert jobs.wait(waiting) == "FINISHED"


def test_a_run_whose_process_died_is_ended(agent, jobs, repository, mlops, project):
    jobs.add("lost", repository("lost", "echo begun; exec sleep 60"), "--allow-local")
    run = jobs.submit("lost")
    wait_for(lambda: jobs.active().get(run) == "running" and "begun" in mlops("logs", run).out)
    pid = int((project / ".mlops/locks" / f"job-{run}").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    assert jobs.wait(run) == "KILLED"
    wait_for(lambda: not (project / ".mlops/scratch").exists())
    # the next one is as good as ever
    assert jobs.active() == {}


def test_the_checkout_of_the_last_failure_stays(agent, jobs, repository, project):
    jobs.add("bad", repository("bad", "echo half > out.txt; exit 3"), "--allow-local")
    trees = []
    for _ in range(2):
        run = jobs.submit("bad")
        assert jobs.wait(run) == "FAILED"
        jobs.settled(run)
        trees.append(list(project.glob(".mlops/scratch/*/bad")))
    assert len(trees[0]) == 1 and len(trees[1]) == 1 and trees[0] != trees[1]


def test_in_the_work_tree_itself(agent, jobs, mlops, project):
    (project / "pipeline.ini").write_text(STEP)
    (project / "step.sh").write_text("echo here > out.txt\n")
    other = mlops("project", "add", "me", "/", "--no-checkout")
    assert other.status != 0
    jobs.add("me", ".", "--no-checkout", "--allow-local")
    run = jobs.submit("me")
    assert jobs.wait(run) == "FINISHED"
    assert (project / "out.txt").read_text() == "here\n"


def test_data_of_the_lock_file_comes_from_the_store(agent, jobs, repository, mlops, project, git):
    source = repository("data", "cat big.bin > out.txt", STEP.replace("step.sh\nout", "step.sh, big.bin\nout"))
    (project / "big.bin").write_text("stored\n")
    assert mlops("add", "big.bin").status == 0
    lock = project / "mlops.lock"
    (source / "mlops.lock").write_text(lock.read_text())
    git("add", "-A", cwd=source)
    git("commit", "-qm", "two", cwd=source)
    jobs.add("data", source, "--allow-local")
    run = jobs.submit("data")
    assert jobs.wait(run) == "FINISHED", jobs.show(run)["tags"]
    stored = json.loads(mlops("--json", "show", run).out)
    assert [o for o in stored["run"]["outputs"] if o["path"] == "out.txt"]


def test_arguments_are_checked_before_anything_waits(jobs, mlops, repository):
    jobs.add("args", repository("args", "true"))
    for words, status in ((["--dry"], 2), (["--detach"], 2), (["--", "-x"], 2), (["-p", "lr=1,2"], 2), (["-p", "lr"], 2),
                          (["--only", "--downstream", "one"], 2)):
        done = mlops("run", "--project", "args", *words)
        assert done.status == status, (words, done)
    assert jobs.active() == {}
