# SPDX-License-Identifier: Apache-2.0
"""when =: steps that are skipped by params, the branch, a matrix or a metric of another step."""
import json

import pytest
from steps import result_of, run_json

SECONDS = 6

PIPELINE = """[params]
least = 0.9
ship = true

[step.train]
cmd = sh -c 'printf "{\\"auc\\": %s, \\"parts\\": {\\"loss\\": 0.5}}" "$(cat score)" > m.json'
in = score
metrics = m.json

[step.deploy]
cmd = cp score shipped
in = score
out = shipped
when = CONDITION

[step.tell]
cmd = cp shipped told
in = shipped
out = told
"""


@pytest.fixture
def condition(project):
    """Writes the pipeline with a condition, and the score that train reports."""

    def write(text, score="0.87"):
        (project / "pipeline.ini").write_text(PIPELINE.replace("CONDITION", text))
        (project / "score").write_text(score)

    return write


def steps_of(result):
    return {s["name"]: (s["state"], s.get("reason")) for s in result["steps"]}


def test_a_param_skips_and_what_depends_on_it_says_why(mlops, project, condition):
    condition("params.ship")
    assert {s["state"] for s in run_json(mlops, project)["steps"]} == {"ok"}
    (project / "score").write_text("0.5")
    steps = steps_of(run_json(mlops, project, "-p", "ship=false"))
    assert steps["train"][0] == "ok"
    assert steps["deploy"] == ("skipped", "params.ship does not hold (params.ship = false)")
    assert steps["tell"] == ("skipped", "needs deploy, which is skipped")
    assert (project / "shipped").read_text() == "0.87"
    status, out, err = mlops("run", "-p", "ship=false", cwd=project)
    assert status == 0 and "2 skipped" in out, out + err
    assert "skipped  deploy  params.ship does not hold" in out, "nothing else is to do, and still it is told why"
    assert steps_of(run_json(mlops, project))["deploy"][0] == "ok"
    assert (project / "told").read_text() == "0.5"


def test_a_metric_decides_when_its_step_has_run(mlops, project, condition):
    condition("train.auc >= params.least and ${train.parts.loss} < 1")
    plan = steps_of(run_json(mlops, project, "--dry"))
    assert plan["deploy"] == ("blocked", "its condition waits for train")
    steps = steps_of(run_json(mlops, project))
    assert steps["train"][0] == "ok"
    assert steps["deploy"] == ("skipped", "train.auc >= params.least and ${train.parts.loss} < 1 does not hold "
                                          "(train.auc = 0.87, params.least = 0.9)")
    assert not (project / "shipped").exists()
    (project / "score").write_text("0.95")
    assert [s[0] for s in steps_of(run_json(mlops, project)).values()] == ["ok", "ok", "ok"]
    # An older result of train comes back, and with it the old answer.
    (project / "score").write_text("0.87")
    steps = steps_of(run_json(mlops, project))
    assert steps["train"][0] == "cached" and steps["deploy"][0] == "skipped"
    assert (project / "shipped").read_text() == "0.95"


def test_the_branch_decides(mlops, project, condition, git):
    condition("git.branch == 'main'")
    status, _, err = mlops("run", cwd=project)
    assert status == 1 and "pipeline.ini:14:8" in err and "in no git repository" in err and "git init" in err
    git("init", "-qb", "main")
    git("add", "-A")
    git("commit", "-qm", "one")
    assert steps_of(run_json(mlops, project, "--dry"))["deploy"][0] == "stale"
    git("checkout", "-qb", "topic")
    reason = "git.branch == 'main' does not hold (git.branch = \"{}\")"
    assert steps_of(run_json(mlops, project, "--dry"))["deploy"] == ("skipped", reason.format("topic"))
    git("checkout", "-q", "--detach")
    assert steps_of(run_json(mlops, project, "--dry"))["deploy"] == ("skipped", reason.format(""))


def test_each_instance_of_a_matrix_is_judged(mlops, project):
    (project / "pipeline.ini").write_text("""[step.fit]
cmd = touch out/${matrix.model}-${matrix.depth}
out = out/${matrix.model}-${matrix.depth}
matrix.model = xgb, mlp
matrix.depth = 1..3
when = matrix.model == "xgb" or matrix.depth < 2
""")
    steps = steps_of(run_json(mlops, project))
    assert sorted(name for name, (state, _) in steps.items() if state == "ok") == [
        "fit@mlp-1", "fit@xgb-1", "fit@xgb-2", "fit@xgb-3"]
    assert steps["fit@mlp-2"] == ("skipped", "matrix.model == \"xgb\" or matrix.depth < 2 does not hold "
                                             "(matrix.model = \"mlp\", matrix.depth = 2)")


def test_a_skipped_step_needs_no_container_engine(mlops, project):
    (project / "pipeline.ini").write_text("""[params]
ship = false
[step.pack]
cmd = touch packed
out = packed
image = nowhere.example/packer:1
when = params.ship
[step.send]
cmd = touch sent
in = packed
out = sent
image = nowhere.example/sender:1
""")
    env = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}
    assert {s for s, _ in steps_of(run_json(mlops, project, env=env)).values()} == {"skipped"}
    status, _, err = mlops("run", "-p", "ship=true", cwd=project, env=env)
    assert status == 5 and "/nonexistent/docker.sock" in err, err


def test_what_cannot_be_judged_fails_with_place_and_values(mlops, project, condition):
    condition("params.least / (params.least - 0.9) > 1")
    status, _, err = mlops("run", cwd=project)
    assert status == 1 and "pipeline.ini:14:21" in err and "division by zero (params.least = 0.9)" in err
    assert not (project / "m.json").exists()
    condition("train.acu > 0.5")
    status, out, _ = mlops("run", "--json", "-k", cwd=project)
    result = result_of(out)
    steps = steps_of(result)
    assert status == 1 and [s[0] for s in steps.values()] == ["ok", "failed", "blocked"]
    assert result["failure"]["step"] == "deploy" and result["failure"]["help"] == "did you mean train.auc?"
    assert "train reported no metric 'acu'" in result["failure"]["message"]


def test_a_condition_that_is_none_is_refused_before_anything_runs(mlops, project, condition):
    for text, column, word in (("params.ship and", 23, "ends"), ("params.sihp", 8, "sihp"), ("train.auc > > 1", 20, ">"),
                               ("nobody.auc > 1", 8, "nobody"), ("tell.auc > 1", 8, "tell")):
        condition(text)
        status, _, err = mlops("run", cwd=project)
        assert status == 2 and f"pipeline.ini:14:{column}" in err and word in err, (text, err)
    assert not (project / "m.json").exists()


def test_why_status_and_records_know_skipped_steps(mlops, project, condition):
    condition("train.auc > 0.9")
    run = run_json(mlops, project)["run_id"]
    status, out, _ = mlops("why", "deploy", cwd=project)
    assert status == 0 and out.startswith("deploy is skipped:\n  train.auc > 0.9 does not hold (train.auc = 0.87)\n")
    status, out, _ = mlops("status", cwd=project)
    assert status == 0 and "all other steps are up to date" in out and "needs deploy, which is skipped" in out
    shown = json.loads(mlops("show", run, "--json", cwd=project).out)
    attempts = {a["step"]: a for a in shown["attempts"]}
    assert attempts["deploy"]["state"] == "skipped" and attempts["train"]["state"] == "ok"
    assert attempts["deploy"]["reason"] == "train.auc > 0.9 does not hold (train.auc = 0.87)"
    assert mlops("run", cwd=project).status == 0
