# SPDX-License-Identifier: Apache-2.0
"""`mlops pipeline check` tells every mistake at once, `mlops pipeline keys` every key."""
import json

SECONDS = 5

MISTAKES = """\
[pipeline]
name = x
[params]
lr = 0.1
[step.prep]
cmd = python3 prep.py | tee log
out = data
[step.train]
matrix.model = xgb, mlp
cmd = python3 train.py ${matrix.modle} ${params.rl}
in  = data
out = models/one
timout = 2h
[step.pick]
cmd = python3 pick.py
after = trian
when = prep.auc > 1
[trigger.night]
cron = 0 3 31 2 *
"""


def test_all_mistakes_are_told_at_once(project, mlops):
    (project / "pipeline.ini").write_text(MISTAKES)
    status, out, err = mlops("pipeline", "check")
    lines = out.splitlines()
    places = [line.split(": ")[0] for line in lines if not line.startswith(" ")]
    assert status == 2
    assert places == [f"pipeline.ini:{at}" for at in
                      ("6:23", "13:1", "16:9", "17:8", "19:8")], out
    assert "pipeline.ini:13:1: unknown key 'timout' in [step.train]\n    did you mean 'timeout'?\n" in out
    assert err.startswith("error: pipeline.ini has 5 mistakes")

    found = json.loads(mlops("pipeline", "check", "--json").out)
    assert len(found["problems"]) == 5
    assert found["problems"][2] == {"file": "pipeline.ini", "line": 16, "column": 9, "help": "did you mean 'train'?",
                                    "message": "step pick: 'after' names an unknown step 'trian'"}
    # run stops at the first, and says how many there are
    status, out, err = mlops("run")
    assert status == 2 and "more problem in this file, which 'mlops pipeline check' lists" in err


def test_what_hid_behind_others_is_told_next(project, mlops):
    (project / "pipeline.ini").write_text(MISTAKES.replace("timout", "timeout").replace("0 3 31 2 *", "0 3 * * *"))
    out = mlops("pipeline", "check").out
    assert "unknown axis 'modle' in ${matrix.modle}\n    did you mean ${matrix.model}?" in out
    assert "output 'models/one' is made by step train@xgb too" in out


def test_a_good_file_has_none(project, mlops):
    (project / "raw.csv").write_text("1\n")
    (project / "sub").mkdir()
    (project / "sub/night.ini").write_text("[step.a]\ncmd = cp raw.csv x\nin = raw.csv\nout = x\n"
                                           "[step.b]\nmatrix.n = 1..3\ncmd = true\n")
    before = sorted(project.rglob("*"))
    assert mlops("pipeline", "check", "night.ini", cwd=project / "sub") == (
        0, "sub/night.ini: no mistakes (2 steps, 4 instances)\n", "")
    assert json.loads(mlops("pipeline", "check", "sub/night.ini", "--json").out) == {
        "file": "sub/night.ini", "steps": 2, "instances": 4, "problems": []}
    assert sorted(project.rglob("*")) == before
    assert mlops("pipeline", "check", "none.ini").status == 3


def test_problems_of_named_files_have_their_places(project, mlops):
    (project / "e.env").write_text("A=1\nB\n")
    (project / "pipeline.ini").write_text("[step.a]\ncmd = true ${env.A}\nenv_file = e.env\n")
    status, out, _ = mlops("pipeline", "check")
    assert status == 2
    assert out.startswith("e.env:2:1: the line is not NAME=VALUE\n")
    (project / "pipeline.ini").write_bytes(b"[step.a]\ncmd = x\n\xff\n")
    assert mlops("pipeline", "check").out.startswith("pipeline.ini:3:1: ")


def test_keys_are_the_grammar(tmp_path, mlops):
    status, out, _ = mlops("pipeline", "keys", "step", cwd=tmp_path)
    assert status == 0 and out.startswith("[step.NAME]\n")
    assert "matrix.*" in out and "retry_on" in out
    assert "not supported yet" in next(line for line in out.splitlines() if "workdir" in line)
    keys = json.loads(mlops("pipeline", "keys", "--json", cwd=tmp_path).out)["keys"]
    assert {"section": "pipeline", "key": "parallel", "type": "whole number", "default": "run.jobs of the settings",
            "help": "steps at a time", "supported": True} in keys
    assert {k["section"] for k in keys} >= {"pipeline", "params", "step.NAME", "image.NAME", "remote.NAME", "model.NAME"}
    status, _, err = mlops("pipeline", "keys", "stp", cwd=tmp_path)
    assert status == 3 and "did you mean 'step'?" in err
