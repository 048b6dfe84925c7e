# SPDX-License-Identifier: Apache-2.0
"""[schema.NAME]: tables are checked when they are added, before a step reads them, and before an output is accepted."""
import json
import os
import shutil
import sqlite3
import subprocess
import time

import pytest

from boxes import Box
from steps import MLOPS, fails, one_error, ran, result_of, run_json, run_ok, states

SECONDS = 12

SCHEMA = {"version": 1, "columns": [{"name": "id", "type": "integer", "unique": True},
                                    {"name": "age", "type": "integer", "min": 0, "max": 120}]}
GOOD = "id,age\n1,30\n2,41\n3,25\n"
BAD = "id,age\n1,30\n2,999\n3,25\n"
PIPELINE = """\
[step.clean]
cmd = sh clean.sh
in  = data/raw, clean.sh
out = data/clean.csv

[step.count]
cmd = sh -c 'echo count >> ran; wc -l < data/clean.csv > n.txt'
in  = data/clean.csv
out = n.txt

[schema.raw]
path = data/raw/*.csv
file = schemas/raw.json

[schema.clean]
path = data/clean.csv
file = schemas/clean.json
"""


@pytest.fixture
def people(project):
    """raw (a directory) -> clean.csv -> n.txt, with a schema for the first two."""
    for name in ("data/raw", "schemas"):
        (project / name).mkdir(parents=True)
    write(project, "data/raw/a.csv", GOOD)
    write(project, "clean.sh", "echo clean >> ran\ncat data/raw/a.csv > data/clean.csv\n")
    write(project, "pipeline.ini", PIPELINE)
    schema(project, "raw")
    schema(project, "clean")
    return project


def write(project, path, text):
    (project / path).write_text(text)


def schema(project, name, **more):
    write(project, f"schemas/{name}.json", json.dumps({**SCHEMA, **more}))


def rows(project, sql):
    with sqlite3.connect(f"file:{project}/.mlops/registry.db?mode=ro", uri=True) as db:
        return db.execute(sql).fetchall()


def test_what_does_not_fit_is_not_added(mlops, people):
    write(people, "data/raw/b.csv", BAD)
    status, out, err = mlops("add", "data/raw", cwd=people)
    message, _, fix = one_error(err)
    assert status == 7 and "data/raw/b.csv does not fit schema raw: column age:" in message and "schemas/raw.json" in fix
    assert "data/raw/b.csv does not fit [schema.raw]" in out and "row 3: 999" in out
    assert rows(people, "SELECT * FROM artifacts") == rows(people, "SELECT * FROM table_checks") == []
    assert not (people / "mlops.lock").exists() or "data/raw" not in (people / "mlops.lock").read_text()
    assert not list((people / ".mlops/objects").rglob("*/*")), "and not stored either"
    result = result_of(mlops("add", "data/raw", "--json", cwd=people).out)
    assert result["added"] == [] and result["refused"] == "data/raw"
    report = result["schema"][0]
    assert report["path"] == "data/raw/b.csv" and report["report"]["columns"][1]["breaches"][0]["row"] == 3


def test_unchecked_is_a_way_out_that_is_recorded(mlops, people):
    write(people, "data/raw/a.csv", BAD)
    assert mlops("add", "--unchecked", "data/raw", cwd=people).status == 0
    (body,), = rows(people, "SELECT body FROM events WHERE operation = 'data.add'")
    assert json.loads(body)["unchecked"] is True
    assert run_json(mlops, people, status=7)["failure"]["cause"] == "schema", "steps still do not read it"


def test_a_bad_input_stops_the_run_before_anything_runs(mlops, people):
    write(people, "data/raw/a.csv", BAD)
    result = run_json(mlops, people, status=7)
    failure = result["failure"]
    assert ran(people) == [] and result["run_id"] is None and result["steps"] == []
    assert failure["cause"] == "schema" and failure["step"] == "clean"
    assert failure["schema"][0]["path"] == "data/raw/a.csv" and "age" in failure["log"][0]
    status, out, err = mlops("run", cwd=people)
    assert status == 7 and "what does not fit" in out and "first row 3: 999" in out
    write(people, "data/raw/a.csv", GOOD)
    assert set(states(run_json(mlops, people)).values()) == {"ok"}


def test_a_bad_output_fails_its_step_and_is_kept_aside(mlops, people):
    write(people, "clean.sh", "echo clean >> ran\nsed s/41/-1/ data/raw/a.csv > data/clean.csv\necho done\n")
    result = run_json(mlops, people, status=7)
    assert states(result) == {"clean": "failed", "count": "blocked"} and ran(people) == ["clean"]
    failure = result["failure"]
    assert failure["cause"] == "schema" and failure["step"] == "clean" and failure["log"][0] == "done"
    assert "data/clean.csv: column age" in failure["log"][1]
    assert (people / failure["kept"] / "data/clean.csv").read_text().count("-1") == 1
    assert not (people / "data/clean.csv").exists()
    out = mlops("show", cwd=people).out
    assert "data/clean.csv does not fit [schema.clean]" in out and "first row 3: -1" in out
    log = mlops("logs", result["run_id"], "clean", cwd=people).out
    assert "done" in log and "column age" in log
    assert rows(people, "SELECT path FROM table_checks") == [("data/raw/a.csv",)]


def test_it_is_not_tried_again_whatever_retries_say(mlops, people):
    write(people, "pipeline.ini", PIPELINE.replace("[step.count]", "retries = 3\n[step.count]"))
    write(people, "clean.sh", "echo clean >> ran\necho no table > data/clean.csv\n")
    run_json(mlops, people, status=7)
    assert ran(people) == ["clean"]


def test_other_steps_go_on_with_keep_going(mlops, people):
    write(people, "pipeline.ini", PIPELINE + "[step.other]\ncmd = sh -c 'sleep 0.3; echo x > o.txt'\nout = o.txt\n")
    write(people, "clean.sh", "cp data/raw/a.csv data/clean.csv; echo 9,9,9 >> data/clean.csv\n")
    result = run_json(mlops, people, "--keep-going", status=7)
    assert states(result) == {"clean": "failed", "count": "blocked", "other": "ok"}
    assert "row 5" in result["failure"]["message"], "what is no table does not fit, with its row"


def test_a_changed_schema_is_checked_again_though_nothing_ran(mlops, people):
    run_ok(mlops, people)
    ran(people)
    assert run_json(mlops, people)["steps"] == []
    schema(people, "clean", rows={"min": 10})
    result = run_json(mlops, people, status=7)
    assert result["failure"]["schema"][0]["schema"] == "clean" and ran(people) == []
    schema(people, "clean", rows={"min": 1})
    assert run_json(mlops, people)["steps"] == [] and ran(people) == []


def test_a_result_of_the_past_is_checked_before_it_comes_back(mlops, people):
    run_ok(mlops, people)
    (people / "data/clean.csv").unlink()
    schema(people, "clean", rows={"min": 10})
    result = run_json(mlops, people, status=7)
    assert states(result)["clean"] == "failed" and not (people / "data/clean.csv").exists()
    schema(people, "clean")
    assert states(run_json(mlops, people)) == {"clean": "restored"}
    assert (people / "data/clean.csv").read_text() == GOOD


def test_rows_are_compared_with_the_last_version(mlops, people):
    schema(people, "raw", rows={"max_change": 0.5})
    write(people, "data/raw/a.csv", "id,age\n" + "".join(f"{i},5\n" for i in range(100)))
    assert mlops("add", "data/raw", cwd=people).status == 0
    write(people, "data/raw/a.csv", "id,age\n" + "".join(f"{i},5\n" for i in range(49)))
    assert "49" in fails(mlops, people, 7, "add", "data/raw")[0]
    write(people, "data/raw/a.csv", "id,age\n" + "".join(f"{i},5\n" for i in range(51)))
    assert mlops("add", "data/raw", cwd=people).status == 0


def test_accept_takes_nothing_that_a_run_would_refuse(mlops, people):
    run_ok(mlops, people)
    write(people, "clean.sh", (people / "clean.sh").read_text() + "# why\n")
    schema(people, "clean", rows={"min": 10})
    assert "does not fit schema clean" in fails(mlops, people, 7, "accept", "clean")[0]
    schema(people, "clean")
    assert mlops("accept", "clean", cwd=people).status == 0


def opened(project, *args):
    """Project files that a command opens, by strace."""
    log = project / "trace"
    subprocess.run(["strace", "-f", "-e", "trace=open,openat,openat2", "-o", str(log), MLOPS, *args], cwd=project, check=True,
                   capture_output=True, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    text = log.read_text()
    log.unlink()
    return [line for line in text.splitlines() if "ENOENT" not in line]


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_a_run_that_has_nothing_to_do_opens_no_database_and_no_table(mlops, people):
    run_ok(mlops, people)
    time.sleep(2.1)  # until the stat cache trusts what was just written
    run_ok(mlops, people)
    lines = opened(people, "run")
    assert not [line for line in lines if "registry.db" in line or ".csv" in line], lines
    assert [line for line in lines if '"checked"' in line]
    assert not [line for line in opened(people, "status") if '"checked"' in line or ".csv" in line]
    write(people, "pipeline.ini", PIPELINE.split("[schema.raw]")[0])
    assert not [line for line in opened(people, "run") if "registry.db" in line or '"checked"' in line]


def test_a_lost_file_of_what_was_checked_costs_no_second_look_at_the_data(mlops, people):
    run_ok(mlops, people)
    (people / ".mlops/checked").unlink()
    assert run_json(mlops, people)["steps"] == []
    assert (people / ".mlops/checked").exists()
    write(people, ".mlops/checked", "mlops checked 1\nrotten")
    assert run_json(mlops, people)["steps"] == []


def test_a_file_in_a_directory_is_checked_when_it_is_new(mlops, people):
    run_ok(mlops, people)
    write(people, "data/raw/b.csv", BAD)
    write(people, "data/raw/notes.txt", "no table, and no concern of the schema\n")
    failure = run_json(mlops, people, status=7)["failure"]
    assert [r["path"] for r in failure["schema"]] == ["data/raw/b.csv"]
    write(people, "data/raw/b.csv", GOOD.replace("30", "31"))
    assert states(run_json(mlops, people))["clean"] == "ok"
    assert len(rows(people, "SELECT * FROM table_checks WHERE path LIKE 'data/raw/%'")) == 2


def test_a_directory_without_a_pattern_means_its_tables(mlops, people):
    write(people, "pipeline.ini", PIPELINE.replace("data/raw/*.csv", "data"))
    write(people, "data/raw/notes.txt", "no table\n")
    (people / "data/raw/deep").mkdir()
    write(people, "data/raw/deep/c.csv", BAD)
    failure = run_json(mlops, people, status=7)["failure"]
    assert [r["path"] for r in failure["schema"]] == ["data/raw/deep/c.csv"]


def test_how_tables_are_read_stands_in_the_section(mlops, people):
    write(people, "data/raw/a.csv", "id;age\n1;?\n2;41\n3;25\n")
    schema(people, "raw", columns=[SCHEMA["columns"][0], {**SCHEMA["columns"][1], "nulls": 0.5}])
    text = PIPELINE.replace("file = schemas/raw.json", "file = schemas/raw.json\ndelimiter = ;\nnull = NA,?")
    write(people, "clean.sh", "printf 'id,age\\n1,2\\n' > data/clean.csv\n")
    write(people, "pipeline.ini", text)
    assert states(run_json(mlops, people))["clean"] == "ok"
    write(people, "pipeline.ini", text.replace(",?", ""))
    assert run_json(mlops, people, status=7)["failure"]["cause"] == "schema"


@pytest.mark.parametrize("text, where, what, near", [
    ("[schema.raw]\npath = data/raw\n", "19:2", "[schema.raw] has no 'file'", "mlops schema infer"),
    ("[schema.raw]\npath = data/raw\nfile = schemas/rww.json\n", "21:8", "there is no schemas/rww.json", "schema infer"),
    ("[schema.raw]\npath = data/raw\nfile = schemas\n", "21:8", "schemas is a directory", ""),
    ("[schema.raw]\npath = data/raw\nfile = pipeline.ini\n", "21:8", "pipeline.ini", ""),
], ids=["no-file", "absent", "directory", "no-schema"])
def test_mistakes_of_the_section_have_a_place(mlops, people, text, where, what, near):
    steps = PIPELINE.split("[schema.raw]")[0]
    write(people, "pipeline.ini", steps + "#\n" * (18 - steps.count("\n")) + text)
    status, out, err = mlops("pipeline", "check", "--json", cwd=people)
    problem, = result_of(out)["problems"]
    assert status == 2 and f"{problem['line']}:{problem['column']}" == where, problem
    assert what in problem["message"] and near in problem["message"] + problem.get("help", ""), problem
    assert mlops("run", cwd=people).status in (2, 3)


def test_a_pattern_that_matches_nothing_is_fine(mlops, people):
    write(people, "pipeline.ini", PIPELINE.replace("data/raw/*.csv", "later/**/*.csv"))
    run_ok(mlops, people)


def test_add_needs_only_the_schemas_of_the_file(mlops, people):
    write(people, "pipeline.ini", "[step.a]\nnonsense = 1\n" + PIPELINE[PIPELINE.index("[schema.raw]"):])
    assert mlops("add", "data/raw", cwd=people).status == 0
    write(people, "data/raw/a.csv", BAD)
    assert mlops("add", "data/raw", cwd=people).status == 7
    (people / "pipeline.ini").unlink()
    assert mlops("add", "data/raw", cwd=people).status == 0


def test_steps_in_containers_are_held_to_it(fake, people):
    box = Box(people, fake.host)
    box.step("printf 'id,age\\n1,999\\n' > clean.csv", out="clean.csv", profile="clean.csv",
             more="[schema.clean]\npath = clean.csv\nfile = schemas/clean.json\n")
    failure = box.run(status=7)["failure"]
    assert failure["cause"] == "schema" and failure["step"] == "one"
    assert not (people / "clean.csv").exists() and "column age" in box.log().decode()
    box.step("printf 'id,age\\n1,99\\n' > clean.csv", out="clean.csv", profile="clean.csv",
             more="[schema.clean]\npath = clean.csv\nfile = schemas/clean.json\n")
    assert states(box.run()) == {"one": "ok"} and box.json("show")["profiles"][0]["rows"] == 1
    box.check_whole()
