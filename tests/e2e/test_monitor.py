# SPDX-License-Identifier: Apache-2.0
"""Monitors: what arrives is cut into windows, and each window is judged once beside a reference."""
import gzip
import json
import os
import random
import shutil
import sqlite3

import pytest

from conftest import ROOT
from steps import result_of

SECONDS = 12
HEAD = "[step.none]\ncmd = true\n\n"


def numbers(seed, n, shift=0.0):
    rng = random.Random(seed)
    return [rng.gauss(shift, 1) for _ in range(n)]


def csv(seed, n, shift=0.0, header=True, both=True):
    """Rows of two columns, a and b."""
    a, b = numbers(seed, n, shift), numbers(seed + 1000, n, shift if both else 0)
    return ("a,b\n" if header else "") + "".join(f"{x:.6f},{y:.6f}\n" for x, y in zip(a, b))


@pytest.fixture
def watch(mlops, project):
    """Writes [monitor.m] with these keys."""
    (project / "logs").mkdir()
    (project / "ref.csv").write_text(csv(1, 3000))

    def write(**keys):
        keys = {"data": "logs/*.csv", "reference": "ref.csv", "window": "1000 rows"} | keys
        (project / "pipeline.ini").write_text(
            HEAD + "[monitor.m]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items() if v is not None))
    write()
    return write


@pytest.fixture
def check(mlops, project):
    def run(status=0, *args, env=None):
        got, out, err = mlops("--json", "monitor", "check", "m", *args, cwd=project, env=env)
        assert got == status, (got, out[-2000:], err)
        return result_of(out)
    return run


@pytest.fixture
def show(mlops, project):
    def run():
        status, out, err = mlops("--json", "monitor", "show", "m", cwd=project)
        assert status == 0, (out, err)
        return result_of(out)
    return run


def states(shown):
    return [w["state"] for w in shown["windows"]]


def facts(home):
    """What was found, with its digests, but for when it was."""
    with sqlite3.connect(home / ".mlops/registry.db") as db:
        return db.execute("SELECT number, start, stop, rows, state, time, digest, profile, verdict, labelled, wrong"
                          " FROM monitor_windows ORDER BY number").fetchall()


# ---- windows of rows ----

def test_what_is_complete_is_judged_and_the_rest_waits(mlops, project, watch, check, show):
    (project / "logs/1.csv").write_text(csv(2, 1500))
    result = check()
    assert (result["judged"], result["waiting"], states(result)) == (1, 500, ["OK"])
    assert check()["judged"] == 0
    with open(project / "logs/1.csv", "a") as f:
        f.write(csv(3, 600, header=False))
    result = check()
    assert (result["judged"], result["waiting"]) == (1, 100)
    (project / "logs/2.csv").write_text(csv(4, 900, shift=1))
    result = check(7)
    assert result["drifted"] == 1 and result["state"] == "DRIFT" and result["error"]["code"] == "VERDICT_NO"
    assert {c["name"]: c["state"] for c in result["windows"][0]["columns"]} == {"a": "DRIFT", "b": "DRIFT"}
    assert states(show()) == ["OK", "OK", "DRIFT"]
    assert [w["from"] for w in show()["windows"]] == [0, 1000, 2000]


def test_a_monitor_needs_no_step(mlops, tmp_path):
    (tmp_path / "old.csv").write_text(csv(1, 1000))
    (tmp_path / "new.csv").write_text(csv(2, 1000, shift=1))
    (tmp_path / "pipeline.ini").write_text("[monitor.m]\ndata = new.csv\nreference = old.csv\nwindow = file\n"
                                           "[monitor.d]\ndata = old\nreference = old.csv\n")
    (tmp_path / "old").mkdir()
    assert mlops("init").status == 0
    status, _, err = mlops("monitor", "check", "m")
    assert status == 7 and err.startswith("error: monitor m: 1 of 1 windows drifted\n"), err
    status, _, err = mlops("monitor", "check", "d")
    assert status == 2 and "old is a directory, not a file\nhelp: name the files in it: data = old/*.csv" in err
    assert mlops("run").out.startswith("up to date  (0 steps")


def test_an_event_is_told_for_each_window_and_written_for_each(mlops, project, watch):
    (project / "logs/1.csv").write_text(csv(2, 3000))
    status, out, _ = mlops("--json", "monitor", "check", "m", cwd=project)
    events = [json.loads(line) for line in out.splitlines()][:-1]
    assert status == 0 and [e["window"] for e in events if e["event"] == "window"] == [0, 1, 2]
    _, out, _ = mlops("--json", "events", cwd=project)
    assert out.count('"monitor.window"') == 3 and out.count('"monitor.reference"') == 1


def test_people_read_a_line_a_window(mlops, project, watch, check):
    (project / "logs/1.csv").write_text(csv(2, 1000) + csv(4, 1000, shift=1, header=False))
    status, out, err = mlops("monitor", "check", "m", cwd=project)
    assert status == 7 and "1 of 2 windows drifted" in err and "m: DRIFT\n" in out
    status, out, _ = mlops("monitor", "show", "m", cwd=project)
    assert status == 0 and "DRIFT" in out and "beside ref.csv" in out
    status, out, _ = mlops("monitor", "list", cwd=project)
    assert status == 0 and "1 OK, 1 DRIFT" in out
    status, out, _ = mlops("monitor", "show", "m", "--html", cwd=project)
    assert status == 0 and out.startswith("<!DOCTYPE html>") and "<svg" in out


def test_two_of_three_raise_an_alarm_and_two_good_ones_end_it(project, watch, check):
    shifts, alarms = [0, 1, 0, 1, 0, 0], []
    for i, shift in enumerate(shifts):
        (project / f"logs/{i}.csv").write_text(csv(10 + i, 1000, shift=shift))
        alarms.append(check(7 if shift else 0)["alarm"])
    assert alarms == [False, False, False, True, True, False]


# ---- files that change ----

def test_only_whole_new_lines_are_read(project, watch, check):
    text = csv(2, 1000)
    (project / "logs/1.csv").write_text(text[:-4])
    assert check()["waiting"] == 999
    (project / "logs/1.csv").write_text(text)
    assert check()["judged"] == 1


def test_a_rotated_log_is_read_to_its_end_before_the_new_one(project, watch, check):
    log = project / "logs/app.csv"
    log.write_text(csv(2, 600))
    check()
    with open(log, "a") as f:
        f.write(csv(3, 300, header=False))
    log.rename(project / "logs/app.csv.1")
    log.write_text(csv(4, 100))
    result = check()
    assert (result["judged"], result["waiting"]) == (1, 0)
    assert result["notes"] == ["logs/app.csv.1 was rotated"]
    (project / "logs/app.csv.1").rename(project / "logs/app.csv.2")
    log.rename(project / "logs/app.csv.1")
    log.write_text(csv(5, 50))
    assert check()["waiting"] == 50


def test_a_log_that_is_copied_and_truncated_is_read_once(project, watch, check):
    log = project / "logs/app.csv"
    log.write_text(csv(2, 700))
    assert check()["waiting"] == 700
    shutil.copy(log, project / "logs/app.csv.1")
    with open(log, "r+") as f:
        f.truncate(0)
        f.write(csv(3, 200))
    assert check()["waiting"] == 900


def test_a_file_that_is_written_anew_with_the_same_beginning_has_grown(project, watch, check):
    text = csv(2, 700)
    (project / "logs/1.csv").write_text(text)
    check()
    (project / "logs/new").write_text(text + csv(3, 300, header=False))
    os.rename(project / "logs/new", project / "logs/1.csv")
    assert check()["judged"] == 1


def test_a_rewritten_file_is_new(project, watch, check):
    (project / "logs/1.csv").write_text(csv(2, 1000))
    assert check()["judged"] == 1
    (project / "logs/1.csv").write_text(csv(3, 1000))
    result = check()
    assert result["judged"] == 1 and result["notes"] == ["logs/1.csv was rewritten"]
    assert [w["window"] for w in result["windows"]] == [1]


def test_a_compressed_file_is_read_whole(project, watch, check):
    watch(data="logs/*.gz")
    (project / "logs/1.csv.gz").write_bytes(gzip.compress(csv(2, 1000).encode()))
    assert check()["judged"] == 1
    assert check()["judged"] == 0


def test_columns_may_stand_in_another_order_in_the_next_file(project, watch, check):
    rows = csv(2, 1000).splitlines()
    (project / "logs/1.csv").write_text("\n".join(rows[:501]) + "\n")
    swapped = [",".join(reversed(r.split(","))) for r in rows]
    (project / "logs/2.csv").write_text("\n".join(swapped[:1] + swapped[501:]) + "\n")
    result = check()
    assert states(result) == ["OK"] and len(result["windows"][0]["columns"]) == 2


def test_quotes_keep_line_ends_inside_of_a_row(project, watch, check):
    watch(window="500 rows", ignore="note")
    rng = random.Random(3)
    rows = "".join(f'{rng.gauss(0, 1)},{rng.gauss(0, 1)},"one\ntwo ""{i}"""\n' for i in range(500))
    (project / "logs/1.csv").write_text("a,b,note\n" + rows)
    assert check()["judged"] == 1


# ---- windows of time ----

def stamped(seed, day, n, shift=0.0):
    a = numbers(seed, n, shift)
    return "".join(json.dumps({"at": f"2026-01-{day:02}T{i * 24 // n:02}:00:00Z", "a": a[i], "b": i % 7}) + "\n"
                   for i in range(n))


@pytest.fixture
def days(project, watch):
    (project / "ref.jsonl").write_text("".join(stamped(50 + d, d, 600) for d in range(1, 13)))
    watch(data="logs/*.jsonl", reference="ref.jsonl", window="1d", time="at")


def test_a_window_of_time_is_due_when_a_later_row_is_there(project, days, check, show):
    (project / "logs/a.jsonl").write_text(stamped(1, 20, 600) + stamped(2, 21, 600))
    (project / "logs/b.jsonl").write_text(stamped(3, 20, 600))
    result = check()
    assert [(w["from"], w["rows"], w["state"]) for w in result["windows"]] == [("2026-01-20", 1200, "OK")]
    with open(project / "logs/b.jsonl", "a") as f:
        f.write(stamped(4, 20, 10) + stamped(5, 21, 600, shift=1) + stamped(6, 22, 5))
    result = check()
    assert [(w["from"], w["rows"]) for w in result["windows"]] == [("2026-01-21", 1200)]
    assert result["late"] == 10 and result["waiting"] == 5


def test_a_day_without_rows_is_no_window(project, days, check):
    (project / "logs/a.jsonl").write_text(stamped(1, 20, 600) + stamped(2, 25, 600) + stamped(3, 26, 1))
    assert [w["from"] for w in check()["windows"]] == ["2026-01-20", "2026-01-25"]


def test_few_rows_are_judged_with_those_of_the_next_window(project, days, check, show):
    (project / "logs/a.jsonl").write_text(stamped(1, 20, 200) + stamped(2, 21, 5))
    result = check(8)
    assert states(result) == ["INSUFFICIENT"] and result["judged"] == 0
    with open(project / "logs/a.jsonl", "a") as f:
        f.write(stamped(3, 21, 400) + stamped(4, 22, 5))
    result = check()
    assert [(w["state"], w["rows"]) for w in result["windows"]][-1] == ("OK", 605)
    assert states(show()) == ["INSUFFICIENT", "OK"]


def test_each_file_is_a_window(project, watch, check, show):
    watch(window="file")
    (project / "logs/1.csv").write_text(csv(2, 700).rstrip("\n"))
    (project / "logs/2.csv").write_text(csv(3, 800, shift=1))
    result = check(7)
    assert [(w["rows"], w["state"]) for w in result["windows"]] == [(700, "OK"), (800, "DRIFT")]
    (project / "logs/0.csv").write_text(csv(4, 900))
    assert [(w["window"], w["rows"]) for w in check()["windows"]] == [(2, 900)]


def test_the_same_season_of_the_reference_is_what_counts(project, watch, check):
    """Windows of 600 rows come in turns of seven: those of one place are alike, and far from all others."""
    def turn(seed, n):
        return "a,b\n" + "".join(csv(seed + i, 600, shift=3 * (i % 7), header=False) for i in range(n))
    (project / "ref.csv").write_text(turn(100, 84))
    (project / "logs/1.csv").write_text(turn(900, 7) + csv(999, 600, shift=9, header=False))
    watch(window="600 rows", season="7 windows")
    assert states(check(7)) == ["OK"] * 7 + ["DRIFT"]


# ---- the first windows as reference ----

def test_the_first_windows_are_the_reference(project, watch, check, show):
    watch(reference="first 12 windows", window="500 rows")
    (project / "logs/1.csv").write_text(csv(2, 5900))
    result = check()
    assert result["referred"] is False and result["waiting"] == 5900
    (project / "logs/2.csv").write_text(csv(3, 600) + csv(4, 500, shift=1, header=False))
    result = check(7)
    assert [(w["window"], w["state"]) for w in result["windows"]] == [(12, "OK"), (13, "DRIFT")]
    assert show()["calibrated"] and show()["reference_rows"] == 6000


# ---- the same rows, the same bytes ----

def test_however_often_it_looks_the_verdicts_are_the_same_bytes(mlops, project, watch, check, tmp_path):
    text = csv(2, 3500, shift=0.1).splitlines(keepends=True)
    log = project / "logs/1.csv"
    at = 0
    for step in (1, 700, 1000, 3, 1500, 297):
        with open(log, "a") as f:
            f.writelines(text[at:at + step])
        at += step
        mlops("monitor", "check", "m", cwd=project)
    other = tmp_path / "other"
    other.mkdir()
    mlops("init", cwd=other)
    for name in ("pipeline.ini", "ref.csv", "logs"):
        copy = shutil.copytree if (project / name).is_dir() else shutil.copy
        copy(project / name, other / name)
    mlops("monitor", "check", "m", cwd=other)
    assert facts(project) == facts(other) and len(facts(other)) == 3


def test_json_lines_with_keys_that_come_and_go_give_the_same_bytes_in_pieces(mlops, project, days, tmp_path):
    rng = random.Random(7)
    rows = [{k: v for k, v in json.loads(line).items() if k != "b" or rng.random() < 0.7}
            for line in (stamped(1, 20, 600) + stamped(2, 21, 600) + stamped(3, 22, 9)).splitlines()]
    rows[5]["late"] = 1
    lines = [json.dumps(dict(sorted(r.items(), reverse=rng.random() < 0.5))) + "\n" for r in rows]
    for at, end in ((0, 50), (50, 700), (700, 1209)):
        with open(project / "logs/a.jsonl", "a") as f:
            f.writelines(lines[at:end])
        mlops("monitor", "check", "m", cwd=project)
    other = tmp_path / "other"
    (other / "logs").mkdir(parents=True)
    mlops("init", cwd=other)
    for name in ("pipeline.ini", "ref.jsonl", "logs/a.jsonl"):
        shutil.copy(project / name, other / name)
    mlops("monitor", "check", "m", cwd=other)
    assert facts(project) == facts(other) and len(facts(other)) == 2


# ---- predictions and labels ----

def predicted(seed, n, first=0, right=0.9, label=True, shift=0.0, probability=False):
    rng = random.Random(seed)
    lines = []
    for i in range(n):
        said = rng.randint(0, 1)
        row = {"id": f"r{first + i}", "time": f"2026-02-01T{i % 24:02}:00:00Z", "model": "churn@v7", "prediction": said,
               "age": rng.gauss(shift, 1), "pay": rng.gauss(0, 1)}
        truth = said if rng.random() < right else 1 - said
        if probability:
            row["p"] = right if said else 1 - right
        if label:
            row["label"] = truth
        lines.append((row, truth))
    return lines


def write_rows(path, rows, mode="w"):
    with open(path, mode) as f:
        f.writelines(json.dumps(row) + "\n" for row, _ in rows)


@pytest.fixture
def serving(project, watch):
    write_rows(project / "ref.jsonl", predicted(1, 4000, probability=True))

    def write(**keys):
        watch(**({"model": "churn@champion", "data": "logs/*.jsonl", "reference": "ref.jsonl", "id": "id",
                  "prediction": "prediction", "label": "label", "ignore": "time, model, p"} | keys))
    write()
    return write


def test_errors_beside_those_of_the_reference(project, serving, check, show):
    write_rows(project / "logs/1.jsonl", predicted(2, 1000) + predicted(3, 1000, first=1000, right=0.7))
    result = check(7)
    assert states(result) == ["OK", "DRIFT"] and "accuracy" in result["windows"][1]["reason"]
    good, bad = show()["performance"]
    assert good["low"] < 0.9 < good["high"] and bad["high"] < good["low"]
    assert bad["metric"] == "accuracy" and abs(bad["baseline"] - 0.9) < 0.02 and bad["rows"] == 1000
    assert show()["errors"]["changes"] >= 1


def test_drift_of_what_the_model_says_is_named_as_such(project, serving, check):
    rows = predicted(2, 1000, label=False)
    for row, _ in rows:
        row["prediction"] = 1
    write_rows(project / "logs/1.jsonl", rows)
    result = check(7)
    columns = {c["name"]: c for c in result["windows"][0]["columns"]}
    assert columns["prediction"]["prediction"] and columns["prediction"]["state"] == "DRIFT"
    assert result["windows"][0]["reason"].startswith("prediction: ")
    assert {n for n, c in columns.items() if not c.get("prediction")} >= {"age", "pay"}


def test_late_labels_find_their_prediction_and_judge_nothing_again(project, serving, check, show):
    serving(labels="labels/*.csv")
    (project / "labels").mkdir()
    rows = predicted(2, 1000, label=False)
    early, late, last = rows[:100], rows[100:900], rows[900:]

    def label(name, part, mode="w"):
        with open(project / f"labels/{name}.csv", mode) as f:
            f.write("id,label\n" if mode == "w" else "")
            f.writelines(f"{row['id']},{truth}\n" for row, truth in part)

    label("a", early)  # before their predictions
    write_rows(project / "logs/1.jsonl", rows)
    assert check()["judged"] == 1
    before = show()["windows"]
    label("a", late, "a")
    assert check()["labels"] == 800 and check()["labels"] == 0
    label("b", last)
    assert check()["labels"] == 100
    assert show()["windows"] == before
    wrong = sum(row["prediction"] != truth for row, truth in rows)
    performance, = show()["performance"]
    assert performance["rows"] == 1000 and abs(performance["value"] - (1 - wrong / 1000)) < 1e-9
    assert show()["errors"]["seen"] == 1000


def test_without_labels_probabilities_promise_an_accuracy(project, serving, check, show):
    serving(probability="p", ignore="time, model")
    write_rows(project / "logs/1.jsonl", predicted(2, 1000, label=False, probability=True))
    check()
    performance, = show()["performance"]
    assert performance["metric"] == "estimated accuracy" and abs(performance["value"] - 0.9) < 0.02


# ---- quarantine ----

@pytest.mark.parametrize("rows, state", [
    ("a\n" + "1.5\n0.5\n" * 500, "MISSING"),
    ("a,b\n" + "1.5,\n0.5,\n" * 500, "ALL_NULL"),
    ("a,b\n" + "1.5,x\n0.5,y\n" * 500, "TYPE_CHANGED"),
], ids=["missing", "empty", "text"])
def test_a_window_without_a_column_is_quarantined(project, watch, check, rows, state):
    (project / "logs/1.csv").write_text(rows)
    result = check(7)
    assert result["quarantined"] == 1 and states(result) == ["QUARANTINED"]
    assert state in [c["state"] for c in result["windows"][0]["columns"]]


def test_a_window_that_breaks_its_schema_is_quarantined(mlops, project, watch, check):
    (project / "s.json").write_text(json.dumps({"version": 1, "columns": [
        {"name": "a", "type": "real", "max": 50}, {"name": "b", "type": "real"}]}))
    watch(schema="raw")
    with open(project / "pipeline.ini", "a") as f:
        f.write("[schema.raw]\npath = elsewhere/*.csv\nfile = s.json\n")
    (project / "logs/1.csv").write_text(csv(2, 1000))
    assert states(check()) == ["OK"]
    (project / "logs/2.csv").write_text(csv(3, 999) + "99,0\n")
    result = check(7)
    assert states(result) == ["QUARANTINED"] and "schema" in result["windows"][0]["reason"]
    assert result["windows"][0]["schema"]["columns"][0]["breaches"][0]["check"] == "range"


# ---- other sources ----

def test_versions_of_an_artifact_are_windows(mlops, project, watch, check):
    watch(data="table.csv", window="file")
    for seed, shift in ((2, 0), (3, 1)):
        (project / "table.csv").write_text(csv(seed, 800, shift=shift))
        mlops("add", "table.csv", cwd=project)
    watch(data="artifact:table.csv", window="file")
    assert states(check(7)) == ["OK", "DRIFT"]
    (project / "table.csv").write_text(csv(4, 800))
    mlops("add", "table.csv", cwd=project)
    assert states(check()) == ["OK"]


@pytest.fixture
def database(project, watch):
    watch(data="sqlite:rows.db", query="SELECT a, b FROM rows ORDER BY id", window="500 rows")
    db = sqlite3.connect(project / "rows.db")
    db.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, a REAL, b REAL)")

    def add(seed, n, shift=0.0):
        db.executemany("INSERT INTO rows (a, b) VALUES (?, ?)",
                       zip(numbers(seed, n, shift), numbers(seed + 9, n, shift)))
        db.commit()
    yield add
    db.close()


ALLOWED = {"MLOPS_MONITOR_SQLITE": "yes"}


def test_rows_of_a_database_are_read_where_the_operator_allows_it(project, database, check):
    database(2, 800)
    assert check(6)["error"]["code"] == "PERMISSION_DENIED"
    assert states(check(env=ALLOWED)) == ["OK"]
    database(3, 700, shift=1)
    result = check(7, env=ALLOWED)
    assert [(w["window"], w["rows"]) for w in result["windows"]] == [(1, 500), (2, 500)]


@pytest.mark.parametrize("query, message", [
    ("SELECT a FROM rows", "must order its rows"),
    ("DELETE FROM rows WHERE a > 0 -- order by a", "not authorized"),
    ("ATTACH 'x.db' AS x; -- order by", "not one query|not authorized"),
    ("SELECT a, b AS a FROM rows ORDER BY id", "two columns 'a'"),
    ("SELECT c FROM rows ORDER BY id", "no such column"),
])
def test_a_query_only_reads(project, database, watch, check, query, message):
    watch(data="sqlite:rows.db", query=query)
    result = check(2, env=ALLOWED)
    assert any(part in result["error"]["message"] for part in message.split("|")), result["error"]


@pytest.mark.parametrize("query, message", [
    ("SELECT load_extension('x') ORDER BY 1", "not authorized"),
    ("SELECT hex(zeroblob(40000000)) AS a ORDER BY 1", "too large"),
])
def test_a_query_takes_no_more_than_rows_need(database, watch, check, query, message):
    watch(data="sqlite:rows.db", query=query)
    assert message in check(5, env=ALLOWED)["error"]["message"]


# ---- bad input ----

@pytest.mark.parametrize("keys, status, message", [
    ({"data": "none/*.csv"}, 3, "no file matches"),
    ({"reference": "none.csv"}, 3, "none.csv"),
    ({"schema": "nowhere"}, 2, "nowhere"),
])
def test_what_is_not_there_is_named(project, watch, check, keys, status, message):
    (project / "logs/1.csv").write_text(csv(2, 1000))
    watch(**keys)
    assert message in check(status)["error"]["message"]


def test_an_unknown_monitor_is_told_the_nearest(mlops, project, watch):
    status, _, err = mlops("monitor", "check", "mm", cwd=project)
    assert status == 3 and "did you mean 'm'?" in err


def test_a_bad_row_is_told_with_its_place_and_nothing_is_judged_twice(project, watch, check):
    (project / "logs/1.csv").write_text(csv(2, 1500) + "1,2,3\n")
    assert "row 1502" in check(2)["error"]["message"]
    (project / "logs/1.csv").write_text(csv(2, 1500))
    assert check()["judged"] == 1


def test_a_monitor_of_another_shape_needs_another_name(project, watch, check):
    (project / "logs/1.csv").write_text(csv(2, 1000))
    check()
    watch(window="500 rows")
    error = check(4)["error"]
    assert "other windows" in error["message"] and "new name" in error["help"]


def test_a_monitor_that_has_judged_nothing_may_still_change(project, watch, check):
    (project / "logs/1.csv").write_text(csv(2, 1000))
    watch(data="lgos/*.csv")
    assert "no file matches" in check(3)["error"]["message"]
    watch(window="500 rows")
    assert check()["judged"] == 2


def test_a_reference_without_rows_is_an_error(project, watch, check):
    (project / "logs/1.csv").write_text(csv(2, 1000))
    (project / "ref.csv").write_text("a,b\n")
    assert "has no rows" in check(2)["error"]["message"]


def test_a_reference_that_changes_takes_its_place(project, watch, check):
    (project / "logs/1.csv").write_text(csv(2, 1000))
    check()
    (project / "ref.csv").write_text(csv(5, 3000, shift=2))
    (project / "logs/2.csv").write_text(csv(3, 1000))
    assert states(check(7)) == ["DRIFT"]


def test_facts_of_monitors_are_sound(mlops, project, watch, check):
    (project / "logs/1.csv").write_text(csv(2, 1000))
    check()
    status, out, err = mlops("fsck", cwd=project)
    assert status == 0, (out, err)


def test_an_hour_of_rows_that_are_half_an_hour_apart(project, watch, check):
    watch(window="10d", time="rows:30m from 1996-05-07", min_rows="480", reference="first 10 windows")
    (project / "logs/1.csv").write_text(csv(2, 480 * 11 + 7))
    result = check()
    assert [(w["from"], w["to"]) for w in result["windows"]] == [("1996-08-15", "1996-08-25")]
    assert result["waiting"] == 7
