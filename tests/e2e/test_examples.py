# SPDX-License-Identifier: Apache-2.0
"""The examples: they run on Debian's python3, then have nothing to do, and give the same bytes again."""
import hashlib
import json
import re
import shutil
import subprocess

import pytest

from conftest import ROOT
from steps import ENV, MLOPS

SECONDS = 42
LOCAL = {"PATH": "/usr/bin:/bin"}

# name, a metric and the least it must reach, a param, the steps that must run when it changes
EXAMPLES = [
    ("quickstart", "auc", 0.95, "train.learning_rate=0.01", ["train", "evaluate"]),
    ("electricity", "accuracy", 0.7, "train.weeks=30", ["train", "evaluate"]),
]


def copy_example(tmp_path, name):
    place = tmp_path / name
    shutil.copytree(ROOT / "examples" / name, place)
    return place


def runner(mlops, place, env):
    def run(*args):
        status, out, err = mlops("run", "--json", *args, cwd=place, env=env)
        assert status == 0, out + err
        return json.loads(out.splitlines()[-1])

    assert mlops("init", cwd=place).status == 0
    return run


def check_example(mlops, place, env, metric, least, param, ran):
    run = runner(mlops, place, env)
    first = run()
    assert first["ran"] == 3
    shown = json.loads(mlops("show", "--json", cwd=place).out)["run"]
    assert shown["metrics"][metric] >= least
    assert run()["fresh"] == 3

    changed = run("-p", param)
    assert [s["name"] for s in changed["steps"] if s["state"] == "ok"] == ran
    lock = (place / "mlops.lock").read_text()
    run("--force", "-p", param)
    assert (place / "mlops.lock").read_text() == lock


@pytest.mark.parametrize("name,metric,least,param,ran", EXAMPLES, ids=[e[0] for e in EXAMPLES])
def test_example(tmp_path, mlops, name, metric, least, param, ran):
    check_example(mlops, copy_example(tmp_path, name), LOCAL, metric, least, param, ran)


def test_the_monitor_of_electricity_tells_when_victoria_was_connected(tmp_path, mlops):
    place = copy_example(tmp_path, "electricity")
    assert mlops("init", cwd=place).status == 0
    status, out, _ = mlops("--json", "monitor", "check", "weeks", cwd=place)
    result = json.loads(out.splitlines()[-1])
    states = {w["window"]: w["state"] for w in result["windows"]}
    assert status == 7 and result["waiting"] == 288
    assert states == {n: "OK" if n < 51 else "DRIFT" for n in range(26, 134)}
    assert mlops("--json", "monitor", "check", "weeks", cwd=place).status == 0
    page = mlops("monitor", "show", "weeks", "--html", cwd=place).out
    assert "<dt>windows</dt><dd>108</dd>" in page and "ALARM, two of the last three windows" in page
    few = mlops("monitor", "show", "weeks", "--html", "-n", "8", cwd=place).out
    assert "<dt>windows</dt><dd>8 of 108</dd>" in few and "100 older windows are left out" in few
    shown = mlops("monitor", "show", "weeks", cwd=place).out.splitlines()
    assert shown[1].split() == ["WINDOW", "FROM", "TO", "ROWS", "STATE", "SCORE", "COLUMNS"]
    told = [line.strip() for line in (place / "README.md").read_text().splitlines()]
    assert set(line.strip() for line in shown[-30:]) >= {line for line in told if line.startswith("133 ")}


def test_the_loop_decides_the_same_from_nothing_again():
    """Twice at the same time: windows, profiles, scores, rules, outcomes and models are equal."""
    loops = [subprocess.Popen(["/usr/bin/python3", "-B", str(ROOT / "examples/electricity/loop.py"), "--weeks", "3",
                               "--mlops", MLOPS],
                              env={**ENV, **LOCAL}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
             for _ in range(2)]
    ended = [loop.communicate(timeout=300) for loop in loops]
    assert [loop.returncode for loop in loops] == [0, 0], ended
    one, other = ([line for line in out.splitlines() if "trained" not in line and "managed" not in line] for out, _ in ended)
    assert one == other
    assert "retrain: score dropped, rejected" in one[1] and one[-1].startswith("decisions ")


# -- in containers --

DOCKER = ("auc", 0.95, "train.learning_rate=0.01", ["train", "evaluate"])


@pytest.fixture
def containers(engine):
    engine.image("mlops-example-python")
    return {**LOCAL, "DOCKER_HOST": engine.host}


def without_image(place):
    path = place / "pipeline.ini"
    text = path.read_text()
    path.write_text(re.sub(r"^image .*\n", "", text, flags=re.M))
    assert path.read_text().count("\n") == text.count("\n") - 1


def test_example_in_containers(tmp_path, mlops, containers):
    place = copy_example(tmp_path, "docker")
    check_example(mlops, place, containers, *DOCKER)
    listed = json.loads(mlops("image", "list", "--json", cwd=place, env=containers).out)["images"]
    assert [(i["name"], i["here"], len(i["steps"])) for i in listed] == [("mlops-example-python", True, 3)]


def test_the_same_steps_run_as_local_processes(tmp_path, mlops):
    place = copy_example(tmp_path, "docker")
    without_image(place)
    check_example(mlops, place, {**LOCAL, "DOCKER_HOST": "unix:///nonexistent"}, *DOCKER)
    assert "\nimage " not in (place / "mlops.lock").read_text()


def test_what_is_not_declared_is_missing_inside_and_named(tmp_path, mlops, containers):
    place = copy_example(tmp_path, "docker")
    path = place / "pipeline.ini"
    path.write_text(path.read_text().replace("         model.py\n", "", 1))
    assert mlops("init", cwd=place).status == 0
    got = mlops("run", cwd=place, env=containers)
    assert got.status == 1 and "add model.py to in=" in got.err, got.err


def test_data_is_what_its_source_says():
    data = ROOT / "examples/docker/data"
    digest = hashlib.sha256((data / "biopsies.csv").read_bytes()).hexdigest()
    assert digest in (data / "SOURCE.md").read_text()


def test_make_image_says_what_it_needs(tmp_path):
    """A machine with nothing but a shell."""
    for tool in ("sh", "tail"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    script = ROOT / "examples/docker/make-image"

    def make(*args):
        return subprocess.run(["/bin/sh", script, *args], env={"PATH": str(tmp_path)}, capture_output=True, text=True,
                              check=False)

    none = make()
    assert none.returncode == 5 and "apt install docker.io" in none.stderr
    assert make("--forse").returncode == 2
    (tmp_path / "docker").write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2; exit 1\n")
    (tmp_path / "docker").chmod(0o755)
    silent = make()
    assert silent.returncode == 5 and "Cannot connect" in silent.stderr and "DOCKER_HOST" in silent.stderr
