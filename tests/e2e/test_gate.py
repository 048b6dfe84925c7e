# SPDX-License-Identifier: Apache-2.0
"""[model.NAME]: what a run made becomes a version, is judged by its gate, and takes its alias."""
import json

import pytest

SECONDS = 10

PIPELINE = """\
[pipeline]
name = churn

[step.train]
cmd = python3 train.py
in = quality
     train.py
out = model.txt
metrics = train.json

[step.evaluate]
cmd = python3 evaluate.py
in = model.txt
     champion
     evaluate.py
out = holdout.csv
metrics = evaluate.json

[model.churn]
from = model.txt
champion = champion
holdout.recent = holdout.csv
reference = quality
example = example.json
signature = signature.json
gate = auc >= 0.5
       evaluate.rmse <= 1
       better(accuracy, p=0.05)
"""
TRAIN = """\
import json
q = float(open("quality").read())
open("model.txt", "w").write(str(q))
json.dump({"auc": q, "words": "high", "lost": float("nan")}, open("train.json", "w"))
"""
EVALUATE = """\
import json, os
mine = float(open("model.txt").read())
his = float(open("champion/model.txt").read()) if os.path.exists("champion/model.txt") else None
with open("holdout.csv", "w") as out:
    print("label,candidate,champion", file=out)
    for i in range(100):
        print(1, *("" if q is None else int(i < 100 * q) for q in (mine, his)), sep=",", file=out)
json.dump({"rmse": 1 - mine}, open("evaluate.json", "w"))
"""


@pytest.fixture
def churn(project):
    files = {"pipeline.ini": PIPELINE, "train.py": TRAIN, "evaluate.py": EVALUATE, "quality": "0.6",
             "example.json": '{"age": 30}', "signature.json": '{"inputs": []}'}
    for name, text in files.items():
        (project / name).write_text(text)
    return project


def gate(project, *lines):
    text = PIPELINE[:PIPELINE.index("gate = ")] + "gate = " + "\n       ".join(lines) + "\n"
    (project / "pipeline.ini").write_text(text)


def told(mlops, *args, want=0):
    status, out, err = mlops("--json", *args)
    assert status == want, out + err
    return json.loads(out.splitlines()[-1] if args[0] == "run" else out)


def candidates(mlops, project=None, quality=None):
    if quality:
        (project / "quality").write_text(quality)
    return told(mlops, "run").get("models", [])


def test_a_champion_is_beaten_not_met(churn, mlops):
    (first,) = candidates(mlops)
    assert (first["version"], first["outcome"]) == (1, "promoted")
    assert first["lines"][2]["note"] == "there is no champion yet"
    assert candidates(mlops) == []  # evaluated against another champion, and no other model
    assert (churn / "champion/model.txt").read_text() == "0.6"
    (worse,) = candidates(mlops, churn, "0.62")
    assert (worse["version"], worse["outcome"], worse["champion"]) == (2, "rejected", 1)
    assert worse["lines"][2]["values"]["p"] == 0.5
    assert candidates(mlops) == []
    (better,) = candidates(mlops, churn, "0.8")
    assert (better["version"], better["outcome"]) == (3, "promoted")
    candidate = told(mlops, "model", "show", "churn@champion")["candidate"]
    assert candidate["metrics"]["auc"] == 0.8 and "evaluate.rmse" in candidate["metrics"]
    assert sorted(candidate["files"]) == ["example", "signature"]
    assert candidate["reference"].startswith("file:")
    status, out, _ = mlops("model", "show", "churn@v2")
    assert status == 0 and "gate failed against v1" in out and "better(accuracy, p=0.05)" in out
    assert mlops("cat", "churn@champion/model.txt").out == "0.8"


def test_what_a_run_made_is_registered_by_the_next_one_too(churn, mlops):
    """As after a kill between the run and its candidate."""
    plain = PIPELINE[:PIPELINE.index("[model")].replace("     champion\n", "")
    (churn / "pipeline.ini").write_text(plain)
    told(mlops, "run")
    (churn / "pipeline.ini").write_text(plain + "[model.churn]\nfrom = model.txt\n")
    status, out, _ = mlops("run")
    assert status == 0 and "up to date" in out and "churn@v1 is champion now" in out
    assert candidates(mlops) == []


def test_a_champion_that_changes_while_its_files_are_judged_holds_the_candidate(churn, mlops, program):
    assert candidates(mlops, churn, "0.6")[0]["outcome"] == "promoted"
    assert candidates(mlops, churn, "0.8")[0]["outcome"] == "promoted"
    move = f"import subprocess\nsubprocess.run([{program!r}, 'model', 'promote', 'churn@v1', '--reason', 'x'], check=True)\n"
    (churn / "evaluate.py").write_text(EVALUATE + move)
    (model,) = candidates(mlops, churn, "0.95")
    assert (model["version"], model["verdict"], model["outcome"], model["champion"]) == (3, "passed", "held", 2)
    status, out, _ = mlops("model", "promote", "churn@v1")
    assert status == 0 and "unchanged" in out


def test_a_part_of_the_run_is_not_judged(churn, mlops):
    gate(churn, "evaluate.rmse < 1")
    assert len(candidates(mlops)) == 1
    (churn / "quality").write_text("0.7")
    status, out, err = mlops("run", "train")
    assert status == 0 and "no candidate" in out + err and "step evaluate" in out + err
    (second,) = candidates(mlops)
    assert second["version"] == 2 and second["lines"][0]["values"]["evaluate.rmse"] < 0.31


def test_what_cannot_be_judged_does_not_pass(churn, mlops):
    said = {"aux > 0.5": "there is no metric 'aux'", "words > 0.5": "there is no metric 'words'", "lost > 0.5": "lost is NaN",
            "auc / (auc - auc) > 0": "division by zero", "champion.aux > 0 or auc < aux": "there is no metric 'aux'"}
    gate(churn, *said)
    (candidate,) = candidates(mlops)
    assert candidate["outcome"] == "rejected"
    for line in candidate["lines"]:
        assert not line["holds"] and said[line["line"]] in line["error"]


def test_a_wrong_line_is_told_before_anything_runs(churn, mlops):
    said = {"auc >= 'high'": "26:12: model churn: >= compares a number with a text", "auc": "27:8: model churn: it is a number",
            "bettr(auc)": "did you mean better?", "better(auc, p=2)": "29:22: model churn: p is a number from 0.001 to 0.5",
            "better(auc, on=old)": "30:8: model churn: there is no holdout 'old'"}
    gate(churn, *said)
    status, out, err = mlops("pipeline", "check")
    assert status == 2, out + err
    for text in said.values():
        assert text in out, out
    assert mlops("run").status == 2
    assert not (churn / "model.txt").exists()


@pytest.mark.parametrize("old, new, said", [
    ("from = model.txt", "from = mode.txt", "did you mean 'model.txt'?"),
    ("example = example.json", "example = x.json", "there is no x.json"),
    ("champion = champion", "champion = model.txt", "give the champion a directory of its own"),
    ("alias = ", "alias = latest", "latest"),
])
def test_a_wrong_name_is_told_before_anything_runs(churn, mlops, old, new, said):
    text = PIPELINE.replace(old, new).replace("     champion\n", "") if old in PIPELINE else PIPELINE + new + "\n"
    (churn / "pipeline.ini").write_text(text)
    status, out, err = mlops("pipeline", "check")
    assert status == 2 and said in out + err, out + err
    (churn / "model.txt").write_text("mine")
    assert mlops("run").status == 2
    assert (churn / "model.txt").read_text() == "mine"


def test_the_holdout_decides_again_the_same(churn, mlops):
    gate(churn, "better(f1)", "not_worse(auc, margin=0.01)")
    candidates(mlops)
    (candidate,) = candidates(mlops, churn, "0.9")
    f1, auc = candidate["lines"]
    assert f1["holds"] and f1["test"] == "paired bootstrap"
    assert not auc["holds"] and "one class" in auc["error"]


def test_an_author_is_who_ran_it_and_who_committed(churn, mlops, git):
    git("init", "-q")
    git("add", "train.py")
    git("commit", "-qm", "one", "--author", "Ben <ben@example.org>")
    gate(churn, "auc > 0")
    candidates(mlops)
    candidate = told(mlops, "model", "show", "churn@v1")["candidate"]
    assert candidate["committer"] == git("log", "-1", "--format=%an <%ae>%n%cn <%ce>").strip()
    assert candidate["committer"].startswith("Ben <ben@example.org>\n")
    assert "@" in candidate["author"]
    assert "/champion" in (churn / ".gitignore").read_text()


def test_experiments_make_no_versions(churn, mlops):
    gate(churn, "auc > 0")
    (churn / "pipeline.ini").write_text((churn / "pipeline.ini").read_text() + "[params]\nlr = 1\n")
    status, out, err = mlops("run", "-p", "lr=1,2")
    assert status == 0, out + err
    assert "no registered models" in mlops("model", "list").out
