# SPDX-License-Identifier: Apache-2.0
"""mlops run: what runs, what a step sees, what it leaves and what is recorded."""
import hashlib
import json
import shutil
import subprocess

from steps import (ENV, MLOPS, alive, fails, one_error, one_step, ran, result_of, run_json, run_ok, states,
                   write_chain)

SECONDS = 10


def show(mlops, project, name="last"):
    status, out, err = mlops("show", name, "--json", cwd=project)
    assert status == 0, err
    return result_of(out)


def run_ids(mlops, project, *args):
    status, out, err = mlops("runs", "--json", *args, cwd=project)
    assert status == 0, err
    return [run["run_id"] for run in result_of(out)["runs"]]


def test_all_run_once_then_nothing(mlops, project):
    write_chain(project)
    first = run_json(mlops, project)
    assert ran(project) == ["a", "b", "c"]
    assert states(first) == {"a": "ok", "b": "ok", "c": "ok"} and first["ran"] == 3
    assert (project / "b.txt").read_text() == "data\n0.01\n"
    again = run_json(mlops, project)
    assert ran(project) == [] and again["steps"] == [] and again["run_id"] is None
    assert run_ids(mlops, project) == [first["run_id"]]
    out, _ = run_ok(mlops, project)
    assert out.startswith("up to date  (3 steps")


def test_one_step_is_not_called_steps(mlops, project):
    one_step(project, "echo x > out.txt")
    run_ok(mlops, project)
    out, _ = run_ok(mlops, project)
    assert "(1 step, " in out


def test_a_changed_parameter_runs_only_what_depends_on_it(mlops, project):
    write_chain(project)
    run_ok(mlops, project)
    ran(project)
    result = run_json(mlops, project, "-p", "lr=0.1")
    assert ran(project) == ["b", "c"]
    assert (project / "b.txt").read_text() == "data\n0.1\n"
    assert result["fresh"] == 1 and result["ran"] == 2


def test_going_back_takes_the_result_from_the_cache(mlops, project):
    write_chain(project)
    first = run_json(mlops, project)
    run_ok(mlops, project, "-p", "lr=0.1")
    ran(project)
    runs = run_ids(mlops, project)
    status, out, err = mlops("run", cwd=project)
    assert status == 0 and "2 from the cache" in out
    assert ran(project) == [] and (project / "b.txt").read_text() == "data\n0.01\n"
    assert run_ids(mlops, project) == runs, "a run in which nothing ran leaves no row"
    assert "as run" not in err, "there is no such run to show"
    assert first["run_id"] in runs


def test_a_result_that_another_step_replaced_is_not_in_place(mlops, project):
    """mlops.lock has one content for a path: a step that was renamed, or is in another file, may have made another one."""
    step = "[step.{0}]\ncmd = sh -c 'echo {0} > \"$1\"' sh ${{out}}\nout = o\n"
    for name in "abab":
        (project / "pipeline.ini").write_text(step.format(name))
        run_ok(mlops, project)
        assert (project / "o").read_text() == f"{name}\n"
        assert run_json(mlops, project)["fresh"] == 1
    (project / "night.ini").write_text(step.format("c"))
    run_ok(mlops, project, "night.ini")
    assert (project / "o").read_text() == "c\n"
    result = run_json(mlops, project)
    assert result["cached"] == 1 and (project / "o").read_text() == "b\n"


def test_a_cached_step_of_a_recorded_run_names_its_source(mlops, project):
    write_chain(project)
    first = run_json(mlops, project)
    run_ok(mlops, project, "-p", "lr=0.1")
    (project / "pipeline.ini").write_text((project / "pipeline.ini").read_text().replace("echo c >>", "echo c2 >>"))
    result = run_json(mlops, project)
    assert states(result) == {"b": "cached", "c": "ok"}
    shown = show(mlops, project)
    b = next(a for a in shown["attempts"] if a["step"] == "b")
    nested = {s["name"]: s["run_id"] for s in first["steps"]}
    assert b["state"] == "cached" and b["source"] == nested["b"]


def test_a_failed_step_says_what_where_and_what_next(mlops, project):
    one_step(project, "for i in 1 2 3; do echo line $i; done; echo old > out.txt")
    run_ok(mlops, project)
    one_step(project, "echo half > out.txt; echo first; echo the reason >&2; exit 7")
    status, out, err = mlops("run", cwd=project)
    assert status == 1
    message, _, fix = one_error(err)
    assert message == "step one failed with exit status 7"
    assert fix.startswith("run: mlops logs ")
    assert "| the reason" in out and "whole log: .mlops/logs/" in out
    kept = out.split("its outputs were kept in: ")[1].split()[0]
    assert (project / kept / "out.txt").read_text() == "half\n"
    assert (project / "out.txt").read_text() == "old\n"
    status, out, _ = mlops(*fix.split("mlops ")[1].split(), cwd=project)
    assert status == 0 and out == "first\nthe reason\n"
    shown = show(mlops, project)
    assert shown["run"]["status"] == "FAILED" and shown["attempts"][0]["exit_code"] == 7
    one_step(project, "echo new > out.txt")
    run_ok(mlops, project)
    assert (project / "out.txt").read_text() == "new\n"


def test_failures_are_never_cached(mlops, project):
    one_step(project, "echo x >> ran; test -e ok && echo done > out.txt")
    for _ in range(2):
        assert mlops("run", cwd=project)[0] == 1
    (project / "ok").touch()
    run_ok(mlops, project)
    assert len(ran(project)) == 3


def test_a_step_killed_by_a_signal_is_named(mlops, project):
    one_step(project, "kill -SEGV $$")
    message, _, _ = fails(mlops, project, 1, "run")
    assert "signal 11" in message


def test_a_step_sees_its_parameters_and_a_small_environment(mlops, project):
    (project / "params.json").write_text('{"train": {"lr": 0.5, "deep": {"k": [1, 2]}}, "other": 1}')
    (project / "show.py").write_text(
        "import json, os\n"
        "json.dump({'env': dict(os.environ), 'params': json.load(open(os.environ['MLOPS_PARAMS'])),"
        " 'cwd': os.getcwd()}, open('seen.json', 'w'))\n")
    (project / "pipeline.ini").write_text(
        "[pipeline]\nparams = params.json\nenv = SHARED=1\n"
        "[step.see]\ncmd = python3 show.py\nin = show.py\nout = seen.json\nparams = train.*\nenv = OWN=2 3\n")
    (project / "sub").mkdir()
    status, _, err = mlops("run", cwd=project / "sub", env={"SECRET_TOKEN": "x", "LANG": "C", "HOME": "/nonexistent"})
    assert status == 0, err
    seen = json.loads((project / "seen.json").read_text())
    assert seen["cwd"] == str(project)
    assert seen["params"] == {"train": {"lr": 0.5, "deep": {"k": [1, 2]}}}
    env = seen["env"]
    assert env["SHARED"] == "1" and env["OWN"] == "2 3" and env["MLOPS_STEP"] == "see"
    assert env["MLOPS_PARAM_TRAIN_LR"] == "0.5" and len(env["MLOPS_RUN_ID"]) == 32
    assert env["LANG"] == "C" and env["HOME"] == "/nonexistent"
    assert "SECRET_TOKEN" not in env and "MLOPS_PARAM_OTHER" not in env


def test_words_of_a_command_are_expanded_and_never_split(mlops, project):
    (project / "pipeline.ini").write_text(
        "[params]\ntext = two words\n[step.a]\n"
        "cmd = python3 -c 'import sys; open(sys.argv[2], \"w\").write(repr(sys.argv[1:]))' ${params.text} ${out} $$x\n"
        "out = a.txt\n")
    run_ok(mlops, project)
    assert (project / "a.txt").read_text() == "['two words', 'a.txt', '$x']"


def test_metrics_are_flattened_and_followed(mlops, project):
    one_step(project, """
echo '{"auc": 0.9, "test": {"f1": 0.5, "ok": true}, "note": "text", "bad": NaN}' > m.json
for i in 0 1 2; do echo "{\\"key\\": \\"loss\\", \\"value\\": 0.$i, \\"step\\": $i}" >> $MLOPS_METRICS; done
printf '# Report\nall well\n' > $MLOPS_SUMMARY
echo x > out.txt
""", metrics="m.json")
    result = run_json(mlops, project)
    nested = show(mlops, project, result["steps"][0]["run_id"])["run"]
    assert nested["metrics"]["auc"] == 0.9 and nested["metrics"]["test.f1"] == 0.5
    assert nested["metrics"]["test.ok"] == 1 and nested["metrics"]["loss"] == 0.2
    assert "note" not in nested["metrics"]
    assert nested["tags"]["mlflow.note.content"].startswith("# Report")
    whole = show(mlops, project)["run"]
    assert whole["metrics"]["auc"] == 0.9


def test_broken_lines_of_metrics_are_a_note_not_a_failure(mlops, project):
    one_step(project, """
echo '{"key": "loss", "value": 1}' >> $MLOPS_METRICS
echo 'not json' >> $MLOPS_METRICS
echo x > out.txt
""")
    _, err = run_ok(mlops, project)
    assert "line 2" in err
    run = show(mlops, project)["attempts"][0]["run"]
    assert show(mlops, project, run)["run"]["metrics"]["loss"] == 1


def test_what_a_run_recorded_can_be_checked(mlops, project):
    write_chain(project)
    result = run_json(mlops, project)
    run = show(mlops, project)["run"]
    digest = hashlib.sha256(b"data\n").hexdigest()
    assert [i["path"] for i in run["inputs"]] == ["/code/files", "in.txt"]
    assert run["inputs"][1]["content"] == f"file:{digest}"
    assert sorted(o["path"] for o in run["outputs"]) == ["a.txt", "b.txt", "c.txt", "m.json"]
    assert run["params"]["lr"] == "0.01" and run["status"] == "FINISHED"
    assert run["experiment"] == "chain" and run["tags"]["mlops.command"].startswith("mlops run")
    nested = show(mlops, project, result["steps"][1]["run_id"])["run"]
    assert nested["params"] == {"lr": "0.01"} and [i["path"] for i in nested["inputs"]] == ["a.txt"]
    lock = (project / "mlops.lock").read_text()
    assert f"out file:{hashlib.sha256(b'data' + bytes([10])).hexdigest()} a.txt\n" in lock


def test_a_timeout_ends_the_step_and_its_children(mlops, project):
    one_step(project, "sleep 100 & echo $! > pid; wait; echo x > out.txt", timeout="300ms")
    result = run_json(mlops, project, status=1)
    assert states(result) == {"one": "timeout"} and result["failure"]["cause"] == "timeout"
    assert "longer than its timeout" in result["error"]["message"]
    assert not alive(int((project / "pid").read_text()))


def test_events_are_lines_and_the_result_is_the_last(mlops, project):
    write_chain(project)
    status, out, err = mlops("run", "--json", cwd=project)
    assert status == 0 and err == ""
    lines = [json.loads(line) for line in out.splitlines()]
    events = lines[:-1]
    assert [e["state"] for e in events if e["event"] == "step" and e["step"] == "a"] == ["running", "ok"]
    ids = [e.get("run") for e in events if e["event"] == "run"]
    assert ids[0] is None and ids[-1] == lines[-1]["run_id"]
    assert "event" not in lines[-1] and lines[-1]["status"] == "FINISHED"


def test_output_events_hold_whole_lines(mlops, project):
    one_step(project, "python3 -c \"import sys, time\n"
             "for part in ('ab', 'cd', 'ef\\n', 'tail'): sys.stdout.write(part); sys.stdout.flush(); time.sleep(0.05)\"\n"
             "echo x > out.txt")
    _, out, _ = mlops("run", "--json", cwd=project)
    events = [json.loads(line) for line in out.splitlines()]
    assert [e["text"] for e in events if e.get("event") == "output"] == ["abcdef", "tail"]


def test_a_copy_of_the_tree_is_up_to_date(mlops, project, tmp_path_factory):
    write_chain(project)
    run_ok(mlops, project)
    ran(project)
    clone = tmp_path_factory.mktemp("copy") / "clone"
    shutil.copytree(project, clone, ignore=shutil.ignore_patterns(".mlops"))
    assert mlops("init", cwd=clone)[0] == 0
    result = run_json(mlops, clone)
    assert result["steps"] == [] and ran(clone) == []


def test_a_pipeline_file_may_have_any_name_and_place(mlops, project):
    write_chain(project)
    sub = project / "sub"
    sub.mkdir()
    (sub / "other.ini").write_text("[step.x]\ncmd = sh -c 'echo x > x.txt'\nout = x.txt\n")
    status, _, err = mlops("run", "other.ini", cwd=sub)
    assert status == 0, err
    assert (project / "x.txt").exists(), "paths of a pipeline start at the project"
    status, _, err = mlops("run", "sub/other.ini", cwd=project)
    assert status == 0 and ran(project) == []
    run_ok(mlops, project)
    assert ran(project) == ["a", "b", "c"]


def test_outputs_are_kept_from_git_but_not_metrics(mlops, project):
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    write_chain(project)
    run_ok(mlops, project)
    names = (project / ".gitignore").read_text().split()
    assert "/a.txt" in names and not any("m.json" in n for n in names)


def test_directories_are_made_and_stored_as_outputs(mlops, project):
    one_step(project, "test -d deep/er && test ! -e deep/er/out && mkdir deep/er/out && echo 1 > deep/er/out/f",
             out="deep/er/out/")
    run_ok(mlops, project)
    shutil.rmtree(project / "deep")
    result = run_json(mlops, project)
    assert states(result) == {"one": "restored"}
    assert (project / "deep/er/out/f").read_text() == "1\n"


def test_no_home_is_needed(mlops, project):
    one_step(project, "echo ${HOME-none} > out.txt")
    env = {k: v for k, v in ENV.items() if k != "HOME"}
    done = subprocess.run([MLOPS, "run"], cwd=project, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (project / "out.txt").read_text() == "none\n"
