# SPDX-License-Identifier: Apache-2.0
"""The model registry over HTTP, as MLflow's clients ask it; what the clients themselves do is in tests/mlflow."""
import json

import pytest

SECONDS = 15

API = "/api/2.0/mlflow"
MODELS, VERSIONS, LOGGED = API + "/registered-models", API + "/model-versions", API + "/logged-models"
PROMPT = {"key": "mlflow.prompt.is_prompt", "value": "true"}


def fine(answer):
    status, body = answer
    assert status == 200, answer
    return body


def refused(answer, status, code, part=""):
    assert (answer[0], answer[1]["error_code"]) == (status, code), answer
    assert part in answer[1]["message"], answer


@pytest.fixture
def churn(agent):
    fine(agent.post(MODELS + "/create", name="churn"))
    return agent


def version(agent, name="churn", **fields):
    return fine(agent.post(VERSIONS + "/create", name=name, **{"source": "s3://bucket/model", **fields}))["model_version"]


def events(agent, start):
    """(operation, subject, before, after) of the events about models, the oldest first."""
    import sqlite3
    db = sqlite3.connect(f"file:{agent.directory}/.mlops/registry.db?mode=ro", uri=True)
    return db.execute("SELECT operation, subject, before, after FROM events WHERE operation GLOB ? ORDER BY seq",
                      (start,)).fetchall()


def test_a_model_from_its_making_to_its_end(churn):
    made = fine(churn.get(MODELS + "/get", name="churn"))["registered_model"]
    assert set(made) == {"name", "creation_timestamp", "last_updated_timestamp"}
    refused(churn.post(MODELS + "/create", name="churn"), 400, "RESOURCE_ALREADY_EXISTS", "(name=churn) already exists")
    fine(churn.call("PATCH", MODELS + "/update", {"name": "churn", "description": "who leaves"}))
    fine(churn.post(MODELS + "/set-tag", name="churn", key="team", value="growth"))
    fine(churn.post(MODELS + "/rename", name="churn", new_name="leavers"))
    model = fine(churn.get(MODELS + "/get", name="leavers"))["registered_model"]
    assert (model["description"], model["tags"]) == ("who leaves", [{"key": "team", "value": "growth"}])
    fine(churn.call("DELETE", MODELS + "/delete-tag", {"name": "leavers", "key": "team"}))
    fine(churn.call("DELETE", MODELS + "/delete", {"name": "leavers"}))
    refused(churn.get(MODELS + "/get", name="leavers"), 404, "RESOURCE_DOES_NOT_EXIST", "name=leavers not found")
    assert [e[0] for e in events(churn, "model.*")] == ["model.create", "model.describe", "model.tag", "model.rename",
                                                       "model.untag", "model.delete"]


def test_what_is_missing_is_named(agent):
    for path, body, missing in [("/create", {}, "name"), ("/rename", {"name": "x"}, "new_name"),
                                ("/set-tag", {"name": "x", "value": "y"}, "key"), ("/alias", {"name": "x"}, "alias")]:
        refused(agent.call("POST", MODELS + path, body), 400, "INVALID_PARAMETER_VALUE",
                f"Missing value for required parameter '{missing}'")
    refused(agent.call("POST", VERSIONS + "/create", {"name": "x"}), 400, "INVALID_PARAMETER_VALUE", "'source'")


def test_versions_aliases_and_stages(churn):
    first, second = version(churn, description="one"), version(churn, tags=[{"key": "k", "value": "v"}])
    assert (first["version"], second["version"], second["tags"]) == ("1", "2", [{"key": "k", "value": "v"}])
    assert (first["current_stage"], first["status"], first["run_id"]) == ("None", "READY", "")
    for number in ("1", "2"):
        fine(churn.post(MODELS + "/alias", name="churn", alias="champion", version=number))
    assert fine(churn.get(MODELS + "/alias", name="churn", alias="champion"))["model_version"]["version"] == "2"
    for alias in ("latest", "v7", "a b"):
        refused(churn.post(MODELS + "/alias", name="churn", alias=alias, version="1"), 400, "INVALID_PARAMETER_VALUE")
    moved = fine(churn.post(VERSIONS + "/transition-stage", name="churn", version="1", stage="production"))
    assert moved["model_version"]["current_stage"] == "Production"
    latest = fine(churn.post(MODELS + "/get-latest-versions", name="churn"))["model_versions"]
    assert [(v["version"], v["current_stage"]) for v in latest] == [("1", "Production"), ("2", "None")]
    fine(churn.call("DELETE", VERSIONS + "/delete", {"name": "churn", "version": "2"}))
    refused(churn.get(MODELS + "/alias", name="churn", alias="champion"), 400, "INVALID_PARAMETER_VALUE", "not found")
    refused(churn.get(VERSIONS + "/get", name="churn", version="2"), 404, "RESOURCE_DOES_NOT_EXIST")
    assert version(churn)["version"] == "3"
    assert events(churn, "alias.*") == [("alias.set", "churn@champion", None, "v1"),
                                       ("alias.set", "churn@champion", "v1", "v2")]
    assert [e[:2] for e in events(churn, "version.*")] == [
        ("version.create", "churn@v1"), ("version.create", "churn@v2"), ("version.stage", "churn@v1"),
        ("version.delete", "churn@v2"), ("version.create", "churn@v3")]


@pytest.mark.parametrize("source", ["/etc/passwd", "file:///etc/passwd", "x", "s3://a/../b", "s3://a/%252e%252e/b",
                                    "http://evil/x", "mlflow-artifacts:/0/x", "runs:/abc/model", "models:/m-1",
                                    "models:/nope/1", "mlflow-artifacts://evil/0/x"])
def test_a_source_that_is_refused(churn, source):
    status, body = churn.post(VERSIONS + "/create", name="churn", source=source)
    assert status in (400, 404), body
    assert "latest_versions" not in fine(churn.get(MODELS + "/get", name="churn"))["registered_model"]


def test_searches_page(agent):
    for i in range(5):
        fine(agent.post(MODELS + "/create", name=f"m{i}", tags=[{"key": "odd", "value": str(i % 2)}]))
    fine(agent.post(MODELS + "/create", name="prompt", tags=[PROMPT]))
    names, token = [], None
    while True:
        page = fine(agent.get(MODELS + "/search", max_results=2, order_by="name DESC",
                              **({"page_token": token} if token else {})))
        names += [m["name"] for m in page["registered_models"]]
        token = page.get("next_page_token")
        if not token:
            break
    assert names == ["m4", "m3", "m2", "m1", "m0"]
    found = fine(agent.get(MODELS + "/search", filter="tags.odd = '1' AND name != 'm1'"))
    assert [m["name"] for m in found["registered_models"]] == ["m3"]
    found = fine(agent.get(MODELS + "/search", filter=f"tags.`{PROMPT['key']}` = 'true'"))
    assert [m["name"] for m in found["registered_models"]] == ["prompt"]
    refused(agent.get(MODELS + "/search", max_results=1001), 400, "INVALID_PARAMETER_VALUE", "max_results")
    refused(agent.get(MODELS + "/search", filter="foo = 'x'"), 400, "INVALID_PARAMETER_VALUE", "foo")


def test_a_logged_model_becomes_a_version(churn):
    run = fine(churn.post(API + "/runs/create", experiment_id="0", start_time=1))["run"]["info"]["run_id"]
    made = fine(churn.post(LOGGED, experiment_id="0", name="model", source_run_id=run,
                           params=[{"key": "lr", "value": "0.1"}]))["model"]
    model = made["info"]["model_id"]
    assert made["info"]["status"] == "LOGGED_MODEL_PENDING" and made["data"]["params"] == [{"key": "lr", "value": "0.1"}]
    path = f"/api/2.0/mlflow-artifacts/artifacts/0/models/{model}/artifacts/sub/MLmodel"
    assert churn.request("PUT", path, b"flavors: {}\n")[0] == 200
    fine(churn.post(API + "/runs/log-metric", run_id=run, key="acc", value=0.5, timestamp=5, model_id=model,
                    dataset_name="d", dataset_digest="x"))
    fine(churn.call("PATCH", f"{LOGGED}/{model}", {"model_id": model, "status": "LOGGED_MODEL_READY"}))
    fine(churn.call("PATCH", f"{LOGGED}/{model}/tags", {"tags": [{"key": "t", "value": "1"}]}))
    fine(churn.call("DELETE", f"{LOGGED}/{model}/tags/t"))
    refused(churn.call("DELETE", f"{LOGGED}/{model}/tags/t"), 404, "RESOURCE_DOES_NOT_EXIST")
    listed = fine(churn.get(f"{LOGGED}/{model}/artifacts/directories"))
    assert listed == {"root_uri": f"mlflow-artifacts:/0/models/{model}/artifacts",
                      "files": [{"path": "sub", "is_dir": True}]}
    made = version(churn, source=f"models:/{model}", model_id=model)
    assert (made["run_id"], made["source"]) == (run, f"models:/{model}")
    place = fine(churn.get(VERSIONS + "/get-download-uri", name="churn", version="1"))["artifact_uri"]
    assert place == f"mlflow-artifacts:/0/models/{model}/artifacts"
    got = fine(churn.get(f"{LOGGED}/{model}"))["model"]
    assert got["info"]["tags"] == [{"key": "mlflow.modelVersions", "value": '[{"name": "churn", "version": 1}]'}]
    assert got["data"]["metrics"] == [{"key": "acc", "value": 0.5, "timestamp": 5, "step": 0, "dataset_name": "d",
                                       "dataset_digest": "x", "model_id": model, "run_id": run}]
    found = fine(churn.post(LOGGED + "/search", experiment_ids=["0"], filter="metrics.acc > 0.4",
                            datasets=[{"dataset_name": "d"}], order_by=[{"field_name": "metrics.acc"}]))
    assert [m["info"]["model_id"] for m in found["models"]] == [model]
    refused(churn.post(API + "/runs/log-metric", run_id=run, key="acc", value=1, timestamp=5, model_id="m-no"), 404,
            "RESOURCE_DOES_NOT_EXIST", "m-no")
    fine(churn.call("DELETE", f"{LOGGED}/{model}"))
    refused(churn.get(f"{LOGGED}/{model}"), 404, "RESOURCE_DOES_NOT_EXIST", model)
    assert fine(churn.get(f"{LOGGED}/{model}", allow_deleted="true"))["model"]["info"]["name"] == "model"


def test_the_list_of_older_clients(agent):
    run = fine(agent.post(API + "/runs/create", experiment_id="0", start_time=1))["run"]["info"]["run_id"]
    model = {"run_id": run, "artifact_path": "model", "utc_time_created": "now", "flavors": {"f": {"config": {}}}}
    fine(agent.post(API + "/runs/log-model", run_id=run, model_json=json.dumps(model)))
    tags = fine(agent.get(API + "/runs/get", run_id=run))["run"]["data"]["tags"]
    noted = json.loads(next(t["value"] for t in tags if t["key"] == "mlflow.log-model.history"))
    assert noted == [{**model, "flavors": {"f": {}}}]
    refused(agent.post(API + "/runs/log-model", run_id=run, model_json="{"), 400, "INVALID_PARAMETER_VALUE")


def test_what_is_not_there_says_so(agent):
    for method, path in [("GET", "/api/2.0/mlflow/webhooks"), ("POST", "/api/3.0/mlflow/traces/search"),
                         ("POST", "/api/2.0/mlflow/traces"), ("PATCH", "/api/2.0/mlflow/traces/tr-1/tags"),
                         ("POST", "/api/3.0/mlflow/datasets/create"), ("GET", "/api/3.0/mlflow/scorers/list"),
                         ("POST", "/graphql"), ("GET", "/ajax-api/3.0/mlflow/workspaces"),
                         ("GET", "/api/3.0/mlflow/gateway/secrets/list")]:
        refused(agent.call(method, path, {} if method != "GET" else None), 501, "NOT_IMPLEMENTED", "Not supported")
    status, _, _ = agent.request("POST", "/v1/traces", b"\x0a\x00", {"Content-Type": "application/x-protobuf"})
    assert status == 501


def test_the_command_line_knows_models(churn, mlops):
    run = fine(churn.post(API + "/runs/create", experiment_id="0", start_time=1))["run"]["info"]["run_id"]
    path = f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/model/MLmodel"
    assert churn.request("PUT", path, b"flavors: {}\n")[0] == 200
    version(churn, source=f"mlflow-artifacts:/0/{run}/artifacts/model", run_id=run)
    version(churn, source=f"runs:/{run}/model/MLmodel", run_id=run)
    version(churn)
    fine(churn.post(MODELS + "/alias", name="churn", alias="champion", version="1"))
    assert "champion=v1" in mlops("model", "list").out
    assert mlops("model", "show", "churn").out.count("v1") == 1
    assert run in mlops("model", "show", "churn@champion").out
    assert run in mlops("show", "churn@champion").out
    assert mlops("cat", "churn@champion/MLmodel").out == "flavors: {}\n"
    assert mlops("cat", "churn@v2/MLmodel").out == "flavors: {}\n"
    status, _, err = mlops("cat", "churn@v3/MLmodel")
    assert status == 2 and "kept at s3://bucket/model" in err
    status, _, err = mlops("show", "churn@v9")
    assert status == 3 and "not found" in err


def test_the_command_line_knows_what_clients_logged(churn, mlops, tmp_path):
    run = fine(churn.post(API + "/runs/create", experiment_id="0", start_time=1))["run"]["info"]["run_id"]
    path = f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/notes/a.txt"
    assert churn.request("PUT", path, b"hello\n")[0] == 200
    assert mlops("cat", f"{run}/notes/a.txt").out == "hello\n"
    fine(churn.post(API + "/runs/update", run_id=run, status="FINISHED", end_time=2))
    assert mlops("cat", f"{run}/notes/a.txt").out == "hello\n"
    assert "experiment Default" in mlops("show", run).out
    status, _, err = mlops("cat", f"{run}/notes/b.txt")
    assert status == 3 and "did you mean notes/a.txt?" in err
    assert mlops("checkout", "--from", run, "--to", f"../{run}").status == 0
    assert (tmp_path.parent / run / "notes/a.txt").read_bytes() == b"hello\n"
