# SPDX-License-Identifier: Apache-2.0
"""Kills of mlops and of the engine while steps run in containers: the next run takes over, and nothing is left.

Kills at system calls are against the fake engine, which counts how often each container
was started; those at named points, and all that happens to the engine itself, against a real one.
"""
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest
import sweep
from boxes import Box

SECONDS = 130

ARMED = os.environ.get("MLOPS_FAILPOINTS_PROGRAM", str(sweep.ROOT / "build/asan/mlops"))
WITHIN = 60  # seconds in which the next run must be done
LINES = [f"line {n}" for n in range(12)]
SCRIPT = "".join(f"echo {line}; sleep 0.02\n" for line in LINES) + "printf 'no end'; cat in.txt in.txt > out.txt\n"
PIPELINE = """\
[pipeline]
name = boxes
image = busybox-test
[step.one]
cmd = sh step.sh
in  = in.txt, step.sh
out = out.txt
[step.two]
cmd = sh -c 'cat out.txt in.txt > end.txt; echo two'
in  = out.txt, in.txt
out = end.txt
"""


def wait_for(condition, seconds=WITHIN):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("what was waited for did not come")


def make(directory, host, program=None):
    """A project that ran once, whose input changed."""
    directory.mkdir()
    box = Box(directory, host, mlops=program)
    box.ok("init")
    box.write("pipeline.ini", PIPELINE)
    box.write("step.sh", SCRIPT)
    box.write("in.txt", "old\n")
    box.ok("run")
    box.write("in.txt", "new\n")
    return box


def check_after(box):
    """Two more runs: the first ends what was begun, the second has nothing to do."""
    for name, whole in ("out.txt", ("old\nold\n", "new\nnew\n")), ("end.txt", ("old\nold\nold\n", "new\nnew\nnew\n")):
        path = box.project / name
        assert not path.exists() or path.read_text() in whole, path.read_text()
    box.ok("run", timeout=WITHIN)
    assert box.read("out.txt") == "new\nnew\n" and box.read("end.txt") == "new\nnew\nnew\n"
    assert box.log("one").decode().splitlines() == [*LINES, "no end"], "a gap or a double"
    again = box.run(timeout=WITHIN)
    assert again["steps"] == [] and again["run_id"] is None, again
    box.check_whole()


def test_kills_at_system_calls_of_a_run(fake, tmp_path, monkeypatch):
    monkeypatch.setitem(sweep.ENV, "DOCKER_HOST", fake.host)
    template = make(tmp_path / "template", fake.host)

    def check(work):
        check_after(Box(work, fake.host))
        for name, count in fake.starts.items():
            assert count == 1, f"{name} was started {count} times"
        assert fake.most_running <= 1, "two containers of one step at a time"
        wait_for(lambda: not fake.containers, 10)
        fake.forget()

    fake.forget()
    assert sweep.sweep(template.project, tmp_path, ["run", "-j", "1"], check, 5) > 25


def test_kills_at_system_calls_of_a_take_over(fake, tmp_path, monkeypatch):
    """The run that takes over is itself killed."""
    monkeypatch.setitem(sweep.ENV, "DOCKER_HOST", fake.host)
    template = make(tmp_path / "template", fake.host)
    fake.forget()
    running = template.start("run")
    wait_for(lambda: any(c.log for c in fake.steps()))
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    name = next(c.name for c in fake.steps())
    # The container is of the template's project; each copy gets one that looks like its own.
    left = next(c for c in fake.steps())
    wait_for(lambda: left.status == "exited")

    def put_back(work):
        fake.forget()
        body = {**left.body, "Labels": {**left.labels, "mlops.project": Box(work, fake.host).label()}}
        made = fake.create(name, body)
        made.status, made.code, made.log = "exited", 0, list(left.log)
        made.started, made.finished = left.started, left.finished
        # Inputs of a copy are younger than the container, as if somebody had touched them.
        note = next(pathlib.Path(work).glob(".mlops/work/*/one/container"))
        note.write_text(json.dumps({**json.loads(note.read_text()), "start": int(time.time() * 1000) + 1000}))

    def check(work):
        check_after(Box(work, fake.host))
        assert not any("-one-" in started for started in fake.starts), "what had ended ran again"
        wait_for(lambda: not fake.containers, 10)

    assert sweep.sweep(template.project, tmp_path, ["run", "-j", "1"], check, 11, put_back) > 10


# -- named points, on a real engine --

def armed():
    if not os.path.exists(ARMED):
        pytest.skip(f"no program with named points: {ARMED}")
    return ARMED


def points_of(box, host):
    """Names of the points that a run passes, in order."""
    path = box.project.parent / "points"
    box.ok("run", env={"MLOPS_FAILPOINT": f"list:{path}", "DOCKER_HOST": host})
    return list(dict.fromkeys(path.read_text().split()))


def killed_at(box, point):
    """A run may end before it passes a point of what goes on beside it."""
    status, _, err = box.mlops("run", env={"MLOPS_FAILPOINT": f"{point}=kill"})
    beside = point in ("docker.removed", "docker.closed")
    assert status == -signal.SIGKILL or status == 0 and beside, (point, status, err)


def test_kills_at_named_points(engine, tmp_path):
    program = armed()
    box = make(tmp_path / "p", engine.host, program)
    points = points_of(box, engine.host)
    boxed = [p for p in points if p.startswith(("docker.", "container.", "orphans."))]
    assert len(boxed) >= 12, points
    for number, point in enumerate(points):
        # A new key each time, so that no cached result answers.
        box.write("step.sh", f"# {number}\n{SCRIPT}")
        killed_at(box, point)
        try:
            check_after(box)
            wait_for(lambda: not engine.containers(), 20)
        except AssertionError as error:
            raise AssertionError(f"after a kill at {point}: {error}") from error


def test_kills_at_named_points_of_a_take_over(engine, tmp_path):
    program = armed()
    box = make(tmp_path / "p", engine.host, program)
    box.write("step.sh", f"# first\n{SCRIPT}")
    killed_at(box, "docker.started")
    points = [p for p in points_of(box, engine.host) if p.startswith(("docker.", "orphans."))]
    assert "orphans.adopted" in points
    for number, point in enumerate(points):
        if number % 3 and point != "orphans.adopted" and not sweep.SOAK:
            continue
        box.write("step.sh", f"# {number}\n{SCRIPT}")
        killed_at(box, "docker.started")
        status, _, err = box.mlops("run", env={"MLOPS_FAILPOINT": f"{point}=kill"})
        assert status in (0, -signal.SIGKILL), (point, err)
        try:
            check_after(box)
            wait_for(lambda: not engine.containers(), 20)
        except AssertionError as error:
            raise AssertionError(f"after a kill at {point} while taking over: {error}") from error


def test_an_unwanted_container_is_removed_by_the_next_run_too(engine, tmp_path):
    """Killed while it removes what nobody wants."""
    program = armed()
    box = make(tmp_path / "p", engine.host, program)
    killed_at(box, "docker.first_output")
    box.write("step.sh", f"# other\n{SCRIPT}")
    status, _, err = box.mlops("run", env={"MLOPS_FAILPOINT": "orphans.removed=kill"})
    assert status == -signal.SIGKILL, err
    check_after(box)
    wait_for(lambda: not engine.containers(), 20)


# -- what happens to the engine --

def begin_long(box, seconds):
    """A run whose step takes that long, when its output comes."""
    box.write("step.sh", f"echo begun\nsleep {seconds}\necho after\ncat in.txt > out.txt\n")
    running = box.start("run")
    wait_for(lambda: b"begun" in (box.log("one") or b""))
    return running


def test_an_engine_killed_under_a_step(engine, tmp_path):
    """Its containers end with it. The run says so, and the next one works."""
    box = make(tmp_path / "p", engine.host)
    running = begin_long(box, 30)
    engine.restart(signal.SIGKILL)
    out, err = running.communicate(timeout=WITHIN)
    assert running.returncode in (1, 5) and "error: step one" in err, (out, err)
    assert box.read("out.txt") == "old\nold\n", "the old output stays"
    box.check_whole()
    box.write("step.sh", SCRIPT)
    check_after(box)
    wait_for(lambda: not engine.containers())


def test_an_engine_that_is_gone_when_the_next_run_comes(engine, tmp_path):
    """mlops and the engine both die; without an engine the run says so; with one, it cleans up."""
    box = make(tmp_path / "p", engine.host)
    running = begin_long(box, 30)
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    engine.kill()
    message, fix = box.fails(5, "run")
    assert "container engine" in message and fix
    engine.start()
    box.write("step.sh", SCRIPT)
    check_after(box)
    wait_for(lambda: not engine.containers())


def test_an_engine_that_stands_still_for_a_while(engine, tmp_path):
    box = make(tmp_path / "p", engine.host)
    running = begin_long(box, 1)
    engine.freeze()
    time.sleep(3)
    assert running.poll() is None
    engine.thaw()
    out, err = running.communicate(timeout=WITHIN)
    assert running.returncode == 0, err
    assert box.log("one") == b"begun\nafter\n" and box.read("out.txt") == "new\n"
    box.check_whole()


def test_a_full_disk_of_the_project(engine, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk], check=True)
    try:
        box = make(disk / "p", engine.host)
        box.write("step.sh", "dd if=/dev/zero of=out.txt bs=1M count=64\n")
        status, _, err = box.mlops("run", timeout=WITHIN)
        assert status in (1, 5) and "error: " in err, err
        assert box.read("out.txt") == "old\nold\n"
        for left in pathlib.Path(box.project, ".mlops/failed").rglob("out.txt"):
            left.unlink()
        box.write("step.sh", SCRIPT)
        box.ok("run", timeout=WITHIN)
        assert box.run()["steps"] == [] and box.read("out.txt") == "new\nnew\n"
        box.ok("fsck")
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_of_the_engine(own_engine, tmp_path):
    """The log is what a step can fill it with. The engine drops what it cannot keep, and tells nobody; the run ends,
    and with room again all is well."""
    engine = own_engine(disk=16 << 20)
    engine.image("busybox-test")
    box = make(tmp_path / "p", engine.host)
    box.write("step.sh", "yes $(head -c 8000 /dev/zero | tr '\\0' x) | head -n 4000; cat in.txt in.txt > out.txt\n")
    status, out, err = box.mlops("run", timeout=WITHIN)
    if status:
        assert "error: " in err and ("space" in err or "log" in err), err
    engine.remove_all()
    box.write("step.sh", SCRIPT)
    check_after(box)
    wait_for(lambda: not engine.containers())
