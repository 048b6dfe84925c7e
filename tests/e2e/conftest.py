# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests: the program, a project, a terminal."""
import fcntl
import os
import pathlib
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections import namedtuple

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "docker"))
from agents import agent, start_agent  # noqa: E402,F401  fixtures
from engine import bridge, engine, own_engine, shared_engine  # noqa: E402,F401  fixtures
from fake_engine import fake  # noqa: E402,F401
from registry import registry  # noqa: E402,F401

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.path.abspath(os.environ.get("MLOPS", ROOT / "build/release/mlops"))

Result = namedtuple("Result", "status out err")


@pytest.fixture(scope="session")
def program():
    return PROGRAM


@pytest.fixture
def environment(tmp_path_factory):
    """What the caller's own settings cannot reach."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MLOPS_", "GIT_", "LC_", "XDG_", "DOCKER_"))}
    for name in ("NO_COLOR", "COLUMNS", "PAGER", "LESS"):
        env.pop(name, None)
    env.update(HOME=str(tmp_path_factory.mktemp("home")), LANG="C.UTF-8", TERM="xterm", TZ="UTC",
               GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1",
               GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@example.org",
               GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@example.org")
    return env


@pytest.fixture
def mlops(tmp_path, environment):
    """mlops("run", "-j", "2") -> (status, out, err), in tmp_path unless told otherwise."""

    def run(*args, cwd=tmp_path, env=None, input=None, timeout=60, text=True, stdout=subprocess.PIPE):
        done = subprocess.run([PROGRAM, *map(str, args)], cwd=cwd, env={**environment, **(env or {})},
                              input=input, stdin=None if input is not None else subprocess.DEVNULL,
                              stdout=stdout, stderr=subprocess.PIPE, timeout=timeout, check=False,
                              **({"encoding": "utf-8", "errors": "surrogateescape"} if text else {}))
        return Result(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def project(tmp_path, mlops):
    """tmp_path, made a project."""
    status, _, err = mlops("init")
    assert status == 0, err
    return tmp_path


@pytest.fixture
def git(tmp_path, environment):
    """git("commit", "-qm", "one") in tmp_path; its output."""

    def run(*args, cwd=tmp_path):
        return subprocess.run(["git", *args], cwd=cwd, env=environment, check=True, capture_output=True,
                              encoding="utf-8").stdout

    return run


def _child(argv, cwd, env):
    os.chdir(cwd)
    os.execvpe(argv[0], argv, env)


@pytest.fixture
def terminal(tmp_path, environment):
    """terminal("run", columns=40, on={b"ready": b"\\x03"}) -> (status, out, ""): stdin, stdout and stderr are
    one terminal; once the text is seen, the bytes are typed. A status below 0 is a signal."""

    def run(*args, columns=80, rows=24, on=None, env=None, cwd=tmp_path, timeout=60):
        waiting = dict(on or {})
        pid, fd = pty.fork()
        if pid == 0:
            try:
                _child([PROGRAM, *map(str, args)], cwd, {**environment, **(env or {})})
            finally:
                os._exit(127)
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        seen, end = b"", time.monotonic() + timeout
        while time.monotonic() < end:
            if not select.select([fd], [], [], 0.1)[0]:
                continue
            try:
                piece = os.read(fd, 65536)
            except OSError:  # the last writer is gone
                break
            if not piece:
                break
            seen += piece
            for text in [t for t in waiting if t in seen]:
                os.write(fd, waiting.pop(text))
        else:
            os.kill(pid, signal.SIGKILL)
        os.close(fd)
        _, status = os.waitpid(pid, 0)
        return Result(os.waitstatus_to_exitcode(status), seen.decode("utf-8", "replace"), "")

    return run
