# SPDX-License-Identifier: Apache-2.0
"""`drift --method evidently` gives what Evidently's DataDriftPreset gives: its type of each column, its test, its number."""
import csv
import math
import warnings

import numpy as np
import pandas as pd
import pytest

SECONDS = 60
warnings.filterwarnings("ignore")
from evidently import Report  # noqa: E402
from evidently.metrics import ValueDrift  # noqa: E402
from evidently.presets import DataDriftPreset  # noqa: E402

from tables import SHAPES  # noqa: E402

TESTS = {
    "K-S p_value": "ks",
    "Wasserstein distance (normed)": "wasserstein",
    "chi-square p_value": "chi2",
    "Z-test p_value": "z",
    "Jensen-Shannon distance": "js",
    "PSI": "psi",
}
SIZES = [(1, 1), (1, 3), (2, 2), (3, 10), (10, 10), (23, 50), (100, 99), (500, 400), (1000, 1000), (1000, 20),
         (1001, 1001), (1001, 30), (5000, 3000), (12000, 9000), (100000, 50000)]


def write(path, columns):
    with open(path, "w", newline="") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(columns)
        rows.writerows(zip(*[[text(v) for v in values] for values in columns.values()]))


def text(value):
    if value is None:
        return ""
    return repr(float(value)) if isinstance(value, (float, np.floating)) else str(value)


def is_prose(values):
    """Evidently takes it for prose and trains a classifier on it, which ours does not offer."""
    values = [v for v in values if v is not None]
    return not values or isinstance(values[0], str) and len(set(values)) * 2 > len(values)


def make_tables(dice, shapes, rows_reference, rows_current):
    reference = {name: make(dice, rows_reference, 0) for name, make in shapes.items()}
    current = {name: make(dice, rows_current, 1) for name, make in shapes.items()}
    kept = [name for name in reference if not is_prose(reference[name]) and not is_prose(current[name])]
    return {name: reference[name] for name in kept}, {name: current[name] for name in kept}


def judged_by_evidently(reference, current):
    """{column: (test, value)} and how many drift; None for a column that makes the real one fail."""
    found = {}

    def read(report):
        for metric in report.dict()["metrics"]:
            if "column" in metric["config"]:
                found[metric["config"]["column"]] = TESTS[metric["config"]["method"]], metric["value"]

    try:
        report = Report([DataDriftPreset()]).run(current, reference)
    except Exception:
        for column in reference:
            try:
                read(Report([DataDriftPreset()]).run(current[[column]], reference[[column]]))
            except Exception:
                found[column] = None
        return found, None
    read(report)
    return found, report.dict()["metrics"][0]["value"]


def close(ours, theirs):
    if ours is None or math.isnan(theirs):
        return ours is None and math.isnan(theirs)
    return abs(ours - theirs) <= 1e-9 * max(1, abs(theirs))


def value_of(column):
    return column.get("p" if column["test"] in ("ks", "chi2", "z") else "score")


def compare(mlops, tmp_path, reference, current):
    write(tmp_path / "ref.csv", reference)
    write(tmp_path / "cur.csv", current)
    ours = mlops("drift", "ref.csv", "cur.csv", "--method", "evidently")
    theirs, drifted = judged_by_evidently(pd.read_csv(tmp_path / "ref.csv"), pd.read_csv(tmp_path / "cur.csv"))
    columns = {column["name"]: column for column in ours["columns"]}
    wrong = []
    for name, answer in theirs.items():
        column = columns[name]
        if answer is None:  # the real one ends in an exception: ours has a state
            assert column["state"], column
        elif math.isnan(answer[1]):  # a constant column: p is 1, with a note
            if not (value_of(column) == 1 and column["state"] == "OK" and column["reason"]):
                wrong.append((name, answer, column))
        elif column.get("test") != answer[0] or not close(value_of(column), answer[1]):
            wrong.append((name, answer, {k: column.get(k) for k in ("test", "score", "p", "state", "reason")}))
    assert not wrong, "\n".join(map(str, wrong))
    if drifted is not None:
        assert ours["drifted"] == drifted["count"]
        assert (ours["state"] == "DRIFT") == (drifted["share"] >= 0.5)


@pytest.mark.parametrize("sizes", SIZES, ids=lambda s: "%dx%d" % s)
def test_every_shape(mlops, tmp_path, sizes):
    dice = np.random.default_rng(sizes[0] * 7 + sizes[1])
    compare(mlops, tmp_path, *make_tables(dice, SHAPES, *sizes))


@pytest.mark.parametrize("seed", range(6))
def test_small_tables(mlops, tmp_path, seed):
    """Where exact p-values, ties and few categories meet."""
    dice = np.random.default_rng(seed)
    shapes = {name: SHAPES[name] for name in dice.choice(list(SHAPES), 14, replace=False)}
    compare(mlops, tmp_path, *make_tables(dice, shapes, *map(int, dice.integers(3, 40, 2))))


def test_nobody_drifts_from_himself(mlops, tmp_path):
    dice = np.random.default_rng(3)
    table = {name: make(dice, 700, 0) for name, make in SHAPES.items()}
    compare(mlops, tmp_path, table, table)


def test_psi(mlops, tmp_path):
    """It is no test that Evidently selects, so it is asked for."""
    dice = np.random.default_rng(8)
    names = ["normal", "shifted", "skewed", "int_many", "int_few", "category", "category_unseen", "rounded", "holed"]
    reference = {name: SHAPES[name](dice, 2000, 0) for name in names}
    current = {name: SHAPES[name](dice, 900, 1) for name in names}
    write(tmp_path / "ref.csv", reference)
    write(tmp_path / "cur.csv", current)
    ours = mlops("drift", "ref.csv", "cur.csv", "--method", "evidently", "--test", "psi")
    report = Report([ValueDrift(column=name, method="psi") for name in names])
    theirs = report.run(pd.read_csv(tmp_path / "cur.csv"), pd.read_csv(tmp_path / "ref.csv")).dict()["metrics"]
    columns = {column["name"]: column for column in ours["columns"]}
    for metric in theirs:
        column = columns[metric["config"]["column"]]
        assert column["test"] == "psi" and close(column["score"], metric["value"]), (metric, column)
