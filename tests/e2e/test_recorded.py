# SPDX-License-Identifier: Apache-2.0
"""What a run records of metrics, params and programs, also when they are odd."""
import json
import os
import signal
import subprocess
import sys
import time

import pytest

SECONDS = 5


def show(mlops, name="last"):
    return json.loads(mlops("show", name, "--json").out)


def test_a_metric_with_a_bad_name_costs_only_itself(mlops, project):
    (project / "pipeline.ini").write_text(
        "[step.a]\ncmd = sh -c 'echo \"{\\\"top5%\\\": 1, \\\"ok\\\": 2}\" > a.json'\nmetrics = a.json\n"
        "[step.b]\ncmd = sh -c 'echo \"{\\\"fine\\\": 3}\" > b.json'\nmetrics = b.json\n")
    done = mlops("run")
    assert done.status == 0, done.err
    assert "top5%" in done.err and "not recorded" in done.err
    assert show(mlops)["run"]["metrics"] == {"ok": 2, "fine": 3}


def test_reported_points_with_bad_lines_keep_the_good_ones(mlops, project):
    (project / "report.py").write_text(
        "import os\n"
        "with open(os.environ['MLOPS_METRICS'], 'w') as f:\n"
        "    f.write('{\"key\": \"loss\", \"value\": 0.5, \"step\": 1}\\n')\n"
        "    f.write('oops\\n{\"key\": \"../x\", \"value\": 1}\\n')\n"
        "    f.write('{\"key\": \"loss\", \"value\": 0.25, \"step\": 2}')\n")
    (project / "pipeline.ini").write_text("[step.a]\ncmd = python3 report.py\nin = report.py\n")
    done = mlops("run")
    assert done.status == 0, done.err
    assert "line 2" in done.err and "../x" in done.err
    run = json.loads(mlops("runs", "--all", "--json").out)["runs"]
    assert [r["metrics"] for r in run if r.get("step") == "a"] == [{"loss": 0.25}]


def test_a_param_with_a_bad_name_is_noted_not_fatal(mlops, project):
    (project / "params.json").write_text('{"lr%": 1, "lr": 2}')
    (project / "pipeline.ini").write_text("[pipeline]\nparams = params.json\n[step.a]\ncmd = true\n")
    done = mlops("run")
    assert done.status == 0, done.err
    assert "lr%" in done.err
    assert show(mlops)["run"]["params"] == {"lr": "2"}


def test_only_an_interpreter_is_asked_for_its_packages(mlops, project):
    """A program that is merely called python_something runs once."""
    tool = project / "python_prep.sh"
    tool.write_text("#!/bin/sh\necho ran >> calls.txt\n")
    tool.chmod(0o755)
    (project / "pipeline.ini").write_text("[step.a]\ncmd = ./python_prep.sh\nin = python_prep.sh\n")
    assert mlops("run").status == 0
    assert (project / "calls.txt").read_text() == "ran\n"


def test_packages_are_those_of_the_virtual_environment(mlops, project):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", project / ".venv"], check=True)
    site = next((project / ".venv" / "lib").glob("python*")) / "site-packages"
    (site / "mypkg-1.0.dist-info").mkdir()
    (project / "pipeline.ini").write_text("[step.a]\ncmd = .venv/bin/python -c pass\n")
    done = mlops("run")
    assert done.status == 0, done.err
    (attempt,) = show(mlops)["attempts"]
    assert "mypkg-1.0" in attempt["record"]["python"]["packages"]


def test_a_plan_is_made_after_recovery(mlops, project, program, environment):
    """A run killed while an output is moved aside must not hide that output from the next plan."""
    (project / "d").mkdir()
    (project / "d" / "a.txt").write_text("a")
    (project / "pipeline.ini").write_text("[step.slow]\ncmd = sleep 60\nout = d\n")
    (project / "other.ini").write_text("[step.list]\ncmd = sh -c 'ls d > list.txt'\nin = d/*.txt\nout = list.txt\n")
    process = subprocess.Popen([program, "run"], cwd=project, env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        if not (project / "d").exists():
            break
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = mlops("run", "other.ini")
    assert done.status == 0, done.err
    assert (project / "list.txt").read_text() == "a.txt\n"
    states = {a["state"] for r in json.loads(mlops("runs", "--json").out)["runs"]
              for a in show(mlops, r["run_id"])["attempts"]}
    assert "running" not in states


@pytest.mark.parametrize("killed", [False, True])
def test_no_lock_of_a_run_is_left(mlops, project, program, environment, killed):
    (project / "pipeline.ini").write_text("[step.a]\ncmd = sleep 60\n" if killed else "[step.a]\ncmd = true\n")
    process = subprocess.Popen([program, "run"], cwd=project, env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if killed:
        while not list((project / ".mlops" / "work").glob("*/a")):
            time.sleep(0.05)
        process.kill()
    process.wait()
    (project / "pipeline.ini").write_text("[step.a]\ncmd = true\n")
    assert mlops("run").status == 0
    assert [p.name for p in (project / ".mlops" / "locks").glob("run-*")] == []
