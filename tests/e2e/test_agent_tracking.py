# SPDX-License-Identifier: Apache-2.0
"""Experiments, runs and what they log, by plain HTTP: MLflow's semantics."""
import http.client
import json
import os
import socket
import sqlite3
import subprocess
import threading
import time

import pytest

SECONDS = 10
API = "/api/2.0/mlflow"


class Client:
    def __init__(self, agent):
        self.agent = agent

    def post(self, path, **body):
        return self.agent.post(API + path, **body)

    def get(self, path, **query):
        return self.agent.get(API + path, **query)

    def done(self, path, **body):
        status, answer = self.post(path, **body)
        assert status == 200, answer
        return answer

    def experiment(self, name, **more):
        return self.done("/experiments/create", name=name, **more)["experiment_id"]

    def run(self, experiment="0", **more):
        return self.done("/runs/create", experiment_id=experiment, start_time=1, **more)["run"]["info"]["run_id"]

    def data(self, run):
        """{metrics, params, tags} as dictionaries."""
        data = self.get("/runs/get", run_id=run)[1]["run"]["data"]
        return {kind: {item["key"]: item["value"] for item in data.get(kind, [])}
                for kind in ("metrics", "params", "tags")}

    def info(self, run):
        return self.get("/runs/get", run_id=run)[1]["run"]["info"]


@pytest.fixture
def client(agent):
    return Client(agent)


RUN, GONE = object(), object()  # the ids of a run and of a deleted one
REFUSED = [
    # route, body, status, error code, part of the message
    ("/experiments/create", {}, 400, "INVALID_PARAMETER_VALUE", "Missing value for required parameter 'name'"),
    ("/experiments/create", {"name": 31}, 400, "INVALID_PARAMETER_VALUE",
     "Invalid value 31 for parameter 'name' supplied:  Hint: Value was of type 'int'"),
    ("/experiments/create", {"name": "Default"}, 400, "RESOURCE_ALREADY_EXISTS", "Experiment(name=Default) already"),
    ("/experiments/create", {"name": "n" * 501}, 400, "INVALID_PARAMETER_VALUE", "maximum length of 500"),
    ("/experiments/create", {"name": "x", "artifact_location": "runs:/1"}, 400, "INVALID_PARAMETER_VALUE", "runs:/"),
    ("/experiments/update", {"experiment_id": "99", "new_name": "x"}, 404, "RESOURCE_DOES_NOT_EXIST",
     "No Experiment with id=99 exists"),
    ("/experiments/delete", {"experiment_id": "abc"}, 400, "INVALID_PARAMETER_VALUE", "Invalid experiment ID 'abc'"),
    ("/experiments/set-experiment-tag", {"experiment_id": "0", "key": "a", "value": "v" * 20001}, 400,
     "INVALID_PARAMETER_VALUE", "maximum length"),
    ("/experiments/delete-experiment-tag", {"experiment_id": "0", "key": "a"}, 404, "RESOURCE_DOES_NOT_EXIST",
     "No tag with name: a"),
    ("/runs/create", {"experiment_id": "99"}, 404, "RESOURCE_DOES_NOT_EXIST", "No Experiment with id=99 exists"),
    ("/runs/create", {"experiment_id": 0}, 400, "INVALID_PARAMETER_VALUE", "Invalid value 0 for parameter"),
    ("/runs/create", {}, 400, "INVALID_PARAMETER_VALUE", "Missing value for required parameter 'experiment_id'"),
    ("/runs/create", {"start_time": "abc"}, 400, "INVALID_PARAMETER_VALUE", "'start_time'"),
    ("/runs/create", {"experiment_id": "0", "run_name": "a", "tags": [{"key": "mlflow.runName", "value": "b"}]}, 400,
     "INVALID_PARAMETER_VALUE", "Both 'run_name' argument and 'mlflow.runName' tag"),
    ("/runs/log-metric", {"key": "m", "value": 1, "timestamp": 1}, 400, "INVALID_PARAMETER_VALUE",
     "Missing value for required parameter 'run_id'"),
    ("/runs/log-metric", {"run_id": 31, "key": "m", "value": 1, "timestamp": 1}, 400, "INVALID_PARAMETER_VALUE",
     "Invalid value 31 for parameter 'run_id' supplied"),
    ("/runs/log-metric", {"run_id": "nope", "key": "m", "value": 1, "timestamp": 1}, 404, "RESOURCE_DOES_NOT_EXIST",
     "Run with id=nope not found"),
    ("/runs/log-metric", {"run_id": RUN, "key": "m", "value": 1}, 400, "INVALID_PARAMETER_VALUE", "'timestamp'"),
    ("/runs/log-metric", {"run_id": RUN, "key": "m", "value": 1, "timestamp": -1}, 400, "INVALID_PARAMETER_VALUE",
     "Timestamp must be a nonnegative long"),
    ("/runs/log-metric", {"run_id": RUN, "key": "a//b", "value": 1, "timestamp": 1}, 400, "INVALID_PARAMETER_VALUE",
     "would resolve to 'a/b'"),
    ("/runs/log-metric", {"run_id": RUN, "key": "k" * 251, "value": 1, "timestamp": 1}, 400,
     "INVALID_PARAMETER_VALUE", "maximum length of 250"),
    ("/runs/log-parameter", {"run_id": GONE, "key": "p", "value": "1"}, 400, "INVALID_PARAMETER_VALUE",
     "must be in the 'active' state. Current state is deleted."),
    ("/runs/log-batch", {"run_id": "a b"}, 400, "INVALID_PARAMETER_VALUE", "Invalid value \"a b\""),
    ("/runs/log-batch", {"run_id": RUN, "metrics": 5}, 400, "INVALID_PARAMETER_VALUE", "Invalid value 5"),
    ("/runs/log-batch", {"run_id": RUN, "params": [{"key": "p"}, {"key": "p"}]}, 400, "INVALID_PARAMETER_VALUE",
     "Duplicate parameter keys"),
    ("/runs/log-batch", {"run_id": RUN, "tags": [{"key": "t", "value": "1"}] * 101}, 400, "INVALID_PARAMETER_VALUE",
     "at most 100 tags. Got 101 tags"),
    ("/runs/update", {"run_id": RUN, "status": "DONE"}, 400, "INVALID_PARAMETER_VALUE", "'status'"),
    ("/runs/delete-tag", {"run_id": RUN, "key": "none"}, 404, "RESOURCE_DOES_NOT_EXIST", "No tag with name: none"),
    ("/runs/restore", {"run_id": "nope"}, 404, "RESOURCE_DOES_NOT_EXIST", "Run with id=nope not found"),
]


def test_what_is_refused_and_how(client):
    run, gone = client.run(), client.run()
    client.done("/runs/delete", run_id=gone)
    for path, body, status, code, message in REFUSED:
        body = {key: run if value is RUN else gone if value is GONE else value for key, value in body.items()}
        got, answer = client.post(path, **body)
        assert (got, answer["error_code"]) == (status, code), (path, body, answer)
        assert message in answer["message"], (path, body, answer)
    assert client.data(run)["metrics"] == client.data(run)["params"] == {}


def test_bodies_as_old_clients_send_them(client):
    def raw(body):
        status, _, data = client.agent.request("POST", API + "/experiments/create", body,
                                               {"Content-Type": "application/json"})
        return status, json.loads(data)

    assert raw(json.dumps(json.dumps({"name": "twice encoded"})).encode()) == (200, {"experiment_id": "1"})
    assert raw(b'{"name": "more", "unknown": {"a": [1]}, "tags": null}') == (200, {"experiment_id": "2"})
    for nothing in (b"no json", b"{}", b""):
        status, answer = raw(nothing)
        assert status == 400 and "Missing value for required parameter 'name'" in answer["message"]
    assert raw(b"[1]")[0] == 400


def test_an_experiment_from_birth_to_return(client):
    one = client.experiment("churn", tags=[{"key": "team", "value": "risk"}], artifact_location="s3://b/x")
    run = client.run(one)
    assert client.info(run)["artifact_uri"] == f"s3://b/x/{run}/artifacts"
    client.done("/experiments/set-experiment-tag", experiment_id=one, key="a", value="1")
    client.done("/experiments/update", experiment_id=one, new_name="churn 2")
    status, answer = client.get("/experiments/get-by-name", experiment_name="churn 2")
    assert {t["key"]: t["value"] for t in answer["experiment"]["tags"]} == {"team": "risk", "a": "1"}
    client.done("/experiments/delete", experiment_id=one)
    assert client.post("/experiments/delete", experiment_id=one)[0] == 404
    assert client.get("/experiments/get", experiment_id=one)[1]["experiment"]["lifecycle_stage"] == "deleted"
    assert client.info(run)["lifecycle_stage"] == "deleted"
    assert client.post("/runs/create", experiment_id=one)[0] == 400
    assert client.post("/experiments/create", name="churn 2")[0] == 400
    assert client.post("/experiments/update", experiment_id=one, new_name="y")[0] == 400
    client.done("/experiments/restore", experiment_id=one)
    assert client.info(run)["lifecycle_stage"] == "active"


def test_a_run_from_birth_to_end(client):
    run = client.run(run_name="first", user_id="ann")
    client.done("/runs/log-metric", run_id=run, key="m", value="NaN", timestamp="5", step="3")
    client.done("/runs/log-metric", run_uuid=run, key="i", value="-Infinity", timestamp=5)
    client.done("/runs/log-parameter", run_id=run, key="p", value="1")
    client.done("/runs/log-parameter", run_id=run, key="p", value="1")
    assert "Changing param values" in client.post("/runs/log-parameter", run_id=run, key="p", value="2")[1]["message"]
    client.done("/runs/log-parameter", run_id=run, key="long", value="é" * 7000)
    client.done("/runs/set-tag", run_id=run, key="mlflow.runName", value="second")
    data = client.data(run)
    assert data["metrics"] == {"m": "NaN", "i": -1.7976931348623157e308}
    assert data["params"] == {"p": "1", "long": "é" * 6000}
    assert data["tags"] == {"mlflow.runName": "second"}
    answer = client.done("/runs/update", run_id=run, status="FINISHED", end_time=77)["run_info"]
    assert (answer["status"], answer["end_time"], answer["run_name"]) == ("FINISHED", 77, "second")
    assert answer["run_id"] == answer["run_uuid"] == run
    client.done("/runs/set-tag", run_id=run, key="late", value="yes")
    client.done("/runs/delete-tag", run_id=run, key="late")
    assert client.get("/runs/get", run_uuid=run)[1]["run"]["data"]["tags"] == [
        {"key": "mlflow.runName", "value": "second"}]


def events(project):
    with sqlite3.connect(project / ".mlops/registry.db") as db:
        return [row[0] for row in db.execute("SELECT operation FROM events WHERE operation != 'key.add' ORDER BY seq")]


def test_an_end_is_an_event_and_so_is_each_edit_after_it(client, project):
    run = client.run()
    client.done("/runs/log-batch", run_id=run, metrics=[{"key": "m", "value": 1, "timestamp": 1}])
    assert events(project) == []
    client.done("/runs/update", run_id=run, status="FINISHED")
    client.done("/runs/log-metric", run_id=run, key="m", value=2, timestamp=2)
    client.done("/runs/set-tag", run_id=run, key="a", value="1")
    client.done("/runs/delete", run_id=run)
    assert events(project) == ["run.end", "metric.log", "run.tag", "run.delete"]


def test_a_pipeline_run_is_an_mlflow_run(client, project, mlops):
    (project / "pipeline.ini").write_text(
        "[pipeline]\nname = churn\n[params]\nlr = 0.5\n[step.train]\ncmd = sh -c 'echo 1 > m; echo \"{\\\"auc\\\": 0.75}\" > met.json'\n"
        "out = m\nmetrics = met.json\nparams = lr\n")
    mlops("run")
    experiment = client.get("/experiments/get-by-name", experiment_name="churn")[1]["experiment"]["experiment_id"]
    with sqlite3.connect(project / ".mlops/registry.db") as db:
        (top, nested), = db.execute("SELECT p.run_id, r.run_id FROM runs r JOIN runs p ON p.id = r.parent")
    info = client.info(top)
    assert (info["experiment_id"], info["status"]) == (experiment, "FINISHED")
    assert client.data(nested)["metrics"] == {"auc": 0.75}
    assert client.data(nested)["params"] == {"lr": "0.5"}
    assert client.data(nested)["tags"]["mlflow.parentRunId"] == top


# ---- history ----

def fill(client, run, n, key="loss"):
    for start in range(0, n, 1000):
        client.done("/runs/log-batch", run_id=run, metrics=[
            {"key": key, "value": i * 0.37, "timestamp": 1000 + i, "step": i} for i in range(start, min(start + 1000, n))])


def test_a_history_comes_whole_or_in_pages(client):
    run = client.run()
    fill(client, run, 9000)
    history = client.get("/metrics/get-history", run_id=run, metric_key="loss")[1]
    assert "next_page_token" not in history
    assert [p["step"] for p in history["metrics"]] == list(range(9000))
    assert all(p["value"] == p["step"] * 0.37 and p["key"] == "loss" for p in history["metrics"])
    steps, token = [], None
    while True:
        page = client.get("/metrics/get-history", run_id=run, metric_key="loss", max_results=4500,
                          **({"page_token": token} if token else {}))[1]
        steps += [p["step"] for p in page["metrics"]]
        token = page.get("next_page_token")
        if not token:
            break
    assert steps == list(range(9000))
    assert client.get("/metrics/get-history", run_id=run, metric_key="none")[1] == {}
    assert client.get("/metrics/get-history", run_id=run, metric_key="loss", max_results=0)[0] == 400
    assert client.get("/metrics/get-history", run_id=run, metric_key="loss", page_token="?")[0] == 400


# ---- side by side ----

def test_other_processes_get_their_turn(client, project, mlops):
    """A command that writes is not starved by clients that never pause."""
    (project / "data").mkdir()
    run, stop, count = client.run(), threading.Event(), [0]

    def load(n):
        connection = http.client.HTTPConnection(*client.agent.address, timeout=30)
        i = 0
        while not stop.is_set():
            i += 1
            connection.request("POST", API + "/runs/log-metric", json.dumps(
                {"run_id": run, "key": f"k{n}", "value": i, "timestamp": i, "step": i}),
                {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
            count[0] += 1
        connection.close()

    threads = [threading.Thread(target=load, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    try:
        slowest = 0
        for i in range(5):
            (project / "data/x").write_text(str(i))
            begun = time.monotonic()
            assert mlops("add", "data").status == 0
            slowest = max(slowest, time.monotonic() - begun)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert slowest < 5 and count[0] > 50


@pytest.fixture
def small_disk(tmp_path, environment):
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    top = tmp_path / "disk"
    top.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", top], check=True)
    yield top
    subprocess.run(["umount", "-l", top], check=True)


def test_a_full_disk_refuses_and_goes_on_when_there_is_room(small_disk, start_agent, environment):
    subprocess.run([os.environ["MLOPS"], "init", small_disk], env=environment, check=True, capture_output=True)
    client = Client(start_agent(directory=small_disk))
    run = client.run()
    (small_disk / "ballast").write_bytes(b"\0" * (3 << 20))
    logged, refused = [], []
    for i in range(4000):
        key = f"p{i}"
        status, answer = client.post("/runs/log-batch", run_id=run, params=[
            {"key": f"{key}/{k}", "value": "v" * 5000} for k in range(20)])
        if status == 200:
            logged.append(key)
        else:
            assert (status, answer["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE"), answer
            refused.append(key)
            if len(refused) == 3:
                break
    assert refused, "the disk was never full"
    (small_disk / "ballast").unlink()
    client.done("/runs/log-batch", run_id=run, params=[{"key": "after", "value": "1"}])
    keys = set(client.data(run)["params"])
    assert "after" in keys and all(f"{key}/19" in keys for key in logged)
    assert not any(key.split("/")[0] in refused for key in keys)


def test_slow_readers_of_a_history_hold_up_nobody(agent, client):
    run = client.run()
    points = [{"key": "k" * 200, "value": 0.5, "timestamp": 1, "step": step} for step in range(16000)]
    for i in range(0, len(points), 1000):
        assert client.post("/runs/log-batch", run_id=run, metrics=points[i:i + 1000])[0] == 200
    slow = []
    for _ in range(8):
        slow.append(socket.socket())
        slow[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        slow[-1].connect(agent.address)
        slow[-1].sendall(b"GET /api/2.0/mlflow/metrics/get-history?run_id=%s&metric_key=%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
                         % (run.encode(), b"k" * 200))
    for one in slow:
        assert one.recv(15) == b"HTTP/1.1 200 OK"
    begun = time.monotonic()
    path = f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/a.txt"
    assert agent.request("PUT", path, b"a")[0] == 200
    assert time.monotonic() - begun < 5
    for one in slow:
        one.close()


def test_a_body_of_countless_values_is_not_parsed(agent, client):
    run = client.run()
    body = b'{"run_id":"%s","tags":[%s{}]}' % (run.encode(), b"{}," * 1000000)
    status, _, answer = agent.request("POST", "/api/2.0/mlflow/runs/log-batch", body, {"Content-Type": "application/json"})
    assert (status, json.loads(answer)["message"]) == (413, "the body has more than 200000 values")
    status, _, answer = agent.request("POST", "/api/2.0/mlflow/runs/log-batch", json.dumps(body.decode()).encode(),
                                      {"Content-Type": "application/json"})
    assert status == 400, answer
