# SPDX-License-Identifier: Apache-2.0
"""mlops split: parts that know nothing of each other, row by row as the table has them."""
import collections
import csv
import gzip
import io
import json
import os
import random
import signal
import subprocess
import time

import pytest

SECONDS = 9


def table_of(n, seed=1):
    r = random.Random(seed)
    return "id,group,class,day,text\r\n" + "".join(
        f'{i},g{r.randrange(200)},{r.choice("aab")},2024-{1 + i * 12 // n:02d}-{1 + i * 336 // n % 28:02d},'
        f'"{r.randrange(10)} ""quoted""\nline, {r.random():.3f}"\r\n' for i in range(n))


def records(text):
    """Rows as they stand, with their ends; quotes may hold line ends."""
    rows, quoted, start = [], False, 0
    for i, c in enumerate(text):
        quoted ^= c == '"'
        if c == "\n" and not quoted:
            rows.append(text[start:i + 1])
            start = i + 1
    return rows + ([text[start:]] if text[start:] else [])


def read(path):
    return path.read_bytes().decode()


@pytest.fixture
def table(tmp_path):
    (tmp_path / "t.csv").write_bytes(table_of(3000).encode())
    return tmp_path


def split(mlops, *args, want=0):
    status, out, err = mlops("split", *args, "--json")
    assert status == want, out + err
    return json.loads(out)


def parts(directory, *names):
    return [records(read(directory / n)) for n in names or ("train.csv", "test.csv")]


@pytest.mark.parametrize("args", [(), ("--by", "group", "--column", "group"), ("--by", "stratified", "--column", "class"),
                                  ("--by", "time", "--column", "day")])
def test_parts_hold_every_row_once_in_order(table, mlops, args):
    result = split(mlops, "t.csv", *args, "-o", "new/out")
    header, *rows = records(read(table / "t.csv"))
    train, test = parts(table / "new/out")
    assert train[0] == test[0] == header
    assert collections.Counter(train[1:] + test[1:]) == collections.Counter(rows)
    place = {row: i for i, row in enumerate(rows)}
    for part in train, test:
        assert [place[r] for r in part[1:]] == sorted(place[r] for r in part[1:])
    assert [p["rows"] for p in result["parts"]] == [len(train) - 1, len(test) - 1]
    assert result["leaks"] == [] and abs(result["parts"][0]["share"] - 0.8) < 0.05
    assert sorted(os.listdir(table / "new")) == ["out"]


def test_a_row_never_changes_its_side(table, mlops):
    split(mlops, "t.csv", "-o", "one")
    header, *rows = records(read(table / "t.csv"))
    new = records(table_of(3500, seed=9))[1:]
    more = rows[::3] + new
    random.Random(5).shuffle(more)
    (table / "more.csv").write_bytes("".join([header, *more]).encode())
    split(mlops, "more.csv", "-o", "two")
    side = {row: i for i, part in enumerate(parts(table / "one")) for row in part[1:]}
    for i, part in enumerate(parts(table / "two")):
        assert all(side.get(row, i) == i for row in part[1:])
    other = split(mlops, "t.csv", "--seed", "7", "-o", "three")
    assert parts(table / "three") != parts(table / "one") and other["seed"] == 7


def test_equal_rows_are_together_however_they_are_written(tmp_path, mlops):
    rows = [f"{i % 50},x{i % 5},\n" if i % 2 else f'"{i % 50}","x{i % 5}",NA\n' for i in range(1000)]
    (tmp_path / "t.csv").write_text("a,b,c\n" + "".join(rows))
    for args in (), ("--by", "stratified", "--column", "b"):
        assert split(mlops, "t.csv", *args, "--force")["leaks"] == []
    (tmp_path / "swapped.csv").write_text("b,a,c\n" + "".join(f"x{i % 5},{i},\n" for i in range(50)))
    split(mlops, "t.csv", "-o", "one")
    split(mlops, "swapped.csv", "-o", "two")
    split(mlops, "--check", "one/train.csv", "two/test.csv")
    split(mlops, "--check", "two/train.csv", "one/test.csv")


def test_classes_have_their_shares(table, mlops):
    result = split(mlops, "t.csv", "--by", "stratified", "--column", "class", "--parts", "a=0.7,b=0.1,c=0.2", "-o", "one")
    for c in result["classes"]:
        n = sum(c["rows"])
        assert c["rows"][0] == int(0.7 * n + 0.5) and sum(c["rows"][:2]) == int(0.8 * n + 0.5)
    names = ("a.csv", "b.csv", "c.csv")
    before = {row: i for i, part in enumerate(parts(table / "one", *names)) for row in part[1:]}
    with open(table / "t.csv", "ab") as out:
        out.write(b"9001,g1,a,2024-12-28,new\r\n")
    split(mlops, "t.csv", "--by", "stratified", "--column", "class", "--parts", "a=0.7,b=0.1,c=0.2", "-o", "two")
    after = {row: i for i, part in enumerate(parts(table / "two", *names)) for row in part[1:]}
    moved = [row for row, i in before.items() if after[row] != i]
    assert len(moved) <= 2 and all(",a," in row for row in moved), "at most one a cut, of its class"


def test_groups_and_times_are_not_torn(table, mlops):
    split(mlops, "t.csv", "--by", "group", "--column", "group", "-o", "g")
    groups = [{r["group"] for r in csv.DictReader(io.StringIO(read(table / "g" / n)))} for n in ("train.csv", "test.csv")]
    assert groups[0] and groups[1] and not groups[0] & groups[1]
    result = split(mlops, "t.csv", "--by", "time", "--column", "day", "-o", "t")
    days = [[r["day"] for r in csv.DictReader(io.StringIO(read(table / "t" / n)))] for n in ("train.csv", "test.csv")]
    assert max(days[0]) < min(days[1])
    assert result["parts"][0]["to"].startswith(max(days[0])) and result["parts"][1]["from"].startswith(min(days[1]))


def test_leaks_of_parts_from_anywhere_are_found(table, mlops):
    split(mlops, "t.csv", "-o", "one")
    for args, kind in ((), None), (("--by", "group", "--column", "group"), "group"), (("--by", "time", "--column", "day"), "time"):
        result = split(mlops, "--check", "one/train.csv", "one/test.csv", *args, want=7 if kind else 0)
        assert [leak["kind"] for leak in result["leaks"]] == ([kind] if kind else [])
    header, *rows = records(read(table / "one/test.csv"))
    (table / "leaky.csv").write_bytes((header + rows[5] + rows[9]).encode())
    result = split(mlops, "--check", "one/train.csv", "leaky.csv", "one/test.csv", want=7)
    leak, = result["leaks"]
    assert leak["kind"] == "row" and leak["count"] == 2
    assert dict(zip(leak["parts"], leak["rows"])) == {"leaky.csv": 2, "one/test.csv": 7}
    status, out, err = mlops("split", "--check", "leaky.csv", "one/test.csv")
    assert status == 7 and "2 rows stand in more than one part, such as row" in out and "one part knows of another" in err
    assert 0 < result["odds"] < 1e-9


def test_other_kinds_of_files(table, mlops):
    header, *rows = records(read(table / "t.csv"))
    split(mlops, "t.csv", "-o", "plain")
    (table / "t.csv.gz").write_bytes(gzip.compress((table / "t.csv").read_bytes()))
    split(mlops, "t.csv.gz", "-o", "gz")
    assert parts(table / "gz") == parts(table / "plain")
    status, _, err = mlops("split", "-", "-o", "stdin", input=read(table / "t.csv").replace("\r\n", "\n"))
    assert status == 0, err
    assert [len(p) for p in parts(table / "stdin")] == [len(p) for p in parts(table / "plain")]
    lines = [json.dumps({"id": i, "text": "a\nb", "cls": "xy"[i % 2]}) + "\n" for i in range(400)]
    lines[7:7] = ["\n", "  \r\n"]
    (table / "t.jsonl").write_text("".join(lines)[:-1], newline="")
    split(mlops, "t.jsonl", "-o", "jsonl", "--by", "stratified", "--column", "cls")
    train, test = ((table / "jsonl" / n).read_text().splitlines() for n in ("train.jsonl", "test.jsonl"))
    assert (len(train), len(test)) == (320, 80) and sorted(train + test) == sorted(x.strip() for x in lines if x.strip())
    bom = b"\xef\xbb\xbfa,b\r1,2\r\r3,4\r5,6"
    (table / "mac.csv").write_bytes(bom)
    split(mlops, "mac.csv", "--by", "time", "--column", "a", "--parts", "one=0.5,two=0.5", "-o", "mac")
    assert (table / "mac/one.csv").read_bytes() == b"\xef\xbb\xbfa,b\r1,2\r3,4\r"
    assert (table / "mac/two.csv").read_bytes() == b"\xef\xbb\xbfa,b\r5,6"


def test_what_is_there_is_not_replaced_without_force(table, mlops):
    (table / "out").mkdir()
    (table / "out/test.csv").write_text("mine")
    (table / "out/other").write_text("mine, too")
    status, _, err = mlops("split", "t.csv", "-o", "out")
    assert status == 4 and "test.csv is there already" in err and "--force" in err
    assert (table / "out/test.csv").read_text() == "mine" and sorted(os.listdir(table / "out")) == ["other", "test.csv"]
    assert mlops("split", "t.csv", "-o", "out", "--force").status == 0
    assert sorted(os.listdir(table / "out")) == ["other", "test.csv", "train.csv"]
    (table / "file").write_text("")
    status, _, err = mlops("split", "t.csv", "-o", "file")
    assert status == 4 and "no directory" in err


def test_a_directory_in_the_way_of_a_part_costs_none(table, mlops):
    (table / "out" / "test.csv").mkdir(parents=True)
    (table / "out" / "train.csv").write_text("precious")
    status, _, err = mlops("split", "t.csv", "-o", "out", "--force")
    assert status == 4 and "test.csv is in the way" in err
    assert (table / "out" / "train.csv").read_text() == "precious"


@pytest.mark.parametrize("args, status, message", [
    (("--parts", "train=0.8,test=0.3"), 2, "are 1.1 together, not 1"),
    (("--parts", "train=1"), 2, "above 0 and below 1"),
    (("--parts", "train=0.8,test"), 2, "has no share"),
    (("--parts", "../up=0.5,test=0.5"), 2, "no name for a part"),
    (("--parts", "a/b=0.5,test=0.5"), 2, "no name for a part"),
    (("--parts", "a=0.5,a=0.5"), 2, "twice"),
    (("--parts", "a=nan,b=0.5"), 2, "above 0 and below 1"),
    (("--parts", "a=0.99999,b=0.00001"), 2, "part 'b' would have no row"),
    (("--by", "group"), 2, "needs a column"),
    (("--column", "group"), 2, "--by group"),
    (("--by", "group", "--column", "grup"), 2, "did you mean 'group'?"),
    (("--by", "time", "--column", "text"), 2, "row 2, column \"text\""),
    (("--by", "stratified", "--column", "id"), 2, "more than 1000 different values"),
    (("--by", "fate", "--column", "id"), 2, "random"),
    (("t.csv",), 2, "one table is split"),
])
def test_bad_arguments_write_nothing(table, mlops, args, status, message):
    got, _, err = mlops("split", "t.csv", *args, "-o", "out")
    assert got == status and message in err, err
    assert os.listdir(table) == ["t.csv"]


def test_tables_that_cannot_be_split(tmp_path, mlops):
    for text, message in (("a,b\n", "no rows"), ("", "is empty"), ('a\n"1\n', "row 2"), ("a,day\n1,2024-01-01\n2,\n", "no time")):
        (tmp_path / "t.csv").write_text(text)
        by = ("--by", "time", "--column", "day") if "day" in text else ()
        status, _, err = mlops("split", "t.csv", *by, "-o", "out")
        assert status == 2 and message in err, err
        assert os.listdir(tmp_path) == ["t.csv"]
    (tmp_path / "t.csv").write_text("a,y\n" + "".join(f"{i},same\n" for i in range(20)))
    result = split(mlops, "t.csv", "--by", "stratified", "--column", "y")
    assert "all rows are of one class" in result["warnings"]


def test_ctrl_c_leaves_nothing(tmp_path, program, environment):
    with open(tmp_path / "t.csv", "w", encoding="utf-8") as out:
        out.write("a,b\n")
        out.writelines(f"{i},{'x' * 100}\n" for i in range(300000))
    for delay in 0.05, 0.3:
        with subprocess.Popen([program, "split", "t.csv", "-o", "new"], cwd=tmp_path, env=environment,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as p:
            time.sleep(delay)
            p.send_signal(signal.SIGINT)
        if p.returncode == 0:
            assert sorted(os.listdir(tmp_path / "new")) == ["test.csv", "train.csv"]
            break
        assert os.listdir(tmp_path) == ["t.csv"]
