# SPDX-License-Identifier: Apache-2.0
"""mlops why and dag: facts that changed, old -> new."""
import re

from steps import fails, one_step, ran, result_of, run_json, run_ok, write_chain

SECONDS = 18


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


def whys(mlops, project, *args):
    status, out, err = mlops("why", *args, "--json", cwd=project)
    assert status == 0, err
    return result_of(out)


def test_the_files_of_a_directory_are_named_with_their_sizes(mlops, project):
    data = project / "data"
    data.mkdir()
    for i in range(30):
        (data / f"f{i:02}").write_text("x" * i)
    one_step(project, "ls data > out.txt")
    text = (project / "pipeline.ini").read_text()
    (project / "pipeline.ini").write_text(text.replace("in = step.sh", "in = step.sh, data"))
    run_ok(mlops, project)
    (data / "f00").unlink()
    (data / "f05").write_text("longer than before")
    (data / "new").write_text("abc")
    difference, = why(mlops, project, "one")["differences"]
    assert (difference["kind"], difference["name"]) == ("input", "data")
    assert difference["files"] == [{"path": "f00", "change": "removed", "old_size": 0},
                                   {"path": "f05", "change": "changed", "old_size": 5, "new_size": 18},
                                   {"path": "new", "change": "added", "new_size": 3}]
    assert (difference["old_files"], difference["new_files"]) == (30, 30)
    assert (difference["added"], difference["changed"], difference["removed"]) == (1, 1, 1)
    assert difference["new_size"] - difference["old_size"] == 16
    out = mlops("why", "one", cwd=project).out
    assert re.search(r"~ f05 +5 B -> 18 B\n", out) and re.search(r"\+ new +3 B\n", out) and "- f00" in out
    for i in range(1, 30):
        (data / f"f{i:02}").write_text("y")
    difference, = why(mlops, project, "one")["differences"]
    assert len(difference["files"]) == 20 and difference["changed"] == 29
    assert "and more: 1 added, 29 changed, 1 removed in all" in mlops("why", "one", cwd=project).out
    for path in (project / ".mlops/objects").rglob("*"):
        if path.is_file() and path.read_bytes().startswith(b"mlops tree"):
            path.unlink()
    difference, = why(mlops, project, "one")["differences"]
    assert "not in the store any more" in difference["note"] and "files" not in difference
    assert "not in the store any more" in mlops("why", "one", cwd=project).out


def test_a_command_shows_the_words_that_changed(mlops, project):
    (project / "pipeline.ini").write_text("[step.x]\ncmd = sh -c 'echo a b c d e f g h > o; true' sh --old\nout = o\n")
    run_ok(mlops, project)
    (project / "pipeline.ini").write_text("[step.x]\ncmd = sh -c 'echo a b c d e f g h i > o; true' sh\nout = o\n")
    out = mlops("why", "x", cwd=project).out
    assert "  command ... f g h +i > o; true sh -'--old'\n" in out
    assert "\033[32m+i\033[0m" in mlops("why", "x", "--color=always", cwd=project).out


def test_what_is_waited_for_is_followed_to_its_cause(mlops, project):
    write_chain(project)
    run_ok(mlops, project)
    (project / "in.txt").write_text("other\n")
    text = (project / "pipeline.ini").read_text()
    (project / "pipeline.ini").write_text(text.replace("lr = 0.01", "lr = 0.1"))
    c = why(mlops, project, "c")
    assert c["waits_for"] == ["b"] and c["differences"] == []
    cause, = c["causes"]
    assert (cause["step"], cause["state"]) == ("a", "stale") and cause["reasons"][0].startswith("input in.txt changed")
    b = why(mlops, project, "b")
    assert [d["text"] for d in b["differences"]] == ["param lr: 0.01 -> 0.1"], "what is known already"
    assert "because a would run: input in.txt changed" in mlops("why", "c", cwd=project).out


def test_a_result_names_its_run_its_maker_and_its_step(mlops, project):
    write_chain(project)
    first = run_json(mlops, project)
    run_ok(mlops, project, "-p", "lr=0.5")
    run_ok(mlops, project)
    source = why(mlops, project, "b")["source"]
    run = result_of(mlops("show", first["run_id"], "--json", cwd=project).out)["run"]
    assert (source["run_id"], source["by"], source["step"]) == (first["run_id"], run["user"], "b")
    assert source["time"] <= run["end_time"] and "remote" not in source
    assert f"made by {run['user']}, " in mlops("why", "b", cwd=project).out


def test_a_result_of_a_remote_names_it(mlops, project):
    write_chain(project)
    with open(project / "pipeline.ini", "a") as file:
        file.write(f"[remote.team]\nurl = {project.parent}/{project.name}-team\n")
    run_ok(mlops, project)
    assert mlops("push", "--init", cwd=project).status == 0
    assert mlops("cache", "rm", "--all", cwd=project).status == 0
    for name in "mlops.lock", "a.txt", "b.txt", "c.txt", "m.json":
        (project / name).unlink()
    a = why(mlops, project, "a")
    assert a["state"] == "restore" and a["source"]["remote"] == "team" and a["reasons"][0].endswith(", from remote team")
    ran(project)
    run_ok(mlops, project)
    assert ran(project) == [] and why(mlops, project, "a")["state"] == "fresh"


MATRIX = """\
[params]
lr = 0.01
[step.t]
matrix.n = 1..9
cmd = sh -c 'echo $1 $MLOPS_PARAM_LR > $2' sh ${matrix.n} ${out}
params = lr
out = o-${matrix.n}
[step.end]
cmd = sh -c 'cat o-* > end'
in = o-*
out = end
"""


def test_instances_with_equal_reasons_are_told_together(mlops, project):
    (project / "pipeline.ini").write_text(MATRIX)
    run_ok(mlops, project)
    told = whys(mlops, project, "--all")
    assert (told["total"], told["fresh"], told["steps"]) == (10, 10, [])
    assert mlops("why", "--all", cwd=project).out == "10 up to date\n"
    (project / "pipeline.ini").write_text(MATRIX.replace("0.01", "0.1"))
    told = whys(mlops, project, "--all")
    assert [(s["of"], s["reasons"]) for s in told["steps"][:9]] == [("t", ["param lr: 0.01 -> 0.1"])] * 9
    want = ["t@* (9 steps)  would run  param lr: 0.01 -> 0.1", "end            waits      waits for t@1",
            "9 would run, 1 wait for others"]
    assert mlops("why", "--all", cwd=project).out.splitlines() == want
    assert mlops("run", "--dry", cwd=project).out.splitlines() == want
    status = mlops("status", cwd=project).out
    assert re.search(r"would run +t@\* \(9 steps\)  param lr: 0.01 -> 0.1\n", status) and "t@2" not in status
    dry = run_json(mlops, project, "--dry")["steps"]
    assert [(s["of"], s["reasons"]) for s in dry[:9]] == [("t", ["param lr: 0.01 -> 0.1"])] * 9
    assert mlops("why", "t@*", cwd=project).out.startswith("t@* (9 steps) would run:\n  param lr: 0.01 -> 0.1\n")
    assert [s["step"] for s in whys(mlops, project, "t@[12]")["steps"]] == ["t@1", "t@2"]
    assert len(whys(mlops, project, "t")["steps"]) == 9 and len(whys(mlops, project, "t@3")["steps"]) == 1
    fails(mlops, project, 2, "why", "--all", "t", told=True)


def test_very_many_reasons_of_one_step_are_cut(mlops, project):
    (project / "pipeline.ini").write_text(MATRIX.replace("1..9", "1..12"))
    run_ok(mlops, project)
    for i in range(1, 13):
        (project / f"o-{i}").unlink()
    out = mlops("why", "--all", cwd=project).out
    assert "output o-8 is missing" in out and "output o-9 is missing" not in out
    assert re.search(r"t@\* +and others +for 4 more reasons: mlops why 't@\*'\n", out) and "12 would be restored" in out


PYTHON = """#!/bin/sh
echo asked >> asked
if [ "$1" = -c ]; then cat versions; else echo x > out.txt; fi
"""


def test_packages_are_compared_though_they_are_not_in_the_key(mlops, project):
    (project / "python3").write_text(PYTHON)
    (project / "python3").chmod(0o755)
    (project / "versions").write_text("3.11.2\ngone-1.0\nnumpy-1.26.4\n")
    (project / "pipeline.ini").write_text("[step.x]\ncmd = ./python3 x\nout = out.txt\n")
    assert why(mlops, project, "x")["reasons"] == ["never run here"]
    assert not (project / "asked").exists(), "why runs no program that has not run here"
    run_ok(mlops, project)
    assert why(mlops, project, "x")["differences"] == []
    (project / "versions").write_text("3.11.4\nnumpy-2.0\n")
    x = why(mlops, project, "x")
    assert x["state"] == "fresh" and [d["text"] for d in x["differences"]] == [
        "python: 3.11.2 -> 3.11.4", "package gone removed: was 1.0", "package numpy: 1.26.4 -> 2.0"]
    assert "package numpy: 1.26.4 -> 2.0  (not part of the key)" in mlops("why", "x", cwd=project).out
