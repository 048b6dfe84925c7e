# SPDX-License-Identifier: Apache-2.0
"""mlops profile: what a table is, whatever way it comes in."""
import gzip
import json
import pty
import os
import random
import shutil
import subprocess

import pytest

SECONDS = 8


def table(rows, seed=1):
    r = random.Random(seed)
    lines = ["age,income,city,day,churn"]
    for i in range(rows):
        lines.append(f"{r.randint(18, 90)},{r.lognormvariate(8, 1):.2f},{r.choice(['Bonn', 'Ulm', 'Köln'])},"
                     f"2026-{1 + i % 12:02d}-01,{'yes' if r.random() < 0.03 else 'no'}")
    return "\n".join(lines) + "\n"


def profile(mlops, *args, **how):
    done = mlops("--json", "profile", *args, **how)
    assert done.status == 0, done.err
    return json.loads(done.out)


def column(shown, name):
    return next(c for c in shown["columns"] if c["name"] == name)


def test_a_line_a_column_and_what_is_odd(mlops, tmp_path):
    (tmp_path / "t.csv").write_text(table(400))
    status, out, err = mlops("profile", "t.csv", "--target", "churn")
    assert status == 0, err
    assert out.startswith("t.csv  400 rows, 5 columns\n")
    lines = {line.split()[0]: line for line in out.splitlines() if line}
    assert lines["age"].split()[1:4] == ["integer", "0", "%"] and any(c in lines["age"] for c in "▁▂▃▄▅▆▇█")
    assert "2026-01-01" in lines["day"] and "2026-12-01" in lines["day"]
    assert "Köln 37 %" in lines["city"]
    assert "target churn: imbalanced, its rarest class has" in out
    assert "! income: skewness" in out
    assert "\x1b" not in out
    plain = mlops("profile", "t.csv", env={"LC_ALL": "C"}).out
    assert plain.isascii() or "▁" not in plain


def test_json_has_the_figures(mlops, tmp_path):
    values = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{v},\n" for v in values))
    shown = profile(mlops, "t.csv")
    x = column(shown, "x")
    assert shown["rows"] == 11 and x["type"] == "integer" and x["evidence"] == "all integer"
    assert (x["min"], x["max"], x["quantiles"]["0.5"], x["quantiles"]["0.25"]) == (1, 9, 4, 2.5)
    assert x["mean"] == pytest.approx(4, abs=1e-12) and x["std"] == pytest.approx(2.256304299271065, rel=1e-12)
    assert x["top"][0] == {"value": 5, "count": 3} and x["distinct"] == 7 and x["distinct_exact"]
    assert sum(x["histogram"]["counts"]) == 11 and len(x["histogram"]["edges"]) == len(x["histogram"]["counts"]) + 1
    y = column(shown, "y")
    assert y["type"] == "empty" and y["nulls"] == 11 and "mean" not in y and y["warnings"] == ["no values: every row is null"]


def test_one_table_has_one_digest_whatever_way_it_comes(mlops, tmp_path):
    text = table(70000)
    (tmp_path / "t.csv").write_text(text)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.encode(), 1))
    subprocess.run(["zstd", "-q", "-1", "t.csv"], cwd=tmp_path, check=True)
    ways = [("t.csv", "-j", "1"), ("t.csv", "-j", "3"), ("t.csv.gz",), ("t.csv.zst",)]
    shown = [profile(mlops, *way) for way in ways] + [profile(mlops, "-", "--format", "csv", input=text)]
    assert len({s["digest"] for s in shown}) == 1
    for s in shown:
        s.pop("table")
        assert s == shown[0]
    assert 0 < column(shown[0], "income")["sketch_error"] < 0.005


def test_formats_say_the_same(mlops, tmp_path):
    rows = [{"a": 1, "b": "x"}, {"a": 2.5, "b": None}, {"a": -3, "b": "y"}]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    (tmp_path / "t.tsv").write_text("a\tb\n1\tx\n2.5\t\n-3\ty\n")
    (tmp_path / "t.txt").write_text("a|b\n1|x\n2.5|?\n-3|y\n")
    shown = [profile(mlops, "t.jsonl"), profile(mlops, "t.tsv"),
             profile(mlops, "t.txt", "--format", "csv", "--delimiter", "|", "--null", "?")]
    assert len({s["digest"] for s in shown}) == 1
    assert column(shown[0], "b")["nulls"] == 1


def test_full_finds_what_belongs_together(mlops, tmp_path):
    r = random.Random(4)
    lines = ["x,y,noise"]
    for _ in range(1000):
        x = r.gauss(0, 1)
        lines.append(f"{x:.6f},{3 - 2 * x:.6f},{r.gauss(0, 1):.6f}")
    lines[500] = "99,3,0"
    lines += lines[1:26]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    full = profile(mlops, "t.csv", "--full")["full"]
    assert (full["correlations"][0]["a"], full["correlations"][0]["b"]) == ("x", "y")
    assert abs(full["correlations"][1]["r"]) < 0.1
    assert full["duplicate_rows"] == {"count": 25, "exact": True, "error": 0}
    far = {o["name"]: o for o in full["outliers"]}
    assert far["x"]["iqr"] >= 1 and far["x"]["mad"] >= 1
    assert "repeated rows  25" in mlops("profile", "t.csv", "--full").out


def test_artifacts_and_directories(mlops, project):
    data = project / "data"
    data.mkdir()
    (data / "b.csv").write_text("x\n3\n4\n")
    (data / "a.csv").write_text("x\n1\n2\n")
    (data / "README").write_text("no table\n")
    assert mlops("add", "data").status == 0
    before = profile(mlops, "data")
    assert before["rows"] == 4 and column(before, "x")["ascending"]
    (data / "a.csv").write_text("x\n100\n")
    assert profile(mlops, "data")["rows"] == 3
    assert profile(mlops, "data@v1")["digest"] == before["digest"]
    assert profile(mlops, "data@v1/b.csv")["rows"] == 2
    (data / "c.jsonl").write_text('{"x": 1}\n')
    status, _, err = mlops("profile", "data")
    assert status == 2 and "tables of two kinds, such as a.csv and c.jsonl" in err
    shutil.rmtree(data)
    data.mkdir()
    status, _, err = mlops("profile", "data")
    assert status == 2 and "is a directory without a table" in err


BAD = {
    "x,y\n": ("no rows", 0),
    "x,y\n1,2\n": ("1 row is few", 0),
    "x;y\n" + "1,5;a\n-0,25;b\n" * 40: ("x: 80 values such as 1,5 are text: numbers are written as 1234.5", 0),
    "x\n" + "7\n" * 50 + "0x1F\n": ("x: 1 value such as 0x1F is text", 0),
    "x\n" + "7\n" * 50: ("constant", 0),
    "x\n1e999\n-1e999\nnan\n": ("1 NaN, 2 infinite", 0),
    "x\n" + "1\n" * 95 + "=cmd\n" * 5: ("mixed types: 5 % of the values (5) are not integer", 0),
    "<script>alert(1)</script>\n\"<b>\"\n": ("<script>", 0),
    "x\n\"open\n": ("quote", 2),
    "x,y\n1\n": ("row 2", 2),
    "x,x\n1,2\n": ("x", 2),
    "": ("empty", 2),
}


def test_numbers_of_other_countries_and_other_encodings_are_told(mlops, tmp_path):
    (tmp_path / "t.csv").write_bytes(b"name\n" + b"\xe9t\xe9\nhiver\n" * 20)
    assert column(profile(mlops, "t.csv"), "name")["warnings"] == [
        "20 values are not UTF-8: iconv -f LATIN1 -t UTF-8 may be what it needs"]
    (tmp_path / "u.csv").write_text('place\n' + '"Bonn, Ulm"\n"x1,5"\n"1,2,3"\n_5\n' * 9)
    assert column(profile(mlops, "u.csv"), "place")["warnings"] == []


def test_what_a_table_lacks_is_told_with_the_way_out(mlops, tmp_path):
    (tmp_path / "nul.csv").write_bytes(b"a,b\n1,2\n3,\0\n")
    assert mlops("profile", "nul.csv").err == ('error: nul.csv: row 3, column "b": a NUL byte\n'
                                               "help: text has none; to drop them, type: tr -d '\\000' < FILE > NEW\n")
    (tmp_path / "empty.csv").write_bytes(b"")
    assert "help: a table has at least a row that names its columns" in mlops("profile", "empty.csv").err


@pytest.mark.parametrize("text", BAD)
def test_bad_tables_have_a_clear_end(mlops, tmp_path, text):
    says, want = BAD[text]
    (tmp_path / "t.csv").write_text(text)
    status, out, err = mlops("profile", "t.csv")
    assert status == want and says in (err if want else out), out + err


def test_names_that_are_not_there(mlops, tmp_path):
    (tmp_path / "t.csv").write_text("price,class\n1,2\n")
    status, _, err = mlops("profile", "t.csv", "--target", "clas")
    assert status == 3 and "t.csv has no column clas" in err and "did you mean class?" in err
    assert mlops("profile", "nothing.csv").status == 3
    status, _, err = mlops("profile", "t.csv", "--delimiter", ";;")
    assert status == 2 and "--delimiter ';;'" in err


def test_a_page(mlops, tmp_path):
    (tmp_path / "t.csv").write_text("a,<script>\n1,x\n2,y\n")
    status, out, err = mlops("profile", "t.csv", "--html")
    assert status == 0 and out.startswith("<!DOCTYPE html>") and "<script" not in out and "&lt;script&gt;" in out, err


def test_sixteen_thousand_columns_fit_into_memory(mlops, tmp_path):
    n = 16384
    with open(tmp_path / "wide.csv", "w") as f:
        f.write(",".join(f"c{i}" for i in range(n)) + "\n")
        for row in range(12):
            f.write(",".join(str((row * i) % 97) for i in range(n)) + "\n")
    out = profile(mlops, "wide.csv", timeout=120)
    assert len(out["columns"]) == n and out["columns"][1]["max"] == 11


def test_a_terminal_gets_its_width(mlops, tmp_path, environment, program):
    (tmp_path / "t.csv").write_text(table(50).replace("income", "a very long name of a column " * 3))
    main, side = pty.openpty()
    with subprocess.Popen([program, "profile", "t.csv"], cwd=tmp_path, stdout=side, stderr=side, stdin=subprocess.DEVNULL,
                          env={**environment, "COLUMNS": "60", "NO_COLOR": "1"}) as p:
        os.close(side)
        text = b""
        try:
            while chunk := os.read(main, 65536):
                text += chunk
        except OSError:
            pass
        assert p.wait(30) == 0
    os.close(main)
    table_lines = text.decode().split("\r\n")[2:8]
    assert all(len(line) <= 60 for line in table_lines), table_lines
    assert b"\x1b[3" not in text
