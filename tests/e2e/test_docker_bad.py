# SPDX-License-Identifier: Apache-2.0
"""Containers and bad input: no engine, odd inputs and outputs, floods, bombs."""
import os
import signal
import socket

import pytest
from boxes import Box
from steps import wait_for

SECONDS = 50


@pytest.fixture
def box(engine, project):
    return Box(project, engine.host)


@pytest.mark.parametrize("host, words", [
    ("unix:///nonexistent/d.sock", "no container engine answers"),
    ("tcp://127.0.0.1:2375", "TLS"),
    ("ssh://me@host", "ssh"),
    ("nonsense", "nonsense"),
])
def test_addresses_that_are_no_engine(project, host, words):
    box = Box(project, host)
    box.step("echo o > out.txt")
    message, fix = box.fails(5, "run")
    assert words in message + fix and fix


def test_a_socket_that_nobody_serves(project, tmp_path_factory):
    place = tmp_path_factory.mktemp("s") / "d.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(place))
    box = Box(project, f"unix://{place}")
    box.step("echo o > out.txt")
    message, fix = box.fails(5, "run")
    assert "refused" in message and fix


def test_an_input_that_the_step_s_user_cannot_read(box):
    box.write("data/open.txt", "x")
    box.write("data/closed.txt", "x").chmod(0o600)
    box.step("cat data/closed.txt > out.txt", inputs=["data"])
    message, fix = box.fails(5, "run")
    assert "data/closed.txt" in message and "chmod" in fix and "65532" in message
    assert box.log() is None, "it is told before anything runs"


def test_ten_thousand_inputs(box):
    (box.project / "data").mkdir()
    for number in range(10_000):
        (box.project / "data" / f"{number}.txt").write_text("x")
    box.step("ls data | wc -l > out.txt; cat data/9999.txt >> out.txt; "
             "(echo y > data/0.txt) && echo writable >> out.txt; true",
             inputs=["data/*.txt"])
    box.run()
    assert box.read("out.txt") == "10000\nx"
    assert box.run()["steps"] == []
    box.check_whole()


def test_inputs_beside_outputs_and_inside_each_other(box):
    box.write("d/in.txt", "in\n")
    box.write("d/sub/x.txt", "x\n")
    box.step("cat d/in.txt d/sub/x.txt > d/out.txt; mkdir -p d/o; echo n > d/o/n", out="d/out.txt, d/o",
             inputs=["d/in.txt", "d/sub", "d/sub/x.txt"])
    box.run()
    assert box.read("d/out.txt") == "in\nx\n" and box.read("d/o/n") == "n\n"
    assert box.read("d/in.txt") == "in\n"


def test_names_that_are_hard_to_quote(box):
    names = ["a b.txt", "quo'te", "dollar$x", "comma;semi", "ünï", "-dash", "co:lon", "eq=al"]
    for name in names:
        box.write(f"in/{name}", name)
    box.step("cat in/* > out.txt; mkdir 'an out'; echo x > 'an out/a:b'", inputs=["in"], out="out.txt\n an out")
    box.run()
    for name in names:
        assert name in box.read("out.txt")
    assert box.read("an out/a:b") == "x\n"
    box.step("cat 'in/co:lon' 'in/a b.txt' > out.txt", inputs=["in/co:lon", "in/a b.txt"])
    box.run()
    assert box.read("out.txt") == "co:lona b.txt"


def test_an_input_that_is_a_symlink(box):
    box.write("real/x.txt", "x")
    (box.project / "link.txt").symlink_to("real/x.txt")
    (box.project / "linkdir").symlink_to("real")
    box.step("cat link.txt linkdir/x.txt > out.txt", inputs=["link.txt", "linkdir/x.txt"])
    got, _, err = box.mlops("run")
    if got == 0:
        assert box.read("out.txt") == "xx"
    else:
        assert "link" in err and "help: " in err, err


@pytest.mark.parametrize("make, words", [
    ("mkfifo out.txt", "out.txt"),
    ("ln -s /etc/passwd out.txt", "out.txt"),
    ("ln -s ../../../../../pipeline.ini out.txt", "out.txt"),
    ("true", "out.txt"),
], ids=["fifo", "absolute-link", "escaping-link", "nothing"])
def test_outputs_that_cannot_be_kept(box, make, words):
    box.write("out.txt", "mine")
    box.step(make)
    got, _, err = box.mlops("run")
    assert got in (1, 2, 5) and words in err and "error: " in err, err
    assert box.read("out.txt") == "mine", "the old one stays"
    box.ok("fsck")


def test_odd_things_inside_a_directory(box):
    box.step("mkdir out.d; echo x > out.d/x; mkfifo out.d/pipe; ln -s /etc/hostname out.d/abs", out="out.d")
    got, _, err = box.mlops("run")
    assert got in (1, 2, 5) and ("pipe" in err or "abs" in err), err
    box.ok("fsck")


def test_a_device_node_as_an_output(box):
    """Only root inside could make one, and has no right to."""
    box.step("mknod out.txt c 1 3", user="root")
    got, _, err = box.mlops("run")
    assert got == 1 and b"not permitted" in box.log(), err


def test_a_directory_where_a_file_was(box):
    box.step("echo file > out.txt")
    box.run()
    box.step("mkdir out.txt; echo inside > out.txt/x")
    box.run()
    assert box.read("out.txt/x") == "inside\n"
    box.step("echo file again > out.txt")
    box.run()
    assert box.read("out.txt") == "file again\n"


def test_a_step_that_cannot_be_entered_by_others(box):
    """Modes of a step must not lock us, or it, out of what it leaves."""
    box.step("umask 777; mkdir d; (umask 0; echo x > f; chmod 000 f)", out="d, f")
    got, _, err = box.mlops("run")
    assert got in (0, 1), err
    box.ok("fsck")
    box.check_whole()


def test_a_fork_bomb_is_contained(box, engine):
    box.step("while :; do sleep 60 & done", timeout="20s")
    got, _, err = box.mlops("run")
    assert got == 1, err
    assert b"fork" in box.log() or "timeout" in err
    assert not engine.containers()


def test_a_step_that_fills_its_temporary_directory(box):
    box.step("dd if=/dev/zero of=/tmp/x bs=1M count=64", mem="32M")
    got, _, err = box.mlops("run")
    assert got == 5 and "out of memory" in err or got == 1 and b"space" in box.log(), (err, box.log())


def test_a_gpu_where_there_is_none(box, engine):
    if any("nvidia" in name for name in engine.get("/info")["Runtimes"]):
        pytest.skip("this machine has one")
    box.step("true", gpu=1)
    got, _, err = box.mlops("run")
    assert got in (1, 5) and "gpu" in err.lower() and "help: " in err, err
    assert not engine.containers()


def test_a_program_that_the_image_lacks(box):
    box.write("pipeline.ini", "[step.one]\nimage = busybox-test\ncmd = no-such-program x\nout = out.txt\n")
    got, _, err = box.mlops("run")
    assert got in (1, 5) and "no-such-program" in err, err


def test_the_whole_project_is_no_input(box):
    box.write("pipeline.ini", "[step.one]\nimage = busybox-test\ncmd = true\nin = .\n")
    got, _, err = box.mlops("run")
    assert got == 2 and "help: " in err, err


def test_background_processes_end_with_the_step(box, engine):
    box.step("sleep 300 & (while :; do echo late >> out.txt; sleep 0.05; done) & echo o > out.txt; sleep 0.3")
    box.run()
    first = box.read("out.txt")
    assert first.startswith("o\n")
    assert box.run()["steps"] == [] and box.read("out.txt") == first


def test_an_input_removed_between_planning_and_start(box):
    box.write("pipeline.ini", """[pipeline]
image = busybox-test
[step.slow]
image = none
cmd = sh -c 'rm -f later.txt; echo s > slow.txt'
out = slow.txt
[step.after]
cmd = cat later.txt slow.txt
in = later.txt, slow.txt
""")
    box.write("later.txt", "x")
    got, _, err = box.mlops("run")
    assert got == 3 and "later.txt" in err, err
    box.check_whole()


def test_an_engine_on_which_nothing_is_ours_is_left_alone(box, engine):
    """A foreign container with a name like ours, without our labels."""
    made = engine.api("POST", "/containers/create?name=mlops-deadbeef-one-1",
                      {"Image": "busybox-test", "Cmd": ["sleep", "60"], "HostConfig": {"NetworkMode": "none"}}).json()
    box.step("echo o > out.txt")
    running = box.start("run")
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    box.run()
    assert [c["Id"] for c in engine.containers()] == [made["Id"]]


def test_a_step_killed_from_outside(box, engine):
    box.step("echo begun; sleep 60")
    running = box.start("run")
    wait_for(lambda: b"begun" in (box.log() or b""))
    engine.api("POST", f"/containers/{engine.steps()[0]['Id']}/kill?signal=KILL")
    _, err = running.communicate(timeout=60)
    assert running.returncode == 1 and "kill" in err.lower(), err


def test_a_container_removed_from_outside(box, engine):
    box.step("echo begun; sleep 60")
    running = box.start("run")
    wait_for(lambda: b"begun" in (box.log() or b""))
    engine.remove_all()
    _, err = running.communicate(timeout=60)
    assert running.returncode in (1, 5) and "error: " in err, err
    box.check_whole()
