# SPDX-License-Identifier: Apache-2.0
"""/api/v1: the table of operations over HTTP."""
import base64
import json
import threading
import time

import pytest

from agents import UnixConnection

SECONDS = 20

PIPELINE = """[pipeline]
name = t

[step.a]
cmd = sh -c 'echo hello; echo 1 > a.txt'
out = a.txt
"""


@pytest.fixture
def ran(project, mlops, start_agent):
    (project / "pipeline.ini").write_text(PIPELINE)
    assert mlops("run").status == 0
    return start_agent()


def lines(data):
    return [json.loads(line) for line in data.splitlines() if line]


def test_results_and_errors_have_one_form(ran):
    status, body = ran.owner("GET", "/api/v1/runs", limit=1)
    assert status == 200 and body["runs"][0]["status"] == "FINISHED"
    status, body = ran.owner("GET", "/api/v1/show", name="feed")
    assert status == 404 and body["error"]["code"] == "NOT_FOUND" and body["error"]["message"]
    for query, says in (({"limitt": 1}, "limitt"), ({"limit": "many"}, "limit"), ({"limit": -1}, "negative"),
                        ({"all": "maybe"}, "all")):
        status, body = ran.owner("GET", "/api/v1/runs", **query)
        assert (status, body["error"]["code"]) == (400, "INVALID_ARGUMENT") and says in body["error"]["message"]
    status, body = ran.owner("DELETE", "/api/v1/cache", {"names": ["a"], "typo": 1})
    assert status == 400 and "typo" in body["error"]["message"]
    assert ran.owner("POST", "/api/v1/config", {"value": "3"})[0] == 400
    assert ran.owner("DELETE", "/api/v1/cache", {"names": None, "all": True})[0] == 400
    for bad in (b"[]", b"{", b'{"all": true, "all": false}'):
        assert ran.owner("DELETE", "/api/v1/cache", bad, {"Content-Type": "application/json"})[0] == 400
    assert ran.owner("DELETE", "/api/v1/cache", {"names": ["a"]})[1]["forgotten"][0]["step"] == "a"
    assert ran.owner("GET", "/api/v1/cache")[1]["results"] == []


def test_what_works_in_a_work_tree_says_so(ran):
    for method, path in (("GET", "/api/v1/status"), ("GET", "/api/v1/why"), ("POST", "/api/v1/push")):
        status, body = ran.owner(method, path)
        assert (status, body["error"]["code"]) == (409, "CONFLICT")
        assert "work tree" in body["error"]["message"] and "mlops " in body["error"]["help"]
    status, body = ran.owner("GET", "/api/v1/diff", names="last")
    assert status == 400 and "name two" in body["error"]["help"]
    assert ran.owner("GET", "/api/v1/diff", names=["last", "last"])[0] == 200


def test_tokens_are_asked_for(ran):
    assert ran.get("/api/v1/runs")[0] == 401
    assert ran.get("/api/v1/secrets")[0] == 401
    assert ran.get("/api/v1/openapi.json")[0] == 200
    status, body = ran.owner("GET", "/api/v1/whoami")
    assert status == 200 and body["role"] == "admin" and body["enforced"]


def test_a_secret_is_the_raw_body(ran, project, mlops):
    status, body = ran.owner("PUT", "/api/v1/secrets/KEY", b'{"not": "json"', {"Content-Type": "application/octet-stream"})
    assert (status, body) == (200, {"name": "KEY", "replaced": False, "masked": True})
    assert (project / ".mlops/secrets/KEY").read_bytes() == b'{"not": "json"'
    assert ran.owner("GET", "/api/v1/secrets")[1]["secrets"][0]["name"] == "KEY"
    assert json.loads(mlops("--json", "events", "-n", "1").out)["events"][0]["actor"] == ran.owner("GET", "/api/v1/whoami")[1]["actor"]
    assert ran.owner("DELETE", "/api/v1/secrets/KEY")[0] == 200
    assert ran.owner("DELETE", "/api/v1/secrets/KEY")[0] == 404
    assert ran.owner("PUT", "/api/v1/secrets/..%2fKEY", b"x")[0] == 400


def test_bytes_are_bytes_or_lines(ran):
    status, headers, data = ran.request("GET", "/api/v1/cat?name=a.txt", None, {}, UnixConnection(ran.socket))
    assert (status, headers["Content-Type"], data) == (200, "application/octet-stream", b"1\n")
    accept = {"Accept": "application/x-ndjson"}
    status, data = ran.owner("GET", "/api/v1/cat", None, accept, name="a.txt")
    assert lines(data) == [{"bytes": base64.b64encode(b"1\n").decode()}, {}]
    status, data = ran.owner("GET", "/api/v1/logs", None, accept)
    *events, last = lines(data)
    assert [(e["event"], e["step"], e["text"]) for e in events] == [("output", "a", "hello")] and last == {}
    assert ran.owner("GET", "/api/v1/logs")[1] == b"hello\n"
    status, body = ran.owner("GET", "/api/v1/cat", None, accept, name="nothing")
    assert (status, body["error"]["code"]) == (404, "NOT_FOUND")


def test_damage_is_an_error_beside_its_result(ran, project):
    objects = [p for p in (project / ".mlops/objects").rglob("*") if p.is_file()]
    objects[0].chmod(0o644)
    objects[0].write_bytes(b"other")
    status, body = ran.owner("POST", "/api/v1/store/fsck", {})
    assert status == 500 and body["error"]["code"] == "DAMAGED" and len(body) > 1


def follow(agent, path, until, got):
    """Reads lines of a stream until one says so."""
    connection = UnixConnection(agent.socket)
    connection.request("GET", path, headers={"Accept": "application/x-ndjson"})
    answer = connection.getresponse()
    while True:
        line = answer.readline()
        if not line:
            break
        got.append(json.loads(line))
        if until(got[-1]):
            break
    connection.close()


def test_a_log_is_followed_as_it_grows(project, mlops, start_agent):
    (project / "pipeline.ini").write_text(PIPELINE.replace("echo hello;", "for i in 1 2 3 4 5 6; do echo $i; sleep 0.3; done;"))
    agent = start_agent()
    runner = threading.Thread(target=mlops, args=("run",))
    runner.start()
    while not agent.owner("GET", "/api/v1/runs", active="true")[1]["active"]:
        time.sleep(0.05)
    got, began = [], time.monotonic()
    follow(agent, "/api/v1/logs?follow=true", lambda line: "event" not in line, got)
    runner.join()
    assert [line["text"] for line in got[:-1]] == list("123456") and got[-1] == {}
    assert time.monotonic() - began > 0.5


def test_who_leaves_stops_his_stream(ran):
    before = threads(ran)
    clients = []
    for _ in range(8):
        connection = UnixConnection(ran.socket)
        connection.request("GET", "/api/v1/events?follow=true", headers={"Accept": "application/x-ndjson"})
        clients.append((connection, connection.getresponse()))
    assert threads(ran) == before + 8
    for connection, answer in clients:
        answer.close()
        connection.close()
    for _ in range(100):
        if threads(ran) == before:
            return
        time.sleep(0.1)
    raise AssertionError("streams of clients that have gone still run")


def threads(agent):
    with open(f"/proc/{agent.process.pid}/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith("Threads:")).split()[1])


def test_streams_are_bounded(ran):
    clients, statuses = [], []
    for _ in range(70):
        connection = UnixConnection(ran.socket)
        connection.request("GET", "/api/v1/events?follow=true&limit=1", headers={"Accept": "application/x-ndjson"})
        clients.append(connection)
    for connection in clients:
        statuses.append(connection.getresponse().status)
    assert sorted(set(statuses)) == [200, 429] and statuses.count(200) == 64
    assert ran.owner("GET", "/api/v1/runs")[0] == 200
    for connection in clients:
        connection.close()


def test_the_agent_stops_while_streams_are_open(ran):
    got = []
    reader = threading.Thread(target=follow, args=(ran, "/api/v1/events?follow=true", lambda line: False, got))
    reader.start()
    while not got:
        time.sleep(0.05)
    began = time.monotonic()
    assert ran.stop() == 0
    reader.join()
    assert time.monotonic() - began < 5
    assert got[-1].get("error", {}).get("code") == "UNAVAILABLE" or got[-1]["event"] == "change"


def test_openapi_says_what_is_served(ran):
    status, body = ran.get("/api/v1/openapi.json")
    assert status == 200 and body["openapi"].startswith("3.1.")
    assert "/api/v1/status" not in body["paths"] and "get" in body["paths"]["/api/v1/runs"]
    names = [o["operationId"] for path in body["paths"].values() for o in path.values()]
    assert len(names) == len(set(names)) > 10
    for path, methods in body["paths"].items():
        for method, operation in methods.items():
            assert set(operation["responses"]) >= {"200", "400", "401", "403", "404"}
            named = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
            assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}, path
