# SPDX-License-Identifier: Apache-2.0
"""mlops logs: following a run of several steps, and files in the way that are no logs."""
import os
import signal
import threading

import pytest
from steps import fails, run_ok, start, wait_for

SECONDS = 10

# Says who it is, and goes on when it is told to.
STEP = """\
echo "$1 begun"
while [ ! -e go.$1 ]; do sleep 0.02; done
echo "$1 ended"
test ! -e fail.$1
"""


def write_steps(project, *after):
    (project / "step.sh").write_text(STEP)
    (project / "pipeline.ini").write_text("".join(
        f"[step.{name}]\ncmd = sh step.sh {name}\n" + (f"after = {need}\n" if need else "")
        for name, need in zip("abc", after)))


@pytest.fixture
def background(project):
    """start() in the project; what still runs at the end is killed."""
    running = []

    def run(*args):
        running.append(start(project, *args))
        return running[-1]

    yield run
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def follow(background):
    """follow("logs", "-f"): the process, and the lines that it has printed so far."""

    def run(*args):
        process, lines = background(*args), []
        reader = threading.Thread(target=lambda: lines.extend(iter(process.stdout.readline, "")), daemon=True)
        reader.start()

        def finish():
            status = process.wait(20)
            reader.join(20)
            return status

        return finish, lines

    return run


def a_log(project, name):
    return wait_for(lambda: list(project.glob(f".mlops/logs/*/{name}.log")))[0]


def test_each_step_is_followed_as_it_runs(project, background, follow):
    write_steps(project, "", "a", "b")
    run = background("run", "-j", "1")
    a_log(project, "a")
    finish, lines = follow("logs", "-f")
    wait_for(lambda: lines == ["a begun\n"])
    (project / "go.a").touch()
    wait_for(lambda: "b | b begun\n" in lines)
    (project / "go.b").touch()
    wait_for(lambda: "c | c begun\n" in lines)
    (project / "go.c").touch()
    assert finish() == 0 and run.wait(20) == 0
    assert [line.split(" | ")[-1] for line in lines] == [
        f"{name} {what}\n" for name in "abc" for what in ("begun", "ended")]


def test_steps_at_the_same_time_are_followed_together(project, background, follow):
    write_steps(project, "", "", "")
    background("run", "-j", "3")
    for name in "abc":
        a_log(project, name)
    finish, lines = follow("logs", "-f")
    wait_for(lambda: sorted(lines) == [f"{name} | {name} begun\n" for name in "abc"])
    for name in "cba":
        (project / f"go.{name}").touch()
        wait_for(lambda: f"{name} | {name} ended\n" in lines)
    assert finish() == 0 and len(lines) == 6


def test_one_step_is_waited_for_and_has_no_prefix(project, background, follow):
    write_steps(project, "", "a")
    background("run")
    a_log(project, "a")
    finish, lines = follow("logs", "-f", "last", "b")
    (project / "go.a").touch()
    wait_for(lambda: lines == ["b begun\n"])
    (project / "go.b").touch()
    assert finish() == 0 and lines == ["b begun\n", "b ended\n"]


def test_following_a_run_that_fails_is_no_failure(project, background, follow):
    write_steps(project, "", "a")
    (project / "fail.a").touch()
    run = background("run")
    a_log(project, "a")
    finish, lines = follow("logs", "-f")
    (project / "go.a").touch()
    assert finish() == 0 and lines == ["a begun\n", "a ended\n"]
    assert run.wait(20) == 1


def test_following_ends_with_a_killed_run(project, background, follow):
    write_steps(project, "", "a")
    run = background("run")
    a_log(project, "a")
    finish, lines = follow("logs", "-f")
    wait_for(lambda: lines == ["a begun\n"])
    run.send_signal(signal.SIGKILL)
    assert finish() == 0 and lines == ["a begun\n"]


def test_following_a_step_that_never_came_says_so(project, background):
    write_steps(project, "", "a")
    background("run")
    a_log(project, "a")
    follow = background("logs", "-f", "last", "z")
    (project / "go.a").touch()
    (project / "go.b").touch()
    _, err = follow.communicate(timeout=20)
    assert follow.returncode == 3 and "no log of step z" in err


@pytest.fixture
def ended(mlops, project):
    """The directory of the logs of a run of step a."""
    write_steps(project, "")
    (project / "go.a").touch()
    run_ok(mlops, project)
    return a_log(project, "a").parent


@pytest.mark.parametrize("options", [[], ["-f"]])
@pytest.mark.parametrize("piece, shown", [
    ("1700000000000 o half a li", "half a li\n"), ("1700000000000 o ", ""), ("1700000000000", ""), ("17000 e", "")])
def test_a_line_without_its_end_is_shown_when_the_run_has_ended(mlops, project, ended, options, piece, shown):
    with open(ended / "a.log", "a") as log:
        log.write(piece)
    assert mlops("logs", *options, cwd=project) == (0, "a begun\na ended\n" + shown, "")


def test_a_line_is_not_shown_before_its_end(mlops, project, background, follow):
    write_steps(project, "")
    background("run")
    log = a_log(project, "a")
    finish, lines = follow("logs", "-f")
    wait_for(lambda: lines == ["a begun\n"])
    with open(log, "a") as f:
        f.write("1700000000000 o half")
    assert mlops("logs", cwd=project)[1] == "a begun\n"
    with open(log, "a") as f:
        f.write(" and half\n")
    wait_for(lambda: lines == ["a begun\n", "half and half\n"])
    (project / "go.a").touch()
    assert finish() == 0


@pytest.mark.parametrize("options", [[], ["-f"]])
def test_what_is_no_log_is_left_alone(mlops, project, ended, options):
    (project / "secret").write_text("1700000000000 o secret\n")
    (ended / "a.log~").write_text("1700000000000 o backup\n")
    (ended / "x").write_text("1700000000000 o short\n")
    (ended / ".log").write_text("1700000000000 o nameless\n")
    (ended / "link.log").symlink_to(project / "secret")
    (ended / "dir.log").mkdir()
    os.mkfifo(ended / "fifo.log")
    assert mlops("logs", *options, cwd=project, timeout=20) == (0, "a begun\na ended\n", "")
    for name in ("link", "fifo", "dir", "a.log~"):
        message, _, _ = fails(mlops, project, 3, "logs", *options, "last", name)
        assert f"no log of step {name}" in message


def test_a_directory_without_logs_is_no_log(mlops, project, ended):
    (ended / "a.log").unlink()
    message, _, fix = fails(mlops, project, 3, "logs")
    assert "has no logs" in message and "mlops show" in fix
