# SPDX-License-Identifier: Apache-2.0
"""What training code does: the same script against both servers."""
import os
import warnings

import mlflow
import pytest
from conftest import NEW_CLIENT

SECONDS = 60


@pytest.fixture
def script(both, request):
    """script(FUNCTION): runs it with each server as the tracking server, compares what it returns."""
    name = "fluent " + request.node.name

    def run(function):
        def one(client, side):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    mlflow.set_experiment(name)
                    return function(client)
            finally:
                while mlflow.active_run():
                    mlflow.end_run()
        found = both.do(name, one)
        if isinstance(found.real, Exception):
            raise found.real  # a mistake of the script, not a difference
        return found

    return run


def test_a_training_script(script, tmp_path):
    (tmp_path / "notes").write_text("notes")

    def train(client):
        with mlflow.start_run(run_name="outer", tags={"team": "a"}, description="what for") as outer:
            mlflow.log_params({"lr": 0.1, "depth": 3})
            for step in range(20):
                mlflow.log_metric("loss", 1 / (step + 1), step=step)
            mlflow.log_metrics({"auc": 0.5, "f1": 0.25}, step=3)
            mlflow.set_tags({"x": "1", "y": "2"})
            mlflow.log_artifact(str(tmp_path / "notes"))
            mlflow.log_text("text", "deep/er/text.txt")
            mlflow.log_dict({"a": 1}, "dict.json")
            for i in range(2):
                with mlflow.start_run(nested=True, run_name="inner %d" % i):
                    mlflow.log_metric("auc", 0.5 + i / 10, step=0)
        id = outer.info.run_id
        with pytest.raises(Exception):
            with mlflow.start_run(run_name="failing"):
                raise ValueError("it fails")
        with mlflow.start_run(run_id=id):
            mlflow.log_metric("later", 1, step=0)
        runs = client.search_runs([outer.info.experiment_id], order_by=["attributes.run_name"])
        children = client.search_runs([outer.info.experiment_id], "tags.`mlflow.parentRunId` = '%s'" % id,
                                      order_by=["metrics.auc DESC"])
        timeless = lambda run: {"name": run.info.run_name, "status": run.info.status, "metrics": run.data.metrics,  # noqa: E731
                                "params": run.data.params, "stage": run.info.lifecycle_stage,
                                "tags": {k: v for k, v in run.data.tags.items() if not k.startswith("mlflow.source.git")}}
        return [[timeless(r) for r in runs], [timeless(r) for r in children],
                [(m.value, m.step) for m in client.get_metric_history(id, "loss")],
                sorted(f.path for f in client.list_artifacts(id)),
                mlflow.artifacts.load_text("runs:/%s/deep/er/text.txt" % id),
                mlflow.artifacts.load_dict("runs:/%s/dict.json" % id)]

    script(train)


def test_many_threads_log(script):
    from concurrent.futures import ThreadPoolExecutor

    def train(client):
        experiment = client.get_experiment_by_name(mlflow.get_experiment(
            mlflow.create_experiment("threads")).name).experiment_id

        def one(n):
            run = client.create_run(experiment, run_name="run %d" % n)
            for step in range(5):
                client.log_metric(run.info.run_id, "m", n * 100 + step, step=step)
                client.log_param(run.info.run_id, "p%d" % step, n)
            client.set_terminated(run.info.run_id)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(one, range(8)))
        found = client.search_runs([experiment], order_by=["attributes.run_name"])
        return [(r.info.run_name, r.info.status, r.data.metrics, r.data.params) for r in found]

    script(train)


def test_pages(script):
    def train(client):
        experiment = mlflow.create_experiment("pages")
        for n in range(7):
            client.create_run(experiment, run_name="run %d" % n, start_time=1_700_000_000_000 + n)
        seen, token, sizes = [], None, []
        while True:
            page = client.search_runs([experiment], max_results=3, page_token=token)
            seen += [r.info.run_name for r in page]
            sizes.append(len(page))
            token = page.token
            if not token:
                return [seen, sizes]

    script(train)


if NEW_CLIENT:
    def flavour(**named):
        from sklearn.linear_model import LogisticRegression
        return LogisticRegression(**named)

    DATA = [[0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [0.9, 0.1], [0.1, 0.9], [0.4, 0.6]], [0, 1, 0, 1, 0, 1]

    def test_autolog(script):
        def train(client):
            mlflow.sklearn.autolog(log_models=False, silent=True)
            try:
                with mlflow.start_run() as run:
                    flavour(C=0.5).fit(*DATA)
            finally:
                mlflow.sklearn.autolog(disable=True)
            run = client.get_run(run.info.run_id)
            return [run.data.params, {k: round(v, 9) for k, v in run.data.metrics.items()},
                    sorted(run.data.tags), sorted(f.path for f in client.list_artifacts(run.info.run_id)),
                    [d.dataset.name for d in run.inputs.dataset_inputs]]

        script(train)

    def test_a_model_is_logged_registered_and_loaded(script):
        def train(client):
            with mlflow.start_run() as run:
                info = mlflow.sklearn.log_model(flavour().fit(*DATA), name="net", registered_model_name="fluent-churn",
                                                input_example=[[0.1, 0.2]], pip_requirements=[])
            client.set_registered_model_alias("fluent-churn", "champion", "1")
            loaded = mlflow.pyfunc.load_model("models:/fluent-churn@champion").predict([[0.9, 0.0], [0.0, 0.9]])
            again = mlflow.sklearn.load_model("models:/fluent-churn/1").predict([[0.9, 0.0], [0.0, 0.9]])
            mlflow.register_model(info.model_uri, "fluent-churn")
            by_run = mlflow.sklearn.load_model("runs:/%s/net" % run.info.run_id).predict([[0.9, 0.0]])
            versions = client.search_model_versions("name = 'fluent-churn'", order_by=["version_number ASC"])
            model = mlflow.get_logged_model(info.model_id)
            return [list(map(int, loaded)), list(map(int, again)), list(map(int, by_run)),
                    [(v.version, v.status, v.current_stage, v.aliases) for v in versions],
                    model.name, str(model.status), sorted(model.tags),
                    [o.model_id == info.model_id for o in client.get_run(run.info.run_id).outputs.model_outputs],
                    sorted(f.path for f in client.list_logged_model_artifacts(info.model_id))]

        script(train)

    def test_data_sets(script):
        import pandas

        def train(client):
            with mlflow.start_run() as run:
                frame = pandas.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})
                mlflow.log_input(mlflow.data.from_pandas(frame, name="frame", targets="b"), context="training")
            found = mlflow.search_runs(search_all_experiments=True, filter_string="dataset.name = 'frame'", output_format="list")
            inputs = client.get_run(run.info.run_id).inputs.dataset_inputs
            return [len(found), [(i.dataset.name, i.dataset.digest, i.dataset.schema, i.dataset.profile,
                                  [(t.key, t.value) for t in i.tags]) for i in inputs]]

        script(train)

    def test_frames_of_runs(script):
        def train(client):
            for n in range(3):
                with mlflow.start_run(run_name="frame %d" % n):
                    mlflow.log_metric("m", n)
                    mlflow.log_param("p", n)
            frame = mlflow.search_runs(order_by=["metrics.m DESC"])
            return frame[["status", "metrics.m", "params.p", "tags.mlflow.runName"]].to_dict("records")

        script(train)


def test_the_environment_is_enough(both, our_agent, tmp_path):
    """MLFLOW_TRACKING_URI alone points a program at the agent."""
    import subprocess
    import sys
    code = ("import mlflow; mlflow.set_experiment('by environment')\n"
            "with mlflow.start_run(): mlflow.log_metric('m', 1)")
    environment = {**os.environ, "MLFLOW_TRACKING_URI": our_agent.url}
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    experiment = both.clients["ours"].get_experiment_by_name("by environment")
    assert [r.data.metrics for r in both.clients["ours"].search_runs([experiment.experiment_id])] == [{"m": 1.0}]
