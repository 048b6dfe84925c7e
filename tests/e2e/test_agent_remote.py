# SPDX-License-Identifier: Apache-2.0
"""push and pull by way of an agent: objects, runs and results, and what may go wrong on the way."""
import hashlib
import http.server
import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest
from agents import UnixConnection

SECONDS = 20
PIPELINE = """[pipeline]
name = demo

[step.make]
cmd = cp in.txt out.txt
in  = in.txt
out = out.txt

[remote.team]
url = {url}
"""


@pytest.fixture
def clone(tmp_path, mlops):
    """clone("a", url) -> a directory with a project, whose remote is the agent."""

    def make(name, url):
        top = tmp_path / name
        top.mkdir()
        (top / "pipeline.ini").write_text(PIPELINE.format(url=url))
        (top / "in.txt").write_text("hello\n")
        assert mlops("init", cwd=top).status == 0
        return top

    return make


@pytest.fixture
def team(tmp_path, mlops, start_agent):
    """An agent on a project of its own."""
    top = tmp_path / "team"
    top.mkdir()
    assert mlops("init", cwd=top).status == 0
    return start_agent(directory=top)


def socket_url(agent):
    return f"unix:{agent.directory}/.mlops/agent.sock"


def objects(top):
    return {p.parent.name + p.name: p for p in (top / ".mlops/objects").glob("??/*")}


def test_what_one_pushes_the_other_pulls(team, clone, mlops):
    a, b = clone("a", socket_url(team)), clone("b", socket_url(team))
    big = os.urandom(3_000_000)
    (a / "data").mkdir()
    (a / "data/big.bin").write_bytes(big)
    (a / "data/small").write_text("x")
    assert mlops("add", "data", cwd=a).status == 0
    assert mlops("run", cwd=a).status == 0
    done = mlops("push", cwd=a)
    assert done.status == 0, done.err
    assert hashlib.sha256(big).hexdigest() in objects(team.directory)
    run = json.loads(mlops("--json", "runs", cwd=a).out)["runs"][0]["run_id"]
    assert mlops("show", run, cwd=team.directory).status == 0
    # again: nothing to do
    again = json.loads(mlops("--json", "push", cwd=a).out)
    assert (again["objects"], again["runs"], again["results"]) == (0, 0, 0)
    (b / "mlops.lock").write_bytes((a / "mlops.lock").read_bytes())
    done = mlops("pull", cwd=b)
    assert done.status == 0, done.err
    assert (b / "data/big.bin").read_bytes() == big
    assert mlops("show", run, cwd=b).status == 0
    ran = json.loads(mlops("--json", "run", cwd=b).out.splitlines()[-1])
    assert "cached" in json.dumps(ran) or "fresh" in json.dumps(ran)
    assert mlops("fsck", cwd=team.directory).status == 0


def test_a_wrong_token_is_told(team, clone, mlops):
    a = clone("a", team.url)
    mlops("run", cwd=a)
    done = mlops("push", cwd=a)
    assert done.status == 6 and "mlops login" in done.err
    done = mlops("push", cwd=a, env={"MLOPS_AGENT": team.url, "MLOPS_TOKEN": "mlops_wrong"})
    assert done.status != 0 and "wrong" not in done.err


def test_objects_are_what_they_are_named(team, tmp_path):
    data = b"these bytes"
    digest = hashlib.sha256(data).hexdigest()
    path = f"/api/v1/objects/{digest}"
    status, answer = team.owner("PUT", path, b"other bytes")
    assert status == 422, answer
    assert not objects(team.directory)
    assert team.request("HEAD", path, connection=UnixConnection(team.socket))[0] == 404
    assert team.owner("GET", path)[0] == 404
    for _ in range(2):
        assert team.owner("PUT", path, data)[0] == 200
    assert team.owner("GET", path) == (200, data)
    missing = "0" * 64
    assert team.owner("POST", "/api/v1/objects/missing", {"digests": [digest, missing]}) == \
        (200, {"missing": [missing]})
    assert team.owner("POST", "/api/v1/objects/missing", {"digests": ["../x"]})[0] == 400
    assert team.owner("GET", "/api/v1/objects/..%2f..%2fregistry.db")[0] == 400
    assert team.owner("PUT", f"/api/v1/objects/{missing[:-1]}g", data)[0] == 400


def test_a_ref_needs_what_it_names(team, clone, mlops):
    a = clone("a", socket_url(team))
    mlops("run", cwd=a)
    record = json.loads(mlops("--json", "runs", cwd=a).out)["runs"][0]["run_id"]
    status, answer = team.owner("PUT", f"/api/v1/refs/runs/{record}", {"text": "0" * 64 + "\n"})
    assert status == 409 and "must come first" in answer["error"]["message"]
    status, answer = team.owner("PUT", f"/api/v1/refs/cache/{'1' * 64}", {"text": "{}"})
    assert status == 400
    junk = b"{}"
    digest = hashlib.sha256(junk).hexdigest()
    team.owner("PUT", f"/api/v1/objects/{digest}", junk)
    status, answer = team.owner("PUT", f"/api/v1/refs/runs/{record}", {"text": digest + "\n"})
    assert status == 400
    assert team.owner("GET", "/api/v1/refs/runs")[1] == {"names": []}
    assert team.owner("GET", "/api/v1/refs/nothing")[0] == 404
    assert team.owner("GET", f"/api/v1/refs/runs/{record}")[0] == 404


def test_damage_on_the_agent_is_found_and_mended(team, clone, mlops):
    a, b = clone("a", socket_url(team)), clone("b", socket_url(team))
    (a / "data").write_bytes(os.urandom(200_000))
    mlops("add", "data", cwd=a)
    assert mlops("push", cwd=a).status == 0
    victim = objects(team.directory)[hashlib.sha256((a / "data").read_bytes()).hexdigest()]
    victim.chmod(0o644)
    with open(victim, "r+b") as file:
        file.seek(1000)
        file.write(b"damage")
    (b / "mlops.lock").write_bytes((a / "mlops.lock").read_bytes())
    done = mlops("pull", cwd=b)
    assert done.status == 9 and not (b / "data").exists(), done
    done = mlops("push", "--verify", cwd=a)
    assert done.status == 0, done.err
    assert mlops("pull", cwd=b).status == 0
    assert (b / "data").read_bytes() == (a / "data").read_bytes()


def test_an_agent_that_is_killed_in_mid_push_and_comes_back(team, clone, mlops, program, environment):
    a = clone("a", team.url)
    (a / "data").mkdir()
    for i in range(300):
        (a / f"data/{i}").write_bytes(os.urandom(60_000))
    mlops("add", "data", cwd=a)
    added = mlops("token", "add", "ci", cwd=team.directory)
    assert added.status == 0, added.err
    env = {**environment, "MLOPS_AGENT": team.url, "MLOPS_TOKEN": re.search(r"mlops_\w+", added.out + added.err).group()}
    push = subprocess.Popen([program, "push"], cwd=a, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    for _ in range(2):
        until = time.monotonic() + 20
        before = len(objects(team.directory))
        while len(objects(team.directory)) <= before + 5 and time.monotonic() < until and push.poll() is None:
            time.sleep(0.005)
        team.stop(signal.SIGKILL)
        team.start()
    out = push.communicate(timeout=60)[0]
    assert push.returncode == 0, out
    assert len(objects(team.directory)) >= 301
    assert mlops("fsck", cwd=team.directory).status == 0


class Liar(http.server.BaseHTTPRequestHandler):
    """An agent that answers as `lie` says: whole, short, other, long, cut, slowly resumed."""
    protocol_version = "HTTP/1.1"
    data, lie, asked = b"", "", []

    def log_message(self, *_):
        pass

    def answer(self, status, body, headers=(), length=None):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        if length is not None and length > len(body):
            self.close_connection = True

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(200, json.dumps({"missing": []} if "digests" in asked else {}).encode())

    def do_GET(self):
        if "/objects/" not in self.path:
            return self.answer(200, b'{"names": []}')
        cls, data = type(self), self.data
        at = int((self.headers["Range"] or "bytes=0-")[6:-1])
        cls.asked.append(at)
        if cls.lie == "other":
            data = b"x" * len(data)
        if cls.lie == "long":
            data += b"x"
        if cls.lie == "deaf":  # does not know ranges
            return self.answer(200, data if len(cls.asked) > 1 else data[:len(data) // 2], length=len(data))
        status, headers = (206, [("Content-Range", f"bytes {at}-{len(data) - 1}/{len(data)}")]) if at else (200, [])
        if cls.lie == "cut" and len(cls.asked) < 3:
            return self.answer(status, data[at:at + len(data) // 3], headers, len(data) - at)
        if cls.lie == "busy" and len(cls.asked) < 3:
            return self.answer(503, b"later")
        if cls.lie == "short":
            return self.answer(status, data[at:-1], headers)
        return self.answer(status, data[at:], headers)


@pytest.fixture
def liar():
    class Own(Liar):
        data, lie, asked = os.urandom(1 << 20), "", []

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Own)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Own.url = f"http://127.0.0.1:{server.server_port}"
    yield Own
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("lie, works, asked", [
    ("", True, 1), ("cut", True, 3), ("busy", True, 3), ("deaf", True, 3),
    ("other", False, 1), ("long", False, 1), ("short", False, 1),
])
def test_nothing_of_a_remote_is_believed(liar, clone, mlops, lie, works, asked):
    liar.lie = lie
    a, b = clone("a", liar.url), clone("b", liar.url)
    (a / "data").write_bytes(liar.data)
    assert mlops("add", "data", cwd=a).status == 0
    (b / "mlops.lock").write_bytes((a / "mlops.lock").read_bytes())
    done = mlops("pull", "data", cwd=b)
    assert (done.status == 0) == works, done
    assert (b / "data").exists() == works
    digest = hashlib.sha256(liar.data).hexdigest()
    assert (digest in objects(b)) == works
    assert len(liar.asked) >= asked
    if lie == "cut":
        assert liar.asked == [0, len(liar.data) // 3, 2 * (len(liar.data) // 3)]
    assert not list((b / ".mlops/staging").iterdir())


def test_nobody_there(clone, mlops):
    a = clone("a", "http://127.0.0.1:9")
    mlops("run", cwd=a)
    begun = time.monotonic()
    done = mlops("push", cwd=a)
    assert done.status == 5 and "127.0.0.1:9" in done.err and "help: check" in done.err
    assert time.monotonic() - begun < 5


def test_files_of_a_run_travel_with_it(team, clone, mlops):
    post, put = team.post, team.request
    experiment = post("/api/2.0/mlflow/experiments/create", name="e")[1]["experiment_id"]
    run = post("/api/2.0/mlflow/runs/create", experiment_id=experiment, start_time=1)[1]["run"]["info"]
    proxy = "/api/2.0/mlflow-artifacts/artifacts"
    root = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    for name in ("a.txt", "d/b.txt", "d/.git/hook"):
        assert put("PUT", f"{proxy}/{root}/{name}", name.encode())[0] == 200
    post("/api/2.0/mlflow/runs/update", run_id=run["run_id"], status="FINISHED", end_time=2)

    def outputs(top):
        shown = json.loads(mlops("--json", "show", run["run_id"], cwd=top).out)
        return [o for o in shown.get("run", shown)["outputs"] if o["path"] == "/artifacts"]

    until = time.monotonic() + 10
    while not outputs(team.directory) and time.monotonic() < until:
        time.sleep(0.1)
    assert outputs(team.directory)[0]["files"] == 2  # never what would be a hook
    b = clone("b", socket_url(team))
    done = mlops("pull", run["run_id"], cwd=b)
    assert done.status == 0, done.err
    assert outputs(b) == outputs(team.directory)
