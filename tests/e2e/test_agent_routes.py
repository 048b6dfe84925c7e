# SPDX-License-Identifier: Apache-2.0
"""Which request is served by whom."""
SECONDS = 5


def test_an_operation_answers_as_mlflow_does(agent):
    status, body = agent.get("/api/2.0/mlflow/experiments/get", experiment_id="0")
    assert status == 200 and body["experiment"]["name"] == "Default"
    status, body = agent.get("/ajax-api/3.0/mlflow/experiments/get", experiment_id="77")
    assert (status, body["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert "No Experiment with id=77 exists" in body["message"]


def test_a_path_that_nobody_serves(agent):
    assert agent.get("/nothing")[0] == 404
