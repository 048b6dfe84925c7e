# SPDX-License-Identifier: Apache-2.0
"""mlops drift: two files, a table of columns, one verdict, and an exit status that a script can use."""
import json
import random

import pytest

SECONDS = 6


def rows_of(n, seed, shift=0.0, kinds="xxxyyz"):
    r = random.Random(seed)
    return [[i + 1, f"{r.gauss(shift, 1):.5f}", f"{r.gauss(shift, 3):.5f}", r.choice(kinds), 4, r.randint(0, 4)] for i in range(n)]


HEADER = ["id", "a", "b", "kind", "fixed", "few"]


def write(path, rows, header=HEADER):
    path.write_text("\n".join(",".join(map(str, row)) for row in [header, *rows]) + "\n")


@pytest.fixture
def tables(tmp_path):
    write(tmp_path / "ref.csv", rows_of(4000, 1))
    write(tmp_path / "same.csv", rows_of(1000, 2))
    write(tmp_path / "moved.csv", rows_of(1000, 3, 0.8))
    write(tmp_path / "small.csv", rows_of(120, 4, 2))
    return tmp_path


def verdict(mlops, *args, status=0):
    done = mlops("--json", "drift", *args)
    assert done.status == status, done
    return json.loads(done.out)


def states(result):
    return {column["name"]: column["state"] for column in result["columns"]}


def test_no_drift_is_zero(tables, mlops):
    result = verdict(mlops, "ref.csv", "same.csv")
    assert result["state"] == "OK" and result["drifted"] == 0 and result["judged"] == 5
    assert states(result)["id"] == "SKIPPED"
    assert (result["reference"], result["current"]) == ("ref.csv", "same.csv")
    text = mlops("drift", "ref.csv", "same.csv")
    assert text.status == 0 and text.out.splitlines()[-1].startswith("OK: no drift in 5 columns (1,000 rows against 4,000)")


def test_drift_is_seven_and_the_worst_come_first(tables, mlops):
    result = verdict(mlops, "ref.csv", "moved.csv", status=7)
    assert result["state"] == "DRIFT" and [c["name"] for c in result["columns"][:2]] == ["a", "b"]
    assert all(c["score"] > c["threshold"] and c["p_adjusted"] < 0.05 for c in result["columns"][:2])
    picture = result["columns"][0]["picture"]
    assert len(picture["edges"]) == len(picture["reference"]) + 1 and abs(sum(picture["current"]) - 1) < 1e-9
    text = mlops("drift", "ref.csv", "moved.csv")
    assert text.status == 7 and "DRIFT: 2 of 5 columns drifted: a, b" in text.out


def test_cannot_judge_is_eight(tables, mlops):
    result = verdict(mlops, "ref.csv", "small.csv", status=8)
    assert result["state"] == "INSUFFICIENT" and "120" in result["reason"]
    assert "help: --min-rows N" in mlops("drift", "ref.csv", "small.csv").err
    assert verdict(mlops, "ref.csv", "small.csv", "--min-rows", "100", status=7)["state"] == "DRIFT"


def test_what_is_gone_is_never_fine(tables, mlops):
    write(tables / "odd.csv", [[r[0], "", "word", r[3], r[4]] for r in rows_of(1000, 5)], ["id", "a", "b", "kind", "new"])
    result = verdict(mlops, "ref.csv", "odd.csv", status=7)
    assert result["state"] == "QUARANTINED"
    assert states(result) == {"a": "ALL_NULL", "b": "TYPE_CHANGED", "fixed": "MISSING", "few": "MISSING", "kind": "OK",
                              "new": "NEW", "id": "SKIPPED"}
    assert all(name in result["reason"] for name in ("a", "b", "fixed", "few"))


def test_columns_can_be_chosen(tables, mlops):
    assert set(states(verdict(mlops, "ref.csv", "moved.csv", "--columns", "kind,few"))) == {"kind", "few"}
    assert verdict(mlops, "ref.csv", "moved.csv", "--ignore", "a", "--ignore", "b,id")["state"] == "OK"
    assert verdict(mlops, "ref.csv", "moved.csv", "--ignore", "b", "--critical", "a", status=7)["drifted"] == 1
    assert verdict(mlops, "ref.csv", "moved.csv", "--ignore", "b")["state"] == "OK"
    assert verdict(mlops, "ref.csv", "moved.csv", "--threshold", "2")["state"] == "OK"
    assert verdict(mlops, "ref.csv", "moved.csv", "--share", "0.9")["state"] == "OK"
    assert states(verdict(mlops, "ref.csv", "same.csv", "--columns", "id", status=7)) == {"id": "DRIFT"}
    done = mlops("drift", "ref.csv", "same.csv", "--critical", "kindd")
    assert done.status == 3 and "kind" in done.err


def test_method_of_evidently(tables, mlops):
    result = verdict(mlops, "ref.csv", "same.csv", "--method", "evidently", "--ignore", "id")
    assert {c["name"]: c["test"] for c in result["columns"]} == {
        "a": "wasserstein", "b": "wasserstein", "kind": "js", "fixed": "js", "few": "js"}
    small = verdict(mlops, "small.csv", "same.csv", "--method", "evidently", "--ignore", "id", status=7)
    assert {c["test"] for c in small["columns"]} == {"ks", "chi2", "z"}
    assert "same on both sides" in next(c for c in small["columns"] if c["name"] == "fixed")["reason"]
    psi = verdict(mlops, "ref.csv", "same.csv", "--method", "evidently", "--test", "psi", "--ignore", "id")
    assert {c["test"] for c in psi["columns"]} == {"psi"}


def test_texts_that_evidently_gives_to_a_classifier(tables, mlops):
    rows = [[i, f"text number {i}"] for i in range(600)]
    write(tables / "text.csv", rows, ["x", "words"])
    result = verdict(mlops, "text.csv", "text.csv", "--method", "evidently", status=8)
    assert states(result) == {"x": "OK", "words": "UNDECIDED"}
    assert verdict(mlops, "text.csv", "text.csv", "--method", "evidently", "--ignore", "words")["state"] == "OK"


def test_what_a_sketch_leaves_open_is_read_once_more(tmp_path, mlops):
    """A tail so heavy that the error of a sketch is larger than any threshold."""
    for name, seed in (("ref.csv", 1), ("cur.csv", 2)):
        r = random.Random(seed)
        write(tmp_path / name, [[f"{r.paretovariate(1.5):.4f}", i % 7] for i in range(100_000)], ["heavy", "few"])
    again = verdict(mlops, "ref.csv", "cur.csv")["columns"]
    exact = verdict(mlops, "ref.csv", "cur.csv", "--exact")["columns"]
    assert again == exact and {(c["state"], c["error"]) for c in again} == {("OK", 0.0)}
    piped = mlops("--json", "drift", "ref.csv", "-", "--columns", "heavy", input=(tmp_path / "cur.csv").read_text())
    assert piped.status == 8 and json.loads(piped.out)["columns"][0]["error"] > 0.05


def test_labels_tell_a_worse_model(tables, mlops):
    def labelled(name, n, seed, wrong):
        r = random.Random(seed)
        rows = []
        for _ in range(n):
            label = r.random() < 0.4
            miss = r.random() < wrong
            rows.append([f"{r.gauss(0, 1):.4f}", int(label), int(label != miss), f"{0.5 + (0.3 if label else -0.3) * (-1 if miss else 1) + r.gauss(0, 0.1):.4f}"])
        write(tables / name, rows, ["x", "label", "guess", "p"])

    labelled("good.csv", 3000, 1, 0.1)
    labelled("still.csv", 800, 2, 0.1)
    labelled("bad.csv", 800, 3, 0.3)
    options = ("--label", "label", "--prediction", "guess", "--score", "p", "--columns", "x")
    still = verdict(mlops, "good.csv", "still.csv", *options)["performance"]
    assert [m["metric"] for m in still] == ["accuracy", "errors", "auc"] and {m["state"] for m in still} == {"OK"}
    result = verdict(mlops, "good.csv", "bad.csv", *options, status=7)
    accuracy, errors, auc = result["performance"]
    assert accuracy["drop_low"] > 0.1 and accuracy["drop_low"] < accuracy["drop"] < accuracy["drop_high"]
    assert errors["state"] == "DRIFT" and 1 <= errors["row"] <= 800 and auc["drop"] > 0.1
    assert result["state"] == "DRIFT" and "worse" in result["reason"]
    text = mlops("drift", "good.csv", "bad.csv", *options).out
    assert "accuracy 0." in text and "(ADWIN)" in text
    assert mlops("drift", "good.csv", "bad.csv", "--prediction", "guess").status == 2
    assert mlops("drift", "good.csv", "bad.csv", "--label", "nolabel", "--score", "p").status == 3


def test_calibrated_by_the_reference(tables, mlops):
    def waves(name, n, start):
        r = random.Random(start)
        write(tables / name, [[f"{(start + i) // 700 % 2 + r.gauss(0, 0.4):.4f}", f"{r.gauss(0, 1):.4f}"] for i in range(n)], ["w", "z"])

    waves("long.csv", 14000, 0)
    waves("now.csv", 700, 14000)
    options = ("--columns", "w")
    assert verdict(mlops, "long.csv", "now.csv", *options, status=7)["state"] == "DRIFT"
    calm = verdict(mlops, "long.csv", "now.csv", *options, "--calibrate")
    assert calm["state"] == "OK" and calm["columns"][0]["threshold"] > 0.5
    done = mlops("drift", "now.csv", "long.csv", "--calibrate")
    assert done.status == 8 and "calibrate" in done.err


def test_mistakes(tables, mlops):
    for line, word in ((["-", "-"], "only one"), (["ref.csv", "same.csv", "--alpha", "2"], "--alpha"),
                       (["ref.csv", "same.csv", "--alpha", "x"], "needs a number"),
                       (["ref.csv", "same.csv", "--test", "psi"], "--method evidently")):
        done = mlops("drift", *line)
        assert done.status == 2 and word in done.err, done
    assert mlops("drift", "ref.csv", "gone.csv").status == 3
