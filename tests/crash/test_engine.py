# SPDX-License-Identifier: Apache-2.0
"""Kills of a run with attempts, instances, secrets and a long log, and of a build: nothing is lost, nothing is left."""
import os
import pathlib
import shutil
import signal
import subprocess

import pytest
import sweep
from boxes import Box
from sweep import run, run_json

SECONDS = 45
ARMED = os.environ.get("MLOPS_FAILPOINTS_PROGRAM", str(sweep.ROOT / "build/asan/mlops"))

# Each instance fails once, goes on from its checkpoint, prints more than is left plain, and reads a secret.
PIPELINE = """\
[step.train]
matrix.m = x, y
cmd = sh train.sh
in  = train.sh, in.txt
out = out/${matrix.key}
checkpoints = ckpt/${matrix.key}
retries = 3
backoff = 1ms
secrets = TOKEN
[step.pick]
cmd = sh -c 'cat out/* > best.txt'
in  = out/*
out = best.txt
"""
TRAIN = """\
seq 1 1500
cat $TOKEN_FILE
if [ ! -e ckpt/$MLOPS_MATRIX_M/seen ]; then echo > ckpt/$MLOPS_MATRIX_M/seen; echo half > out/$MLOPS_MATRIX_M; exit 1; fi
echo $MLOPS_MATRIX_M $(cat in.txt) > out/$MLOPS_MATRIX_M
"""
SECRET = "hush-hush-0123"


def secrets_left(project):
    home = os.stat(project / ".mlops")
    label = f"{home.st_dev:x}.{home.st_ino:x}"
    return [str(p) for p in pathlib.Path("/dev/shm").glob(f"mlops-*/{label}/*")]


def test_a_killed_run_of_attempts_and_secrets(tmp_path):
    template = tmp_path / "template"
    template.mkdir()
    run(template, "init")
    (template / "pipeline.ini").write_text(PIPELINE)
    (template / "train.sh").write_text(TRAIN)
    (template / "in.txt").write_text("old\n")
    subprocess.run([sweep.MLOPS, "secret", "add", "TOKEN"], cwd=template, env=sweep.ENV, check=True,
                   input=SECRET.encode(), stdout=subprocess.DEVNULL)
    run(template, "run")
    (template / "in.txt").write_text("new\n")
    shutil.rmtree(template / "ckpt")

    def check(work):
        run(work, "run", "-j", "2")
        assert (work / "best.txt").read_text() == "x new\ny new\n"
        assert not secrets_left(work)
        assert run_json(work, "run")["run_id"] is None
        log = run(work, "logs", "last").stdout
        assert "hush" not in log
        for path in (work / ".mlops/logs").rglob("*.log"):
            assert SECRET.encode() not in path.read_bytes(), path
        run(work, "fsck")

    assert sweep.sweep(template, tmp_path, ["run", "-j", "2"], check, 17) > 12


@pytest.mark.parametrize("point", ["build.begin", "build.built", "build.pushed"])
def test_a_killed_build_is_gone_on_with(engine, registry, tmp_path, point):
    box = Box(tmp_path, engine.host, mlops=ARMED, home=tmp_path / "home")
    box.ok("init")
    box.write("docker/Dockerfile", f"FROM busybox-test\nRUN echo {point} > /made\n")
    box.write("pipeline.ini", "[image.train]\ncontext = docker\nnetwork = no\n"
              + (f"push = {registry().address}/killed\n" if point == "build.pushed" else "")
              + "[step.one]\nimage = ${image.train}\ncmd = sh -c 'cat /made > out.txt'\nout = out.txt\n")
    status, _, err = box.mlops("run", env={"MLOPS_FAILPOINT": f"{point}=kill"})
    assert status == -signal.SIGKILL, err
    box.ok("run")
    assert box.read("out.txt") == point + "\n"
    made = engine.get('/images/json?filters={"label":["mlops.image"]}')
    assert len(made) == 1, "it was built once, or the half of it is no image"
    for image in made:
        engine.forget_image(image["Id"])
    box.check_whole()
