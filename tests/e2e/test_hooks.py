# SPDX-License-Identifier: Apache-2.0
"""Hooks of git: commits are told to an agent, data goes before commits, and what hooks there were stays."""
import json
import os
import subprocess

import pytest

SECONDS = 9

PIPELINE = """[step.one]
cmd = true
out = out.txt

[trigger.push]
branch = main

[trigger.src]
branch = main
paths  = src

[trigger.tag]
on = tag
"""


@pytest.fixture
def run_git(environment):
    """run_git(WORDS, cwd) -> (status, out, err)."""

    def run(*args, cwd, **env):
        done = subprocess.run(["git", *map(str, args)], cwd=cwd, env={**environment, **env}, capture_output=True, text=True,
                              timeout=60, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def commit(run_git):
    def make(top, path, text, message="more"):
        (top / path).parent.mkdir(exist_ok=True)
        (top / path).write_text(text)
        assert run_git("add", "-A", cwd=top)[0] == 0
        status, out, err = run_git("commit", "-qm", message, cwd=top)
        assert status == 0, err
        return out + err

    return make


@pytest.fixture
def repository(tmp_path_factory, run_git, commit):
    top = tmp_path_factory.mktemp("churn")
    run_git("init", "-q", "-b", "main", cwd=top)
    (top / ".gitignore").write_text(".mlops\n")
    commit(top, "pipeline.ini", PIPELINE)
    return top


@pytest.fixture
def team(project, mlops, start_agent, tmp_path_factory):
    """An agent of a project of its own."""
    assert mlops("config", "agent.dirs", tmp_path_factory.getbasetemp()).status == 0
    return start_agent()


def fired(agent):
    """The triggers, one for each cause: what waited and then ran has two events."""
    events = agent.owner("GET", "/api/v1/events")[1]["events"]
    causes = {(e["subject"], e["body"]["cause"]) for e in events if e["operation"] == "trigger.fire"}
    return sorted(subject for subject, _ in causes)


def test_a_commit_starts_what_means_it(team, repository, mlops, commit, run_git):
    assert mlops("project", "add", "churn", repository).status == 0
    done = mlops("hooks", "install", "--project", "churn", "--to", f"unix:{team.socket}", cwd=repository)
    assert done.status == 0, done.err
    assert "post-commit" in done.out and "pre-push" in done.out and "post-receive" not in done.out
    said = commit(repository, "README.md", "1")
    assert "mlops: trigger push starts run " in said and "src" not in said
    said = commit(repository, "src/ä b.py", "1")
    assert "trigger push" in said and "trigger src" in said
    # what git calls again tells nothing new
    assert mlops("hooks", "run", "post-commit", cwd=repository).out == ""
    # a branch that no trigger means, and none at all
    run_git("switch", "-qc", "topic", cwd=repository)
    assert commit(repository, "README.md", "2") == ""
    run_git("switch", "-q", "--detach", cwd=repository)
    assert commit(repository, "README.md", "3") == ""
    # a trigger that comes with its first commit
    run_git("switch", "-q", "main", cwd=repository)
    assert "trigger new" in commit(repository, "pipeline.ini", PIPELINE + "[trigger.new]\nbranch = main\n")
    subjects = fired(team)
    assert subjects.count("churn/push") == 3 and subjects.count("churn/src") == 1 and subjects.count("churn/new") == 1


def test_an_agent_that_is_not_there_costs_a_note(team, repository, mlops, commit):
    assert mlops("hooks", "install", "--project", "churn", "--to", f"unix:{team.socket}", cwd=repository).status == 0
    assert "was not told of refs/heads/main: no project 'churn' is registered" in commit(repository, "a", "1")
    team.stop()
    assert "mlops: the agent was not told of refs/heads/main: " in commit(repository, "a", "2")
    # and so does a program that is not there any more
    subprocess.run(["git", "config", "mlops.command", "/nowhere/mlops"], cwd=repository, check=True)
    assert "there is no /nowhere/mlops" in commit(repository, "a", "3")


def test_a_push_into_a_bare_repository_is_told(team, repository, mlops, run_git, tmp_path_factory):
    bare = tmp_path_factory.mktemp("bare")
    run_git("init", "-q", "--bare", "-b", "main", cwd=bare)
    assert mlops("project", "add", "churn", bare).status == 0
    done = mlops("hooks", "install", cwd=bare)
    assert done.status == 2 and "--project NAME" in done.err
    done = mlops("hooks", "install", "--project", "churn", "--to", f"unix:{team.socket}", cwd=bare)
    assert done.status == 0 and "post-receive" in done.out and "post-commit" not in done.out, done.err
    run_git("tag", "-a", "v1", "-m", "one", cwd=repository)
    status, _, err = run_git("push", bare, "main", "v1", "main:topic", cwd=repository)
    assert status == 0 and "remote: mlops: trigger push starts run" in err and "trigger tag" in err
    run_git("push", bare, ":topic", cwd=repository)
    assert fired(team) == ["churn/push", "churn/src", "churn/tag"]
    tag = [e for e in team.owner("GET", "/api/v1/events")[1]["events"] if e["subject"] == "churn/tag"][0]
    head = run_git("rev-parse", "HEAD", cwd=repository)[1].strip()
    assert tag["body"]["cause"] == f"tag:refs/tags/v1:{head}"


def test_data_goes_before_commits(repository, mlops, commit, run_git, tmp_path_factory):
    remote, bare = tmp_path_factory.mktemp("remote"), tmp_path_factory.mktemp("bare")
    run_git("init", "-q", "--bare", "-b", "main", cwd=bare)
    assert mlops("init", cwd=repository).status == 0
    done = mlops("hooks", "install", "--project", "churn", cwd=repository)
    assert done.status == 0 and f"unix:{repository}/.mlops/agent.sock" in done.out, done.err
    # without a remote there is nothing to do
    assert run_git("push", bare, "main", cwd=repository)[0] == 0
    (repository / "data.csv").write_text("a\n1\n")
    assert mlops("add", "data.csv", cwd=repository).status == 0
    commit(repository, "pipeline.ini", PIPELINE + f"[remote.team]\nurl = {remote}/store\n")
    # its directory is not there: the commits stay
    status, _, err = run_git("push", bare, "main", cwd=repository)
    assert status != 0 and "the data did not reach its remote, so the commits stay here" in err
    assert run_git("push", "--no-verify", bare, "main", cwd=repository)[0] == 0
    assert mlops("push", "--init", cwd=repository).status == 0
    (repository / "data.csv").write_text("a\n2\n")
    assert mlops("add", "data.csv", cwd=repository).status == 0
    commit(repository, "b", "1")
    status, out, err = run_git("push", bare, "main", cwd=repository)
    assert status == 0, err
    assert "everything is there" in mlops("push", cwd=repository).out
    # a branch that goes away takes no data along
    run_git("push", "-q", bare, "main:topic", cwd=repository)
    os.rename(remote / "store", remote / "gone")
    assert run_git("push", bare, ":topic", cwd=repository)[0] == 0


HOOK = "#!/bin/sh\necho \"theirs $*\" >> theirs.log\ncat >> theirs.log\nexit $(cat status 2>/dev/null || echo 0)\n"


def test_hooks_that_were_there_run_first_and_come_back(team, repository, mlops, commit, run_git, tmp_path_factory):
    bare = tmp_path_factory.mktemp("bare")
    run_git("init", "-q", "--bare", "-b", "main", cwd=bare)
    hooks = repository / ".husky"
    hooks.mkdir()
    for name in ("post-commit", "pre-push"):
        (hooks / name).write_text(HOOK)
        (hooks / name).chmod(0o755)
    (repository / ".gitignore").write_text(".mlops\n.husky\ntheirs.log\nstatus\n")
    run_git("config", "core.hooksPath", ".husky", cwd=repository)
    assert mlops("project", "add", "churn", repository).status == 0
    for _ in range(2):
        done = mlops("hooks", "install", "--project", "churn", "--to", f"unix:{team.socket}", cwd=repository)
        assert done.status == 0 and done.out.count("what was there runs first") == 2, done.err
    assert not (repository / ".git/hooks/post-commit").exists()
    assert "trigger push" in commit(repository, "a", "1")
    assert (repository / "theirs.log").read_text().startswith("theirs \n")
    assert run_git("push", "-q", bare, "main", cwd=repository)[0] == 0
    head = run_git("rev-parse", "HEAD", cwd=repository)[1].strip()
    log = (repository / "theirs.log").read_text()
    assert f"theirs {bare} {bare}\nrefs/heads/main {head} refs/heads/main " + "0" * 40 + "\n" in log
    # theirs may say no
    (repository / "status").write_text("7")
    commit(repository, "a", "2")
    assert run_git("push", "-q", bare, "main", cwd=repository)[0] != 0
    done = mlops("hooks", "remove", cwd=repository)
    assert done.status == 0 and done.out.count("what was there before is back") == 2
    assert (hooks / "pre-push").read_text() == HOOK and sorted(p.name for p in hooks.iterdir()) == ["post-commit", "pre-push"]
    assert "mlops" not in run_git("config", "--list", "--local", cwd=repository)[1]
    assert "there were none" in mlops("hooks", "remove", cwd=repository).out


def test_hooks_of_several_repositories_do_nothing_in_others(team, repository, mlops, commit, run_git, environment,
                                                            tmp_path_factory):
    shared, other = tmp_path_factory.mktemp("shared"), tmp_path_factory.mktemp("other")
    (shared / "gitconfig").write_text(f"[core]\n\thooksPath = {shared}\n")
    environment["GIT_CONFIG_GLOBAL"] = str(shared / "gitconfig")
    run_git("init", "-q", "-b", "main", cwd=other)
    assert mlops("project", "add", "churn", repository).status == 0
    done = mlops("--json", "hooks", "install", "--project", "churn", "--to", f"unix:{team.socket}", cwd=repository)
    assert json.loads(done.out)["shared"] and (shared / "post-commit").exists()
    assert commit(other, "a", "1") == ""
    assert "trigger push" in commit(repository, "a", "1")
    assert mlops("hooks", "remove", cwd=repository).status == 0
    assert (shared / "post-commit").exists() and commit(repository, "a", "2") == ""


def test_what_cannot_be_installed_says_why(repository, mlops, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    done = mlops("hooks", "install", "--project", "churn", "--to", "http://127.0.0.1:1", cwd=empty)
    assert done.status == 3 and "git init" in done.err
    done = mlops("hooks", "install", "--project", "churn", cwd=repository)
    assert done.status == 2 and "--to" in done.err
    assert mlops("hooks", "install", "--project", "-x", "--to", "http://127.0.0.1:1", cwd=repository).status == 2
    assert mlops("hooks", "install", "--project", "x", "--to", "http://u:p@host", cwd=repository).status == 2
    hook = repository / ".git/hooks/post-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n")
    (hook.parent / "post-commit.before-mlops").write_text("#!/bin/sh\n")
    done = mlops("hooks", "install", "--project", "churn", "--to", "http://127.0.0.1:1", cwd=repository)
    assert done.status == 4 and "is not ours" in done.err and hook.read_text() == "#!/bin/sh\n"
