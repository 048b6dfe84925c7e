# SPDX-License-Identifier: Apache-2.0
"""Paths out of where they belong, as they were tried on other servers, against every route that takes a name."""
import http.client
import json
import re
import urllib.parse

import pytest

SECONDS = 8

# CVE-2023-1177, -2780, -3765, -6831, -6909, -6977, -30172; 2024-1483, -1560, -1593, -2928, -3848, -7340 and their kin
PARTS = ["../../canary", "..", ".", "../..", "%2e%2e/canary", "..%2fcanary", "%2e%2e%2fcanary", "..%5ccanary", "..\\canary",
         "%252e%252e%252fcanary", "..%252fcanary", "%25%32%65", "....//canary", "..;/canary", ".;/../canary", "//canary",
         "/etc/passwd", "%2fetc%2fpasswd", "C:\\canary", "a/../../canary", "a%00b", "%00", "a%0d%0aX: y", "%c0%ae%c0%ae/canary",
         "..%c0%afcanary", "a;../../canary", "a#/../../canary", "%23/../../canary", "a?/../../canary", "%3f/../../canary",
         "~/canary", "-rf", "%ff", "%e2%80%ae", "x" * 5000, "file:%2f%2f%2fetc%2fpasswd", "%7bname%7d"]
TEXTS = ["../../canary", "..", "/etc/passwd", "file:///etc/passwd", "file:../canary", "..\\..\\canary", "%2e%2e%2fcanary",
         "a\0b", "a\r\nX: y", "mlflow-artifacts:/../../canary", "mlflow-artifacts:/%2e%2e/canary", "runs:/../canary",
         "models:/../canary", "s3://x/../..", "dbfs:/../..", "#/../../canary?..", "http:///#/../../canary", "x" * 70000,
         ";touch canary", "$(touch canary)", "-rf", "\u202ecanary"]
FILES = ("/api/2.0/mlflow-artifacts/artifacts/%s", "/api/2.0/mlflow-artifacts/artifacts?path=%s",
         "/api/2.0/mlflow/artifacts/list?run_id=RUN&path=%s", "/get-artifact?run_id=RUN&path=%s")
BODIES = (("POST", "experiments/create", {"name": "x", "artifact_location": None}), ("POST", "experiments/create", {"name": None}),
          ("POST", "runs/log-metric", {"run_id": "RUN", "key": None, "value": 1, "timestamp": 1}),
          ("POST", "runs/log-parameter", {"run_id": "RUN", "key": None, "value": "v"}), ("POST", "runs/set-tag", {"run_id": None}),
          ("POST", "registered-models/create", {"name": None}),
          ("POST", "model-versions/create", {"name": "m", "source": None}),
          ("POST", "model-versions/create", {"name": "m", "source": None, "run_id": "RUN"}),
          ("POST", "runs/search", {"experiment_ids": [None]}), ("POST", "logged-models", {"experiment_id": "0", "name": None}))


@pytest.fixture
def walls(project, agent, mlops):
    """Sends; what no answer may hold stands beside the project and in it, and must be as it was."""
    canary = "what-nobody-may-read"
    (project / "canary").write_text(canary)
    token = json.loads(mlops("--json", "token", "add", "t", "--role", "admin").out)["token"]
    connection = http.client.HTTPConnection(*agent.address, timeout=30)
    connection._validate_path = lambda url: None
    seen = []

    def send(method, target, body=None):
        connection.putrequest(method, target, skip_host=False)
        connection.putheader("Authorization", "Bearer " + token)
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        if data or method in ("POST", "PUT", "PATCH"):
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(len(data)))
        connection.endheaders(data)
        answer = connection.getresponse()
        text = answer.read()
        where = (method, target[:200], answer.status, text[:200])
        assert answer.status < 500 or answer.status == 501, where
        assert canary.encode() not in text and b"root:x:0:0" not in text, where
        assert not answer.getheader("X"), where
        seen.append(answer.status)
        return answer.status, text

    before = {p.relative_to(project) for p in project.rglob("*") if ".mlops" not in p.parts}
    yield send
    connection.close()
    assert agent.process.poll() is None
    assert (project / "canary").read_text() == canary
    assert {p.relative_to(project) for p in project.rglob("*") if ".mlops" not in p.parts} == before
    assert len(seen) > 50


def leads_out(part):
    """Whether it would, however often it were decoded; behind a '?' is no path."""
    part = part.split("?")[0]
    for _ in range(4):
        if {"..", "."} & set(re.split(r"[/\\]", part)):
            return True
        part = urllib.parse.unquote(part)
    return False


def make_run(send):
    return json.loads(send("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "0"})[1])["run"]["info"]["run_id"]


def test_paths_of_files(walls):
    run = make_run(walls)
    for pattern in FILES:
        for part in PARTS:
            for prefix in ("", f"0/{run}/artifacts/"):
                target = pattern.replace("RUN", run) % (prefix + part)
                walls("GET", target)
                if pattern.startswith("/api/2.0/mlflow-artifacts") and "?" not in pattern:
                    status, _ = walls("PUT", target, b"x")
                    assert status != 200 or not leads_out(part), part
                    walls("DELETE", target)


def test_names_in_paths(walls):
    api = json.loads(walls("GET", "/api/v1/openapi.json")[1])
    routes = [(method.upper(), path if path.startswith("/api/") else "/api/v1" + path)
              for path, methods in api["paths"].items() for method in methods
              if method in ("get", "put", "post", "patch", "delete") and "{" in path]
    assert len(routes) > 20
    for method, path in routes:
        if path.endswith(("/runs", "/logs")) and method != "GET":
            continue
        start, rest = path.split("{", 1)
        end = rest.split("}", 1)[1]
        for part in PARTS:
            walls(method, (start + part + end).replace("{", "").replace("}", ""), {} if method in ("POST", "PATCH") else None)


def test_names_in_bodies(walls):
    run = make_run(walls)
    for method, path, body in BODIES:
        for text in TEXTS:
            filled = {key: text if value is None else [text] if value == [None] else run if value == "RUN" else value
                      for key, value in body.items()}
            walls(method, "/api/2.0/mlflow/" + path, filled)
