# SPDX-License-Identifier: Apache-2.0
"""What all commands share: words, help, errors, colours, width, pager, live view, completion."""
import json
import os
import re
import subprocess

import pytest

from conftest import PROGRAM

SECONDS = 20

ESCAPE = "\x1b"


def commands(mlops):
    return json.loads(mlops("help", "--json").out)["commands"]


# -- help --

def test_every_command_explains_itself_examples_first_within_80_columns(mlops):
    for command in commands(mlops):
        status, out, err = mlops("help", *command["command"].split())
        assert (status, err) == (0, "")
        assert out.startswith(f"mlops {command['command']}: {command['summary']}\n")
        assert re.match(r"Usage: .*\n\nExamples:\n  mlops ", out.split("\n\n", 1)[1])
        assert max(map(len, out.split("\n"))) <= 80


def test_help_comes_the_same_three_ways(mlops):
    assert mlops("help", "run").out == mlops("run", "--help").out == mlops("run", "-h").out
    assert mlops("help").out == mlops("--help").out == mlops().out
    assert json.loads(mlops("help", "run", "--json").out)["name"] == "run.start"


def test_help_beats_other_mistakes_of_the_line(mlops):
    assert mlops("run", "--help", "--bogus").status == 0


def test_help_and_version_need_no_project_and_leave_nothing(mlops, tmp_path):
    assert mlops("version").out == mlops("--version").out == mlops("-V").out
    assert re.fullmatch(r"mlops \d+\.\d+\.\d+\n", mlops("--version").out)
    assert json.loads(mlops("version", "--json").out)["name"] == "mlops"
    assert os.listdir(tmp_path) == []


# -- words --

@pytest.mark.parametrize("words, says, helps", [
    (["rnu"], "there is no command 'rnu'", "did you mean 'run'?"),
    (["lock"], "'lock' is not a whole command", "run: mlops lock take"),
    (["cache"], "'cache' is not a whole command", "run: mlops cache list, mlops cache rm"),
    (["lock", "tak"], "there is no command 'lock tak'", "did you mean 'lock take'?"),
    (["run", "--forse"], "mlops run has no option --forse", "did you mean --force?"),
    (["run", "--down"], "mlops run has no option --down", "mlops help run"),
    (["run", "-x"], "mlops run has no option -x", "mlops help run"),
    (["-j", "2", "run"], "no option -j before the command", "mlops help"),
    (["run", "-j"], "-j needs a value", "-j N"),
    (["run", "-j", "two"], "-j must be a whole number, not 'two'", "such as: -j 4"),
    (["run", "-j-1"], "-j must be a whole number, not '-1'", ""),
    (["run", "--jobs=99999999999999999999"], "--jobs must be a whole number", ""),
    (["run", "--force=yes"], "--force takes no value", ""),
    (["accept"], "STEP is missing", "mlops help accept"),
    (["why", "a", "b"], "mlops why takes no further argument: 'b'", "mlops help why"),
    (["status", "x"], "mlops status takes no argument: 'x'", "mlops help status"),
    (["lock", "take", "mine"], "side must be ours|theirs, not 'mine'", "mlops help lock take"),
    (["checkout", "--link", "ours|theirs"], "--link must be copy|hardlink|symlink", ""),
    (["checkout", ""], "PATH is empty", ""),
    (["--color", "pink", "status"], "--color must be auto|always|never, not 'pink'", ""),
    (["completion", "tcsh"], "shell must be bash|zsh|fish", ""),
    (["help", "nothing"], "there is no command 'nothing'", ""),
    (["ls"], "there is no command 'ls'", "did you mean 'runs'?"),
    (["repro"], "there is no command 'repro'", "did you mean 'run'?"),
    (["run", "--dry-run"], "mlops run has no option --dry-run", "did you mean --dry?"),
    (["config", "set", "run.jobs", "3"], "no further argument: '3'", "mlops config KEY VALUE"),
    (["config", "run.jobs=3"], "unknown setting run.jobs=3", "mlops config run.jobs VALUE"),
    (["config", "get", "run.jobs"], "unknown setting get", "mlops config run.jobs"),
])
def test_wrong_words_are_named_with_the_way_out(mlops, words, says, helps):
    status, out, err = mlops(*words)
    assert (status, out) == (2, "")
    assert err.startswith("error: ") and says in err
    assert helps in err


def test_a_step_typed_as_a_command_is_known(mlops, project):
    (project / "pipeline.ini").write_text("[step.train]\ncmd = true\n")
    assert "mlops run train" in mlops("train").err
    assert "mlops help" in mlops("trainer").err


def test_wrong_words_come_as_json_when_asked(mlops):
    for words in (["rnu", "--json"], ["--json", "run", "--forse"], ["accept", "--json"]):
        status, out, err = mlops(*words)
        assert (status, err) == (2, "")
        assert json.loads(out)["error"]["code"] == "INVALID_ARGUMENT"


def test_options_are_written_in_any_of_their_forms(mlops, project):
    (project / "pipeline.ini").write_text("[params]\nlr = 1\n[step.a]\ncmd = true\n[step.b]\ncmd = true\n")
    whole = mlops("run", "--dry").out
    for words in (["-n"], ["-nk"], ["-kn"], ["-n", "-j2"], ["-n", "-j", "2"], ["-nj2"], ["--jobs=2", "-n"],
                  ["--jobs", "2", "-n"], ["-n", "-p", "lr=2"], ["-n", "-plr=2"], ["-n", "--param=lr=2"]):
        status, out, err = mlops("run", *words)
        assert (status, err) == (0, "") and len(out.splitlines()) == len(whole.splitlines()), words
    assert mlops("--quiet", "-C", project, "run", "-n", cwd="/").out == ""
    assert "a" in mlops("-C", project, "run", "-n", "--", "a", cwd="/").out


def test_an_argument_that_is_not_text_is_refused(mlops, project):
    status, _, err = mlops("cat", os.fsdecode(b"caf\xe9"))
    assert status == 2 and "argument 2 is not UTF-8: 'caf\\xe9'" in err


def test_outside_a_project_the_way_in_is_named(mlops):
    status, out, err = mlops("runs")
    assert (status, out) == (3, "") and "mlops init" in err
    error = json.loads(mlops("runs", "--json").out)["error"]
    assert error["code"] == "NOT_FOUND" and "mlops init" in error["help"]


def test_a_directory_that_is_not_there_is_named(mlops):
    status, _, err = mlops("-C", "nowhere", "status")
    assert status == 3 and "nowhere" in err


# -- standard output --

def test_a_full_or_closed_stdout_is_an_error(mlops, project, program, environment):
    with open("/dev/full", "w") as full:
        status, _, err = mlops("config", stdout=full)
    assert status == 5 and "cannot write to standard output: No space left on device" in err
    (project / "t.csv").write_text("x,y\n" + "".join(f"{i},{i * i}\n" for i in range(600)))
    for option in ("--html", "--json", "--full"):
        with open("/dev/full", "w") as full:
            status, _, err = mlops("profile", "t.csv", option, stdout=full)
        assert status == 5 and "cannot write to standard output: No space left on device" in err
    for command in ("config", "help"):
        closed = subprocess.run(["sh", "-c", f'"$0" {command} >&-', program], cwd=project, env=environment,
                                capture_output=True, encoding="utf-8", check=False)
        assert closed.returncode == 5 and "standard output" in closed.stderr


def test_closed_standard_files_hurt_no_file_of_the_project(mlops, project, program, environment):
    (project / "pipeline.ini").write_text("[step.a]\ncmd = echo said\n")
    subprocess.run(["sh", "-c", '"$0" run <&- >&- 2>&-', program], cwd=project, env=environment, check=False,
                   timeout=60)
    assert mlops("doctor").status == 0
    assert "said" in mlops("logs").out


def test_a_reader_that_leaves_is_met_in_silence(mlops, project, program, environment):
    (project / "pipeline.ini").write_text("[step.a]\ncmd = sh -c 'seq 200000'\n")
    assert mlops("run", "-q").status == 0
    for command in ("logs", "help --json"):
        left = subprocess.run(["sh", "-c", f'"$0" {command} | head -n 1', program], cwd=project,
                              env=environment, capture_output=True, encoding="utf-8", check=False)
        assert left.stderr == "" and left.stdout.count("\n") == 1


# -- colours, width, pager --

def test_colours_only_where_they_are_wanted(mlops, terminal, project):
    assert ESCAPE not in mlops("config").out
    assert ESCAPE in mlops("config", "--color", "always").out
    assert ESCAPE in mlops("--color=always", "config", env={"NO_COLOR": "1"}).out
    plain = ["config", "--no-pager"]
    assert ESCAPE in terminal(*plain).out
    assert ESCAPE not in terminal(*plain, env={"NO_COLOR": "1"}).out
    assert ESCAPE in terminal(*plain, env={"NO_COLOR": ""}).out
    assert ESCAPE not in terminal(*plain, env={"TERM": "dumb"}).out
    assert ESCAPE not in terminal(*plain, "--color=never").out
    assert mlops("config", "ui.color", "never").status == 0
    assert ESCAPE not in terminal(*plain).out
    assert mlops("config", "ui.color", "always").status == 0
    assert ESCAPE in mlops("config").out
    assert ESCAPE not in mlops("config", env={"NO_COLOR": "1"}).out


def test_colours_outside_a_project_follow_the_environment(mlops):
    assert ESCAPE in mlops("nonsense", env={"MLOPS_UI_COLOR": "always"}).err
    assert ESCAPE not in mlops("nonsense").err


@pytest.mark.parametrize("columns", [20, 60, 200])
def test_tables_fit_the_terminal(mlops, terminal, project, columns):
    lines = terminal("config", "--color=never", columns=columns).out.replace("\r", "").split("\n")
    assert len(lines) > 4
    # what may not be cut, the keys and origins, can be wider than a very narrow terminal
    whole = max(len(line.split("  ")[0]) for line in lines) + len("  VAL…  DEF…  default  MEA…")
    assert max(map(len, lines)) <= max(columns, whole)
    assert all(line == line.rstrip() for line in lines)


def test_columns_of_the_environment_win(terminal, project):
    wide = terminal("config", "--color=never", columns=200, env={"COLUMNS": "60"}).out
    assert max(map(len, wide.replace("\r", "").split("\n"))) <= 60
    for odd in ("", "0", "-5", "x", "99999999999999999999"):
        assert terminal("config", env={"COLUMNS": odd}).status == 0


def paged(project, terminal, *words, **env):
    mark = project / "paged"
    mark.unlink(missing_ok=True)
    pager = "sh -c 'cat > paged'"
    done = terminal("runs", *words, env={"PAGER": pager, **env})
    assert done.status == 0
    return mark.exists()


def test_long_output_goes_through_the_pager_of_the_environment(mlops, terminal, project):
    (project / "pipeline.ini").write_text("[step.a]\ncmd = true\n")
    assert mlops("run").status == 0
    assert paged(project, terminal)
    assert (project / "paged").read_text().startswith(ESCAPE)
    assert not paged(project, terminal, "--no-pager")
    assert not paged(project, terminal, "--json")
    assert not paged(project, terminal, MLOPS_UI_PAGER="")
    assert paged(project, terminal, MLOPS_UI_PAGER="tee paged", PAGER="false")
    assert "RUN" in terminal("runs", env={"PAGER": "no-such-pager"}).out
    assert mlops("config", "ui.pager", "").status == 0
    assert not paged(project, terminal)


def test_a_project_names_no_program_to_run(mlops, terminal, project):
    (project / ".mlops/config.ini").write_text("[ui]\npager = sh -c 'touch harmed; cat'\n")
    terminal("runs", env={"PAGER": "cat"})
    terminal("runs")
    assert not (project / "harmed").exists()


def test_a_pager_that_is_left_early_ends_in_silence(mlops, terminal, project):
    (project / "pipeline.ini").write_text("[step.a]\ncmd = seq 200000\n")
    assert mlops("run", "-q").status == 0
    done = terminal("logs", env={"PAGER": "head -n 1"})
    assert "error" not in done.out and done.out.strip() == "1"


# -- what others wrote --

def test_names_cannot_drive_the_terminal(mlops, terminal, project):
    for nasty in (f"{ESCAPE}]0;title\x07", "\x9b31m", "a\nb", "\u202eevil"):
        for out in (mlops("why", nasty).err, terminal("why", nasty, "--color=never").out):
            assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", out)
    out = mlops("why", "\x9b31m\u202e", "--json").out
    assert not re.search("[\x7f-\x9f\u202e]", out)
    json.loads(out)


def test_output_of_steps_is_raw_in_files_and_harmless_on_terminals(mlops, terminal, project):
    (project / "pipeline.ini").write_text("[step.a]\ncmd = printf '\\033]0;t\\007caf\\303\\251 \\377\\n'\n")
    status, _, err = mlops("run")
    assert status == 0 and ESCAPE not in err
    assert b"\x1b]0;t\x07caf\xc3\xa9 \xff\n" in mlops("logs", "last", "a", text=False).out
    shown = terminal("logs", "last", "a", "--no-pager").out
    assert "^[]0;t^Gcafé \\xff" in shown and ESCAPE not in shown
    event = json.loads(mlops("logs", "last", "a", "--json").out.splitlines()[0])
    assert event["event"] == "output" and event["text"].endswith("café \ufffd")


# -- the run as it is seen --

PIPELINE = """
[step.first]
cmd = sh -c 'echo one; sleep 0.5; echo two; echo x > first.out'
out = first.out
[step.second]
cmd = sh -c 'cat first.out; exit 3'
in = first.out
"""


def test_without_a_terminal_lines_are_only_appended(mlops, project):
    (project / "pipeline.ini").write_text(PIPELINE)
    status, out, err = mlops("run")
    assert status == 1 and ESCAPE not in out + err and "\r" not in out + err
    order = [err.index(text) for text in ("running  first", "first | one", "first | two", "done     first",
                                          "running  second", "second | x", "failed   second", "error: ")]
    assert order == sorted(order)
    assert mlops("run", "-q").err.startswith("error: ")


def test_on_a_terminal_the_view_is_redrawn_and_leaves_no_trace(terminal, project):
    (project / "pipeline.ini").write_text(PIPELINE)
    done = terminal("run", columns=50)
    assert done.status == 1
    assert "0/2 steps" in done.out and re.search(r"\x1b\[\d+A\x1b\[J", done.out)
    last = done.out[done.out.rindex("\x1b[J"):]
    assert "failed" in last and "steps" not in last
    for line in re.sub(r"\x1b\[[0-9;]*[a-zA-Z]", "", done.out).split("\n"):
        if "steps" in line or line[:1] in "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏":
            assert len(line.rstrip()) < 50


def test_a_dumb_terminal_gets_lines(terminal, project):
    (project / "pipeline.ini").write_text(PIPELINE)
    assert ESCAPE not in terminal("run", env={"TERM": "dumb"}).out


def test_json_of_a_run_is_events_and_the_result_last(mlops, project):
    (project / "pipeline.ini").write_text(PIPELINE)
    status, out, err = mlops("run", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert status == 1 and err == ""
    assert [e["state"] for e in lines[:-1] if e["event"] == "step"] == ["running", "ok", "running", "failed"]
    assert all(e["event"] != "tick" for e in lines[:-1])
    assert lines[-1]["status"] == "FAILED" and lines[-1]["error"]["code"] == "FAILED"


def test_ctrl_c_stops_a_run_and_the_terminal_is_left_clean(terminal, mlops, project):
    (project / "pipeline.ini").write_text("[step.long]\ncmd = sh -c 'echo ready; exec sleep 60'\n")
    done = terminal("run", on={b"ready": b"\x03"})
    assert done.status == 130
    assert "error:" in done.out[done.out.rindex("\x1b[J"):]
    assert mlops("doctor").status == 0


# -- completion --

def complete(mlops, *words):
    out = mlops("__complete", *words).out
    return [line.split("\t")[0] for line in out.splitlines()]


def test_completion_follows_the_table(mlops, project):
    (project / "pipeline.ini").write_text("[step.prepare]\ncmd = true\n[step.train]\ncmd = true\n")
    assert mlops("run").status == 0
    assert complete(mlops, "ru") == ["run", "runs"]
    assert complete(mlops, "lock", "") == ["take"]
    assert complete(mlops, "lock", "take", "") == ["ours", "theirs"]
    assert complete(mlops, "run", "t") == ["train"]
    assert complete(mlops, "run", "-j", "2", "-p", "a=1", "prep") == ["prepare"]
    assert "--keep-going" in complete(mlops, "run", "--")
    assert complete(mlops, "checkout", "--link=h") == ["--link=hardlink"]
    assert complete(mlops, "checkout", "--link", "=", "h") == ["hardlink"]
    assert complete(mlops, "logs", "l") == ["last"]
    assert complete(mlops, "config", "run.j") == ["run.jobs"]
    assert complete(mlops, "config", "ui.color", "") == ["auto", "always", "never"]
    assert complete(mlops, "config", "run.jobs", "") == []
    assert complete(mlops, "add", "") == [":files"]
    assert complete(mlops, "run", "-j", "") == []
    assert complete(mlops) == complete(mlops, "")


def test_completion_offers_steps_pipelines_and_params_of_the_file_named(mlops, project):
    (project / "pipeline.ini").write_text("[step.prepare]\ncmd = true\n[params]\nlr = 0.1\nnet.depth = 3\n")
    (project / "night.ini").write_text("[step.sweep]\ncmd = true\n[params]\nseeds = 1\n")
    (project / "notes.txt").write_text("")
    assert complete(mlops, "run", "") == ["night.ini", "pipeline.ini", "prepare"]
    assert complete(mlops, "run", "night.ini", "") == ["sweep"]
    assert complete(mlops, "why", "") == ["prepare"]
    assert complete(mlops, "why", "--file", "night.ini", "") == ["sweep"]
    assert complete(mlops, "dag", "n") == ["night.ini"]
    assert complete(mlops, "run", "-p", "") == ["lr=", "net.depth="]
    assert complete(mlops, "run", "night.ini", "--param=s") == ["--param=seeds="]


def test_completion_offers_instances_when_one_is_begun(mlops, project):
    (project / "pipeline.ini").write_text("[step.train]\nmatrix.m = xgb, mlp\ncmd = true\nout = ${matrix.key}\nsecrets = K\n"
                                          "[step.other]\ncmd = true\nsecrets = K\n")
    assert complete(mlops, "why", "t") == ["train"]
    assert complete(mlops, "why", "train@") == ["train@xgb", "train@mlp"]
    assert complete(mlops, "run", "train@x") == ["train@xgb"]
    assert complete(mlops, "c") == ["checkout", "cat", "cache", "config", "ci", "completion"]
    assert complete(mlops, "secret", "rm", "") == ["K"]
    script = mlops("completion", "bash").out + """
COMP_WORDS=(mlops why train @ x) COMP_CWORD=4
_mlops
echo "${COMPREPLY[@]}"
COMP_WORDS=(mlops run train@m) COMP_CWORD=2 COMP_WORDBREAKS=' '
_mlops
echo "${COMPREPLY[@]}"
"""
    done = subprocess.run(["bash", "-c", script], cwd=project, capture_output=True, encoding="utf-8", check=True,
                          env={**os.environ, "PATH": f"{os.path.dirname(str(PROGRAM))}:{os.environ['PATH']}"})
    assert done.stdout.split() == ["xgb", "train@mlp"], done.stderr


def test_completion_without_a_project_is_silent(mlops, tmp_path):
    status, out, err = mlops("__complete", "why", "")
    assert (status, err) == (0, "") and out in ("", ":files\n")
    assert os.listdir(tmp_path) == []


def test_the_bash_script_completes_and_runs_nothing_it_offers(mlops, project, program, environment):
    trap = "run $(touch harmed)"
    fake = project / "bin" / "mlops"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\nprintf '%s\\n' '{trap}'\n")
    fake.chmod(0o755)
    script = mlops("completion", "bash").out + """
COMP_WORDS=(mlops show r) COMP_CWORD=2
_mlops
eval "echo ${COMPREPLY[0]}"
"""
    done = subprocess.run(["bash", "-c", script], cwd=project, capture_output=True, encoding="utf-8",
                          env={**environment, "PATH": f"{fake.parent}:{environment['PATH']}"}, check=True)
    assert done.stdout.strip() == trap and not (project / "harmed").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(mlops, shell):
    status, out, err = mlops("completion", shell)
    assert (status, err) == (0, "") and "mlops __complete" in out
