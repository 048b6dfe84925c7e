# SPDX-License-Identifier: Apache-2.0
"""Killing a command at its Nth system call, for every N until it survives.

strace counts calls for each thread of each process, so a number hits whoever gets
there first: the command, its worker threads, the step spawner. Steps themselves are let go at exec.
"""
import json
import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
MLOPS = os.environ.get("MLOPS", str(ROOT / "build/release/mlops"))
SOAK = bool(os.environ.get("MLOPS_SOAK"))
ENV = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "TZ": "UTC", "LC_ALL": "C.UTF-8",
       "GIT_CONFIG_GLOBAL": "/dev/null",
       "ASAN_OPTIONS": "detect_leaks=0"}  # its check cannot be traced: each command would fail, and no sweep end


def run(cwd, *args, check=True):
    done = subprocess.run([MLOPS, *args], cwd=cwd, env=ENV, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120)
    if check:
        assert done.returncode == 0, f"mlops {' '.join(args)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def run_json(cwd, *args):
    return json.loads(run(cwd, *args, "--json").stdout.splitlines()[-1])


def killed_at(cwd, n, args):
    """Runs with SIGKILL at the Nth call of any thread; True when it was killed."""
    done = subprocess.run(
        ["strace", "-f", "-qqq", "-o", "/dev/null", "-b", "execve",
         "-e", f"inject=all:signal=KILL:when={n}", "--", MLOPS, *args],
        cwd=cwd, env=ENV, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    return done.returncode != 0


def sweep(template, scratch, args, check, stride, prepare=None):
    """prepare(directory) before and check(directory) after each kill. Returns how many kills there were."""
    kills, survived, n = 0, 0, 1
    while survived < 3:
        work = scratch / "work"
        if work.exists():
            shutil.rmtree(work)
        shutil.copytree(template, work, symlinks=True)
        if prepare:
            prepare(work)
        if killed_at(work, n, args):
            kills, survived = kills + 1, 0
        else:
            survived += 1
        try:
            check(work)
        except AssertionError as error:
            raise AssertionError(f"after a kill at call {n} of mlops {' '.join(args)}: {error}") from error
        n += 1 if SOAK else stride
    return kills
