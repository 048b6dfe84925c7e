# SPDX-License-Identifier: Apache-2.0
"""Searches of runs, against an evaluator that is too simple to be wrong; and what went into runs."""
import math
import random
import re
import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

SECONDS = 18
RUNS = 800  # more than are looked at one by one
WORDS = ["a", "b", "Ab", "aB%", "x_y", "it's", 'say "so"', "[ab]*", "\u00e4\u00f6", "z" * 50, "z" * 50 + "a", ""]
STATES = ["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]
METRICS, PARAMS, TAGS = ["m", "n.1", "rare", "two words"], ["p", "q-1", "rare"], ["t", "u/v", "rare"]


class Run:
    """What is known of a run; metrics, params and tags by key."""

    def __init__(self, number, dice):
        self.run_id = "%032x" % (number * 7919 % 1000003)
        self.experiment = dice.choice([1] * 12 + [2, 3])
        self.run_name, self.status, self.user_id = dice.choice(WORDS[:5]), dice.choice(STATES), dice.choice("uv")
        self.start_time = dice.randrange(300)
        self.end_time = dice.choice([None, dice.randrange(300)])
        self.deleted = dice.random() < 0.1
        self.metric = {k: dice.choice([0.0, -1.5, 2.0, 3.25, math.nan, dice.random()]) for k in self.some(METRICS, dice)}
        self.param = {k: dice.choice(WORDS) for k in self.some(PARAMS, dice)}
        self.tag = {k: dice.choice(WORDS) for k in self.some(TAGS, dice)}
        self.tag["mlflow.runName"] = self.run_name

    @staticmethod
    def some(keys, dice):
        return [k for k in keys if dice.random() < (0.01 if k == "rare" else 0.7)]


def fill(path, runs):
    db = sqlite3.connect(path)
    for name in ("one", "two", "three"):
        db.execute("INSERT INTO experiments (name, creation_time, last_update_time) VALUES (?, 1, 1)", (name,))
    for row, run in enumerate(runs, 1):
        db.execute("INSERT INTO runs (id, run_id, name, experiment, user_id, status, lifecycle_stage, start_time, end_time)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                   (row, run.run_id, run.run_name, run.experiment, run.user_id, run.status,
                    "deleted" if run.deleted else "active", run.start_time, run.end_time))
        for table, pairs in (("params", run.param), ("tags", run.tag)):
            db.executemany(f"INSERT INTO {table} (run, key, value) VALUES (?, ?, ?)",
                           [(row, k, v) for k, v in pairs.items()])
        db.executemany("INSERT INTO latest_metrics (run, key, timestamp, step, value, is_nan) VALUES (?, ?, 1, 1, ?, ?)",
                       [(row, k, 0 if math.isnan(v) else v, math.isnan(v)) for k, v in run.metric.items()])
    db.commit()
    db.close()


@pytest.fixture
def many(project, start_agent):
    runs = [Run(i, random.Random(i)) for i in range(1, RUNS + 1)]
    fill(project / ".mlops/registry.db", runs)
    return start_agent(), runs


# ---- conditions: (text, function of a run) ----

ENTITIES = {"metric": ["metrics", "metric"], "param": ["params", "param", "parameter", "parameters"],
            "tag": ["tags", "tag"]}
NUMERIC = {"=": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
           ">": lambda a, b: a > b, ">=": lambda a, b: a >= b}


def like(text, pattern, flags=0):
    pattern = "".join(".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)
    return re.fullmatch(pattern, text, re.DOTALL | re.ASCII | flags) is not None


TEXTUAL = {"=": lambda a, b: a == b, "!=": lambda a, b: a != b, "LIKE": like, "like": like,
           "ILIKE": lambda a, b: like(a.translate(LOWER), b.translate(LOWER))}
LOWER = {c: c + 32 for c in range(ord("A"), ord("Z") + 1)}
LISTS = {"IN": lambda a, b: a in b, "NOT IN": lambda a, b: a not in b}


def quoted(text):
    return "'" + text.replace("'", "''") + "'" if '"' in text or len(text) % 2 else '"' + text + '"'


def keyed(entity, key):
    quote = "`" if " " in key else random.choice(["`", '"', ""])
    return st.sampled_from(ENTITIES[entity]).map(lambda word: f"{word}.{quote}{key}{quote}")


def about(name, value, test):
    """Holds for a run that has a value for which the test holds."""
    return name, lambda run: value(run) is not None and test(value(run))


def getter(entity, key):
    return (lambda run: getattr(run, entity).get(key)) if entity else (lambda run: getattr(run, key))


numbers = st.sampled_from([0.0, -1.5, 2.0, 3.25, 0.5, 1e3])
words = st.sampled_from(WORDS)
patterns = st.sampled_from(["%", "a%", "%b%", "_b", "x_y", "%[%", "\u00e4_", "", "A%"])


def condition(name, entity, key, numeric):
    get = getter(entity, key)
    options = [st.tuples(st.just(name), st.sampled_from(sorted(NUMERIC)), numbers).map(
        lambda c: about(f"{c[0]} {c[1]} {c[2]}", get, lambda v, c=c: NUMERIC[c[1]](v, c[2])))] if numeric else [
        st.tuples(st.just(name), st.sampled_from(sorted(TEXTUAL)), st.one_of(words, patterns)).map(
            lambda c: about(f"{c[0]} {c[1]} {quoted(c[2])}", get, lambda v, c=c: TEXTUAL[c[1]](v, c[2]))),
        st.tuples(st.just(name), st.sampled_from(sorted(LISTS)), st.lists(words, min_size=1, max_size=3)).map(
            lambda c: about(f"{c[0]} {c[1]} ({', '.join(map(quoted, c[2]))})", get,
                            lambda v, c=c: LISTS[c[1]](v, c[2])))]
    if entity in ("param", "tag"):
        options += [st.just((name + " IS NULL", lambda run: get(run) is None)),
                    st.just((name + " is not null", lambda run: get(run) is not None))]
    return st.one_of(options)


def conditions():
    options = []
    for entity, keys in (("metric", METRICS), ("param", PARAMS), ("tag", TAGS)):
        for key in keys:
            options.append(keyed(entity, key).flatmap(
                lambda name, e=entity, k=key: condition(name, e, k, e == "metric")))
    for key in ("run_name", "status", "user_id", "run_id"):
        options.append(st.sampled_from([key, "attributes." + key, "run." + key]).flatmap(
            lambda name, k=key: condition(name, None, k, False)))
    for key in ("start_time", "end_time"):
        options.append(condition("attr." + key, None, key, True))
    return st.one_of(options)


def join(both, word, test):
    return f"{both[0][0]} {word} {both[1][0]}", lambda run: test(both[0][1](run), both[1][1](run))


def deeper(inner):
    closed = inner.map(lambda c: (f"({c[0]})", c[1]))
    return st.one_of(st.tuples(closed, closed).map(lambda b: join(b, "AND", lambda x, y: x and y)),
                     st.tuples(closed, closed).map(lambda b: join(b, "or", lambda x, y: x or y)),
                     closed.map(lambda c: ("NOT " + c[0], lambda run: not c[1](run))))


# A time that is not there is neither below a number nor not below it, as in SQL: NOT is not tried on it.
nested = st.recursive(conditions().filter(lambda c: "end_time" not in c[0]), deeper, max_leaves=5)
ands = st.lists(conditions(), min_size=1, max_size=3).map(
    lambda list_: (" AND ".join(c[0] for c in list_), lambda run: all(c[1](run) for c in list_)))
filters = st.one_of(st.just(("", lambda run: True)), ands, nested)

# ---- orders ----

orders = st.lists(st.tuples(st.sampled_from(
    [("metrics.", "metric", k) for k in METRICS] + [("params.", "param", k) for k in PARAMS] +
    [("tags.", "tag", k) for k in TAGS] + [("", None, k) for k in ("start_time", "end_time", "status", "run_name")]),
    st.sampled_from(["ASC", "DESC", ""])), max_size=3, unique_by=lambda order: order[0])


def order_text(order):
    (prefix, entity, key), direction = order
    return f"{prefix}`{key}` {direction}" if entity else f"attributes.{key} {direction}"


def ordered(runs, by):
    if not any(key == "start_time" for (_, _, key), _ in by):
        by = by + [(("", None, "start_time"), "DESC")]
    runs = sorted(runs, key=lambda run: run.run_id)
    for (_, entity, key), direction in reversed(by):
        get = getter(entity, key)
        there = [run for run in runs if get(run) is not None and get(run) == get(run)]
        runs = (sorted(there, key=get, reverse=direction == "DESC") +
                [run for run in runs if get(run) is not None and get(run) != get(run)] +
                [run for run in runs if get(run) is None])
    return runs


def pages(agent, size, **body):
    """Ids of all runs that a search finds, page by page."""
    ids, token = [], None
    while True:
        status, answer = agent.post("/api/2.0/mlflow/runs/search", max_results=size, page_token=token, **body)
        assert status == 200, (answer, body)
        runs = answer.get("runs", [])
        assert len(runs) <= size
        ids += [run["info"]["run_id"] for run in runs]
        token = answer.get("next_page_token")
        if not token:
            return ids
        assert len(runs) == size


def test_generated_searches_find_what_a_simple_evaluator_finds(many):
    agent, runs = many

    @settings(max_examples=250, deadline=None, database=None, derandomize=True,
              suppress_health_check=list(HealthCheck))
    @given(filters, orders, st.sampled_from([["1"], ["1"], ["1", "2"], ["3", "1", "2"]]),
           st.sampled_from([7, 100, 1000]), st.sampled_from(["ACTIVE_ONLY", "ALL", "DELETED_ONLY"]))
    def check(filter_, by, experiments, size, view):
        text, holds = filter_
        wanted = [run for run in runs if str(run.experiment) in experiments and holds(run) and
                  (view == "ALL" or run.deleted == (view == "DELETED_ONLY"))]
        if len(wanted) > 20 * size:
            size = 100
        found = pages(agent, size, filter=text, order_by=list(map(order_text, by)), experiment_ids=experiments,
                      run_view_type=view)
        assert found == [run.run_id for run in ordered(wanted, by)]

    check()


def test_a_page_begins_where_the_one_before_ended(agent):
    """Whatever was made meanwhile, in the order of times; and a page that is just full is the last one."""
    ids = [new_run(agent, start_time=100 + i) for i in range(6)]
    status, first = agent.post("/api/2.0/mlflow/runs/search", experiment_ids=["0"], max_results=3)
    assert [run["info"]["run_id"] for run in first["runs"]] == ids[:2:-1]
    new_run(agent, start_time=500)
    status, second = agent.post("/api/2.0/mlflow/runs/search", experiment_ids=["0"], max_results=3,
                                page_token=first["next_page_token"])
    assert [run["info"]["run_id"] for run in second["runs"]] == ids[2::-1]
    assert "next_page_token" not in second
    status, answer = agent.post("/api/2.0/mlflow/runs/search", experiment_ids=["0"], page_token="no token")
    assert status == 400 and "Invalid page token" in answer["message"]


def new_run(agent, **body):
    # Two requests that are equal may be taken for one that is repeated.
    body = {"experiment_id": "0", "start_time": 1, "run_name": "%x" % random.getrandbits(64), **body}
    status, answer = agent.post("/api/2.0/mlflow/runs/create", **body)
    assert status == 200, answer
    return answer["run"]["info"]["run_id"]


@pytest.mark.parametrize("body, message", [
    ({"max_results": 50001}, "Invalid value 50001 for parameter 'max_results' supplied"),
    ({"max_results": 0}, "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer"),
    ({"filter": "metrics.m LIKE 'x'"}, "Expected numeric value type for metric. Found 'x'"),
    ({"filter": "sauce.m = 'x'"}, "Invalid entity type 'sauce'"),
    ({"filter": "attributes.sauce = 'x'"}, "Invalid attribute key 'sauce' specified"),
    ({"filter": "tags.a = 'x' tags.b = 'y'"}, "Invalid clause(s) in filter string"),
    ({"order_by": ["metrics.m", "metrics.m DESC"]}, "`order_by` contains duplicate fields"),
    ({"order_by": ["metrics.m SIDEWAYS"]}, "Invalid order_by clause"),
    ({"experiment_ids": ["x"]}, "Invalid experiment ID 'x'"),
])
def test_what_cannot_be_searched_is_told(agent, body, message):
    status, answer = agent.post("/api/2.0/mlflow/runs/search", **{"experiment_ids": ["0"], **body})
    assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert message in answer["message"]


def dataset(name, context=None, **more):
    tags = [{"key": "mlflow.data.context", "value": context}] if context else []
    return {"dataset": {"name": name, "digest": "d1", "source_type": "local", "source": "{}", **more}, "tags": tags}


def test_data_sets_and_models_of_runs(agent):
    one, two = new_run(agent), new_run(agent)
    path = "/api/2.0/mlflow/runs/"
    assert agent.post(path + "log-inputs", run_id=one, datasets=[dataset("train", "training", schema="s"),
                                                                 dataset("test")], models=[{"model_id": "m-1"}])[0] == 200
    # Told again: what was first said stays.
    assert agent.post(path + "log-inputs", run_id=one, datasets=[dataset("train", "other", schema="t")])[0] == 200
    assert agent.post(path + "log-inputs", run_id=two, datasets=[dataset("train", "validation")])[0] == 200
    assert agent.post(path + "outputs", run_id=one, models=[{"model_id": "m-2", "step": 3}])[0] == 200
    run = agent.get(path + "get", run_id=one)[1]["run"]
    assert {d["dataset"]["name"]: d for d in run["inputs"]["dataset_inputs"]} == {
        "train": dataset("train", "training", schema="s"), "test": {"dataset": dataset("test")["dataset"]}}
    assert run["inputs"]["model_inputs"] == [{"model_id": "m-1"}]
    assert run["outputs"] == {"model_outputs": [{"model_id": "m-2", "step": 3}]}
    for filter_, found in [("datasets.name = 'train'", {one, two}), ("dataset.name = 'test'", {one}),
                           ("datasets.context = 'validation'", {two}), ("datasets.digest IN ('d1', 'd2')", {one, two}),
                           ("datasets.name != 'train'", {one}), ("datasets.context LIKE 'train%'", {one})]:
        assert set(pages(agent, 10, experiment_ids=["0"], filter=filter_)) == found, filter_
    summaries = agent.post("/ajax-api/2.0/mlflow/experiments/search-datasets", experiment_ids=["0"])[1]
    assert sorted((d["name"], d.get("context", "")) for d in summaries["dataset_summaries"]) == [
        ("test", ""), ("train", "training"), ("train", "validation")]
    status, answer = agent.post(path + "log-inputs", run_id=one, datasets=[dataset("n" * 501)])
    assert status == 400 and "'name' exceeds the maximum length of 500 characters" in answer["message"]
    assert agent.post(path + "outputs", run_id="0" * 32, models=[{"model_id": "m-2"}])[0] == 404


def test_experiments_are_searched(agent):
    path = "/api/2.0/mlflow/experiments/"
    ids = [agent.post(path + "create", name=name, tags=[{"key": "team", "value": team}])[1]["experiment_id"]
           for name, team in [("alpha", "x"), ("Beta", "y"), ("gamma", "x")]]
    agent.post(path + "delete", experiment_id=ids[2])

    def found(**body):
        status, answer = agent.post(path + "search", **{"max_results": 10, **body})
        assert status == 200, answer
        return [e["name"] for e in answer.get("experiments", [])]

    assert found(filter="tags.team = 'x'") == ["alpha"]
    assert found(filter="tags.team = 'x'", view_type="ALL", order_by=["name"]) == ["alpha", "gamma"]
    assert found(filter="name ILIKE 'b%' OR tags.team IS NULL", order_by=["experiment_id DESC"]) == ["Beta", "Default"]
    assert found(filter=f"experiment_id IN ('{ids[1]}', '0')", order_by=["name DESC"]) == ["Default", "Beta"]
    assert found(view_type="DELETED_ONLY") == ["gamma"]
    status, page = agent.get(path + "search", max_results=2, order_by="name")
    assert [e["name"] for e in page["experiments"]] == ["Beta", "Default"]
    status, page = agent.get(path + "search", max_results=2, order_by="name", page_token=page["next_page_token"])
    assert [e["name"] for e in page["experiments"]] == ["alpha"] and "next_page_token" not in page
    for body, message in [({}, "Invalid value 0 for parameter 'max_results'"),
                          ({"max_results": 1, "filter": "metrics.a > 1"}, "Invalid entity type 'metrics'"),
                          ({"max_results": 1, "filter": "experiment_id = 'x'"}, "Invalid experiment_id 'x'"),
                          ({"max_results": 1, "order_by": ["tags.team"]}, "Invalid order_by entity")]:
        status, answer = agent.post(path + "search", **body)
        assert status == 400 and message in answer["message"], answer


def test_metrics_of_several_runs(agent):
    one, two = sorted([new_run(agent), new_run(agent)])
    for run, n in ((one, 1000), (two, 3)):
        agent.post("/api/2.0/mlflow/runs/log-batch", run_id=run,
                   metrics=[{"key": "m", "value": i, "timestamp": i, "step": i} for i in range(n)])
    bulk = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
    points = agent.get(bulk, run_id=[two, one], metric_key="m")[1]["metrics"]
    assert [(p["run_id"], p["step"]) for p in points] == [(one, i) for i in range(1000)] + [(two, i) for i in range(3)]
    assert len(agent.get(bulk, run_id=[two, one], metric_key="m", max_results=5)[1]["metrics"]) == 5
    points = agent.get(bulk + "-interval", run_ids=[one, two, "none"], metric_key="m", max_results=10)[1]["metrics"]
    assert [p["step"] for p in points] == [*range(0, 900, 100), 999, 0, 1, 2]
    points = agent.get(bulk + "-interval", run_ids=one, metric_key="m", max_results=3, start_step=10, end_step=15)[1]
    assert [p["step"] for p in points["metrics"]] == [10, 12, 15]
    assert agent.get(bulk + "-interval", run_ids=one, metric_key="m", max_results=1)[1]["metrics"][0]["step"] == 999
    for query in ({"run_ids": one}, {"metric_key": "m"}, {"run_ids": one, "metric_key": "m", "start_step": 1},
                  {"run_ids": one, "metric_key": "m", "max_results": 2501},
                  {"run_ids": [one] * 101, "metric_key": "m"}):
        assert agent.get(bulk + "-interval", **query)[0] == 400
    assert agent.get(bulk, metric_key="m")[0] == agent.get(bulk, run_id=one)[0] == 400


def test_files_that_a_pipeline_read_are_data_sets(project, mlops, start_agent):
    (project / "raw.csv").write_text("1")
    (project / "pipeline.ini").write_text("[step.a]\ncmd = cp raw.csv out.csv\nin = raw.csv\nout = out.csv\n")
    mlops("run")
    agent = start_agent()
    ids = [e["experiment_id"] for e in agent.post("/api/2.0/mlflow/experiments/search", max_results=9)[1]["experiments"]]
    runs = agent.post("/api/2.0/mlflow/runs/search", experiment_ids=ids, filter="datasets.name = 'raw.csv'")[1]["runs"]
    one, = [d for d in runs[0]["inputs"]["dataset_inputs"] if d["dataset"]["name"] == "raw.csv"]
    assert len(one["dataset"]["digest"]) == 64 and one["dataset"]["source"] == '{"uri":"raw.csv"}'
    assert one["tags"][0]["key"] == "mlflow.data.context"
