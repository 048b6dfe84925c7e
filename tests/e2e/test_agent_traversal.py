# SPDX-License-Identifier: Apache-2.0
"""Names that want to be another place: the attacks that MLflow's servers fell for, against every route with a name."""
import http.client
import json
import os
import re
import urllib.parse

SECONDS = 10

SECRET = b"nobody may read this"
# CVE-2023-1177, -2780, -3765, -6831, -6909, -6977, -30172; 2024-1483, -1560, -1593, -2928, -3848; 2024-7340.
CORPUS = [
    "../secret", "../../secret", "..%2fsecret", "..%2f..%2f..%2fsecret", "%2e%2e/secret", "%2e%2e%2fsecret",
    "..%252f..%252fsecret", "%252e%252e/secret", "%252e%252e%252fsecret", "%25252e%25252e/secret", "..\\secret",
    "..%5csecret", "..%255c..%255csecret", "/etc/passwd", "%2fetc%2fpasswd", "//etc/passwd", "%2f%2fetc/passwd",
    "C:/windows/win.ini", "C:%5cwindows", "file:///etc/passwd", "file:%2f%2f%2fetc%2fpasswd", "http://x/?/../../../etc",
    "x?/../../secret", "x%3f/../../secret", "x#/../../secret", "x%23/../../secret", "x;/../../secret", "x;%2f..%2fsecret",
    "./secret", ".%2fsecret", "x/./secret", "x/../../secret", "x%00.txt", "%00", "x%0d%0aSet-Cookie:a=b", "x%0a",
    "%e2%80%aetxt.exe", "%ff%fe", "%c0%ae%c0%ae/secret", "%", "%2", "%zz", "-rf", "~", "~root", "$(id)", "`id`", "%20",
    "a" * 5000, "a/" * 2000 + "a", ".", "..", "...", ".git/config", ".mlops/registry.db", "%2e", "con", "a:b",
]


def routes(agent):
    """(method, path) of every route, and those of MLflow, which the description of ours does not have."""
    described = agent.get("/api/v1/openapi.json")[1]["paths"]
    for path, methods in described.items():
        for method in methods:
            if method in ("get", "put", "post", "delete", "patch", "head"):
                yield method.upper(), path if path.startswith("/api") else "/api/v1" + path
    for prefix in ("/api/2.0", "/ajax-api/3.0"):
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            yield method, prefix + "/mlflow-artifacts/artifacts/{path}"
        yield "GET", prefix + "/mlflow-artifacts/artifacts?path={path}"
        yield "POST", prefix + "/mlflow-artifacts/mpu/create/{path}"
        yield "GET", prefix + "/mlflow/artifacts/list?run_id={run}&path={path}"
        yield "GET", prefix + "/mlflow/artifacts/list?run_id={path}"
        yield "GET", prefix + "/mlflow/logged-models/{path}"
        yield "GET", prefix + "/mlflow/logged-models/{path}/artifacts/directories?artifact_directory_path={path}"
        for name in ("runs/get?run_id", "experiments/get?experiment_id", "experiments/get-by-name?experiment_name",
                     "registered-models/get?name", "model-versions/get-download-uri?version=1&name"):
            yield "GET", f"{prefix}/mlflow/{name}={{path}}"
    yield "GET", "/get-artifact?run_id={run}&path={path}"
    yield "GET", "/get-artifact?run_uuid={path}&path={path}"
    yield "GET", "/model-versions/get-artifact?name={path}&version=1&path={path}"
    yield "POST", "/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path={path}"


class Wire:
    """Requests over one connection as long as it lasts, as the agent's owner: nobody may do it, whatever he is."""

    def __init__(self, agent):
        self.agent, self.connection = agent, None

    def ask(self, method, path, body):
        for fresh in (self.connection is None, True):
            if fresh:
                self.connection = Unix(self.agent.socket)
            try:
                self.connection.putrequest(method, path, skip_accept_encoding=True)
                self.connection.putheader("Content-Length", str(len(body)))
                self.connection.putheader("Content-Type", "application/json")
                self.connection.endheaders(body)
                answer = self.connection.getresponse()
                return answer.status, answer.read()
            except (http.client.HTTPException, OSError):
                self.connection.close()
        raise AssertionError(f"no answer to {method} {path[:200]}")


class Unix(http.client.HTTPConnection):
    _contains_disallowed_url_pchar_re = re.compile(r"(?!)")

    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.place = str(path)

    def connect(self):
        import socket
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.place)

    def _validate_path(self, url):
        pass



def outside(top):
    """All that stands beside the project, and in it besides .mlops."""
    return {os.path.join(d, f): open(os.path.join(d, f), "rb").read()
            for d, dirs, names in os.walk(top) for f in names if "/.mlops" not in d + "/" and not f.startswith("agent.")}


# They follow what comes, end what runs, or take long.
NOT_ASKED = ("/events", "/fsck", "/pull", "/push", "/doctor")


def test_no_name_leads_out_of_its_place(start_agent, tmp_path, mlops):
    top = tmp_path / "deep" / "project"
    top.mkdir(parents=True)
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "deep" / "secret").write_bytes(SECRET)
    assert mlops("init", cwd=top).status == 0
    agent = start_agent(directory=top)
    experiment = agent.post("/api/2.0/mlflow/experiments/create", name="e")[1]["experiment_id"]
    run = agent.post("/api/2.0/mlflow/runs/create", experiment_id=experiment, start_time=1)[1]["run"]["info"]["run_id"]
    before, wire, asked = outside(tmp_path), Wire(agent), 0
    for method, route in routes(agent):
        if not re.search(r"\{\w+\*?\}", route) or any(part in route for part in NOT_ASKED):
            continue
        for name in CORPUS:
            path = re.sub(r"\{\w+\*?\}", lambda _, name=name: name, route.replace("{run}", run))
            path = urllib.parse.quote(path, safe="%/?&=;:#\\$`()~-.*@{}<>|'\"")
            body = b"{}" if method != "PUT" or "refs" in route else b"evil"
            status, answer = wire.ask(method, path, body)
            assert status < 500 or status == 501, (method, path[:300], status, answer[:500])
            assert SECRET not in answer and b"root:x:" not in answer, (method, path[:300])
            asked += 1
    assert asked > 1000
    after = outside(tmp_path)
    assert after == before, set(after) ^ set(before)
    status, answer = agent.get("/api/2.0/mlflow/runs/get", run_id=run)
    assert status == 200 and answer["run"]["info"]["run_id"] == run
    # What was taken as a name is a name, and nothing of it is a path that leads anywhere.
    for listed in agent.owner("GET", "/api/v1/artifacts")[1]["files"]:
        assert listed["path"] not in (".", "..") and "\\" not in listed["path"], listed


def test_names_in_bodies(agent):
    for name in CORPUS:
        text = urllib.parse.unquote(name, errors="replace")
        for route, body in (
                ("experiments/create", {"name": text or "x", "artifact_location": "mlflow-artifacts:/" + text}),
                ("registered-models/create", {"name": text}),
                ("model-versions/create", {"name": "m", "source": text}),
                ("model-versions/create", {"name": "m", "source": "mlflow-artifacts:/" + text}),
                ("runs/create", {"experiment_id": text}),
                ("logged-models", {"experiment_id": "0", "name": text})):
            status, answer = agent.call("POST", "/api/2.0/mlflow/" + route, body)
            assert status < 500 or status == 501, (route, body, answer)
            assert "root:x:" not in json.dumps(answer, default=str)
