# SPDX-License-Identifier: Apache-2.0
"""Every method of MlflowClient that a tracking user has, on both servers."""
import inspect
import time

import mlflow
import pytest
from conftest import NEW_CLIENT
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType

SECONDS = 60

# What the agent does not have, by the stem of the method's name: it answers so, and never with a fault of its own.
LATER = ("webhook", "trace", "span", "assessment", "workspace", "mcp_", "scorer")
LATER_METHODS = {
    "create_dataset", "get_dataset", "delete_dataset", "set_dataset_tags", "delete_dataset_tag", "search_datasets",
    "add_dataset_to_experiments", "remove_dataset_from_experiments",  # evaluation data sets
    "link_prompt_version_to_model", "link_prompt_version_to_run", "detach_prompt_from_run", "list_logged_prompts",
}
# Called elsewhere than here.
ELSEWHERE = {
    "log_figure": "needs matplotlib; an upload as any other", "log_image": "needs Pillow; an upload as any other",
    "log_stream": "an upload as any other", "get_model_version_stages": "asks no server",
    "parse_prompt_uri": "asks no server", "log_prompt": "links a prompt to a run",
    "log_model_artifact": "test_fluent logs models", "log_model_artifacts": "test_fluent logs models",
}
NOW = 1_700_000_000_000


def test_experiments(both):
    c = both.client
    first = c.create_experiment("first", tags={"team": "a", "empty": ""})
    c.create_experiment("first")  # exists
    c.create_experiment("")
    c.create_experiment("x" * 501)
    c.create_experiment("located", artifact_location="file:///tmp/somewhere")
    c.get_experiment(first)
    c.get_experiment("0")
    c.get_experiment("987654")
    c.get_experiment("abc")
    c.get_experiment_by_name("first")
    c.get_experiment_by_name("nobody")
    c.set_experiment_tag(first, "team", "b")
    c.set_experiment_tag(first, "k" * 251, "v")
    c.set_experiment_tag(first, "long", "v" * 5001)
    c.set_experiment_tag("987654", "a", "b")
    c.rename_experiment(first, "renamed")
    c.rename_experiment(first, "located")
    c.get_experiment(first)
    c.delete_experiment(first)
    c.delete_experiment(first)
    c.get_experiment(first)
    c.get_experiment_by_name("renamed")
    c.create_experiment("renamed")
    c.set_experiment_tag(first, "team", "c")
    c.create_run(first)
    c.restore_experiment(first)
    c.restore_experiment(first)
    c.delete_experiment("987654")
    if NEW_CLIENT:
        c.delete_experiment_tag(first, "team")
        c.delete_experiment_tag(first, "team")
        c.get_experiment(first)


def test_searching_experiments(both):
    c = both.client
    for i in range(5):
        c.create_experiment("search %d" % i, tags={"n": str(i), "even": str(i % 2 == 0)})
        time.sleep(0.002)
    for filter_string in ("name = 'search 1'", "name LIKE 'search %'", "name ILIKE 'SEARCH _'", "tags.even = 'True'",
                          "tags.n != '3' AND name LIKE 'search%'", "tag.`even` = \"False\"", "attribute.name = 'search 2'",
                          "nonsense = 'x'", "name > 'a'", "tags.n > 3", "name = search", "name LIKE 'search%' AND creation_time > 0",
                          "name = 'search 1' OR"):
        c.search_experiments(filter_string=filter_string, order_by=["name ASC"])
    for order_by in (["name DESC"], ["experiment_id ASC"], ["creation_time DESC"], ["last_update_time"], ["nothing"], ["tags.n"]):
        c.search_experiments(filter_string="name LIKE 'search%'", order_by=order_by)
    page = c.search_experiments(max_results=2, order_by=["name"])
    c.search_experiments(max_results=2, order_by=["name"], page_token=page.token)
    for max_results in (0, -1, 50001):
        c.search_experiments(max_results=max_results)
    c.search_experiments(view_type=ViewType.ALL, order_by=["name"])
    c.search_experiments(view_type=ViewType.DELETED_ONLY, order_by=["name"])


def test_runs(both, fresh):
    c = both.client
    run = c.create_run(fresh, start_time=NOW, tags={"mlflow.user": "somebody", "a": "b"}, run_name="named")
    c.create_run(fresh)
    c.create_run("987654")
    c.create_run(fresh, run_name="one", tags={"mlflow.runName": "two"})
    c.create_run(fresh, run_name="same", tags={"mlflow.runName": "same"}, start_time=NOW)
    c.create_run(fresh, tags={"mlflow.runName": "by tag"}, start_time=NOW)
    id = run.info.run_id
    c.get_run(id)
    c.get_run("0" * 32)
    c.get_run("../etc")
    c.update_run(id, status="SCHEDULED")
    c.get_run(id)
    c.update_run(id, name="other name")
    c.set_tag(id, "mlflow.runName", "by its tag")
    c.get_run(id)
    c.set_terminated(id, "FAILED", end_time=NOW + 5)
    c.get_run(id)
    c.delete_run(id)
    c.get_run(id)
    c.log_metric(id, "m", 1)
    c.log_param(id, "p", 1)
    c.set_tag(id, "t", 1)
    c.delete_run(id)
    c.restore_run(id)
    c.restore_run(id)
    c.get_run(id)
    c.delete_run("0" * 32)
    child = c.create_run(fresh, tags={"mlflow.parentRunId": id}, start_time=NOW)
    c.get_parent_run(child.info.run_id)
    c.get_parent_run(id)


@pytest.mark.parametrize("values", [
    [(1.5, 0, 10), (2.5, 1, 20), (0.5, 1, 20)], [(1, 5, 1), (2, 4, 2)], [(1, -3, 1), (2, -4, 9)],
    [(float("nan"), 0, 1)], [(float("inf"), 0, 1), (float("-inf"), 1, 2)], [(1, 0, 1), (1, 0, 1)], [(1e308, 0, 1)],
    [(0.1, 0, 0)], [(3, 0, 5), (float("nan"), 0, 5)], [(5e-324, 0, 1)], [(123456789012345680, 0, 1)],
], ids=lambda v: "-".join("%s" % (x,) for x in v)[:40])
def test_metrics(both, fresh, values):
    c = both.client
    id = c.create_run(fresh, start_time=NOW).info.run_id
    for value, step, time_ms in values:
        c.log_metric(id, "m", value, timestamp=time_ms, step=step)
    c.get_run(id)
    c.get_metric_history(id, "m")
    c.get_metric_history(id, "no such metric")


def test_keys_and_limits(both, fresh):
    c = both.client
    id = c.create_run(fresh, start_time=NOW).info.run_id
    for key in ("ok", "a/b", "with blank", "dash-dot.colon:", "../up", "/abs", "a//b", "a/../b", ".", "..", "", "ü", "a\tb", "a%b",
                "k" * 250, "k" * 251, "semi;colon", "quote'"):
        c.log_metric(id, key, 1.0, timestamp=1)
        c.log_param(id, key, "v")
        c.set_tag(id, key, "v")
    c.get_run(id)
    c.log_param(id, "ok", "v")
    c.log_param(id, "ok", "another")
    c.log_param(id, "long", "x" * 6001)
    c.log_param(id, "nothing", "")
    c.set_tag(id, "long", "x" * 8001)
    c.set_tag(id, "ok", "changed")
    c.set_tag(id, "lines", "a\nb\u2028c\U0001f600")
    c.delete_tag(id, "ok")
    c.delete_tag(id, "ok")
    c.log_metric(id, "m", "text")
    c.log_metric(id, "m", 1.0, timestamp=-1)
    c.get_run(id)


def test_batches(both, fresh):
    c = both.client
    id = c.create_run(fresh, start_time=NOW).info.run_id
    c.log_batch(id, metrics=[Metric("a", i / 7, i, i) for i in range(1000)])
    c.log_batch(id, metrics=[Metric("a", i, i, i) for i in range(1001)])
    c.log_batch(id, params=[Param("p%d" % i, str(i)) for i in range(100)])
    c.log_batch(id, params=[Param("q%d" % i, str(i)) for i in range(101)])
    c.log_batch(id, tags=[RunTag("t%d" % i, str(i)) for i in range(101)])
    c.log_batch(id, params=[Param("twice", "1"), Param("twice", "2")])
    c.log_batch(id, params=[Param("twice", "1"), Param("twice", "1")])
    c.log_batch(id, params=[Param("p0", "other")], metrics=[Metric("b", 1, 1, 1)])
    c.log_batch(id, metrics=[Metric("bad//key", 1, 1, 1)])
    c.log_batch(id)
    c.log_batch("0" * 32, metrics=[Metric("a", 1, 1, 1)])
    c.log_batch(id, metrics=[Metric("c", float("nan"), 1, 1), Metric("c", 2, 1, 2)], params=[Param("r", "1")],
                tags=[RunTag("s", "1")])
    c.get_metric_history(id, "a")
    c.get_run(id)


def test_inputs(both, fresh):
    c = both.client
    id = c.create_run(fresh, start_time=NOW).info.run_id
    data = Dataset("iris", "abc123", "local", '{"uri": "x"}', '{"s": 1}', '{"rows": 3}')
    c.log_inputs(id, [DatasetInput(data, [InputTag("mlflow.data.context", "train")])])
    c.log_inputs(id, [DatasetInput(data, [InputTag("mlflow.data.context", "train")])])
    c.log_inputs(id, [DatasetInput(Dataset("n" * 501, "d", "local", "s"), [])])
    c.log_inputs(id, [])
    c.log_inputs("0" * 32, [DatasetInput(data, [])])
    c.get_run(id)
    other = c.create_run(fresh, start_time=NOW + 1).info.run_id
    c.log_inputs(other, [DatasetInput(data, [InputTag("mlflow.data.context", "test")])])
    for filter_string in ("datasets.name = 'iris'", "dataset.digest = 'abc123'", "dataset.context = 'test'",
                          "dataset.name LIKE 'ir%'", "dataset.name IN ('iris', 'x')", "dataset.name = 'no'"):
        c.search_runs([fresh], filter_string, order_by=["start_time"])


def test_artifacts(both, fresh, tmp_path):
    c = both.client
    id = c.create_run(fresh, start_time=NOW).info.run_id
    c.list_artifacts(id)
    c.log_text(id, "hello", "a/b/hello world+ü.txt")
    c.log_text(id, "", "empty.txt")
    c.log_dict(id, {"a": [1, 2]}, "d.json")
    (tmp_path / "dir/sub").mkdir(parents=True)
    (tmp_path / "dir/one").write_bytes(b"\0\1")
    (tmp_path / "dir/sub/two").write_bytes(b"2" * 100000)
    c.log_artifact(id, str(tmp_path / "dir/one"))
    c.log_artifact(id, str(tmp_path / "dir/one"), "there")
    c.log_artifacts(id, str(tmp_path / "dir"), "all")
    for path in (None, "a", "a/b", "all", "all/sub", "empty.txt", "nothing", "all/sub/two", "a/b/hello world+ü.txt"):
        c.list_artifacts(id, path)
    both.do("download", lambda client, side: [
        open(client.download_artifacts(id.real if side == "real" else id.ours, path), "rb").read()
        for path in ("a/b/hello world+ü.txt", "empty.txt", "all/sub/two")])
    both.do("download of nothing", lambda client, side: client.download_artifacts(
        id.real if side == "real" else id.ours, "nothing"))
    c.log_text(id, "replaced", "empty.txt")
    c.list_artifacts(id)
    c.log_text(id, "x", "../up.txt")
    c.list_artifacts("0" * 32)


def test_registered_models(both):
    c = both.client
    c.create_registered_model("churn", tags={"t": "1"}, description="what it is")
    c.create_registered_model("churn")
    c.create_registered_model("")
    c.create_registered_model("a/b:c")
    c.create_registered_model("plain")
    for name in ("churn", "plain", "nobody", ""):
        c.get_registered_model(name)
    c.update_registered_model("churn", description="other")
    c.update_registered_model("nobody", description="other")
    c.set_registered_model_tag("churn", "k", "v")
    c.set_registered_model_tag("churn", "k" * 251, "v")
    c.set_registered_model_tag("nobody", "k", "v")
    c.delete_registered_model_tag("churn", "t")
    c.delete_registered_model_tag("churn", "t")
    c.get_registered_model("churn")
    c.rename_registered_model("plain", "churn")
    c.rename_registered_model("plain", "simple")
    c.rename_registered_model("nobody", "x")
    for filter_string in (None, "name = 'churn'", "name LIKE 'ch%'", "name ILIKE 'CH%'", "tags.k = 'v'", "tags.k != 'v'", "name > 'a'",
                          "nothing = 'x'"):
        c.search_registered_models(filter_string=filter_string)
    c.search_registered_models(order_by=["name DESC"])
    c.search_registered_models(order_by=["nothing"])
    c.search_registered_models(max_results=1)
    c.search_registered_models(max_results=1001)
    c.delete_registered_model("simple")
    c.delete_registered_model("simple")


def test_model_versions(both, fresh):
    c = both.client
    id = c.create_run(fresh, start_time=NOW).info.run_id
    c.log_text(id, "weights", "model/weights")
    c.create_registered_model("m")
    source = both.do("source", lambda client, side: client.get_run(one_of(id, side)).info.artifact_uri + "/model")
    for n in range(3):
        c.create_model_version("m", source, run_id=id, tags={"n": str(n)}, description="version %d" % n)
    c.create_model_version("nobody", source)
    c.create_model_version("m", "/etc", run_id=id)
    c.create_model_version("m", "../../etc")
    c.get_model_version("m", "1")
    c.get_model_version("m", 7)
    c.get_model_version("m", "x")
    c.get_model_version_download_uri("m", "2")
    c.update_model_version("m", "1", description="changed")
    c.set_model_version_tag("m", "1", "k", "v")
    c.set_model_version_tag("m", "9", "k", "v")
    c.delete_model_version_tag("m", "1", "k")
    c.get_model_version("m", "1")
    c.transition_model_version_stage("m", "1", "Production")
    c.transition_model_version_stage("m", "2", "production", archive_existing_versions=True)
    c.transition_model_version_stage("m", "2", "nonsense")
    c.get_latest_versions("m")
    c.get_latest_versions("m", ["Production"])
    c.get_latest_versions("m", ["nonsense"])
    c.set_registered_model_alias("m", "champion", "1")
    c.set_registered_model_alias("m", "champion", "2")
    for alias in ("latest", "v1", "V2", "bad alias", "", "a" * 256, "fine-one_2"):
        c.set_registered_model_alias("m", alias, "1")
    c.set_registered_model_alias("m", "champion", "9")
    c.get_model_version_by_alias("m", "champion")
    c.get_model_version_by_alias("m", "nobody")
    c.get_registered_model("m")
    c.delete_registered_model_alias("m", "fine-one_2")
    c.delete_registered_model_alias("m", "fine-one_2")
    for filter_string in ("name = 'm'", "name = 'm' AND version_number > 1", "run_id = '%s'" % ("0" * 32), "name LIKE 'm%'", "tags.n = '1'",
                          "name = 'm' and tags.n != '1'", "nothing = 1", "version_number = '1'", "source_path = 'x'"):
        c.search_model_versions(filter_string)
    c.search_model_versions("name = 'm'", order_by=["version_number ASC"])
    c.search_model_versions("name = 'm'", order_by=["version_number DESC"], max_results=1)
    c.search_model_versions("name = 'm'", max_results=200001)
    c.copy_model_version("models:/m/1", "copied")
    c.rename_registered_model("m", "n")
    c.get_model_version("n", "1")
    c.get_model_version("m", "1")
    c.delete_model_version("n", "3")
    c.get_model_version("n", "3")
    c.create_model_version("n", source, run_id=id)
    c.delete_registered_model("n")
    c.get_model_version("n", "1")


def one_of(pair, side):
    return pair.real if side == "real" else pair.ours


if NEW_CLIENT:
    def test_tables(both, fresh):
        c = both.client
        id = c.create_run(fresh, start_time=NOW).info.run_id
        c.log_table(id, {"a": [1, 2], "b": ["x", "y"]}, "table.json")
        c.log_table(id, {"a": [3], "b": ["z"]}, "table.json")
        c.load_table(fresh, "table.json")

    def test_logged_models(both, fresh):
        c = both.client
        run = c.create_run(fresh, start_time=NOW)
        id = run.info.run_id
        model = c.create_logged_model(fresh, "net", source_run_id=id, tags={"a": "1"}, params={"depth": "3"}, model_type="agent")
        c.create_logged_model(fresh, "bad/name")
        c.create_logged_model("987654", "net")
        c.create_logged_model(fresh)
        mid = model.model_id
        c.get_logged_model(mid)
        c.get_logged_model("m-" + "0" * 32)
        c.log_model_params(mid, {"width": "4"})
        c.set_logged_model_tags(mid, {"b": "2", "a": "3"})
        c.delete_logged_model_tag(mid, "b")
        c.delete_logged_model_tag(mid, "b")
        c.log_metric(id, "auc", 0.5, timestamp=5, step=1, model_id=mid, dataset_name="d", dataset_digest="x")
        c.log_metric(id, "auc", 0.75, timestamp=6, step=2, model_id=mid)
        both.do("log_outputs", lambda client, side: client.log_outputs(
            one_of(id, side), [mlflow.entities.LoggedModelOutput(one_of(mid, side), 0)]))
        c.get_run(id)
        c.get_logged_model(mid)
        c.finalize_logged_model(mid, "READY")
        c.get_logged_model(mid)
        for filter_string in (None, "name = 'net'", "tags.a = '3'", "params.depth = '3'", "metrics.auc > 0.6", "model_type = 'agent'",
                              "nothing = 'x'", "name LIKE 'n%'"):
            c.search_logged_models([fresh], filter_string=filter_string)
        c.search_logged_models([fresh], order_by=[{"field_name": "metrics.auc", "ascending": False}])
        c.search_logged_models([fresh], order_by=[{"field_name": "creation_timestamp"}], max_results=1)
        c.list_logged_model_artifacts(mid)
        c.delete_logged_model(mid)
        c.get_logged_model(mid)
        c.search_logged_models([fresh])

    def test_prompts(both):
        c = both.client
        c.register_prompt("greet", "Hello {{name}}", commit_message="first", tags={"a": "1"})
        c.register_prompt("greet", "Hi {{name}}", commit_message="second")
        c.get_prompt("greet")
        c.get_prompt("nobody")
        c.get_prompt_version("greet", 1)
        c.get_prompt_version("greet", 9)
        c.load_prompt("prompts:/greet/2")
        c.set_prompt_alias("greet", "live", 1)
        c.get_prompt_version_by_alias("greet", "live")
        c.load_prompt("prompts:/greet@live")
        c.set_prompt_tag("greet", "k", "v")
        c.delete_prompt_tag("greet", "k")
        c.set_prompt_version_tag("greet", 1, "k", "v")
        c.delete_prompt_version_tag("greet", 1, "k")
        c.search_prompts()
        c.search_prompts("name = 'greet'")
        c.search_prompt_versions("greet")
        c.search_registered_models()
        c.delete_prompt_alias("greet", "live")
        c.create_prompt("bare", description="d")
        c.create_prompt_version("bare", "text")
        c.delete_prompt_version("bare", "1")
        c.delete_prompt("bare")


def test_every_method_is_called(both):
    """After the tests above: none is forgotten."""
    methods = {n for n, _ in inspect.getmembers(mlflow.MlflowClient, inspect.isfunction) if not n.startswith("_")}
    later = {m for m in methods if any(stem in m for stem in LATER)} | LATER_METHODS
    if not NEW_CLIENT:
        later |= {m for m in methods if "prompt" in m}
    forgotten = methods - both.called - later - ELSEWHERE.keys() - {"download_artifacts", "log_outputs", "log_table",
                                                                    "load_table", "search_runs"}
    assert not forgotten
