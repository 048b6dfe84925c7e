# SPDX-License-Identifier: Apache-2.0
"""init: a project of any directory, and a first pipeline that works."""
import json
import os
import shutil

import pytest

SECONDS = 5

READS_BY_NAME = """
import json, helper
# open("comment.csv")
'''also not "doc.csv"'''
rows = open("data/raw/rows.csv").read()
with open("metrics.json", "w") as f:
    json.dump({"rows": len(rows)}, f)
open("models/model.bin", "wb").write(b"x")
"""


def made(mlops, *args):
    status, out, err = mlops("init", "--json", *args)
    assert status == 0, err
    return json.loads(out)


def test_a_script_and_its_table_become_a_pipeline_that_runs(mlops, tmp_path):
    (tmp_path / "train.py").write_text("import sys\nprint(len(open(sys.argv[1]).read()))\n")
    (tmp_path / "churn.csv").write_text("a,b\n1,2\n")
    wrote = made(mlops)["wrote"]
    assert wrote["cmd"] == "python3 train.py churn.csv"
    assert wrote["in"] == ["train.py", "churn.csv"] and wrote["out"] == []
    assert mlops("run").status == 0
    assert "8" in mlops("logs", "last").out


def test_what_the_script_says_it_reads_and_writes_is_used(mlops, tmp_path):
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "data/raw/rows.csv").write_text("a\n")
    (tmp_path / "other.csv").write_text("a\n")
    (tmp_path / "train.py").write_text(READS_BY_NAME)
    (tmp_path / "helper.py").write_text("import deeper\n")
    (tmp_path / "deeper.py").write_text("")
    wrote = made(mlops)["wrote"]
    assert wrote["in"] == ["train.py", "helper.py", "deeper.py", "data/raw/rows.csv"]
    assert wrote["out"] == ["models/model.bin"] and wrote["metrics"] == ["metrics.json"]
    assert mlops("run").status == 0
    assert mlops("run").status == 0


def test_results_of_an_earlier_run_by_hand_are_not_inputs(mlops, tmp_path):
    (tmp_path / "fit.py").write_text("import pandas\npandas.read_csv('in.csv').to_csv('out.csv')\n"
                                     "pandas.read_pickle('old.pkl')\n")
    for name in ("in.csv", "out.csv", "old.pkl"):
        (tmp_path / name).write_text("x")
    wrote = made(mlops)["wrote"]
    assert wrote["in"] == ["fit.py", "in.csv"] and wrote["out"] == ["out.csv"]


@pytest.mark.parametrize("option, cmd", [
    ("--data", "python3 train.py --data t.csv"),
    ("table", "python3 train.py t.csv"),
    ("--epochs", "python3 train.py"),
])
def test_argparse_gets_the_table_the_way_it_asks(mlops, tmp_path, option, cmd):
    (tmp_path / "t.csv").write_text("a\n")
    (tmp_path / "train.py").write_text(f"import argparse\np = argparse.ArgumentParser()\n"
                                       f"p.add_argument('{option}', default=3)\np.parse_args()\n")
    assert made(mlops)["wrote"]["cmd"] == cmd
    assert mlops("run").status == 0


def test_many_tables_are_named_by_their_directory(mlops, tmp_path):
    (tmp_path / "train.py").write_text("")
    (tmp_path / "data").mkdir()
    for i in range(20):
        (tmp_path / f"data/{i}.csv").write_text("a\n")
    assert made(mlops)["wrote"]["in"] == ["train.py", "data"]


NASTY = ["a b.csv", "-x.csv", "we,ird.csv", "q'uote.csv", 'd"q.csv', "$HOME.csv", "a#b.csv", "st*r.csv", "new\nline.csv",
         "é.csv", "x;y.csv", "back\\slash.csv", "%n.csv", "[b].csv"]


def test_odd_names_never_make_a_pipeline_that_cannot_be_read(mlops, tmp_path):
    for name in NASTY:
        (tmp_path / name).write_text("a\n")
    (tmp_path / os.fsdecode(b"caf\xe9.csv")).write_text("a\n")
    (tmp_path / "ein modell (neu).py").write_text("")
    (tmp_path / "tr ain.py").write_bytes(b"import sys; sys.argv[1]\n\xff\x00'\"\"\"")
    assert made(mlops)["wrote"]["in"][0] == "tr ain.py"
    assert mlops("dag").status == 0
    assert mlops("run", "--dry").status == 0


def test_nothing_that_exists_is_changed_and_again_is_harmless(mlops, tmp_path, git):
    git("init", "-q")
    (tmp_path / "train.py").write_text("")
    (tmp_path / "pipeline.ini").write_text("[step.mine]\ncmd = true\n")
    (tmp_path / ".gitattributes").write_text("*.bin binary\n")
    first = made(mlops)
    assert first["created"] and "wrote" not in first
    assert (tmp_path / "pipeline.ini").read_text() == "[step.mine]\ncmd = true\n"
    lines = (tmp_path / ".gitattributes").read_text()
    assert lines.splitlines() == ["*.bin binary", "mlops.lock merge=union"]
    again = made(mlops)
    assert not again["created"]
    assert (tmp_path / ".gitattributes").read_text() == lines


def test_git_sees_what_is_to_commit_and_no_more(mlops, tmp_path, git):
    git("init", "-q")
    (tmp_path / "train.py").write_text("open('model.bin', 'w').write('x')\n")
    made(mlops)
    assert mlops("run").status == 0
    new = git("status", "--porcelain", "-uall").split()[1::2]
    assert sorted(new) == [".gitattributes", ".gitignore", "mlops.lock", "pipeline.ini", "train.py"]


def test_a_named_directory_is_made_and_the_next_command_leads_there(mlops, tmp_path):
    result = made(mlops, "deep/er/churn")
    assert result["root"] == str(tmp_path / "deep/er/churn") and result["created"]
    assert "train.py" in result["next"] and "deep/er/churn" in result["next"]
    (tmp_path / "deep/er/churn/train.py").write_text("")
    assert made(mlops, "deep/er/churn")["next"] == "cd deep/er/churn && mlops run"


def test_odd_surroundings_are_remarked_on(mlops, project):
    (project / "mlruns").mkdir()
    (project / "mlflow.db").write_text("")
    notes = "\n".join(made(mlops)["notes"])
    assert "mlruns/" in notes and "mlflow.db" in notes and "git init" in notes
    (project / "inner").mkdir()
    assert any("inside the project" in note for note in made(mlops, "inner")["notes"])


def test_a_directory_that_cannot_be_made_is_an_error(mlops, tmp_path):
    (tmp_path / "file").write_text("")
    status, _, err = mlops("init", "file/below")
    assert status in (3, 4, 5) and "file" in err
    status, _, err = mlops("init", "file")
    assert status != 0 and "file" in err


def test_the_text_names_what_was_done_and_what_is_next(mlops, tmp_path):
    (tmp_path / "train.py").write_text("open('m.pkl', 'wb')\n")
    out = mlops("init").out
    assert "made the project" in out and "train.py" in out and "m.pkl" in out
    assert out.endswith("next: mlops run\n")
    shutil.rmtree(tmp_path / ".mlops")
    assert mlops("init").out.startswith("made the project")
