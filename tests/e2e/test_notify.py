# SPDX-License-Identifier: Apache-2.0
"""Who is told what: notifications of an agent, statuses and comments on forges, and what the agent refuses to call."""
import json
import signal
import sqlite3
import time

import pytest

from agents import Agent
from listeners import Forge, Listener

SECONDS = 14
LOOPBACK = {"MLOPS_NOTIFY_ALLOW": "127.0.0.0/8"}
STEP = "[step.one]\ncmd = sh step.sh\nin = step.sh\nout = out.txt\nmetrics = m.json\n"
GOOD = "echo '{\"auc\": 0.9}' > m.json; echo x > out.txt"


def wait_for(what, timeout=30):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come")


@pytest.fixture
def chat():
    one = Listener()
    yield one
    one.close()


@pytest.fixture
def source(tmp_path_factory, git):
    """source(SCRIPT, SECTIONS) -> a repository; again with the same name: another commit of it. Its head."""
    top = tmp_path_factory.mktemp("source")
    git("init", "-q", "-b", "main", cwd=top)

    def commit(script, sections=""):
        (top / "pipeline.ini").write_text("[pipeline]\nname = churn\n" + STEP + sections)
        (top / "step.sh").write_text(script + "\n")
        git("add", "-A", cwd=top)
        git("commit", "-qm", "next", cwd=top)
        return git("rev-parse", "HEAD", cwd=top).strip()

    commit.top = top
    return commit


@pytest.fixture
def served(project, mlops, environment, tmp_path_factory):
    """served() -> an agent that may call this machine, and run what is below pytest's directory."""
    assert mlops("config", "agent.dirs", tmp_path_factory.getbasetemp()).status == 0
    agents = []

    def start(env=LOOPBACK):
        agents.append(Agent(project, {**environment, **env}))
        return agents[-1]

    yield start
    for one in agents:
        assert one.stop() in (0, -signal.SIGKILL), (project / "agent.err").read_text()


def run_project(mlops, name="churn"):
    done = mlops("--json", "run", "--project", name)
    assert done.status == 0, done.err
    return json.loads(done.out)["run_id"]


def ended(mlops, run):
    return wait_for(lambda: json.loads(mlops("--json", "show", run).out)["run"]["status"] in ("FINISHED", "FAILED", "KILLED"))


def letters(mlops):
    return json.loads(mlops("--json", "notify", "list").out)["notifications"]


def ask(project, args):
    """As a trigger of a pull request would ask for a run."""
    db = sqlite3.connect(project / ".mlops/registry.db", timeout=20)
    with db:
        db.execute("UPDATE jobs SET args = json_patch(args, ?) WHERE state IN ('queued', 'starting')", (json.dumps(args),))
    db.close()


def test_a_failure_and_its_end_are_told_once(served, source, chat, mlops, project, tmp_path):
    heard = tmp_path / "heard"
    (tmp_path / "tell.sh").write_text(f"cat >> {heard}\n")
    sections = (f"[notify.chat]\non = fail, fixed\nurl = {chat.url}/hooks/KEY?a=1\nformat = text\n"
                "[notify.all]\non = fail, drift\nurl = ${secret.HOOK}\n")
    source("echo oops >&2; exit 3", sections)
    assert mlops("secret", "add", "HOOK", input=chat.url + "/secret/s3cr3t\n").status == 0
    assert mlops("project", "add", "churn", source.top, "--allow-local").status == 0
    agent = served({**LOOPBACK, "MLOPS_NOTIFY_COMMAND": f"sh {tmp_path}/tell.sh"})
    run = run_project(mlops)
    wait_for(lambda: len(chat.requests) == 2 and heard.exists() and heard.read_text())
    text = next(r for r in chat.requests if r[1] == "/hooks/KEY?a=1")
    assert text[0] == "POST" and set(text[3]) == {"text"}
    lines = text[3]["text"].split("\n")
    assert lines[0] == f"churn: run {run[:8]} failed" and "one" in lines[1] and lines[2] == f"mlops logs {run[:8]}"
    whole = next(r for r in chat.requests if r[1] == "/secret/s3cr3t")[3]
    assert whole["on"] == "fail" and whole["project"] == "churn" and whole["notification"] == "all"
    assert whole["run_id"] == run and whole["next"] == lines[2]
    assert json.loads(heard.read_text())["title"] == lines[0]
    keys = {r[2]["Idempotency-Key"] for r in chat.requests}
    assert len(keys) == 1 and keys.pop().startswith("event:")
    assert "s3cr3t" not in mlops("notify", "list").out + (project / "agent.err").read_text()
    # fixed
    source(GOOD, sections)
    ended(mlops, run_project(mlops))
    wait_for(lambda: len(chat.requests) == 3)
    assert chat.requests[2][3]["text"].startswith("churn: run ") and "succeeded again" in chat.requests[2][3]["text"]
    # one that succeeds after one that did is no news; a restart tells nothing twice
    source(GOOD + "; echo y", sections)
    ended(mlops, run_project(mlops))
    assert agent.stop(signal.SIGKILL) == -signal.SIGKILL
    served()
    source("exit 4", sections)
    run_project(mlops)
    wait_for(lambda: len(chat.requests) == 5)
    assert "failed" in chat.requests[3][3].get("text", "") + chat.requests[4][3].get("text", "")
    wait_for(lambda: all(one["state"] == "sent" for one in letters(mlops)))


def test_who_does_not_answer_is_told_later(served, source, chat, mlops, project):
    chat.answers = [(503, {"Retry-After": "0"}), (302, {"Location": chat.url + "/other"})]
    source("exit 1", f"[notify.a]\non = fail\nurl = {chat.url}/a\n")
    assert mlops("project", "add", "churn", source.top, "--allow-local").status == 0
    agent = served()
    run_project(mlops)
    waiting = wait_for(lambda: [x for x in letters(mlops) if x["tries"] == 1])[0]
    assert waiting["state"] == "waiting" and "503" in waiting["error"] and waiting["due"] > waiting["created"] + 8000
    assert agent.stop() == 0
    # what waits is durable; it is due now
    db = sqlite3.connect(project / ".mlops/registry.db")
    with db:
        db.execute("UPDATE outbox SET due = 0")
    db.close()
    served()
    failed = wait_for(lambda: [x for x in letters(mlops) if x["state"] == "failed"])[0]
    assert "302" in failed["error"] and "redirects" in failed["error"]
    assert [r[1] for r in chat.requests] == ["/a", "/a"], "nobody went where the redirect led"
    assert mlops("notify", "retry", "99").status == 3
    assert mlops("notify", "retry", failed["id"]).status == 0
    wait_for(lambda: letters(mlops)[0]["state"] == "sent")
    assert "sent" in mlops("notify", "list").out


def test_a_project_cannot_send_the_agent_to_its_own_machine(served, source, chat, mlops, project):
    port = chat.url.rsplit(":", 1)[1]
    names = ["127.0.0.1", "localhost", "[::1]", "127.1", "0x7f000001"]
    source("exit 1", "".join(f"[notify.n{i}]\non = fail\nurl = http://{name}:{port}/x\n" for i, name in enumerate(names)) +
           "[notify.missing]\non = fail\nurl = ${secret.NONE}\n")
    assert mlops("project", "add", "churn", source.top, "--allow-local").status == 0
    served({})
    run_project(mlops)
    done = wait_for(lambda: (x := letters(mlops)) and len(x) == 6 and all(one["tries"] for one in x) and x)
    for one in done:
        if one["target"] == "churn/missing":
            assert one["state"] == "waiting" and "NONE" in one["error"]
        else:
            assert one["state"] == "failed" and "no public address" in one["error"] and "notify.allow" in one["error"], one
    assert not chat.requests


@pytest.mark.parametrize("kind", ["github", "gitea", "gitlab"])
def test_a_pull_request_has_one_comment(kind, served, source, mlops, project, git):
    forge = Forge(kind)
    head = source(GOOD)
    assert mlops("secret", "add", "FORGE", input="TOKEN\n").status == 0
    assert mlops("project", "add", "churn", source.top, "--allow-local", "--forge", kind, "--forge-url", forge.url,
                 "--forge-repo", "team/churn", "--forge-secret", "FORGE").status == 0
    agent = served()
    ended(mlops, run_project(mlops))
    wait_for(lambda: forge.statuses)
    assert forge.statuses == [(head, "success", "mlops", "finished")]
    # strangers write, too; who copies the mark comes later
    forge.comments.update({n: "me too" for n in range(1, 151)})
    for auc, change in (("0.95", "+0.05"), ("0.8", "-0.1")):
        head = source(GOOD.replace("0.9", auc))
        git("update-ref", "refs/pull/7/head", head, cwd=source.top)
        assert agent.stop() == 0
        run = run_project(mlops)
        ask(project, {"number": 7, "ref": "refs/pull/7/head"})
        agent = served()
        ended(mlops, run)
        text = wait_for(lambda: forge.comments.get(151, "") if auc in forge.comments.get(151, "") else "")
        assert text.startswith("<!-- mlops ") and "### mlops: `churn` finished" in text and head[:12] in text
        assert f"| `one` | `auc` | 0.9 | {auc} | {change} |" in text
        assert len(forge.comments) == (151 if auc == "0.95" else 152)
        forge.comments[152] = text
    head = source("exit 5")
    ended(mlops, run_project(mlops))
    wait_for(lambda: forge.statuses[-1][0] == head)
    assert forge.statuses[-1][1] == {"gitlab": "failed"}.get(kind, "failure")
    forge.close()


def test_forges_that_are_none(mlops, project):
    add = ["project", "add", "x", "https://git.example.org/x.git"]
    for options, status, words in (
            (["--forge", "svn"], 2, "gitea"), (["--forge-repo", "a/b"], 2, "which forge"),
            (["--forge", "gitea", "--forge-repo", "a/b", "--forge-secret", "T"], 2, "--forge-url"),
            (["--forge", "github", "--forge-repo", "a", "--forge-secret", "T"], 2, "repository"),
            (["--forge", "github", "--forge-repo", "a/b"], 2, "secret add"),
            (["--forge", "github", "--forge-repo", "a/b", "--forge-secret", "1-"], 2, "1-")):
        done = mlops(*add, *options)
        assert done.status == status and words in done.err, (options, done)
    good = [*add, "--forge", "github", "--forge-repo", "a/b", "--forge-secret", "T"]
    assert mlops(*good).out.startswith("added") and mlops(*good).out.startswith("unchanged")
    assert mlops(*add).status == 4
    row = json.loads(mlops("--json", "project", "list").out)["projects"][0]
    assert row["forge"] == {"kind": "github", "repo": "a/b", "secret": "T"}
