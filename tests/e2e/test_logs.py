# SPDX-License-Identifier: Apache-2.0
"""mlops logs: what was printed and when, following a run to its end, and files in the way that are no logs."""
import json
import os
import re
import signal
import threading

import pytest
from steps import fails, run_ok, start, wait_for

SECONDS = 14

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


def test_following_a_run_that_fails_fails(mlops, project, background, follow):
    write_steps(project, "", "a")
    (project / "fail.a").touch()
    run = background("run")
    a_log(project, "a")
    finish, lines = follow("logs", "-f")
    (project / "go.a").touch()
    assert finish() == 1 and lines == ["a begun\n", "a ended\n"]
    assert run.wait(20) == 1
    message, _, _ = fails(mlops, project, 1, "logs", "-f")
    assert re.fullmatch("run [0-9a-f]{8} failed", message)
    assert mlops("logs", cwd=project)[0] == 0


@pytest.mark.parametrize("signo", [signal.SIGKILL, signal.SIGINT])
def test_following_ends_with_a_killed_run(project, background, follow, signo):
    write_steps(project, "", "a")
    run = background("run")
    a_log(project, "a")
    finish, lines = follow("logs", "-f")
    wait_for(lambda: lines == ["a begun\n"])
    run.send_signal(signo)
    assert finish() == 130 and lines == ["a begun\n"]


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


# ---- long logs ----

def numbers(project, name, last, more=""):
    """A step that prints the numbers from 1 on, and waits for go.NAME in the middle."""
    return (f"[step.{name}]\ncmd = sh -c 'seq {last // 2}; while [ ! -e go.{name} ]; do sleep 0.02; done; "
            f"seq {last // 2 + 1} {last}'\n{more}")


def check_cut(text, last):
    """Numbers from 1 to the last, but for what is said to be cut; those before and behind the cuts."""
    at, cuts, kept = 0, 0, 0
    for line in text.splitlines():
        cut = re.fullmatch(r"\.\.\. cut: (\d+) lines, (\d+) bytes \.\.\.", line)
        if cut:
            missing = range(at + 1, at + 1 + int(cut[1]))
            assert sum(len(str(n)) + 1 for n in missing) == int(cut[2])
            at, cuts = missing[-1], cuts + 1
        else:
            at, kept = at + 1, kept + 1
            assert line == str(at)
    assert last is None or at == last
    return cuts, kept


def test_a_log_that_becomes_compressed_is_followed_line_by_line(mlops, project, background, follow):
    last = 60000
    (project / "pipeline.ini").write_text(numbers(project, "a", last) + numbers(project, "b", 2, "after = a\n"))
    background("run")
    plain = a_log(project, "a")
    finish, lines = follow("logs", "-f", "last", "a")
    wait_for(lambda: len(lines) == last // 2)
    (project / "go.a").touch()
    wait_for(lambda: not plain.exists())
    (project / "go.b").touch()
    assert finish() == 0 and check_cut("".join(lines), last) == (0, last)
    assert plain.with_suffix(".log.zst").exists()
    assert mlops("logs", "last", "a", cwd=project)[1] == "".join(lines)


def test_of_a_long_log_head_and_tail_are_kept(mlops, project):
    last = 400000
    (project / "pipeline.ini").write_text(f"[step.a]\ncmd = seq {last}\n")
    run_ok(mlops, project, env={"MLOPS_LOG_MAX": "1M"})
    text = mlops("logs", cwd=project)[1]
    cuts, kept = check_cut(text, last)
    head = text.index("... cut")
    assert cuts == 1 and 0.8 < head / (len(text) - head) < 1.25
    size = len(text) + 16 * kept
    assert 1000000 < size < (1 << 20) + 100
    event = next(e for e in map(json.loads, mlops("logs", "--json", cwd=project)[1].splitlines()) if e["stream"] == "cut")
    assert event["text"].startswith("... cut: ") and event["step"] == "a"


def starts_behind(segment, lines):
    return segment.exists() and int(segment.read_bytes().split(b" ", 3)[2]) > lines


def test_the_log_of_a_killed_run_is_whole_but_for_its_cut(mlops, project, background):
    (project / "pipeline.ini").write_text("[step.a]\ncmd = seq 1000000000\n")
    (project / ".mlops/config.ini").write_text("[log]\nmax = 1M\n")
    run = background("run", "-q")
    plain = a_log(project, "a")
    wait_for(lambda: starts_behind(plain.with_suffix(".log.1"), 300000))
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    text = mlops("logs", cwd=project)[1]
    last = text.splitlines()[-1]
    cuts, kept = check_cut(text[:len(text) - len(last) - 1], None)  # the last line may be a part of one
    assert cuts == 1 and kept > 40000
    assert fails(mlops, project, 130, "logs", "-f", "-n", "1")


def test_a_run_killed_while_it_compresses_tells_no_line_twice(mlops, project):
    (project / "pipeline.ini").write_text("[step.a]\ncmd = seq 5000\n")
    run = start(project, "run", env={"MLOPS_FAILPOINT": "steplog.packed=kill"})
    if run.wait(60) != -signal.SIGKILL:
        pytest.skip("needs a build with failpoints")
    assert len(list(project.glob(".mlops/logs/*/a.log*"))) == 2
    assert check_cut(mlops("logs", cwd=project)[1], 5000) == (0, 5000)


# ---- attempts, instances, times ----

def test_attempts_follow_each_other(mlops, project, background, follow):
    (project / "pipeline.ini").write_text("""[step.a]
cmd = sh -c 'echo x >> tries; wc -l < tries; while [ ! -e go ]; do sleep 0.02; done; [ $(wc -l < tries) = 3 ]'
retries = 5
backoff = 1ms..1ms
""")
    background("run")
    a_log(project, "a")
    finish, lines = follow("logs", "-f")
    wait_for(lambda: lines == ["1\n"])
    (project / "go").touch()
    assert finish() == 0
    assert lines == ["1\n", "-- attempt 2 --\n", "2\n", "-- attempt 3 --\n", "3\n"]
    assert mlops("logs", cwd=project)[1] == "".join(lines)
    events = [json.loads(line) for line in mlops("logs", "--json", cwd=project)[1].splitlines()]
    assert [(e["step"], e["attempt"], e["stream"], e["text"]) for e in events] == [
        ("a", 1, "stdout", "1"), ("a", 2, "stdout", "2"), ("a", 3, "stdout", "3")]
    assert mlops("logs", "-n", "1", cwd=project)[1] == "-- attempt 3 --\n3\n"


@pytest.fixture
def hours(mlops, project):
    """A run of three instances and another step, each with lines of its own minutes."""
    (project / "pipeline.ini").write_text(
        "[step.m]\nmatrix.x = 1..3\ncmd = sh -c 'echo $MLOPS_MATRIX_X'\n[step.z]\ncmd = echo z\nafter = m\n")
    run_ok(mlops, project, "-j", "1")
    base = 1800000000000
    for log in project.glob(".mlops/logs/*/m@*.log"):
        n = int(log.stem[-1])
        log.write_text("".join(f"{base + minute * 60000 + n} o {minute}.{n}\n" for minute in range(3)))
    return lambda *args: mlops("logs", *args, cwd=project, env={"TZ": "UTC"})[1].splitlines()


def test_instances_are_chosen_by_step_and_by_pattern(mlops, project, hours):
    every = [f"m@{n} | {minute}.{n}" for n in (1, 2, 3) for minute in range(3)]
    assert hours("last", "m") == hours("m") == hours("last", "m@*") == every
    assert hours() == every + ["z | z"]
    assert hours("last", "m@[12]") == every[:6]
    assert hours("last", "m@2") == ["0.2", "1.2", "2.2"]
    message, _, _ = fails(mlops, project, 3, "logs", "last", "m@4")
    assert "no log of step m@4" in message


def test_the_last_lines_are_those_of_all_steps_by_time(hours):
    assert hours("last", "m", "--tail", "4") == ["m@3 | 1.3", "m@1 | 2.1", "m@2 | 2.2", "m@3 | 2.3"]
    assert hours("last", "m@2", "-n", "2") == ["1.2", "2.2"]
    assert hours("-n", "0") == [] and len(hours("-n", "100")) == 10


def test_lines_since_a_time(hours):
    # 1800000000 is 2027-01-15T08:00:00Z
    assert hours("last", "m", "--since", "2027-01-15T08:02") == ["m@1 | 2.1", "m@2 | 2.2", "m@3 | 2.3"]
    assert hours("last", "m@2", "--since", "2027-01-15T09:01+01:00", "-n", "1") == ["2.2"]
    assert len(hours("--since", "2027-01-15")) == 9 and hours("--since", "2027-01-16") == []


@pytest.mark.parametrize("options, message", [
    (["--since", "1700000000"], "'1700000000' is no moment"), (["--since", "2026-02-30"], "'2026-02-30' is no moment"),
    (["--since", ""], "'' is no moment"), (["--tail", "-1"], "not '-1'"), (["--tail", "many"], "not 'many'"),
    (["--tail", "100001"], "at most 100000 lines"), (["--since"], "needs a value")])
def test_a_bad_option_is_refused(mlops, project, ended, options, message):
    told, _, fix = fails(mlops, project, 2, "logs", *options)
    assert message in told and fix


def test_a_limit_too_small_is_refused(mlops, project):
    message, _, fix = fails(mlops, project, 2, "config", "log.max", "1000k")
    assert message == "log.max cannot be '1000k'" and fix == "give 0, or 1M or more"


def test_a_damaged_log_keeps_nobody_from_the_others(mlops, project):
    (project / "pipeline.ini").write_text("[step.a]\ncmd = seq 5000\n[step.b]\ncmd = echo b\nafter = a\n")
    run_ok(mlops, project)
    packed = next(project.glob(".mlops/logs/*/a.log.zst"))
    packed.write_bytes(packed.read_bytes()[:-9])
    status, out, err = mlops("logs", cwd=project)
    assert status != 0 and out == "b | b\n" and "a.log.zst is damaged" in err
    assert err.count("error: ") == 1
