# SPDX-License-Identifier: Apache-2.0
"""Killing an experiment, or the run of a combination, at named points: the work tree stays, the rest is swept."""
import os
import signal
import subprocess
import time

import pytest
import sweep

SECONDS = 15
ARMED = os.environ.get("MLOPS_FAILPOINTS_PROGRAM", str(sweep.ROOT / "build/asan/mlops"))
PIPELINE = """\
[params]
n = 1
[step.a]
cmd = sh -c 'cat data > a.txt'
in  = data
out = a.txt
[step.b]
cmd = sh -c 'cat a.txt > b.txt; echo $MLOPS_PARAM_N >> b.txt'
in  = a.txt
params = n
out = b.txt
"""
# Where the kill hits the experiment itself, and where the run of a combination.
OUTER = ("scratch.opened", "scratch.copied", "scratch.made", "scratch.ended")
INNER = ("facts.recorded", "run.steps_ended")


def mlops(cwd, *args, env=None):
    return subprocess.run([ARMED, *args], cwd=cwd, env={**sweep.ENV, **(env or {})}, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)


def files(root):
    return {p.relative_to(root): (p.stat().st_mtime_ns, p.read_bytes()) for p in root.rglob("*")
            if p.is_file() and ".mlops" not in p.parts}


@pytest.mark.parametrize("point", OUTER + INNER)
def test_a_kill_leaves_the_work_tree_and_nothing_else(tmp_path, point):
    if not os.path.exists(ARMED):
        pytest.skip(f"no program with named points: {ARMED}")
    assert mlops(tmp_path, "init").returncode == 0
    (tmp_path / "pipeline.ini").write_text(PIPELINE)
    (tmp_path / "data").write_text("data\n")
    before = files(tmp_path)
    done = mlops(tmp_path, "run", "-p", "n=1,2", env={"MLOPS_FAILPOINT": f"{point}=kill"})
    assert done.returncode == (-signal.SIGKILL if point in OUTER else 1), done
    assert files(tmp_path) == before
    if point in INNER:
        assert "killed by SIGKILL" in done.stdout and "2 of 2 combinations failed" in done.stderr
    end = time.monotonic() + 30
    while True:  # processes of the killed one may hold their tree for a moment
        done = mlops(tmp_path, "run", "-p", "n=2,3")
        assert done.returncode == 0, done
        if not (tmp_path / ".mlops/scratch").exists():
            break
        assert time.monotonic() < end
        time.sleep(0.1)
    assert files(tmp_path) == before
    assert "RUNNING" not in mlops(tmp_path, "runs").stdout
    assert mlops(tmp_path, "fsck").returncode == 0
