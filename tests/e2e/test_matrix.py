# SPDX-License-Identifier: Apache-2.0
"""A step with a matrix runs once a combination: instances have names, outputs, results of their own."""
import json
import re
import shutil

from conftest import ROOT
from steps import run_json, run_ok, states

SECONDS = 20
LATER = re.compile(r"^(model|schema|monitor|trigger|notify|remote)\.")

PREPARE = """\
import os, sys
os.makedirs(sys.argv[2])
for name in os.listdir(sys.argv[1]):
    open(f"{sys.argv[2]}/{name}", "w").write(open(f"{sys.argv[1]}/{name}").read().strip() + "\\n")
"""
TRAIN = """\
import argparse, json, os
p = argparse.ArgumentParser()
for name in ("model", "seed", "lr", "out"):
    p.add_argument("--" + name)
a = p.parse_args()
assert (os.environ["MLOPS_MATRIX_MODEL"], os.environ["MLOPS_MATRIX_SEED"]) == (a.model, a.seed)
key = f"{a.model}-{a.seed}"
assert os.environ["MLOPS_STEP"] == f"train@{key}"
assert os.path.isdir(f"ckpt/{key}")
assert json.load(open(os.environ["MLOPS_PARAMS"])) == {"train": {"epochs": 2}}
assert open(os.environ["WANDB_KEY_FILE"]).read() == "s3cret"
open(a.out, "w").write(key + a.lr)
json.dump({"auc": round({"xgb": 0.8, "mlp": 0.7}[a.model] + int(a.seed) / 100, 2)}, open(f"metrics/{key}.json", "w"))
open(f"plots/{key}.csv", "w").write("epoch,loss\\n1,0.5\\n")
"""
PICK = """\
import glob, json, shutil
best = max(glob.glob("metrics/*.json"), key=lambda path: json.load(open(path))["auc"])
shutil.copy(best.replace("metrics", "models").replace(".json", ""), "best")
json.dump({"best": json.load(open(best))["auc"], "of": len(glob.glob("models/*"))}, open("pick.json", "w"))
"""


def design_without_later_work():
    """The example of the design, without the sections that are later work."""
    sections = re.split(r"(?m)^\[", (ROOT / "tests/golden/design.ini").read_text())
    return "[".join(s for s in sections if not LATER.match(s))


def for_any_machine(text):
    """Without an engine, a GPU and much memory."""
    text = re.sub(r"(?m)^(image .*|gpu = .*)\n", "", text)
    return text.replace("cpu = 2", "cpu = 1").replace("mem = 4G", "mem = 64M")


def write_design(project, text):
    (project / "pipeline.ini").write_text(text)
    (project / "params.json").write_text('{"train": {"epochs": 2}}')
    for name, script in (("prepare", PREPARE), ("train", TRAIN), ("pick", PICK)):
        (project / f"{name}.py").write_text(script)
    (project / "data/raw").mkdir(parents=True)
    (project / "data/raw/a.csv").write_text("1\n")


def test_the_design_s_example_runs(project, mlops):
    write_design(project, design_without_later_work())
    checked = json.loads(mlops("pipeline", "check", "--json").out)
    assert (checked["steps"], checked["instances"], checked["problems"]) == (3, 8, [])

    (project / "pipeline.ini").write_text(for_any_machine(design_without_later_work()))
    assert mlops("secret", "add", "WANDB_KEY", input="s3cret\n").status == 0
    first = run_json(mlops, project)
    instances = [f"train@{model}-{seed}" for model in ("xgb", "mlp") for seed in (1, 2, 3)]
    assert [s["name"] for s in first["steps"]] == ["prepare", *instances, "pick"]
    assert first["ran"] == 8
    assert (project / "best").read_text() == "xgb-30.01"
    assert json.loads((project / "pick.json").read_text()) == {"best": 0.83, "of": 6}
    metrics = json.loads(mlops("show", "--json").out)["run"]["metrics"]
    assert metrics["train/xgb-3.auc"] == 0.83 and metrics["best"] == 0.83
    assert "no difference" in mlops("diff", "last").out, "files here have the run's names of metrics"

    assert run_json(mlops, project)["fresh"] == 8
    assert run_json(mlops, project, "train@xgb-*")["total"] == 4
    assert run_json(mlops, project, "train", "--only")["total"] == 6
    forced = run_json(mlops, project, "train@xgb-*", "--only", "--force")
    assert states(forced) == dict.fromkeys(instances[:3], "ok")
    text = (project / "pipeline.ini").read_text()
    (project / "pipeline.ini").write_text(text.replace("1..3", "1..4").replace("cpu = 1", "exclude = seed=4 model=mlp"))
    more = run_json(mlops, project)
    assert [s["name"] for s in more["steps"] if s["state"] == "ok"] == ["train@xgb-4", "pick"]
    (project / "pipeline.ini").write_text(text)
    less = run_json(mlops, project)
    assert "train@xgb-4" not in states(less) and less["ran"] == 0
    assert (project / "models/xgb-4").exists(), "left over, and no input of pick"
    assert (project / "best").read_text() == "xgb-30.01"


def test_names_stand_for_any_value(project, mlops, tmp_path_factory):
    (project / "pipeline.ini").write_text("""\
[params]
texts = ["a b", "x/y", ".z", "50%,", "é"]
[step.t]
matrix.text = ${params.texts}
cmd = sh -c 'printf "%s" "$MLOPS_MATRIX_TEXT" > "$1"; echo it is "$2"' sh ${out} ${matrix.text}
out = o/${matrix.key}
[step.same]
matrix.of = a%20b
cmd = cp o/${matrix.of} last
in = o/${matrix.of}
out = last
after = t@${matrix.of}
[remote.team]
url = TEAM
""".replace("TEAM", str(tmp_path_factory.mktemp("team"))))
    run_ok(mlops, project)
    made = {path.name: path.read_text() for path in (project / "o").iterdir()}
    assert made == {"a%20b": "a b", "x%2Fy": "x/y", "%2Ez": ".z", "50%25,": "50%,", "%C3%A9": "é"}
    assert (project / "last").read_text() == "a b"
    assert mlops("logs", "last", "t@x%2Fy").out == "it is x/y\n"
    assert run_json(mlops, project)["fresh"] == 6
    shutil.rmtree(project / "o")
    again = run_json(mlops, project)
    assert [s["state"] for s in again["steps"]].count("restored") == 5, again

    assert mlops("push", "--init").status == 0
    other = tmp_path_factory.mktemp("other")
    shutil.copy(project / "pipeline.ini", other)
    assert mlops("init", cwd=other).status == 0
    assert run_json(mlops, other)["ran"] == 0, "all results came from the remote"
    assert (other / "o/%2Ez").read_text() == ".z"


def test_a_slip_of_the_keyboard_costs_nothing(project, mlops):
    (project / "pipeline.ini").write_text("[step.t]\nmatrix.n = 1..1000000000\nmatrix.m = 1..3\ncmd = true ${matrix.n}\n")
    status, out, err = mlops("run", timeout=20)
    assert (status, out) == (2, "")
    assert "its matrix has 3000000000 combinations; at most 10000 are allowed" in err
    assert "--> pipeline.ini:2:1" in err


def test_the_example(tmp_path, mlops):
    place = tmp_path / "digits"
    shutil.copytree(ROOT / "examples/matrix", place)
    local = {"PATH": "/usr/bin:/bin"}
    assert mlops("init", cwd=place).status == 0
    assert run_json(mlops, place, env=local)["ran"] == 8
    assert json.loads((place / "pick.json").read_text())["accuracy"] > 0.95
    assert "| neighbours-1 |" in (place / "report.md").read_text()
    again = run_json(mlops, place, "-p", "train.trees=10", env=local)
    assert again["ran"] >= 6, "all instances read the params of train"
