# SPDX-License-Identifier: Apache-2.0
"""profile = OUTPUT: what is in the tables that a step makes is kept beside them, and told by show and diff."""
import json
import sqlite3

import pytest

from steps import fails, ran, result_of, run_json, run_ok, states

SECONDS = 10

PIPELINE = """\
[step.clean]
cmd = sh clean.sh
in  = raw.csv, clean.sh
out = data/clean.csv
profile = data/clean.csv
"""
NAME = "data/clean.csv.profile.json"


@pytest.fixture
def people(project):
    (project / "pipeline.ini").write_text(PIPELINE)
    (project / "clean.sh").write_text("echo clean >> ran\nmkdir -p data\ncat raw.csv > data/clean.csv\n")
    raw(project, 100, 30)
    return project


def raw(project, rows, age, head="id,age,city", tail=",Rome"):
    (project / "raw.csv").write_text(head + "\n" + "".join(f"{i},{age + i % 10}{tail}\n" for i in range(rows)))


def shown(mlops, project, name="last"):
    status, out, err = mlops("show", name, "--json", cwd=project)
    assert status == 0, err
    return result_of(out)


def diff(mlops, project, *names):
    status, out, err = mlops("diff", *names, "--json", cwd=project)
    assert status in (0, 7), err
    return result_of(out)


def profiles(project):
    with sqlite3.connect(f"file:{project}/.mlops/registry.db?mode=ro", uri=True) as db:
        return db.execute("SELECT v.number, lower(hex(c.digest)) FROM artifact_versions v JOIN artifacts a ON a.id = v.artifact"
                          " JOIN contents c ON c.id = v.content WHERE a.name = ? ORDER BY 1", (NAME,)).fetchall()


def test_a_profile_is_an_artifact_that_show_tells(mlops, people):
    run_ok(mlops, people)
    result = shown(mlops, people)
    profile, = result["profiles"]
    assert profile["path"] == NAME and profile["rows"] == 100
    id, age, city = profile["columns"]
    assert (age["type"], age["min"], age["max"], age["mean"], age["median"]) == ("integer", 30, 39, 34.5, 34.5)
    assert (id["distinct"], city["distinct"], city["nulls"]) == (100, 1, 0)
    assert {"path": NAME, "use": "profile"}.items() <= [o for o in result["run"]["outputs"] if o["path"] == NAME][0].items()
    out = mlops("show", cwd=people).out
    assert f"{NAME}  100 rows, 3 columns" in out and "34.5" in out
    assert not (people / NAME).exists(), "it is kept in the store, not in the work tree"
    kept = mlops("cat", NAME, cwd=people).out
    assert kept == mlops("cat", f"{NAME}@v1", cwd=people).out and json.loads(kept)
    step = [a for a in result["attempts"] if a["step"] == "clean"][0]["run"]
    assert shown(mlops, people, step)["profiles"][0]["rows"] == 100


def test_equal_output_is_not_described_twice(mlops, people):
    run_ok(mlops, people)
    before = profiles(people)
    (people / "clean.sh").write_text((people / "clean.sh").read_text() + "# the same\n")
    assert states(run_json(mlops, people)) == {"clean": "ok"}
    assert profiles(people) == before and len(before) == 1
    assert shown(mlops, people)["profiles"][0]["rows"] == 100
    raw(people, 101, 30)
    run_ok(mlops, people)
    assert [number for number, _ in profiles(people)] == [1, 2]


def test_diff_tells_what_changed_in_the_data(mlops, people):
    run_ok(mlops, people)
    first = shown(mlops, people)["run"]["run_id"]
    raw(people, 50, 33, head="id,age,town")
    run_ok(mlops, people)
    second = shown(mlops, people)["run"]["run_id"]
    change, = [d["profile"] for d in diff(mlops, people, first, second)["data"] if d["path"] == "data/clean.csv"]
    assert (change["old_rows"], change["new_rows"]) == (100, 50)
    columns = {c["name"]: c for c in change["columns"]}
    assert columns["age"]["old_mean"] == 34.5 and columns["age"]["new_mean"] == 37.5
    assert columns["age"]["shift"] == pytest.approx(3 / 2.8722813)
    assert columns["city"]["change"] == "removed" and columns["town"]["change"] == "added"
    out = mlops("diff", first, second, cwd=people).out
    assert "rows 100 -> 50" in out and "mean 34.5 -> 37.5 (+1 sd)" in out and "town: added" in out
    assert NAME not in out, "a profile is told by what it says, not as one more path"
    versions = diff(mlops, people, "data/clean.csv@v1", "data/clean.csv@v2")
    assert versions["data"][0]["profile"] == change
    assert NAME not in mlops("diff", second, cwd=people).out, "it never stood in the work tree"


def test_checkout_of_a_run_leaves_profiles_out(mlops, people):
    run_ok(mlops, people)
    run = shown(mlops, people)["run"]["run_id"]
    raw(people, 50, 33)
    run_ok(mlops, people)
    assert mlops("checkout", "--from", run, cwd=people).status == 0
    assert (people / "data/clean.csv").read_text().count("\n") == 101 and not (people / NAME).exists()


def test_a_restored_result_has_its_profile(mlops, people):
    run_ok(mlops, people)
    raw(people, 50, 33)
    run_ok(mlops, people)
    raw(people, 100, 30)
    assert states(run_json(mlops, people)) == {"clean": "cached"}
    assert len(profiles(people)) == 2 and run_json(mlops, people)["steps"] == []
    (people / "more.txt").write_text("x")
    (people / "pipeline.ini").write_text(PIPELINE + "[step.more]\ncmd = cp more.txt out.txt\nin = more.txt\nout = out.txt\n")
    raw(people, 50, 33)
    assert states(run_json(mlops, people)) == {"clean": "cached", "more": "ok"}
    assert shown(mlops, people)["profiles"][0]["rows"] == 50, "a run has it for what it did not make, too"


def test_a_profile_that_is_asked_for_later_needs_no_run(mlops, people):
    (people / "pipeline.ini").write_text(PIPELINE.replace("profile", "# profile"))
    run_ok(mlops, people)
    assert profiles(people) == [] and ran(people) == ["clean"]
    (people / "pipeline.ini").write_text(PIPELINE)
    assert run_json(mlops, people)["steps"] == [] and ran(people) == []
    assert len(profiles(people)) == 1


def test_a_directory_has_one_profile_of_its_tables(mlops, people):
    (people / "pipeline.ini").write_text(PIPELINE.replace("data/clean.csv", "data"))
    (people / "clean.sh").write_text("mkdir data; cp raw.csv data/a.csv; cp raw.csv data/b.csv; echo no > data/notes.txt\n")
    run_ok(mlops, people)
    assert shown(mlops, people)["profiles"][0]["rows"] == 200


def test_what_is_no_table_costs_its_profile_not_the_step(mlops, people):
    (people / "clean.sh").write_text("mkdir data; printf 'a,b\\n1,2,3\\n' > data/clean.csv\n")
    status, out, err = mlops("run", cwd=people)
    assert status == 0 and "data/clean.csv has no profile" in err and "row 2" in err
    assert "has no profile" not in "".join(mlops("run", cwd=people)[1:]), "told once"


def test_instances_of_a_matrix_have_theirs(mlops, people):
    (people / "part.sh").write_text("head -n $1 raw.csv > parts/$1.csv\n")
    (people / "pipeline.ini").write_text("""\
[step.part]
matrix.n = 10, 20
cmd = sh part.sh ${matrix.n}
in  = raw.csv
out = parts/${matrix.n}.csv
profile = parts/${matrix.n}.csv
""")
    run_ok(mlops, people)
    assert {p["path"]: p["rows"] for p in shown(mlops, people)["profiles"]} == {
        "parts/10.csv.profile.json": 9, "parts/20.csv.profile.json": 19}


@pytest.mark.parametrize("keys, what, near", [
    ("profile = data/claen.csv", "profile 'data/claen.csv' is no output", "did you mean 'data/clean.csv'?"),
    ("profile = raw.csv", "profile 'raw.csv' is no output", "out="),
    (f"metrics = {NAME}\nprofile = data/clean.csv", f"'{NAME}' has the name of the profile", "another name"),
], ids=["near", "input", "clash"])
def test_it_must_be_an_output(mlops, people, keys, what, near):
    (people / "pipeline.ini").write_text(PIPELINE.replace("profile = data/clean.csv", keys))
    message, where, fix = fails(mlops, people, 2, "run")
    assert what in message and near in fix and where.startswith("pipeline.ini:")


def test_profiles_come_with_runs_that_are_pulled(mlops, people, tmp_path_factory):
    remote, other = tmp_path_factory.mktemp("remote"), tmp_path_factory.mktemp("other")
    (people / "pipeline.ini").write_text(f"{PIPELINE}[remote.team]\nurl = {remote}\n")
    run_ok(mlops, people)
    assert mlops("push", "--init", cwd=people).status == 0
    assert mlops("init", cwd=other).status == 0
    (other / "pipeline.ini").write_text((people / "pipeline.ini").read_text())
    status, _, err = mlops("pull", cwd=other)
    assert status == 0, err
    run = shown(mlops, people)["run"]["run_id"]
    assert shown(mlops, other, run)["profiles"][0]["rows"] == 100
