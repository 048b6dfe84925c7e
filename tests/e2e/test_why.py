# SPDX-License-Identifier: Apache-2.0
"""mlops why and dag: facts that changed, old -> new."""
import re

from steps import fails, one_step, result_of, run_json, run_ok, write_chain

SECONDS = 10


def why(mlops, project, step, *args):
    status, out, err = mlops("why", step, "--json", *args, cwd=project)
    assert status == 0, err
    told, = result_of(out)["steps"]
    return told


def test_a_new_step_never_ran_and_the_next_waits(mlops, project):
    write_chain(project)
    a, b = why(mlops, project, "a"), why(mlops, project, "b")
    assert (a["state"], a["reasons"]) == ("stale", ["never run here"])
    assert (b["state"], b["reasons"]) == ("blocked", ["waits for a"]) and b.get("key") is None
    assert "last" not in a


def test_an_up_to_date_step_says_why_it_last_ran(mlops, project):
    write_chain(project)
    run_ok(mlops, project)
    b = why(mlops, project, "b")
    assert b["state"] == "fresh" and b["reasons"] == []
    assert b["last"]["state"] == "ok" and len(b["key"]) == 64
    status, out, _ = mlops("why", "b", cwd=project)
    assert status == 0 and out.startswith("b is up to date\n") and "in run " in out


def test_each_changed_fact_is_named_old_and_new(mlops, project):
    write_chain(project)
    run_ok(mlops, project)
    text = (project / "pipeline.ini").read_text()
    (project / "in.txt").write_text("other\n")
    reasons = why(mlops, project, "a")["reasons"]
    assert len(reasons) == 1 and re.fullmatch(r"input in\.txt changed: file \w{8} -> file \w{8}", reasons[0])
    (project / "in.txt").write_text("data\n")
    (project / "pipeline.ini").write_text(text.replace("lr = 0.01", "lr = 0.1"))
    assert why(mlops, project, "b")["reasons"] == ["param lr: 0.01 -> 0.1"]
    (project / "pipeline.ini").write_text(text.replace("[step.a]", "[step.a]\nenv = MODE=fast"))
    assert why(mlops, project, "a")["reasons"] == ["env MODE added: fast"]
    (project / "pipeline.ini").write_text(text.replace("cat in.txt > a.txt", "cat in.txt in.txt > a.txt"))
    assert why(mlops, project, "a")["reasons"][0].startswith("command changed: ")
    (project / "pipeline.ini").write_text(text.replace("out = c.txt", "out = c.txt, d.txt"))
    assert why(mlops, project, "c")["reasons"] == ["output d.txt added"]


def test_the_run_records_the_same_reason(mlops, project):
    write_chain(project)
    run_ok(mlops, project)
    (project / "in.txt").write_text("other\n")
    result = run_json(mlops, project)
    reasons = {s["name"]: s["reason"] for s in result["steps"]}
    assert reasons["a"].startswith("input in.txt changed: ") and reasons["b"].startswith("input a.txt changed: ")
    assert why(mlops, project, "a")["last"]["reason"] == reasons["a"]


def test_outputs_that_are_gone_or_changed_would_be_restored(mlops, project):
    write_chain(project)
    run_ok(mlops, project)
    (project / "a.txt").unlink()
    (project / "c.txt").write_text("by hand")
    a, c = why(mlops, project, "a"), why(mlops, project, "c")
    assert (a["state"], a["reasons"]) == ("restore", ["output a.txt is missing"])
    assert (c["state"], c["reasons"]) == ("restore", ["output c.txt was changed"])


def test_an_earlier_result_would_come_from_the_cache(mlops, project):
    write_chain(project)
    first = run_json(mlops, project)
    run_ok(mlops, project, "-p", "lr=0.1")
    b = why(mlops, project, "b")
    nested = {s["name"]: s["run_id"] for s in first["steps"]}["b"]
    assert b["state"] == "restore" and b["source"]["run"] == nested
    assert b["reasons"] == [f"result of run {first['run_id'][:8]}"]


def test_cache_no_always_runs(mlops, project):
    one_step(project, "echo x > out.txt", cache="no")
    for _ in range(2):
        assert run_json(mlops, project)["ran"] == 1
    assert why(mlops, project, "one")["reasons"] == ["cache = no: it always runs"]


def test_a_step_that_is_none_is_named_with_the_nearest(mlops, project):
    write_chain(project)
    (project / "pipeline.ini").write_text((project / "pipeline.ini").read_text().replace("step.a]", "step.prepare]"))
    message, _, fix = fails(mlops, project, 3, "why", "prepar")
    assert "prepar" in message and "prepare" in fix
    message, _, fix = fails(mlops, project, 2, "why")
    assert message == "STEP is missing" and "mlops why --all" in fix


def test_why_changes_nothing(mlops, project):
    write_chain(project)
    run_ok(mlops, project)
    (project / "in.txt").write_text("other\n")
    before = sorted(p.relative_to(project) for p in project.rglob("*") if ".mlops" not in p.parts)
    lock = (project / "mlops.lock").read_text()
    why(mlops, project, "c")
    assert sorted(p.relative_to(project) for p in project.rglob("*") if ".mlops" not in p.parts) == before
    assert (project / "mlops.lock").read_text() == lock


def test_why_of_another_file(mlops, project):
    (project / "other.ini").write_text("[step.x]\ncmd = true\n")
    assert why(mlops, project, "x", "--file", "other.ini")["state"] == "stale"


def test_dag_draws_the_steps_in_three_forms(mlops, project):
    write_chain(project)
    status, out, err = mlops("dag", cwd=project)
    assert status == 0 and re.search(r"a.*b.*c", out, re.S), (out, err)
    assert mlops("dag", "--dot", cwd=project)[1].startswith("digraph")
    assert mlops("dag", "--mermaid", cwd=project)[1].startswith("graph") or \
        mlops("dag", "--mermaid", cwd=project)[1].startswith("flowchart")
    steps = result_of(mlops("dag", "--json", cwd=project)[1])["steps"]
    assert [(s["name"], s["needs"]) for s in steps] == [("a", []), ("b", ["a"]), ("c", ["b"])]
    fails(mlops, project, 2, "dag", "--dot", "--mermaid", told=True)


def test_reasons_are_told_against_the_result_in_place(mlops, project):
    """Not against whatever ran last: a run with -p and back again leaves no trace in the reasons."""
    write_chain(project)
    first = run_json(mlops, project)
    run_ok(mlops, project, "-p", "lr=0.1")
    run_ok(mlops, project)
    told = why(mlops, project, "b")
    assert told["state"] == "fresh" and told["last"]["run_id"] == first["run_id"]
    assert why(mlops, project, "b")["reasons"] == []
    done = mlops("run", "--dry", "-p", "lr=0.2", cwd=project)
    assert "0.1 ->" not in done.out and "-> 0.2" in done.out
