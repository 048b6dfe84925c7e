# SPDX-License-Identifier: Apache-2.0
"""mlops schema infer and check: a table that is right passes, and what people do to tables is found."""
import gzip
import json
import random

import pytest

SECONDS = 9


def rows_of(n, seed=1):
    r = random.Random(seed)
    return [[f"u{i:05d}", str(r.randint(18, 80)), r.choice(["Bonn", "Köln", '"Ulm, Donau"']),
             f"2024-01-{1 + i * 28 // n:02d}", f"{r.gauss(0, 1):.4f}"] for i in range(n)]


HEADER = ["id", "age", "city", "day", "score"]


def write(path, rows, header=HEADER):
    path.write_text("\n".join(",".join(r) for r in [header, *rows]) + "\n")


@pytest.fixture
def table(tmp_path, mlops):
    """t.csv and its schema s.json."""
    write(tmp_path / "t.csv", rows_of(500))
    status, out, err = mlops("schema", "infer", "t.csv", "--output", "schemas/s.json")
    assert status == 0 and out == "wrote schemas/s.json (5 columns)\n", out + err
    return tmp_path


def report_of(mlops, *args):
    status, out, err = mlops("schema", "check", *args, "--json")
    assert status in (0, 7), err
    result = json.loads(out)
    assert result["ok"] == (status == 0) == ("error" not in result)
    return result["tables"][0]


def breaches(report):
    found = {(c["name"], b["check"]) for c in report["columns"] for b in c["breaches"]}
    return found | {(None, b["check"]) for b in report["breaches"]}


def test_a_column_with_breaches_is_not_called_ok(table, mlops):
    write(table / "old.csv", [[r[0], "200", *r[2:]] for r in rows_of(500)])
    status, out, _ = mlops("schema", "check", "schemas/s.json", "old.csv")
    line = next(line for line in out.splitlines() if " age " in line)
    assert status == 7 and line.startswith("FAILED") and line.endswith("500 rows, first row 2: 200"), out


def test_a_schema_is_a_file_to_edit(table, mlops):
    text = (table / "schemas/s.json").read_text()
    schema = json.loads(text)
    assert [c["name"] for c in schema["columns"]] == HEADER
    assert all(f'\n    {{"name": "{name}"' in text for name in HEADER), "a line a column"
    assert schema["columns"][2]["values"] == ["Bonn", "Köln", "Ulm, Donau"]
    assert mlops("schema", "infer", "t.csv").out == text, "the same on standard output"
    assert mlops("schema", "infer", "-", input=(table / "t.csv").read_text(), env={}).out == text
    status, _, err = mlops("schema", "infer", "t.csv", "-o", "schemas/s.json")
    assert status == 4 and "--force" in err
    assert mlops("schema", "infer", "t.csv", "-o", "schemas/s.json", "--force").status == 0
    status, out, err = mlops("schema", "check", "schemas/s.json", "t.csv")
    assert (status, out) == (0, "✓ t.csv fits schemas/s.json (500 rows, 5 columns)\n"), err


def change(rows, at, column, value):
    rows[at][column] = value


DAMAGES = {
    "a negative age": (lambda r, h: change(r, 7, 1, "-40"), {("age", "range")}),
    "a comma for a point": (lambda r, h: change(r, 7, 4, '"1,5"'), {("score", "type")}),
    "an unknown city": (lambda r, h: change(r, 7, 2, "Rome"), {("city", "values")}),
    "two rows with one id": (lambda r, h: change(r, 7, 0, "u00003"), {("id", "unique")}),
    "a day that goes back": (lambda r, h: change(r, 400, 3, "2024-01-02"), {("day", "ascending")}),
    "a missing value": (lambda r, h: change(r, 7, 1, ""), {("age", "nulls")}),
    "a row twice": (lambda r, h: r.insert(8, r[7]), {("id", "unique")}),
    "most rows lost": (lambda r, h: r.__delitem__(slice(30, None)), {(None, "rows")}),
    "a column frozen": (lambda r, h: [change(r, i, 4, "0.5") for i in range(len(r))], {("score", "constant")}),
    "a column emptied": (lambda r, h: [change(r, i, 4, "NA") for i in range(len(r))], {("score", "nulls")}),
    "floats for integers": (lambda r, h: [change(r, i, 1, r[i][1] + ".0") for i in range(len(r))], {("age", "type")}),
    "a column renamed": (lambda r, h: h.__setitem__(1, "years"), {("age", "missing"), (None, "extra")}),
    "a column dropped": (lambda r, h: [x.pop() for x in [*r, h]], {("score", "missing")}),
    "an index added": (lambda r, h: [x.insert(0, str(i)) for i, x in enumerate([h, *r])], {(None, "extra")}),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_obvious_damage_is_found(table, mlops, name):
    damage, want = DAMAGES[name]
    rows, header = rows_of(500), list(HEADER)
    damage(rows, header)
    write(table / "bad.csv", rows, header)
    assert breaches(report_of(mlops, "schemas/s.json", "bad.csv")) == want


def test_states_first_rows_and_values_are_told(table, mlops):
    rows = rows_of(500)
    for row in rows:
        row[1], row[4] = row[1] + "y", ""
    rows[41][2] = "Rome"
    write(table / "bad.csv", rows, ["id", "age", "city", "day", "points"])
    report = report_of(mlops, "schemas/s.json", "bad.csv")
    columns = {c["name"]: c for c in report["columns"]}
    assert {n: c["state"] for n, c in columns.items()} == {
        "id": "OK", "age": "TYPE_CHANGED", "city": "OK", "day": "OK", "score": "MISSING", "points": "NEW"}
    assert columns["age"]["breaches"][0]["message"] == "must be integer and is category"
    breach, = columns["city"]["breaches"]
    assert (breach["count"], breach["row"], breach["value"]) == (1, 43, "Rome"), "the header is row 1"
    status, out, err = mlops("schema", "check", "schemas/s.json", "bad.csv")
    assert status == 7 and "row 43: Rome" in out and "✗ bad.csv does not fit schemas/s.json" in out
    assert err.startswith("error: bad.csv does not fit schemas/s.json: 4 breaches"), err
    status, out, err = mlops("schema", "check", "schemas/s.json", "bad.csv", "--html")
    assert status == 7 and out.startswith("<!DOCTYPE html>") and "Rome" in out and "<script" not in out


def test_all_formats_and_the_last_version(table, mlops):
    names, rows = HEADER, rows_of(500)
    (table / "t.csv.gz").write_bytes(gzip.compress((table / "t.csv").read_bytes()))
    (table / "t.tsv").write_text("\n".join("\t".join(c.strip('"') for c in r) for r in [names, *rows]) + "\n")
    with open(table / "t.jsonl", "w", encoding="utf-8") as out:
        for r in rows:
            out.write(json.dumps(dict(zip(names, [r[0], int(r[1]), r[2].strip('"'), r[3], float(r[4])]))) + "\n")
    status, out, err = mlops("schema", "check", "schemas/s.json", "t.csv.gz", "t.tsv", "t.jsonl")
    assert status == 0 and out.count("✓") == 3, out + err
    write(table / "half.csv", rows[:200])
    assert mlops("schema", "check", "schemas/s.json", "half.csv").status == 0
    status, out, _ = mlops("schema", "check", "schemas/s.json", "half.csv", "--previous", "t.csv")
    assert status == 7 and "200 rows after 500: 60 % fewer, allowed are 50 %" in out
    status, _, err = mlops("schema", "check", "schemas/s.json", "half.csv", "t.csv")
    assert status == 0
    write(table / "bad.csv", [["x"] * 5])
    status, _, err = mlops("schema", "check", "schemas/s.json", "bad.csv", "t.csv", "bad.csv")
    assert status == 7 and "2 of 3 tables do not fit" in err


def test_mistakes_of_a_schema_have_their_place(table, mlops):
    (table / "s.json").write_text('{"version": 1, "columns": [\n  {"name": "id", "patern": "u[0-9]+"}]}')
    status, out, err = mlops("schema", "check", "s.json", "t.csv")
    assert (status, out) == (2, "")
    assert "column 'id': there is no key 'patern'" in err and "s.json:2:18" in err and "did you mean 'pattern'?" in err
    (table / "s.json").write_text('{"version": 1, "columns": [\n  {"name": "id", "pattern": "u(0"}]}')
    status, _, err = mlops("schema", "check", "s.json", "t.csv")
    assert status == 2 and "'(' has no ')'" in err and "s.json:2:29" in err
    (table / "s.json").write_text('{"version": 1, "columns": [')
    assert mlops("schema", "check", "s.json", "t.csv").status == 2


@pytest.mark.parametrize("text, message", [
    (b"", "is empty"),
    (b'id,age\n"u1,3\n', "row 2"),
    (b"id,age\nu1\n", "row 2"),
    (b"id,age\nu1,\0\n", "row 2"),
    (b"id,id\nu1,2\n", "both named"),
    ("id,age\nu1,2\n".encode("utf-16"), "UTF-16"),
])
def test_what_is_no_table_is_one_clear_error(table, mlops, text, message):
    (table / "bad.csv").write_bytes(text)
    for args in ("infer", "bad.csv"), ("check", "schemas/s.json", "bad.csv"):
        status, out, err = mlops("schema", *args)
        assert (status, out) == (2, "") and message in err, err


def test_a_header_alone_has_no_rows_but_columns(table, mlops):
    (table / "none.csv").write_text(",".join(HEADER) + "\n")
    report = report_of(mlops, "schemas/s.json", "none.csv")
    assert report["rows"] == 0 and breaches(report) == {(None, "rows")}
    status, out, _ = mlops("schema", "infer", "none.csv")
    assert status == 0 and '"min": 0' in out
    (table / "none.json").write_text(out)
    assert mlops("schema", "check", "none.json", "none.csv").status == 0


def test_large_columns_are_known_to_be_unique(tmp_path, mlops):
    ids = list(range(30000))
    random.Random(3).shuffle(ids)
    (tmp_path / "t.csv").write_text("id,word\n" + "".join(f"{i},w{i}\n" for i in ids))
    assert mlops("schema", "infer", "t.csv", "-o", "s.json").status == 0
    assert [c.get("unique") for c in json.loads((tmp_path / "s.json").read_text())["columns"]] == [True, True]
    with open(tmp_path / "t.csv", "a", encoding="utf-8") as out:
        out.write(f"{ids[4]},w{ids[5]}\n")
    report = report_of(mlops, "s.json", "t.csv")
    assert [(c["breaches"][0]["row"], c["breaches"][0]["before"]) for c in report["columns"]] == [(30002, 6), (30002, 7)]


def test_sections_of_the_pipeline_name_schemas(project, mlops):
    (project / "data").mkdir()
    write(project / "data/a.csv", rows_of(500))
    write(project / "data/b.csv", rows_of(400, 2))
    assert mlops("schema", "infer", "data/a.csv", "-o", "raw.json").status == 0
    (project / "pipeline.ini").write_text("[schema.raw]\npath = data/*.csv\nfile = raw.json\n")
    status, out, err = mlops("schema", "check", "raw")
    assert status == 0 and out.count("✓") == 2, out + err
    write(project / "data/b.csv", rows_of(400, 2)[:3])
    assert mlops("schema", "check", cwd=project / "data").status == 7
    assert mlops("schema", "check", "raw", "data/a.csv").status == 0
    status, _, err = mlops("schema", "check", "row", "data/a.csv")
    assert status == 3 and "did you mean raw?" in err
