# SPDX-License-Identifier: Apache-2.0
"""Rows and labels by HTTP: what comes is kept once, and the agent judges it."""
import base64
import json
import random
import signal
import sqlite3
import time

import pytest

from agents import agent, start_agent  # noqa: F401
from steps import result_of

SECONDS = 12
LINES = {"Content-Type": "application/x-ndjson"}
MONITOR = {"data": "http", "reference": "ref.csv", "window": "1000 rows"}
LABELLED = {"id": "id", "prediction": "said", "label": "truth", "labels": "http"}


def rows(seed, n, shift=0.0):
    rng = random.Random(seed)
    return [{"a": round(rng.gauss(shift, 1), 6), "b": round(rng.gauss(shift, 1), 6)} for _ in range(n)]


def lines(items):
    return "".join(json.dumps(x) + "\n" for x in items).encode()


def csv(items):
    return ("a,b\n" + "".join(f"{x['a']},{x['b']}\n" for x in items)).encode()


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen")


@pytest.fixture
def declare(mlops, project):
    """Writes [monitor.m] with these keys, into a project that the agent knows."""
    def write(**keys):
        (project / "ref.csv").write_bytes(csv(rows(1, 3000)))
        text = "".join(f"{k} = {v}\n" for k, v in (MONITOR | keys).items() if v is not None)
        (project / "pipeline.ini").write_text("[monitor.m]\n" + text)
    write()
    status, out, err = mlops("project", "add", "home", ".", "--no-checkout")
    assert status == 0, (out, err)
    return write


@pytest.fixture
def send(declare, start_agent):
    """Starts the agent, when it is called first."""
    agents = []

    def post(body, kind="rows", headers=None, status=200):
        agents.append(agents[0] if agents else start_agent())
        got, answer = agents[0].owner("POST", f"/api/v1/monitors/m/{kind}", body, headers or LINES)
        assert got == status, (got, answer)
        return answer
    return post


@pytest.fixture
def show(mlops, project):
    def run():
        status, out, err = mlops("--json", "monitor", "show", "m", cwd=project)
        assert status == 0, (out, err)
        return result_of(out)
    return run


def states(shown):
    return [w["state"] for w in shown["windows"]]


def stored(project):
    """The rows that count."""
    with sqlite3.connect(project / ".mlops/registry.db") as db:
        segments = db.execute("SELECT kind, number, bytes FROM inflow_segments WHERE monitor = 'm' AND kind = 'data'"
                              " ORDER BY number").fetchall()
    text = b"".join((project / f".mlops/inflow/m/{kind}-{number}.jsonl").read_bytes()[:n] for kind, number, n in segments)
    return [json.loads(line) for line in text.splitlines()]


def test_rows_are_judged_by_the_agent(send, show):
    assert send(lines(rows(2, 1500))) == {"rows": 1500, "waiting": 0}
    wait_for(lambda: states(show()) == ["OK"])
    send(csv(rows(3, 1000, shift=2)), headers={"Content-Type": "text/csv"})
    wait_for(lambda: states(show()) == ["OK", "DRIFT"])
    assert show()["state"] == "DRIFT"


def test_how_rows_came_makes_no_difference(send, show, mlops, project):
    """One window by lines, the same rows by CSV and by JSON: the same profile."""
    table = rows(4, 1000)
    send(lines(table))
    send(csv(table), headers={"Content-Type": "text/csv; charset=utf-8"})
    send(json.dumps(table).encode(), headers={"Content-Type": "application/json"})
    wait_for(lambda: len(show()["windows"]) == 3)
    with sqlite3.connect(project / ".mlops/registry.db") as db:
        found = db.execute("SELECT DISTINCT profile FROM monitor_windows").fetchall()
    assert len(found) == 1


def test_a_repeated_request_brings_nothing(send, project):
    first = send(lines(rows(5, 10)), headers=LINES | {"Idempotency-Key": "one"})
    again = send(lines(rows(5, 10)), headers=LINES | {"Idempotency-Key": "one"})
    assert (first["rows"], again) == (10, {"rows": 10, "waiting": 0, "repeated": True})
    refused = send(lines(rows(6, 10)), headers=LINES | {"Idempotency-Key": "one"}, status=409)
    assert "Idempotency-Key one" in refused["error"]["message"]
    send(lines(rows(6, 10)), headers=LINES | {"Idempotency-Key": "x" * 256}, status=400)
    assert stored(project) == rows(5, 10)


def event(data, number, kind="row", **more):
    return {"specversion": "1.0", "id": f"e{number}", "source": "/serving", "type": kind, "data": data} | more


def test_cloudevents(send, project, declare):
    one = {"Content-Type": "application/cloudevents+json"}
    assert send(json.dumps(event({"a": 1, "b": 2}, 1)).encode(), headers=one)["rows"] == 1
    # an event is the same one when it comes again
    assert send(json.dumps(event({"a": 1, "b": 2}, 1)).encode(), headers=one)["repeated"]
    coded = event(None, 2) | {"data_base64": base64.b64encode(b'{"a": 3, "b": 4}').decode()}
    del coded["data"]
    batch = [coded, event([{"a": 5, "b": 6}, {"a": 7, "b": 8}], 3)]
    send(json.dumps(batch).encode(), headers={"Content-Type": "application/cloudevents-batch+json"})
    send(b'{"a": 9, "b": 10}', headers={"Content-Type": "application/json", "ce-specversion": "1.0", "ce-id": "e4",
                                        "ce-source": "/serving", "ce-type": "row"})
    assert [x["a"] for x in stored(project)] == [1, 3, 5, 7, 9]
    for bad, message in (({"id": ""}, "without 'id'"), ({"specversion": "0.3"}, "0.3"),
                         ({"datacontenttype": "text/xml"}, "text/xml"), ({"data": 7}, "e9: a row is an object")):
        assert message in send(json.dumps(event({}, 9) | bad).encode(), headers=one,
                               status=400)["error"]["message"]


def inference(number, asked):
    head = {"Content-Type": "application/json", "ce-specversion": "1.0", "ce-id": f"i{number}", "ce-source": "logger",
            "ce-type": "org.kubeflow.serving.inference." + ("request" if asked else "response"),
            "ce-time": "2026-01-05T10:00:00Z"}
    tensor = ({"inputs": [{"name": "a", "shape": [2, 1], "datatype": "FP64", "data": [[number], [0.5]]},
                          {"name": "b", "shape": [2], "datatype": "FP64", "data": [1, 2]}]} if asked else
              {"model_name": "m", "outputs": [{"name": "said", "shape": [2], "datatype": "INT64", "data": [0, 1]}]})
    return json.dumps(tensor).encode(), head


def test_what_was_asked_meets_what_was_answered(declare, send, project):
    declare(**LABELLED, time="at", window="1d")
    assert send(*[inference(1, True)[0]], headers=inference(1, True)[1]) == {"rows": 0, "waiting": 1}
    assert stored(project) == []
    assert send(inference(1, False)[0], headers=inference(1, False)[1]) == {"rows": 2, "waiting": 0}
    # in the other order, too; and once each
    send(inference(2, False)[0], headers=inference(2, False)[1])
    send(inference(2, False)[0], headers=inference(2, False)[1])
    send(inference(2, True)[0], headers=inference(2, True)[1])
    assert send(inference(2, True)[0], headers=inference(2, True)[1])["repeated"]
    at = "2026-01-05T10:00:00Z"
    assert stored(project) == [
        {"a": n if not k else 0.5, "b": k + 1, "at": at, "id": f"i{n}/{k}", "said": k} for n in (1, 2) for k in (0, 1)]
    assert "id" in send(b'{"instances": [[1, 2]]}', headers={"Content-Type": "application/json"}, status=400)["error"]["message"]


def test_labels_find_their_predictions_by_id(declare, send, show):
    declare(**LABELLED)
    table = [x | {"id": str(i), "said": int(x["a"] > 0)} for i, x in enumerate(rows(7, 1000))]
    send(lines(table))
    wait_for(lambda: len(show()["windows"]) == 1)
    truth = [{"id": x["id"], "truth": x["said"] ^ (i % 10 == 0)} for i, x in enumerate(table)]
    send(lines(truth[:400]), "labels")
    send(b"id,truth\n" + b"".join(f"{x['id']},{x['truth']}\n".encode() for x in truth[400:]), "labels",
         {"Content-Type": "text/csv"})
    done = wait_for(lambda: [p for p in show()["performance"] if p["rows"] == 1000])
    assert done[0]["value"] == pytest.approx(0.9)
    assert "'truth'" in send(b'{"id": 1}\n', "labels", status=400)["error"]["message"]


def test_bad_rows_leave_nothing(send, project):
    json_type = {"Content-Type": "application/json"}
    for body, headers, status, message in (
            (b'{"a": 1}\n{"a": \n', LINES, 400, "row 2"), (b"7\n", LINES, 400, "row 1"), (b'{"a":1,"a":2}\n', LINES, 400, "a"),
            (b"a,b\n1\n", {"Content-Type": "text/csv"}, 400, "row 2"), (b"[[1]]", json_type, 400, "row 1"),
            (b"[{}]", json_type, 400, "row 1"), (b"", json_type, 400, "body"), (b"a=1", {"Content-Type": "text/plain"}, 400, "text/plain"),
            (b"{}", {"Content-Type": "application/json", "Content-Encoding": "gzip"}, 400, "gzip"),
            (b"\x1f\x8b123", LINES, 400, "compressed"),
            (json.dumps({"inputs": [{"name": "a", "shape": [3], "data": [1]}], "outputs": []}).encode(), json_type, 400, "shape"),
            (json.dumps({"inputs": [{"name": "a", "shape": [2000000000, 2000000000], "data": [1]}]}).encode(), json_type, 400,
             "shape"),
            (b"[" * 600 + b"]" * 600, json_type, 400, "")):
        answer = send(body, headers=headers, status=status)
        assert message in answer["error"]["message"], answer
    assert stored(project) == []


def test_who_it_is_for(declare, agent, project):
    status, answer = agent.owner("POST", "/api/v1/monitors/n/rows", b"", LINES)
    assert (status, answer["error"]["help"]) == (404, "did you mean 'm'?")
    status, answer = agent.owner("POST", "/api/v1/monitors/m/labels", b"", LINES)
    assert status == 409 and "labels = http" in answer["error"]["help"]
    assert agent.request("POST", "/api/v1/monitors/m/rows", b"", LINES)[0] == 401
    # a file with a mistake says where
    (project / "pipeline.ini").write_text("[monitor.m]\ndata = http\nreference = ref.csv\nwindow = file\n")
    status, answer = agent.owner("POST", "/api/v1/monitors/n/rows", b"", LINES)
    assert status == 404 and "pipeline.ini:2:" in answer["error"]["help"]
    body = b"x" * (17 << 20)
    assert agent.owner("POST", "/api/v1/monitors/m/rows", body, LINES)[0] == 413


def test_rows_out_of_order_wait_for_their_window(declare, send, show):
    declare(time="at", window="1d", late="6h", min_rows="100")
    day = [x | {"at": f"2026-01-05T{i % 24:02}:00:00Z"} for i, x in enumerate(rows(8, 600))]
    next_morning = [x | {"at": "2026-01-06T02:00:00Z"} for x in rows(9, 200)]
    send(lines(day[:400] + next_morning))
    send(lines(day[400:]))  # late, but the day still waits
    send(lines([rows(10, 1)[0] | {"at": "2026-01-06T06:00:00Z"}]))
    shown = wait_for(lambda: show() if show()["windows"] else None)
    assert [(w["rows"], w["state"]) for w in shown["windows"]] == [(600, "OK")] and shown["late"] == 0
    send(lines([day[0]]))
    wait_for(lambda: show()["late"] == 1)


def test_a_killed_agent_keeps_what_it_answered_for(declare, start_agent, show, project):
    agent = start_agent()
    sent = []
    for i in range(20):
        table = rows(20 + i, 100)
        status, _ = agent.owner("POST", "/api/v1/monitors/m/rows", lines(table), LINES)
        assert status == 200
        sent += table
    agent.stop(signal.SIGKILL)
    assert stored(project) == sent
    # what nobody was promised is written over
    with open(next((project / ".mlops/inflow/m").iterdir()), "ab") as f:
        f.write(b'{"a": "torn')
    agent.start()
    wait_for(lambda: len(show()["windows"]) == 2)
    assert agent.owner("POST", "/api/v1/monitors/m/rows", lines(rows(50, 1000)), LINES)[0] == 200
    wait_for(lambda: len(show()["windows"]) == 3)
    assert states(show()) == ["OK"] * 3


def test_files_are_looked_at_by_themselves(declare, start_agent, show, project):
    declare(data="logs/*.csv")
    start_agent()
    (project / "logs").mkdir()
    (project / "logs/1.csv").write_bytes(csv(rows(11, 1000)))
    wait_for(lambda: states(show()) == ["OK"])
    with open(project / "logs/1.csv", "ab") as f:
        f.write(csv(rows(12, 1000, shift=2))[4:])
    wait_for(lambda: states(show()) == ["OK", "DRIFT"])


def test_segments_that_are_read_go(declare, send, show, project):
    wide = {"text": "x" * 5000}
    for i in range(5):
        send(lines([x | wide for x in rows(60 + i, 1000)]))
    wait_for(lambda: len(show()["windows"]) == 5)
    wait_for(lambda: len(list((project / ".mlops/inflow/m").iterdir())) == 1)
