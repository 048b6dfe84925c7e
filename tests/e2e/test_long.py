# SPDX-License-Identifier: Apache-2.0
"""Long runs: without a terminal, stopped from outside, stopped and continued by the shell, many steps in view."""
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from steps import ENV, MLOPS, alive, fails, one_step, result_of, start, wait_for

SECONDS = 15

# Tells its pid, and ends well when it is told to, or when it may.
PATIENT = "echo $$ > {0}.pid; while [ ! -e {0}.go ]; do sleep 0.02; done; echo {0} > {0}.txt"


def steps(project, *names, more="", **needs):
    """Steps that run until NAME.go is there."""
    text = ""
    for name in names:
        (project / f"{name}.sh").write_text(PATIENT.format(name) + "\n")
        text += f"[step.{name}]\ncmd = sh {name}.sh\nout = {name}.txt\n"
        text += f"in = {needs[name]}.txt\n" if name in needs else ""
    (project / "pipeline.ini").write_text(text + more)


def pid_of(project, name):
    path = project / f"{name}.pid"
    return int(path.read_text() or 0) if path.exists() else 0


def running(project, *names):
    """Their pids, once all of them run."""
    return [wait_for(lambda name=name: pid_of(project, name)) for name in names]


def go(project, *names):
    for name in names:
        (project / f"{name}.go").touch()


def active(mlops, project, *args):
    status, out, err = mlops("runs", "--active", "--json", *args, cwd=project)
    assert status == 0, err
    return result_of(out)["active"]


def shown(mlops, project, name="last"):
    return result_of(mlops("show", name, "--json", cwd=project).out)


def states(mlops, project):
    return {a["step"]: a["state"] for a in shown(mlops, project)["attempts"]}


def state_of(pid):
    """R, S, T (stopped), Z, ..."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


class Terminal:
    """A program on a terminal of its own; what it wrote is read when something is waited for."""

    def __init__(self, argv, cwd, env, columns=100, rows=30):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(cwd)
                os.execvpe(argv[0], argv, env)
            finally:
                os._exit(127)
        self.resize(columns, rows)
        self.seen = ""

    def resize(self, columns, rows):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds=0.02):
        while self.fd >= 0 and select.select([self.fd], [], [], seconds)[0]:
            try:
                piece = os.read(self.fd, 65536)
            except OSError:
                return
            if not piece:
                return
            self.seen += piece.decode("utf-8", "replace")

    def until(self, text, seconds=20):
        """What was written up to the text and since the last call."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read()
            if text in self.seen:
                before, _, self.seen = self.seen.partition(text)
                return before
        raise AssertionError(f"{text!r} did not come: {self.seen[-2000:]!r}")

    def type(self, text):
        os.write(self.fd, text.encode())

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def wait(self, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
        raise AssertionError(f"it goes on: {self.seen[-2000:]!r}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


@pytest.fixture
def on_terminal(project, environment):
    def run(*argv, **size):
        return Terminal(list(argv), project, {**environment, "PS1": "% ", "ENV": ""}, **size)

    return run


# -- detached --

def test_a_detached_run_outlives_its_terminal_and_is_followed(mlops, project, on_terminal):
    steps(project, "a")
    with on_terminal(MLOPS, "run", "--detach", "--color=never") as terminal:
        run = re.search(r"run (\w+) started; follow it: mlops logs -f \1", terminal.until("\n"))[1]
        assert terminal.wait() == 0
        terminal.close()
    [pid] = running(project, "a")
    [found] = active(mlops, project)
    assert found["run_id"].startswith(run) and found["state"] == "running"
    assert os.getsid(found["pid"]) not in (found["pid"], os.getsid(0)), "it could get a terminal, or has ours"
    links = {os.readlink(f"/proc/{found['pid']}/fd/{fd}") for fd in (0, 1, 2)}
    assert links == {"/dev/null"}
    go(project, "a")
    wait_for(lambda: not active(mlops, project))
    assert shown(mlops, project)["run"]["status"] == "FINISHED"
    assert "1 ran" in mlops("logs", run, cwd=project).out, "its end is in its logs"
    assert "@run.log" in mlops("show", run, cwd=project).out
    assert not alive(pid)


def test_a_detached_run_that_fails_says_so_in_its_log(mlops, project):
    one_step(project, "exit 3", out=None)
    out = mlops("run", "--detach", "--json", cwd=project).out
    found = result_of(out)
    assert found["detached"] is True and len(found["run_id"]) == 32
    wait_for(lambda: not active(mlops, project))
    assert "error: step one failed with exit status 3" in mlops("logs", found["run_id"][:8], cwd=project).out


def test_a_detached_run_with_nothing_to_do_ends_as_in_the_foreground(mlops, project):
    one_step(project, "echo x > out.txt")
    assert mlops("run", cwd=project).status == 0
    status, out, err = mlops("run", "--detach", cwd=project)
    assert (status, err) == (0, "") and out.startswith("up to date")
    assert result_of(mlops("run", "--detach", "--json", cwd=project).out)["status"] == "FINISHED"


@pytest.mark.parametrize("args, status, says", [
    (["nothere"], 3, "no step 'nothere'"), (["--dry"], 2, "--dry and --detach"), (["other.ini"], 3, "other.ini"),
])
def test_mistakes_are_told_before_a_run_is_detached(mlops, project, args, status, says):
    one_step(project, "echo x > out.txt")
    message, _, _ = fails(mlops, project, status, "run", "--detach", *args, told=True)
    assert says in message
    assert result_of(mlops("run", "--detach", "--json", *args, cwd=project).out)["error"]["message"] == message \
        if status != 2 else True


def test_a_signal_while_a_detached_run_waits_ends_both(mlops, project):
    steps(project, "a")
    first = start(project, "run")
    running(project, "a")
    waiting = start(project, "run", "--detach")
    assert "waiting for process" in waiting.stderr.readline()
    waiting.send_signal(signal.SIGINT)
    assert waiting.wait(20) == 130
    go(project, "a")
    assert first.wait(20) == 0
    assert len(result_of(mlops("runs", "--json", cwd=project).out)["runs"]) == 1


# -- stop --

def test_stop_ends_a_run_and_says_what_became_of_it(mlops, project):
    steps(project, "a", "b", b="a")
    run = start(project, "run")
    [pid] = running(project, "a")
    wait_for(lambda: active(mlops, project))
    stopped = result_of(mlops("stop", "last", "--json", cwd=project).out)
    assert stopped["status"] == "KILLED" and run.wait(20) == 130
    assert not alive(pid) and states(mlops, project) == {"a": "killed"}
    message, _, _ = fails(mlops, project, 4, "stop", "last", told=True)
    assert "does not run any more: it is KILLED" in message


def test_stop_with_kill_does_not_wait_for_a_stubborn_step(mlops, project):
    one_step(project, "trap '' TERM; echo $$ > one.pid; while :; do sleep 0.02; done", out=None)
    run = start(project, "run")
    running(project, "one")
    began = time.monotonic()
    status, out, err = mlops("stop", "last", "--kill", cwd=project)
    assert status == 0 and "KILLED" in out, err
    assert run.wait(20) == 130 and time.monotonic() - began < 9, "the 10 s of a graceful stop were waited for"


def test_stop_of_one_step_leaves_the_others(mlops, project):
    steps(project, "a", "b", "c", "d", c="a", d="b")
    run = start(project, "run", "-j", "2", "--json")
    a, b = running(project, "a", "b")
    status, out, err = mlops("stop", "last", "a", cwd=project)
    assert status == 0 and out == "stopped: a\n", err
    assert not alive(a) and alive(b)
    go(project, "b", "d")
    out, _ = run.communicate(timeout=20)
    result = result_of(out)
    ends = {s["name"]: s["state"] for s in result["steps"]}
    assert run.returncode == 1
    assert ends == {"a": "killed", "b": "ok", "c": "blocked", "d": "ok"}
    error = next(s["error"] for s in result["steps"] if s["name"] == "a")
    assert re.fullmatch(r"step a was stopped by \S+@\S+", error) and result["failure"]["message"] == error
    assert states(mlops, project)["a"] == "killed"
    assert not (project / "a.txt").exists() and not list((project / ".mlops/work").iterdir())


def test_a_step_that_waits_or_will_be_tried_again_does_not_start(mlops, project):
    steps(project, "a", "b", b="a",
          more="[step.r]\ncmd = sh -c 'echo x >> tries; exit 1'\nretries = 5\nbackoff = 1h..1h\n")
    run = start(project, "run", "-j", "2", "-k", "--json")
    running(project, "a")
    wait_for(lambda: (project / "tries").exists())
    wait_for(lambda: states(mlops, project).get("r") == "failed")
    for name in ("b", "r"):
        status, out, err = mlops("stop", "last", name, cwd=project)
        assert (status, out) == (0, f"will not start: {name}\n"), err
    message, _, fix = fails(mlops, project, 3, "stop", "last", "bb")
    assert "has no step 'bb'" in message and "'b'" in fix
    go(project, "a", "b")
    out, _ = run.communicate(timeout=20)
    assert {s["name"]: s["state"] for s in result_of(out)["steps"]} == {"a": "ok", "b": "killed", "r": "killed"}
    assert not (project / "b.txt").exists() and (project / "tries").read_text() == "x\n"


def test_an_ended_step_of_a_run_that_goes_on_cannot_be_stopped(mlops, project):
    steps(project, "a", "b", b="a")
    run = start(project, "run")
    running(project, "a")
    go(project, "a")
    running(project, "b")
    message, _, _ = fails(mlops, project, 4, "stop", "last", "a", told=True)
    assert "has ended already" in message
    go(project, "b")
    assert run.wait(20) == 0


def test_instances_are_stopped_by_a_pattern(mlops, project):
    (project / "one.sh").write_text("echo > $MLOPS_MATRIX_K.pid; while [ ! -e go ]; do sleep 0.02; done\n")
    (project / "pipeline.ini").write_text("[step.t]\ncmd = sh one.sh\nmatrix.k = a1, a2, b1\n")
    run = start(project, "run", "-j", "3", "--json")
    for name in ("a1", "a2", "b1"):
        wait_for(lambda name=name: (project / f"{name}.pid").exists())
    stopped = result_of(mlops("stop", "last", "t@a*", "--json", cwd=project).out)
    assert sorted(stopped["stopped"]) == ["t@a1", "t@a2"]
    (project / "go").touch()
    out, _ = run.communicate(timeout=20)
    assert {s["name"]: s["state"] for s in result_of(out)["steps"]} == {"t@a1": "killed", "t@a2": "killed", "t@b1": "ok"}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_the_run_of_another_user_cannot_be_stopped(mlops, project):
    steps(project, "a")
    run = start(project, "run")
    running(project, "a")
    wait_for(lambda: active(mlops, project))
    for path in (project, *project.parents[:4]):
        os.chmod(path, 0o777)
    subprocess.run(["chmod", "-R", "a+rwX", project], check=True)
    done = subprocess.run([MLOPS, "stop", "last"], cwd=project, env=ENV, user=65534, group=65534, extra_groups=[],
                          capture_output=True, text=True)
    assert done.returncode == 6 and "of another user" in done.stderr, (done, run.poll())
    go(project, "a")
    assert run.wait(20) == 0


# -- runs --active --

def test_active_runs_are_told_and_a_lost_one_is_not_called_active(mlops, project):
    assert mlops("runs", "--active", cwd=project).out == "no run is going on\n"
    steps(project, "a", "b", "c", c="b")
    run = start(project, "run", "-j", "2")
    running(project, "a", "b")
    wait_for(lambda: len(active(mlops, project)[0]["running"]) == 2)
    [found] = active(mlops, project)
    assert found["pid"] == run.pid and found["host"] and (found["done"], found["total"]) == (0, 3)
    assert sorted(s["step"] for s in found["running"]) == ["a", "b"]
    go(project, "b")
    running(project, "c")
    wait_for(lambda: [s["step"] for s in active(mlops, project)[0]["running"]] == ["a", "c"])
    assert active(mlops, project)[0]["done"] == 1
    table = mlops("runs", "--active", cwd=project).out.splitlines()
    assert re.search(r"\s1/3\s+a \S+ m?s, c ", table[1])
    run.kill()
    run.wait()
    [found] = active(mlops, project)
    assert found["state"] == "lost" and "pid" not in found
    assert "lost: its process is gone" in mlops("runs", "--active", cwd=project).out
    message, _, fix = fails(mlops, project, 4, "stop", "last")
    assert "its process is gone" in message and "mlops run" in fix
    go(project, "a", "c")
    assert mlops("run", cwd=project).status == 0 and not active(mlops, project)


# -- signals --

def test_hangup_stops_gracefully_but_not_under_nohup(mlops, project):
    steps(project, "a")
    run = start(project, "run")
    [pid] = running(project, "a")
    run.send_signal(signal.SIGHUP)
    assert run.wait(20) == 130 and not alive(pid)
    (project / "a.pid").unlink()
    run = start(project, "run", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    [pid] = running(project, "a")
    run.send_signal(signal.SIGHUP)
    assert active(mlops, project)[0]["state"] == "running" and alive(pid)
    go(project, "a")
    assert run.wait(20) == 0


def test_an_interrupt_ends_what_is_being_restored(mlops, project):
    steps(project, "a")
    go(project, "a")
    assert mlops("run", cwd=project).status == 0
    (project / "a.txt").unlink()
    steps(project, "a", "b")
    run = start(project, "run", "-j", "2", env={"MLOPS_FAILPOINT": "task.restores=sleep:1500"})
    running(project, "b")
    if (project / "a.txt").exists():
        run.kill()
        pytest.skip("needs a build with failpoints")
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=20)
    assert run.returncode == 130 and "killed   a" in err and not (project / "a.txt").exists()
    go(project, "b")
    assert mlops("run", cwd=project).status == 0 and (project / "a.txt").read_text() == "a\n"


def test_a_closed_terminal_stops_gracefully(mlops, project, on_terminal):
    steps(project, "a")
    with on_terminal(MLOPS, "run") as terminal:
        [pid] = running(project, "a")
        wait_for(lambda: active(mlops, project))
        terminal.close()
        terminal.wait()
    assert not alive(pid) and shown(mlops, project)["run"]["status"] == "KILLED"


def test_ctrl_z_stops_the_steps_too_and_fg_goes_on(mlops, project, on_terminal):
    steps(project, "a")
    ini = project / "pipeline.ini"
    ini.write_text(ini.read_text() + "timeout = 2s\n")
    with on_terminal("sh", "-i") as shell:
        shell.until("% ")
        shell.type(f"{MLOPS} run\n")
        [pid] = running(project, "a")
        [found] = wait_for(lambda: active(mlops, project))
        shell.until("steps")
        shell.type("\x1a")
        shell.until("% ")
        assert state_of(found["pid"]) == "T"
        wait_for(lambda: state_of(pid) == "T")
        time.sleep(2.2)  # the timeout would be over
        shell.type("fg\n")
        wait_for(lambda: state_of(pid) != "T")
        shell.until("a  ")  # the view is back
        go(project, "a")
        shell.until("1 ran")
        shell.type("exit\n")
        assert shell.wait() == 0
    assert states(mlops, project) == {"a": "ok"}


def test_in_the_background_there_is_no_view(mlops, project, on_terminal):
    steps(project, "a", "b", b="a")
    with on_terminal("sh", "-i") as shell:
        shell.until("% ")
        shell.type(f"{MLOPS} run\n")
        running(project, "a")
        shell.until("steps")
        shell.type("\x1a")
        shell.until("% ")
        shell.type("bg\n")
        shell.until("% ")
        go(project, "a")
        running(project, "b")
        time.sleep(0.3)
        shell.read()
        assert "/2 steps" not in shell.seen
        assert "done" in shell.seen
        shell.type("fg\n")
        shell.until("1/2 steps")
        go(project, "b")
        shell.until("2 ran")
        shell.type("exit\n")
        assert shell.wait() == 0


@pytest.mark.parametrize("args, stream", [(["--json"], "stdout"), ([], "stderr")])
def test_a_reader_that_left_stops_the_run_gracefully(mlops, project, args, stream):
    steps(project, "a", more="[step.talk]\ncmd = sh -c 'while :; do echo hello; sleep 0.05; done'\n")
    run = start(project, "run", "-j", "2", *args)
    [pid] = running(project, "a")
    getattr(run, stream).close()
    assert run.wait(20) == 130 and not alive(pid)
    assert shown(mlops, project)["run"]["status"] == "KILLED"


@pytest.mark.parametrize("signo", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_it_plans_leaves_no_trace(mlops, project, signo):
    steps(project, "a")
    first = start(project, "run")
    running(project, "a")
    waiting = start(project, "run")
    assert "waiting for process" in waiting.stderr.readline()
    waiting.send_signal(signo)
    assert waiting.wait(20) == 130
    go(project, "a")
    assert first.wait(20) == 0
    assert len(result_of(mlops("runs", "--json", cwd=project).out)["runs"]) == 1


# -- many steps --

def test_many_instances_are_told_by_their_counts(mlops, project, on_terminal):
    (project / "pipeline.ini").write_text(
        "[step.t]\ncmd = sh -c 'while [ $MLOPS_MATRIX_I = 7 -a ! -e go ]; do sleep 0.02; done; test $MLOPS_MATRIX_I != 3'\n"
        "matrix.i = 1..60\n")
    with on_terminal(MLOPS, "run", "-k", "-j", "2", columns=70, rows=12) as terminal:
        wait_for(lambda: active(mlops, project))
        terminal.until("59/60 done, 1 running, 1 failed   slowest t@7 ")
        terminal.resize(20, 12)
        terminal.until("59/60")
        terminal.seen = ""
        terminal.until("59/60")
        view = terminal.until("59/60")
        assert max(len(re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line)) for line in view.split("\r\n")) <= 20
        (project / "go").touch()
        terminal.until("60/60 done, 1 failed")
        assert terminal.wait() == 1
    status, out, err = mlops("run", "-k", "-f", "-j", "2", cwd=project)
    lines = err.splitlines()
    assert status == 1 and sum(line.startswith("running  t@") for line in lines) == 20
    assert sum(line.startswith("failed   t@3") for line in lines) == 1
    assert any(line.startswith("all of   t  60/60 done, 1 failed") for line in lines)
    assert "59 ran, 1 failed" in out


def test_json_is_complete_whatever_the_number_of_steps(mlops, project):
    (project / "pipeline.ini").write_text("[step.t]\ncmd = true\nmatrix.i = 1..30\n")
    out = mlops("run", "--json", cwd=project).out
    events = [json.loads(line) for line in out.splitlines()]
    ended = [e["step"] for e in events if e.get("event") == "step" and e["state"] == "ok"]
    assert len(set(ended)) == 30
    groups = [e["groups"] for e in events if e.get("event") == "run"]
    assert groups[0] == [{"group": "t", "total": 30}]
