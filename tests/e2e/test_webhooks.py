# SPDX-License-Identifier: Apache-2.0
"""Webhooks of forges: proven by the project's secret, counted once, filtered by branch and path; forks wait for a person."""
import base64
import contextlib
import hashlib
import hmac
import json
import socket
import time

import pytest

SECONDS = 10

SECRET = "It's a Secret to Everybody"
FIRST, SECOND = "6113728f27ae82c7b1a177c8d03f9e96e0adf246", "ec26c3e57ca3a959ca5aad62de7213c562f8c821"
ZEROS = "0" * 40

PIPELINE = """[step.one]
cmd = true
out = out.txt

[trigger.push]
branch = main, release/*

[trigger.src]
branch = main
paths  = src/**, params.json

[trigger.pull]
on = pull_request

[trigger.tag]
on = tag
"""


def push(ref="refs/heads/main", before=FIRST, after=SECOND, changed=("README.md",), **more):
    """As GitHub and Gitea tell it."""
    commit = {"id": after, "timestamp": "2019-05-15T15:20:33Z", "added": [], "removed": [], "modified": list(changed)}
    return {"ref": ref, "before": before, "after": after, "created": False, "deleted": after == ZEROS, "forced": False,
            "commits": [] if after == ZEROS else [commit], "head_commit": None if after == ZEROS else commit,
            "repository": {"full_name": "team/churn"}, "pusher": {"name": "Codertocat"}, "sender": {"login": "Codertocat"},
            **more}


def pull(repository, action="opened", sha=SECOND):
    return {"action": action, "number": 2, "repository": {"full_name": "team/churn"}, "sender": {"login": "mallory"},
            "pull_request": {"head": {"sha": sha, "ref": "changes", "repo": {"full_name": repository}},
                             "base": {"ref": "main", "repo": {"full_name": "team/churn"}}}}


@pytest.fixture
def source(tmp_path_factory, git):
    top = tmp_path_factory.mktemp("churn")
    (top / "pipeline.ini").write_text(PIPELINE)
    git("init", "-q", "-b", "main", cwd=top)
    git("add", "-A", cwd=top)
    git("commit", "-qm", "one", cwd=top)
    return top


@pytest.fixture
def hook(project, mlops, start_agent, source, tmp_path_factory):
    """An agent that has the project, and what a forge does with it."""
    assert mlops("config", "agent.dirs", tmp_path_factory.getbasetemp()).status == 0
    assert mlops("project", "add", "churn", source).status == 0
    assert mlops("secret", "add", "HOOK_churn", input=SECRET + "\n").status == 0
    assert mlops("config", "agent.runs", "1").status == 0
    agent = start_agent()

    class Hook:
        url = "/api/v1/hooks/churn"

        def __init__(self):
            self.agent = agent

        def post(self, body, headers, url=None):
            status, _, data = agent.request("POST", url or self.url, body,
                                            {"Content-Type": "application/json", **headers})
            return status, json.loads(data)

        def github(self, event, body, secret=SECRET, delivery="72d3162e-cc78-11e3-81ab-4c9367dc0958", **headers):
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
            proof = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
            return self.post(body, {"X-GitHub-Event": event, "X-GitHub-Delivery": delivery,
                                    "X-Hub-Signature-256": "sha256=" + proof, **headers})

        def firings(self):
            got = []
            for event in agent.owner("GET", "/api/v1/events")[1]["events"]:
                if event["operation"] == "trigger.fire":
                    got.append((event["subject"], event["after"]))
            return got

    return Hook()


def triggers(answer):
    return sorted(one["trigger"] for one in answer["fired"])


def test_a_push_fires_what_branch_and_paths_mean(hook):
    status, answer = hook.github("push", push())
    assert (status, triggers(answer), answer["event"]) == (202, ["push"], "push")
    assert answer["fired"][0]["decision"] == "run"
    status, answer = hook.github("push", push(after="1" * 40, changed=["src/a/b.py"]), delivery="2")
    assert (status, triggers(answer)) == (202, ["push", "src"])
    # nobody knows what a forced push changes
    status, answer = hook.github("push", push(after="2" * 40, forced=True), delivery="3")
    assert triggers(answer) == ["push", "src"]
    assert triggers(hook.github("push", push(ref="refs/heads/release/2"), delivery="4")[1]) == ["push"]
    status, answer = hook.github("push", push(ref="refs/heads/release/2/x"), delivery="5")
    assert (status, answer["ignored"]) == (200, "no trigger of the project means it")
    assert triggers(hook.github("push", push(ref="refs/tags/v1", before=ZEROS), delivery="6")[1]) == ["tag"]


def test_what_came_once_counts_once(hook):
    first = hook.github("push", push())
    assert hook.github("push", push()) == (202, {**first[1], "repeated": True})
    # a stranger who saw it gives it another id, which no signature covers
    assert hook.github("push", push(), delivery="other")[1]["repeated"]
    # another body tells of the same commit: the cause is known
    status, answer = hook.github("push", push(compare="https://forge/compare"), delivery="3")
    assert [one["repeated"] for one in answer["fired"]] == [True]
    hook.agent.stop(9)
    hook.agent.start()
    assert hook.github("push", push())[1]["repeated"]
    assert hook.firings().count(("churn/push", "run")) == 1


def test_each_provider_is_known_by_its_proof(hook):
    def digest(body, secret=SECRET):
        return hmac.new(secret.encode(), body, hashlib.sha256)

    gitea = json.dumps(push(after="1" * 40, total_commits=1)).encode()
    hexes = digest(gitea).hexdigest()
    status, answer = hook.post(gitea, {"X-Gitea-Event": "push", "X-GitHub-Event": "push", "X-Gitea-Delivery": "g",
                                       "X-Gitea-Signature": hexes})
    assert (status, triggers(answer), answer["delivery"]) == (202, ["push"], "g")
    forgejo = json.dumps(push(after="2" * 40)).encode()
    status, answer = hook.post(forgejo, {"X-Forgejo-Event": "push", "X-Gitea-Event": "push", "X-Forgejo-Delivery": "f",
                                         "X-Forgejo-Signature": digest(forgejo).hexdigest()})
    assert (status, answer["delivery"]) == (202, "f")
    # GitLab: the token alone, and the new signature, of which id and time are a part
    gitlab = {"object_kind": "push", "before": FIRST, "after": "3" * 40, "ref": "refs/heads/main",
              "user_username": "jsmith", "project": {"path_with_namespace": "team/churn"}, "total_commits_count": 1,
              "commits": [{"id": "3" * 40, "timestamp": "2012-01-03T23:36:29+02:00", "added": ["a"]}]}
    body = json.dumps(gitlab).encode()
    head = {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": SECRET, "Idempotency-Key": "k1"}
    assert hook.post(body, {**head, "X-Gitlab-Token": SECRET[:-1]})[0] == 401
    assert hook.post(body, head)[0] == 202
    gitlab["after"] = gitlab["commits"][0]["id"] = "4" * 40
    body = json.dumps(gitlab).encode()

    def sign(when, ident="msg_1"):
        stamp = str(int(when))
        proof = base64.b64encode(digest(f"{ident}.{stamp}.".encode() + body).digest()).decode()
        return {"X-Gitlab-Event": "Push Hook", "webhook-id": ident, "webhook-timestamp": stamp,
                "webhook-signature": "v1," + proof}

    status, answer = hook.post(body, sign(time.time() - 600))
    assert status == 400 and "5 minutes" in answer["error"]["message"]
    assert hook.post(body, {**sign(time.time()), "webhook-id": "msg_2"})[0] == 401
    assert hook.post(body, sign(time.time()))[0] == 202
    # a program of one's own
    body = json.dumps({"ref": "refs/heads/main", "before": FIRST, "after": "5" * 40, "changed": ["params.json"]}).encode()
    status, answer = hook.post(body, {"X-Hub-Signature-256": "sha256=" + digest(body).hexdigest()})
    assert (status, triggers(answer)) == (202, ["push", "src"])


def test_who_proves_nothing_starts_nothing(hook):
    body = json.dumps(push()).encode()
    proof = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    head = {"X-GitHub-Event": "push", "X-Hub-Signature-256": proof}
    assert hook.post(body.replace(b"README", b"readme"), head)[0] == 401
    assert hook.github("push", push(), secret="wrong secret")[0] == 401
    assert hook.github("push", push(), secret="")[0] == 401
    assert hook.post(body, {"X-GitHub-Event": "push"})[0] == 401
    assert hook.post(body, head, url="/api/v1/hooks/other")[0] == 401
    assert hook.firings() == []


def test_two_secrets_are_good_while_one_is_changed(hook, mlops):
    assert mlops("secret", "add", "HOOK2_churn", input="the next secret").status == 0
    assert hook.github("ping", {"zen": "Keep it logically awesome."}, secret="the next secret")[0] == 200
    assert hook.github("ping", {"zen": "again"}, delivery="2")[0] == 200
    assert mlops("secret", "add", "HOOK_churn", input="the next secret").status == 0
    assert mlops("secret", "rm", "HOOK2_churn").status == 0
    assert hook.github("ping", {"zen": "Half measures."}, delivery="3")[0] == 401
    assert hook.github("ping", {"zen": "Half measures."}, secret="the next secret", delivery="3")[0] == 200


def test_bad_input_is_told(hook):
    def told(status, answer):
        return status, answer["error"]["message"] if "error" in answer else answer.get("ignored")

    assert told(*hook.github("push", push(after=ZEROS)))[1] == "it was deleted"
    assert told(*hook.github("push", push(before=ZEROS, after=SECOND), delivery="new"))[0] == 202
    assert "is no commit" in told(*hook.github("push", push(after="HEAD"), delivery="2"))[1]
    assert told(*hook.github("push", push(ref="refs/heads/../x"), delivery="3"))[0] == 400
    assert told(*hook.github("push", b"[1]", delivery="4")) == (400, "the webhook's body is no JSON object")
    assert told(*hook.github("push", b'{"ref":', delivery="5"))[0] == 400
    assert told(*hook.github("issues", {"action": "opened"}, delivery="6")) == (200, "nothing that starts a run")
    form = hook.github("push", b"payload=%7B%7D", **{"Content-Type": "application/x-www-form-urlencoded"})
    assert form[0] == 400 and "application/json" in form[1]["error"]["help"]


def test_25_mb_are_read_and_more_is_not(hook):
    body = json.dumps(push(pad="x")).encode()
    body = body[:-2] + b"x" * (25 * 2**20 - len(body)) + body[-2:]
    assert hook.github("push", body)[0] == 202
    proof = hmac.new(SECRET.encode(), body + b" ", hashlib.sha256).hexdigest()
    status, answer = hook.post(body + b" ", {"X-GitHub-Event": "push", "X-Hub-Signature-256": "sha256=" + proof})
    assert status == 413, answer


def test_bodies_of_strangers_that_never_end_leave_room_for_others(hook):
    size = 25 * 2**20
    head = (f"POST {hook.url} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"X-Hub-Signature-256: sha256=00\r\nContent-Length: {size}\r\n\r\n").encode()
    with contextlib.ExitStack() as open_sockets:
        for _ in range(5):
            wire = open_sockets.enter_context(socket.create_connection(hook.agent.address))
            wire.sendall(head + b" " * (size - 1))
        answer = hook.agent.owner("POST", "/api/v1/projects/churn/triggers/none/fire", b" " * (10 * 2**20),
                                  {"Content-Type": "application/json"})
        assert answer[0] == 400 and "too many large bodies" not in json.dumps(answer[1]), answer


def test_another_repository_is_not_this_one(hook, mlops):
    assert mlops("project", "add", "remote", "https://git.example.org/team/churn.git").status == 0
    assert mlops("secret", "add", "HOOK_remote", input=SECRET).status == 0
    hook.url = "/api/v1/hooks/remote"
    status, answer = hook.github("push", push(repository={"full_name": "team/renamed"}))
    assert status == 200 and "team/renamed" in answer["ignored"] and "renamed" in answer["ignored"]
    assert "no trigger" in hook.github("push", push(), delivery="2")[1]["ignored"]


def test_a_fork_waits_for_a_person(hook, mlops):
    status, answer = hook.github("pull_request", pull("mallory/churn"))
    held = answer["fired"][0]
    assert (triggers(answer), held["decision"]) == (["pull"], "skipped")
    assert "fork" in held["reason"] and "run_id" not in held
    done = mlops("--json", "trigger", "approve", held["firing"])
    assert done.status == 0, done.err
    run = json.loads(done.out)
    assert run["decision"] == "run" and run["run_id"]
    jobs = hook.agent.owner("GET", "/api/v1/events")[1]["events"]
    assert [e["actor"] for e in jobs if e["operation"] == "trigger.approve"]
    # once more is the same; what was not held is not approved
    assert json.loads(mlops("--json", "trigger", "approve", held["firing"]).out)["repeated"]
    done = mlops("trigger", "approve", run["firing"])
    assert done.status == 4 and "waits for nobody" in done.err
    assert mlops("trigger", "approve", "4711").status == 3
    # of the repository itself it runs at once
    status, answer = hook.github("pull_request", pull("team/churn", "synchronize", "7" * 40), delivery="2")
    assert answer["fired"][0]["decision"] in ("run", "waiting")
