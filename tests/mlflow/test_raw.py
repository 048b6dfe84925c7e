# SPDX-License-Identifier: Apache-2.0
"""Plain HTTP, as R, Java and curl speak it: statuses and JSON, field by field."""
import json
import urllib.error
import urllib.parse
import urllib.request

import pytest

SECONDS = 30
NOW = 1_700_000_000_000


def ask(uri, method, path, body=None, headers=None):
    """[status, JSON or text]"""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(uri + path, data, {"Content-Type": "application/json", **(headers or {})}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as err:
        status, text = err.code, err.read()
    try:
        found = json.loads(text)
    except ValueError:
        found = text.decode("utf-8", "replace") if status < 400 else ""
    if isinstance(found, dict) and "error_code" in found:
        # the code is the contract; the words are for people
        return [status, found["error_code"]]
    return [status, found]


@pytest.fixture
def raw(both):
    """raw(METHOD, PATH, BODY, FIELDS...) with each server; pairs in path and body are replaced by the side's."""
    from both import one

    def run(method, path, body=None, headers=None, **query):
        def send(client, side):
            text = urllib.parse.urlencode(one(query, side), doseq=True)
            return ask(both.uris[side], method, one_path(path, side) + ("?" + text if text else ""), one(body, side), headers)

        def one_path(value, side):
            return one(value, side) if not isinstance(value, tuple) else "".join(map(str, one(list(value), side)))

        return both.do("%s %s %s" % (method, path, body), send)

    return run


API = "/api/2.0/mlflow"


def test_presence_of_fields(raw, fresh):
    run = raw("POST", API + "/runs/create", {"experiment_id": fresh, "start_time": NOW, "run_name": "raw", "user_id": "me"})
    id = run[1]["run"]["info"]["run_id"]
    raw("GET", API + "/runs/get", run_id=id)
    raw("GET", API + "/runs/get", run_uuid=id)
    raw("POST", API + "/runs/log-metric", {"run_id": id, "key": "m", "value": 1, "timestamp": NOW})
    raw("POST", API + "/runs/log-metric", {"run_id": id, "key": "m", "value": "NaN", "timestamp": str(NOW), "step": "3"})
    raw("POST", API + "/runs/log-metric", {"run_uuid": id, "key": "m", "value": 0.1, "timestamp": NOW, "step": 4, "unknown": {}})
    raw("POST", API + "/runs/log-parameter", {"run_id": id, "key": "p", "value": "v"})
    raw("POST", API + "/runs/set-tag", {"run_id": id, "key": "t", "value": ""})
    raw("GET", API + "/runs/get", run_id=id)
    raw("GET", API + "/metrics/get-history", run_id=id, metric_key="m")
    raw("GET", API + "/metrics/get-history", run_id=id, metric_key="m", max_results=1)
    raw("POST", API + "/runs/search", {"experiment_ids": [fresh], "max_results": 5})
    raw("POST", API + "/runs/search", {"experiment_ids": [fresh], "filter": "metrics.m > 0", "order_by": ["metrics.m DESC"]})
    raw("POST", API + "/runs/update", {"run_id": id, "status": "FINISHED", "end_time": NOW + 1})
    raw("GET", API + "/artifacts/list", run_id=id)
    raw("GET", API + "/experiments/get", experiment_id=fresh)
    raw("POST", API + "/runs/outputs", {"run_id": id, "models": []})
    raw("POST", API + "/runs/outputs", {"run_id": id})


@pytest.mark.parametrize("path,body", [
    ("/runs/create", {}), ("/runs/create", {"experiment_id": "x"}), ("/runs/create", {"experiment_id": 0}),
    ("/runs/log-metric", {}), ("/runs/log-metric", {"run_id": "0" * 32, "key": "m", "value": 1}),
    ("/runs/log-metric", {"run_id": "0" * 32, "key": "m", "value": "x", "timestamp": 1}),
    ("/runs/log-metric", {"run_id": 31, "key": "m", "value": 1, "timestamp": 1}),
    ("/runs/log-batch", {"run_id": "0" * 32}), ("/runs/log-batch", {"metrics": []}),
    ("/runs/log-batch", {"run_id": "0" * 32, "metrics": "x"}),
    ("/runs/search", {}), ("/runs/search", {"experiment_ids": ["0"], "max_results": 0}),
    ("/runs/search", {"experiment_ids": ["0"], "max_results": 50001}), ("/runs/search", {"experiment_ids": ["0"], "filter": "x"}),
    ("/runs/search", {"experiment_ids": ["0"], "order_by": ["metrics.a", "metrics.a"]}),
    ("/runs/search", {"experiment_ids": ["0"], "page_token": "nonsense"}),
    ("/runs/update", {}), ("/runs/update", {"run_id": "0" * 32, "status": "FINISHED"}),
    ("/experiments/create", {}), ("/experiments/create", {"name": 5}), ("/experiments/search", {}),
    ("/experiments/search", {"max_results": 10, "filter": "name ="}), ("/experiments/delete", {}),
    ("/registered-models/create", {}), ("/model-versions/create", {"name": "nobody"}),
    ("/runs/set-tag", {"run_id": "0" * 32, "key": "k", "value": "v"}), ("/runs/delete", {"run_id": ""}),
], ids=str)
def test_bad_requests(raw, path, body):
    raw("POST", API + path, body)


def test_bodies(raw, fresh):
    for body in (b"", b"{", b"[]", b"null", b"\"text\"", b"{\"a\":1}x"):
        raw("POST", API + "/experiments/create", body)
    raw("POST", API + "/experiments/create", b'"{\\"name\\": \\"twice encoded\\"}"')
    raw("POST", API + "/experiments/create", b"name=x", headers={"Content-Type": "application/x-www-form-urlencoded"})


def test_logged_models_by_their_state(raw, fresh):
    model = raw("POST", API + "/logged-models", {"experiment_id": fresh, "name": "net"})
    id = model[1]["model"]["info"]["model_id"]
    raw("PATCH", (API, "/logged-models/", id), {"model_id": id, "status": "LOGGED_MODEL_READY"})
    raw("POST", API + "/logged-models/search", {"experiment_ids": [fresh], "filter": "status = 'READY'"})


def test_words_that_no_enumeration_has(raw, fresh):
    raw("POST", API + "/experiments/search", {"max_results": 1, "view_type": "NONSENSE", "filter": "name = 'Default'"})
    raw("GET", API + "/experiments/search", max_results=1, view_type="NONSENSE", filter="name = 'Default'")
    raw("POST", API + "/runs/search", {"experiment_ids": [fresh], "run_view_type": "NONSENSE"})


def test_routes_that_are_not_there(raw):
    raw("GET", API + "/nothing")
    raw("GET", API + "/runs/create")
    raw("GET", "/health")


def test_histories_in_bulk(raw, fresh):
    ids = []
    for n in range(2):
        run = raw("POST", API + "/runs/create", {"experiment_id": fresh, "start_time": NOW, "run_name": "bulk %d" % n})
        ids.append(run[1]["run"]["info"]["run_id"])
        raw("POST", API + "/runs/log-batch", {"run_id": ids[-1], "metrics": [
            {"key": "m", "value": i * (n + 1), "timestamp": NOW + i, "step": i} for i in range(50)]})
    ajax = "/ajax-api/2.0/mlflow/metrics/"
    raw("GET", ajax + "get-history-bulk", run_id=ids[:1], metric_key="m", max_results=30)
    raw("GET", ajax + "get-history-bulk", run_id=ids)
    raw("GET", ajax + "get-history-bulk-interval", run_ids=ids, metric_key="m", max_results=5)
    raw("GET", ajax + "get-history-bulk-interval", run_ids=ids, metric_key="m", start_step=10, end_step=20, max_results=5)
    raw("GET", ajax + "get-history-bulk-interval", run_ids=ids, metric_key="m", start_step=20, end_step=10)
    raw("POST", "/ajax-api/2.0/mlflow/experiments/search-datasets", {"experiment_ids": [fresh]})
