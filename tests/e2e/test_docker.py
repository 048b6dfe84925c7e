# SPDX-License-Identifier: Apache-2.0
"""Steps in containers of a real engine: what one sees, may do, leaves behind and is told when it fails."""
import json
import os
import shutil
import signal
import stat
import subprocess
import time

import pytest
from boxes import Box
from steps import wait_for

SECONDS = 95
NOBODY = 65532
SOAK = bool(os.environ.get("MLOPS_SOAK"))


@pytest.fixture
def box(engine, project):
    return Box(project, engine.host)


def facts(box, script, **keys):
    """What a script wrote to out.txt, as words by the first of each line."""
    box.step(script, **keys)
    box.run()
    return {line.split()[0].rstrip(":"): line.split()[1:] for line in box.read("out.txt").splitlines() if line.split()}


def test_a_step_sees_its_inputs_and_nothing_else(box, engine):
    box.write("data/a/x.txt", "x")
    box.write("data/b.txt", "b")
    box.write("secret.txt", "not declared")
    box.step("find . -type f | sort > /tmp/found; cat /tmp/found data/a/x.txt data/b.txt > out.txt",
             inputs=["data/a", "data/b.txt"])
    assert box.run()["ran"] == 1
    seen = box.read("out.txt")
    assert "secret" not in seen
    assert seen == ("./data/a/x.txt\n./data/b.txt\n./step.sh\nxb")
    assert not engine.containers(), "a container of a recorded step goes, and the pauses with the run"
    again = box.run()
    assert again["steps"] == [] and again["run_id"] is None
    box.check_whole()


def test_the_box_has_no_rights(box):
    found = facts(box, """
        exec > out.txt
        grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status
        echo uid $(id -u) $(id -g)
        echo home $HOME
        echo pid1 $(cat /proc/1/comm)
        echo net $(ls /sys/class/net)
        echo workdir $PWD
        touch /etc/x 2>/dev/null && echo root writable || echo root read-only
        touch data.txt 2>/dev/null; (echo y > data.txt) 2>/dev/null && echo input writable || echo input read-only
        echo 'echo ran' > /tmp/x; chmod +x /tmp/x; echo tmp $(/tmp/x)
        echo metric $MLOPS_METRICS $MLOPS_PARAMS $MLOPS_SUMMARY
        echo host ${FROM_CALLER-unset}
        """, inputs=["data.txt"] if box.write("data.txt", "d") else ())
    assert int(found["CapEff"][0], 16) == int(found["CapBnd"][0], 16) == 0
    assert found["NoNewPrivs"] == ["1"] and found["Seccomp"] == ["2"]
    assert found["uid"] == [str(NOBODY)] * 2, "the caller is root, and so is the project's owner"
    assert found["home"] == ["/tmp"] and found["workdir"] == ["/w"] and found["tmp"] == ["ran"]
    assert found["pid1"] in (["docker-init"], ["tini"])
    assert found["net"] == ["lo"] and found["root"] == ["read-only"] and found["input"] == ["read-only"]
    assert found["metric"] == ["/mlops/metrics.jsonl", "/mlops/params.json", "/mlops/summary.md"]
    assert found["host"] == ["unset"]
    assert box.read("data.txt") == "d"


def test_network_and_user_are_asked_for(box, bridge):
    script = """exec > out.txt; echo net $(ls /sys/class/net); echo uid $(id -u); grep ^CapEff /proc/self/status
             touch mine; stat -c 'owner %u' mine"""
    found = facts(box, script, network="yes", user="root")
    assert found["uid"] == ["0"] and found["owner"] == ["0"] and int(found["CapEff"][0], 16) == 0
    assert found["net"] == (["lo"] if bridge == "none" else ["eth0", "lo"])
    assert (box.project / "out.txt").stat().st_uid == 0
    box.step(script, user="root")
    assert box.run()["ran"] == 1, "a step without network is another step"
    assert "net lo\n" in box.read("out.txt")
    box.step(script)
    assert box.run()["ran"] == 1
    assert f"uid {NOBODY}" in box.read("out.txt")
    box.step(script, network="yes", user="root")
    assert box.run()["cached"] == 1


def test_limits_hold(box):
    found = facts(box, """
        exec > out.txt
        for d in /sys/fs/cgroup /sys/fs/cgroup/memory /sys/fs/cgroup/pids /sys/fs/cgroup/cpu; do
            for f in memory.max memory.limit_in_bytes pids.max cpu.max cpu.cfs_quota_us; do
                [ -e $d/$f ] && echo $f $(cat $d/$f)
            done
        done
        echo done x""", cpu="0.5", mem="64M")
    memory = found.get("memory.max") or found.get("memory.limit_in_bytes")
    assert memory == [str(64 << 20)] and found["pids.max"] == ["4096"]
    assert (found.get("cpu.max") or found["cpu.cfs_quota_us"])[0] == "50000"


def test_parameters_metrics_and_summaries_go_through_files(box):
    box.step("""cat $MLOPS_PARAMS > out.txt; echo $MLOPS_PARAM_LR >> out.txt
             echo '{"key": "loss", "value": 0.5, "step": 1}' >> $MLOPS_METRICS
             echo '{"key": "loss", "value": 0.25, "step": 2}' >> $MLOPS_METRICS
             echo '# fine' > $MLOPS_SUMMARY; mkdir m; echo '{"auc": 0.9}' > m/m.json""",
             params="lr", metrics="m/m.json", more="[params]\nlr = 0.1\nother = 2\n")
    box.write("m/keep.txt", "not an output")
    result = box.run()
    whole, last = box.read("out.txt").rsplit("\n", 2)[:2]
    assert json.loads(whole) == {"lr": 0.1} and last == "0.1"
    shown = box.json("show", result["steps"][0]["run_id"])
    values = {name: m["value"] if isinstance(m, dict) else m for name, m in shown["run"]["metrics"].items()}
    assert values["loss"] == 0.25 and values["auc"] == 0.9
    assert box.read("m/keep.txt") == "not an output"


def test_outputs_belong_to_the_owner_and_have_usual_modes(box):
    box.step("""mkdir -p d/deep; echo 1 > d/deep/f; echo x > d/run; chmod 700 d/run; chmod 700 d/deep; echo f > f
             ln -s deep/f d/link""", out="d, f")
    box.run()
    for path in [box.project / "f", *sorted((box.project / "d").rglob("*"))]:
        status = path.lstat()
        assert status.st_uid == os.geteuid(), path
    assert stat.S_IMODE((box.project / "f").stat().st_mode) == 0o644
    assert stat.S_IMODE((box.project / "d/run").stat().st_mode) & 0o111
    assert (box.project / "d/link").read_text() == "1\n"


def test_undeclared_files_are_dropped_and_named(box):
    box.step("echo o > out.txt; echo l > left.txt; mkdir cache; echo c > cache/c")
    _, err = box.ok("run")
    assert "left.txt" in err and "cache" in err and "out=" in err
    assert not (box.project / "left.txt").exists() and not (box.project / "cache").exists()
    box.check_whole()


@pytest.mark.parametrize("says", ["cat utils.py", "echo \"ModuleNotFoundError: No module named 'utils'\" >&2; exit 1",
                                  "cat /w/utils.py"], ids=["name", "module", "inside"])
def test_a_log_that_names_an_undeclared_file_tells_the_fix(box, says):
    box.write("utils.py", "x = 1\n")
    box.step(says)
    _, fix = box.fails(1, "run")
    assert "add utils.py to in=" in fix
    assert not (box.project / "out.txt").exists()


def test_the_last_line_is_kept_without_an_end(box):
    lines = "".join(f"line {n}\n" for n in range(200))
    # Followed by then: a follower loses such a line more often than not.
    box.step("sleep 0.3; i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i+1)); done; printf 'no end'; "
             "echo o > out.txt")
    for again in range(3 if not SOAK else 50):
        box.run("--force")
        assert box.log() == (lines + "no end\n").encode(), again


def test_long_lines_and_both_streams(box):
    box.step("head -c 50000 /dev/zero | tr '\\0' x; echo; echo; echo err >&2; head -c 40000 /dev/zero | tr '\\0' y; "
             "echo o > out.txt")
    box.run()
    lines = box.log().splitlines()
    assert sorted(lines) == sorted([b"x" * 50000, b"", b"err", b"y" * 40000])


def test_a_flood_of_output_is_whole(box):
    count = 15_000_000 if SOAK else 100_000
    box.step(f"seq {count}; echo o > out.txt")
    box.run(timeout=600)
    assert box.log() == b"".join(b"%d\n" % n for n in range(1, count + 1))


def test_exit_statuses_and_signals_are_told(box):
    box.step("exit 7")
    message, _ = box.fails(1, "run")
    assert "7" in message
    box.step("kill -9 $$")
    message, _ = box.fails(1, "run")
    assert "kill" in message.lower() or "signal" in message.lower()
    box.step("kill -SEGV $$")
    message, _ = box.fails(1, "run")
    assert "SEGV" in message or "Segmentation" in message or "signal 11" in message or "139" in message


def test_out_of_memory_is_told_from_a_kill(box):
    box.step("exec tail /dev/zero", mem="16M")
    message, fix = box.fails(5, "run")
    assert "out of memory" in message and "mem=" in fix
    assert box.attempt()["state"] == "failed"


def test_a_child_out_of_memory_is_not_the_step(box):
    box.step("tail /dev/zero; exit 0", mem="16M", out="")
    box.run()


def test_peak_memory_is_a_sample(box):
    box.step("head -c 30000000 /dev/zero | tail -c 20000000 > /tmp/x; sleep 1.5; echo o > out.txt")
    box.run()
    attempt = box.attempt()
    assert attempt["sampled"] == 1 and attempt["max_rss"] > 0
    out, _ = box.ok("show", "last")
    assert "(sampled)" in out


def test_an_interrupted_run_ends_the_container_and_leaves_no_trace(box, engine):
    box.write("out.txt", "mine")
    box.step("trap 'echo ended; exit 3' TERM; echo begun; while :; do sleep 0.1; done")
    running = box.start("run")
    wait_for(lambda: b"begun" in (box.log() or b""))
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130, (out, err)
    assert b"ended" in box.log(), "TERM reaches what runs below process 1"
    wait_for(lambda: not engine.containers())
    assert box.read("out.txt") == "mine"
    box.check_whole()


def test_a_step_that_ignores_term_is_killed_after_its_timeout(box, engine):
    box.step("trap '' TERM; echo begun; while :; do sleep 1; done", timeout="1s")
    message, _ = box.fails(1, "run")
    assert "timeout" in message
    assert b"begun" in box.log() and not engine.containers()


def test_many_steps_share_few_pauses(box, engine):
    steps = "".join(f"[step.s{n}]\ncmd = sh -c 'readlink /proc/self/ns/net > {n}.net; sleep 0.2'\nout = {n}.net\n"
                    for n in range(6))
    box.write("pipeline.ini", "[pipeline]\nimage = busybox-test\n" + steps)
    assert box.run("-j", "2")["ran"] == 6
    assert len({box.read(f"{n}.net") for n in range(6)}) <= 2, "a network namespace a slot, not a step"
    assert not engine.containers()
    box.check_whole()


def test_local_and_boxed_steps_in_one_pipeline(box):
    box.write("pipeline.ini", """[pipeline]
image = busybox-test
[step.local]
image = none
cmd = sh -c 'cat in.txt > mid.txt; id -u >> mid.txt'
in = in.txt
out = mid.txt
[step.box]
cmd = sh -c 'cat mid.txt > out.txt; id -u >> out.txt'
in = mid.txt
out = out.txt
""")
    box.write("in.txt", "in\n")
    box.run()
    assert box.read("out.txt") == f"in\n{os.geteuid()}\n{NOBODY}\n"


def test_a_step_as_another_user(engine, tmp_path):
    """Whoever may use the socket: the container runs as that user, and outputs are theirs."""
    user = 54321
    box = Box(tmp_path / "p", engine.host)
    box.project.mkdir()
    for path in tmp_path, *tmp_path.parents:
        if stat.S_IMODE(path.stat().st_mode) & 0o005 != 0o005 and str(path).startswith("/tmp/"):
            path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o055)
    os.chown(box.project, user, user)
    prefix = ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups", "--"]
    box.ok("init", prefix=prefix)
    box.step("id -u > out.txt; id -g >> out.txt")
    engine.socket.chmod(0o600)
    message, fix = box.fails(5, "run", prefix=prefix)
    assert "permission" in message and fix
    engine.directory.chmod(0o755)
    engine.socket.chmod(0o666)
    box.ok("run", prefix=prefix)
    assert box.read("out.txt") == f"{user}\n{user}\n"
    assert (box.project / "out.txt").stat().st_uid == user
    box.step("id", user="root")
    message, _ = box.fails(2, "run", prefix=prefix)
    assert "root" in message


def test_results_need_no_engine(box, tmp_path):
    box.step("echo o > out.txt")
    box.run()
    alone = Box(box.project, "unix:///nonexistent/engine.sock")
    assert alone.run()["steps"] == [], "up to date"
    (box.project / "out.txt").unlink()
    assert alone.run()["restored"] == 1
    assert box.read("out.txt") == "o\n"
    box.step("echo p > out.txt")
    message, fix = alone.fails(5, "run")
    assert "no container engine answers at unix:///nonexistent/engine.sock" in message and "install and start" in fix
    assert box.read("out.txt") == "o\n"


def test_a_clone_is_up_to_date_or_reuses_the_pin(box, tmp_path_factory):
    box.step("echo o > out.txt")
    box.run()
    clone = Box(tmp_path_factory.mktemp("clone") / "p", box.env["DOCKER_HOST"])
    shutil.copytree(box.project, clone.project, ignore=shutil.ignore_patterns(".mlops"))
    clone.ok("init")
    assert clone.run()["steps"] == []
    assert clone.pins() == box.pins() and list(box.pins()) == ["busybox-test"]


def test_doctor_names_the_engine(box):
    out, _ = box.ok("doctor")
    assert "20.10" in out or "Docker" in out


def test_a_run_goes_on_after_a_kill(box, engine):
    """The program dies, the container does not: the next run takes it over."""
    box.step("i=0; while [ $i -lt 30 ]; do echo line $i; i=$((i+1)); sleep 0.1; done; printf end; echo o > out.txt")
    running = box.start("run")
    wait_for(lambda: b"line 3\n" in (box.log() or b""))
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    first = engine.steps()
    assert len(first) == 1 and first[0]["State"] == "running"
    _, err = box.ok("run")
    assert "step one goes on" in err and box.read("out.txt") == "o\n"
    assert box.log() == "".join(f"line {n}\n" for n in range(30)).encode() + b"end\n"
    assert not engine.containers()
    box.check_whole()
    runs = {r["status"] for r in box.json("runs", "--all")["runs"]}
    assert "RUNNING" not in runs


def test_a_container_of_an_old_run_that_nobody_wants_is_removed(box, engine):
    box.step("echo begun; sleep 100; echo o > out.txt")
    running = box.start("run")
    wait_for(lambda: b"begun" in (box.log() or b""))
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    box.step("echo other > out.txt")
    box.run()
    assert box.read("out.txt") == "other\n" and not engine.containers()
    box.check_whole()


def killed_while_it_runs(box, name="one"):
    """Starts a run and kills it once the step has begun."""
    running = box.start("run")
    wait_for(lambda: b"begun" in (box.log(step=name) or b""))
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()


def test_a_step_whose_name_engines_do_not_take_goes_on_too(box, engine):
    box.step("echo begun; sleep 3; echo o > out.txt", name="tr.v1_x", **{"matrix.k": "a/b"})
    killed_while_it_runs(box, "tr.v1_x@a%2Fb")
    _, err = box.ok("run")
    assert "step tr.v1_x@a%2Fb goes on" in err and not engine.containers()
    assert not list((box.project / ".mlops/work").iterdir())


def test_a_container_that_ended_in_time_while_nobody_watched(box, engine):
    box.step("echo begun; sleep 1; echo o > out.txt", timeout="4s", deadline="4s")
    killed_while_it_runs(box)
    time.sleep(5)
    _, err = box.ok("run")
    assert "step one goes on" in err and box.read("out.txt") == "o\n" and not engine.containers()


def test_an_input_that_changed_and_changed_back_meanwhile_is_not_trusted(box):
    box.write("in.txt", "one\n")
    box.step("echo begun; sleep 4; cat in.txt > out.txt", inputs=["in.txt"])
    killed_while_it_runs(box)
    box.write("in.txt", "two\n")
    time.sleep(4)
    box.write("in.txt", "one\n")
    _, err = box.ok("run")
    assert "was touched while mlops was not there" in err
    box.ok("run")
    assert box.read("out.txt") == "one\n", "the result was not reused"


def test_a_copy_of_a_work_tree_leaves_the_containers_of_the_first_alone(box, engine, tmp_path_factory):
    box.step("echo begun; sleep 6; echo o > out.txt")
    killed_while_it_runs(box)
    copy = tmp_path_factory.mktemp("copy") / "tree"
    shutil.copytree(box.project, copy, symlinks=True)
    other = Box(copy, box.env["DOCKER_HOST"])
    other.step("echo something else > out.txt")
    other.ok("run")
    assert [c["State"] for c in engine.steps()] == ["running"]
    _, err = box.ok("run")
    assert "step one goes on" in err and box.read("out.txt") == "o\n" and not engine.containers()


def test_containers_of_other_projects_are_not_ours(box, engine, tmp_path_factory):
    box.step("echo begun; sleep 3; echo o > out.txt")
    running = box.start("run")
    wait_for(lambda: b"begun" in (box.log() or b""))
    other = Box(tmp_path_factory.mktemp("other"), engine.host)
    other.ok("init")
    other.step("echo o > out.txt")
    other.run()
    out, err = running.communicate(timeout=60)
    assert running.returncode == 0, err


def test_combinations_run_in_containers_of_their_own_trees(box, engine):
    box.write("data/x.txt", "x")
    box.step("test $MLOPS_PARAM_N != 3 || { echo begun; sleep 1000; }; cat data/x.txt > out.txt; echo $MLOPS_PARAM_N >> "
             "out.txt; id -u", inputs=["data"], more="[params]\nn = 1\n", params="n")
    box.json("run", "-p", "n=1,2")
    assert not (box.project / "out.txt").exists()
    assert box.run("-p", "n=2")["cached"] == 1 and box.read("out.txt") == "x2\n"
    # One that outlives a killed mlops goes with its tree.
    running = box.start("run", "-p", "n=3,4")
    wait_for(lambda: any(b"begun" in p.read_bytes() for p in box.project.glob(".mlops/logs/*/one*.log")))
    running.kill()
    running.communicate()
    assert list((box.project / ".mlops/scratch").iterdir())

    def is_swept():
        box.run()
        return not (box.project / ".mlops/scratch").exists()
    wait_for(is_swept)
    assert not engine.containers()
    box.check_whole()


def test_an_engine_that_keeps_containers_alive_is_replaced_under_a_step(own_engine, project):
    engine = own_engine("--live-restore")
    engine.image("busybox-test")
    box = Box(project, engine.host)
    box.step("i=0; while [ $i -lt 40 ]; do echo line $i; i=$((i+1)); sleep 0.1; done; printf end; echo o > out.txt")
    running = box.start("run")
    wait_for(lambda: b"line 3\n" in (box.log() or b""))
    engine.restart(signal.SIGKILL)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert box.log() == "".join(f"line {n}\n" for n in range(40)).encode() + b"end\n"
    assert box.read("out.txt") == "o\n" and not engine.containers()
    box.check_whole()


def test_the_example_runs(engine, tmp_path):
    """examples/docker as a user would: its image from Debian packages, its pipeline, nothing to do afterwards."""
    engine.image("mlops-example-python")
    box = Box(tmp_path / "example", engine.host)
    shutil.copytree("/".join([str(os.path.dirname(__file__)), "../../examples/docker"]), box.project)
    subprocess.run(["chmod", "-R", "a+rX", box.project], check=True)
    box.ok("init")
    assert box.run(timeout=300)["ran"] >= 3
    assert box.run()["steps"] == []
