# SPDX-License-Identifier: Apache-2.0
"""Searches of runs: the same runs on both servers, and generated filters and orders that must find the same."""
import math
import random

import pytest
from both import Pair
from mlflow import MlflowException
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType

SECONDS = 60
RUNS, SEARCHES = 40, 250
WORDS = ["a", "b", "Ab", "aB%", "x_y", "a b", "[ab]*", "\u00e4\u00f6", "AND", "10"]
METRICS, PARAMS, TAGS = ["m", "n.1", "two words"], ["p", "q-1", "r/s"], ["t", "u.v", "mlflow.note.content"]
STATES = ["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]

# What MLflow refuses, and so do we.
REFUSED = [
    "metrics.m = 'x'", "metrics.m LIKE 'x'", "metrics.m", "metrics.m >", "params.p = x", "params.p = 5",
    "params.p > 'x'", "tags.t = `x`", "sauce.m = 'x'", "sauce = 'x'", "attributes.sauce = 'x'", "start_time = 'x'",
    "start_time LIKE 'x'", "status > 'x'", "run_id IN ()", "run_id IN (5)", "run_id IN 'x'", "metrics.m IS NULL",
    "status IS NULL", "datasets.size = 'x'", "datasets.name > 'x'", "params.p = 'x",
]
DIFFERENT = ["params.p = 'x' params.q = 'y'", "params.p = 'x' AND", "metrics.n.1 > 0"]  # as both.DIFFERENCES says
REFUSED_ORDERS = ["sauce.m", "sauce", "metrics.m SIDEWAYS", "datasets.name"]


def quoted(key, dice):
    quote = dice.choice(["`", '"'] if set(key) & set(" -/1") else ["`", '"', ""])
    return quote + key + quote


def text(dice, words=WORDS):
    quote = dice.choice("'\"")
    return quote + dice.choice(words) + quote


def condition(dice):
    kind = dice.randrange(8)
    if kind < 2:
        return "%s.%s %s %s" % (dice.choice(["metrics", "metric"]), quoted(dice.choice(METRICS), dice),
                                dice.choice(["=", "!=", "<", "<=", ">", ">="]), dice.choice(["0", "1.5", "-2", "0.25"]))
    if kind < 6:
        word, keys = [("params", PARAMS), ("parameter", PARAMS), ("tags", TAGS), ("tag", TAGS)][kind - 2]
        left = "%s.%s " % (word, quoted(dice.choice(keys), dice))
        if dice.random() < 0.2:
            return left + dice.choice(["IS NULL", "IS NOT NULL", "is not null"])
        return left + dice.choice(["= ", "!= ", "LIKE ", "ILIKE "]) + text(dice, WORDS + ["%a%", "_b", "A%", "%"])
    if kind == 6:
        return "datasets.%s %s %s" % (dice.choice(["name", "digest", "context"]), dice.choice(["=", "!=", "LIKE"]),
                                      text(dice, ["d1", "d2", "train", "test", "d%"]))
    return dice.choice([
        "attributes.status %s %s" % (dice.choice(["=", "!="]), text(dice, STATES)),
        "attr.start_time %s %d" % (dice.choice(["=", "<", ">="]), 1000 + dice.randrange(RUNS)),
        "end_time > %d" % (2000 + dice.randrange(RUNS)),
        "run_name %s %s" % (dice.choice(["=", "!=", "LIKE"]), text(dice, ["r7", "r1%", "%3"])),
        "user_id ILIKE 'A%'",
        "run.`Run name` LIKE '%5'",
    ])


def order(dice):
    entity, keys = dice.choice([("metrics", METRICS), ("params", PARAMS), ("tags", TAGS),
                                ("attributes", ["start_time", "end_time", "status", "run_name", "Created"])])
    return "%s.`%s`%s" % (entity, dice.choice(keys), dice.choice(["", " ASC", " DESC", " desc"]))


def describe(number):
    """What run `number` has: the same on both servers."""
    dice = random.Random(number)
    return {
        "metrics": [Metric(k, dice.choice([0, 1.5, -2, 0.25, math.nan, dice.random()]), 1, 0)
                    for k in METRICS if dice.random() < 0.7],
        "params": [Param(k, dice.choice(WORDS)) for k in PARAMS if dice.random() < 0.7],
        "tags": [RunTag(k, dice.choice(WORDS)) for k in TAGS if dice.random() < 0.7],
    }, [DatasetInput(Dataset(name, dice.choice(["d1", "d2"]), "local", "{}"),
                     [InputTag("mlflow.data.context", dice.choice(["train", "test"]))])
        for name in ("d1", "d2", "d3") if dice.random() < 0.2], dice.choice(STATES)


def log_runs(client, experiment):
    for number in range(RUNS):
        batch, datasets, status = describe(number)
        run = client.create_run(experiment, start_time=1000 + number, run_name="r%d" % number,
                                tags={"mlflow.user": "ann"}).info.run_id
        client.log_batch(run, **batch)
        if datasets:
            client.log_inputs(run, datasets)
        client.set_terminated(run, status if status in ("FINISHED", "FAILED", "KILLED") else "FINISHED", 2000 + number)
        if number % 9 == 0:
            client.delete_run(run)


@pytest.fixture(scope="module")
def filled(both):
    """Ids of an experiment with the same runs, by side."""
    ids = {}
    for side, client in both.clients.items():
        ids[side] = client.create_experiment("searched")
        log_runs(client, ids[side])
    return ids


def found(both, filled, side, filter_, orders, size, view):
    """Names of runs, page by page, or the name of the error."""
    names, token = [], None
    try:
        while True:
            page = both.clients[side].search_runs([filled[side]], filter_, view, size, orders, token)
            names.append([run.info.run_name for run in page])
            token = page.token
            if not token:
                return names
    except MlflowException as err:
        return err.error_code


def test_generated_searches(both, filled):
    different = []
    for seed in range(SEARCHES):
        dice = random.Random(seed)
        filter_ = " AND ".join(condition(dice) for _ in range(dice.choice([0, 1, 1, 1, 2, 3])))
        orders = list({o.split("`")[1]: o for o in (order(dice) for _ in range(dice.choice([0, 1, 1, 2])))}.values())
        if sum("start_time" in o or "Created" in o for o in orders) > 1:
            orders = orders[:1]
        view = dice.choice([ViewType.ACTIVE_ONLY, ViewType.ACTIVE_ONLY, ViewType.ALL, ViewType.DELETED_ONLY])
        size = dice.choice([9, 1000])
        real, ours = (found(both, filled, side, filter_, orders, size, view) for side in ("real", "ours"))
        if real != ours:
            different.append((filter_, orders, size, view, real, ours))
    assert not different, "\n".join(map(repr, different))


@pytest.mark.parametrize("filter_", REFUSED)
def test_refused_filters(both, filled, filter_):
    assert [found(both, filled, side, filter_, [], 9, ViewType.ALL) for side in ("real", "ours")] == \
        ["INVALID_PARAMETER_VALUE"] * 2


def test_different_filters(both, filled):
    for filter_ in DIFFERENT:
        both.client.search_runs([Pair(filled["real"], filled["ours"])], filter_)


@pytest.mark.parametrize("order_", REFUSED_ORDERS)
def test_refused_orders(both, filled, order_):
    real, ours = (found(both, filled, side, "", [order_], 9, ViewType.ALL) for side in ("real", "ours"))
    assert real == ours == "INVALID_PARAMETER_VALUE"
