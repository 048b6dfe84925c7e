# SPDX-License-Identifier: Apache-2.0
"""Steps that misbehave, runs that are stopped or killed, records that are damaged: told once, nothing lost, and the
next run works."""
import glob
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest
from steps import (ENV, MLOPS, alive, fails, one_error, one_step, ran, run_json, run_ok, start, states, wait_for,
                   write_chain)

SECONDS = 42

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOAK = bool(os.environ.get("MLOPS_SOAK"))
CLOCK = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), None)


# -- what a step leaves --

def test_a_step_that_writes_nothing(mlops, project):
    one_step(project, "echo old > out.txt")
    run_ok(mlops, project)
    one_step(project, "true")
    message, _, fix = fails(mlops, project, 1, "run")
    assert "out.txt" in message and "out=" in fix
    assert (project / "out.txt").read_text() == "old\n"
    one_step(project, "echo new > out.txt")
    run_ok(mlops, project)


def test_a_step_without_outputs_runs_once(mlops, project):
    one_step(project, "echo x >> ran", out=None)
    assert run_json(mlops, project)["ran"] == 1
    assert run_json(mlops, project)["steps"] == []


def test_an_empty_directory_is_an_output(mlops, project):
    one_step(project, "mkdir out.d", out="out.d")
    run_ok(mlops, project)
    assert run_json(mlops, project)["steps"] == []


def test_a_failed_step_that_wrote_nothing_keeps_nothing(mlops, project):
    one_step(project, "exit 1")
    _, out, _ = mlops("run", cwd=project)
    assert "were kept in" not in out
    assert not list((project / ".mlops/failed").iterdir()) and not list((project / ".mlops/work").iterdir())


def test_daemons_do_not_outlive_their_step(mlops, project):
    one_step(project, """
setsid sh -c 'echo $$ > pid1; exec sleep 1000' &
(setsid setsid sh -c 'echo $$ > pid2; exec sleep 1000' >/dev/null 2>&1 </dev/null &) &
while [ ! -s pid1 ] || [ ! -s pid2 ]; do sleep 0.01; done
echo x > out.txt
""")
    run_ok(mlops, project)
    for name in "pid1", "pid2":
        assert not alive(int((project / name).read_text())), name


def test_a_step_that_ignores_term_is_killed_when_it_is_stopped_twice(mlops, project):
    one_step(project, "trap '' TERM INT; echo $$ > pid; while :; do sleep 1; done")
    run = start(project, "run")
    pid = int(wait_for(lambda: (project / "pid").exists() and (project / "pid").read_text().strip()))
    run.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert run.poll() is None and alive(pid)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=20)
    assert run.returncode == 130 and not alive(pid)
    assert "once more to kill" in err
    one_error(err)


def peak_of_run(project, script, log_max="0"):
    """Its peak memory in KiB, and that of the processes it waited for; what a sanitizer sets aside is not its own."""
    one_step(project, script)
    env = {**ENV, "ASAN_OPTIONS": ENV.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1",
           "MLOPS_LOG_MAX": log_max}
    with open(os.devnull, "wb") as null:
        run = subprocess.Popen([MLOPS, "run"], cwd=project, env=env, stdin=null, stdout=null, stderr=null)
        _, status, usage = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
    assert run.returncode == 0
    return usage.ru_maxrss


@pytest.mark.parametrize("shape, log_max", [
    ("yes a line of usual length", "0"), ("yes a line of usual length", "1M"), ("tr '\\0' x < /dev/zero", "0")],
    ids=["lines", "limited", "one-line"])
def test_a_flood_of_output_takes_no_memory(mlops, project, shape, log_max):
    megabytes = 1000 if SOAK else 48
    calm = peak_of_run(project, "echo x > out.txt", log_max)
    flood = peak_of_run(project, f"{shape} | head -c {megabytes}000000; echo x > out.txt", log_max)
    assert flood < calm + 24 * 1024, (calm, flood)
    printed = int(subprocess.run(f"'{MLOPS}' logs | wc -c", shell=True, cwd=project, stdout=subprocess.PIPE).stdout)
    assert printed >= megabytes * 1000000 if log_max == "0" else 500000 < printed < 1 << 20


def test_binary_and_escapes_are_shown_harmless(mlops, project, terminal):
    nasty = b"\x1b]0;owned\x07\x1b[2J\x9b31mred\xff\xfe\x00nul\r\n\xe2\x80\xaeright-to-left\nlast"
    (project / "nasty").write_bytes(nasty)
    one_step(project, "cat nasty; cat nasty >&2; exit 3")
    status, out, err = mlops("run", cwd=project, text=False)
    assert status == 1
    for text in out, err:
        assert not set(text) & set(b"\x00\x07\x1b\x9b\xff\xfe\r") - set(b"\xe2\x80"), text
        assert b"\xe2\x80\xae" not in text
    status, shown, _ = terminal("run", cwd=project)
    assert "\x1b]0;" not in shown and "\x1b[2J" not in shown and "\x07" not in shown and "\x9b" not in shown
    _, shown, _ = terminal("logs", cwd=project, env={"PAGER": "cat"})
    assert "\x1b" not in shown and "\x07" not in shown and "last" in shown
    _, raw, _ = mlops("logs", cwd=project, text=False)
    assert b"\x1b]0;owned\x07" in raw and raw.count(b"\x00nul") == 2, "a file gets the very bytes"
    _, events, _ = mlops("run", "--json", cwd=project, text=False)
    for line in events.splitlines():
        json.loads(line)


def test_a_step_that_deletes_its_inputs(mlops, project):
    (project / "in.txt").write_text("x")
    one_step(project, "rm in.txt; echo y > out.txt")
    text = (project / "pipeline.ini").read_text()
    (project / "pipeline.ini").write_text(text.replace("in = step.sh", "in = step.sh, in.txt"))
    _, err = run_ok(mlops, project)
    assert "in.txt" in err and "will not be reused" in err
    assert (project / "out.txt").read_text() == "y\n"
    message, _, _ = fails(mlops, project, 2, "run")
    assert "in.txt" in message
    (project / "in.txt").write_text("x")
    assert run_json(mlops, project)["ran"] == 1


def test_a_result_of_changed_inputs_is_kept_but_never_reused(mlops, project):
    (project / "in.txt").write_text("first\n")
    one_step(project, "cat in.txt > out.txt; test -e change && echo second > in.txt; cat in.txt >> out.txt")
    text = (project / "pipeline.ini").read_text()
    (project / "pipeline.ini").write_text(text.replace("in = step.sh", "in = step.sh, in.txt"))
    (project / "change").touch()
    _, err = run_ok(mlops, project)
    assert "in.txt changed while it ran" in err
    assert (project / "out.txt").read_text() == "first\nsecond\n"
    (project / "change").unlink()
    (project / "in.txt").write_text("first\n")
    status, out, _ = mlops("why", "one", cwd=project)
    assert "an input changed while it last ran" in out
    assert run_json(mlops, project)["ran"] == 1, "the key is the same, the result was not of that key"
    assert (project / "out.txt").read_text() == "first\nfirst\n"
    assert run_json(mlops, project)["steps"] == []


def test_an_input_that_another_changes_while_a_step_runs(mlops, project):
    write_chain(project)
    one_step(project, "touch begun; while [ ! -e go ]; do sleep 0.05; done; cat data > out.txt")
    text = (project / "pipeline.ini").read_text()
    (project / "pipeline.ini").write_text(text.replace("in = step.sh", "in = step.sh, data"))
    (project / "data").write_text("one\n")
    run = start(project, "run")
    wait_for((project / "begun").exists)
    (project / "data").write_text("two\n")
    (project / "go").touch()
    _, err = run.communicate(timeout=20)
    assert run.returncode == 0 and "data changed while it ran" in err
    assert run_json(mlops, project)["ran"] == 1


def test_a_program_that_is_no_program(mlops, project):
    (project / "prog").write_bytes(b"\x00\x01")
    (project / "prog").chmod(0o755)
    (project / "pipeline.ini").write_text("[step.a]\ncmd = ./prog\n")
    message, _, _ = fails(mlops, project, 5, "run")
    assert "prog" in message
    (project / "prog").chmod(0o644)
    message, _, _ = fails(mlops, project, 5, "run")
    assert "prog" in message


def test_a_file_where_an_output_needs_a_directory(mlops, project):
    (project / "data").write_text("mine")
    (project / "good.txt").write_text("mine")
    (project / "pipeline.ini").write_text("[step.a]\ncmd = true\nout = good.txt, data/x\n")
    status, out, err = mlops("run", cwd=project)
    assert status == 4 and "log" not in out, "it never started"
    message, _, fix = one_error(err)
    assert "data" in message and "out=" in fix
    assert (project / "data").read_text() == (project / "good.txt").read_text() == "mine"


def test_a_step_reads_nothing_from_the_terminal(project):
    one_step(project, "cat > out.txt")
    run = subprocess.run([MLOPS, "run"], cwd=project, env=ENV, input=b"typed", capture_output=True, timeout=20)
    assert run.returncode == 0 and (project / "out.txt").read_bytes() == b""


def test_a_step_that_removes_what_mlops_works_with(mlops, project):
    one_step(project, "echo old > out.txt")
    run_ok(mlops, project)
    for removed in ".mlops/work", ".mlops/logs", ".mlops/locks", ".mlops/staging", ".mlops/objects":
        one_step(project, f"rm -rf {removed}; echo {removed} > out.txt")
        status, _, err = mlops("run", cwd=project)
        if status:
            assert err.count("error: ") == 1, err
        assert mlops("init", cwd=project)[0] == 0
        one_step(project, f"echo after {removed} > out.txt")
        run_ok(mlops, project)
        assert (project / "out.txt").read_text() == f"after {removed}\n"


@pytest.mark.skipif(not SOAK, reason="takes the ten seconds that a step has to end")
def test_a_step_that_ignores_term_is_killed_after_its_timeout(mlops, project):
    one_step(project, "trap '' TERM; echo $$ > pid; while :; do sleep 1; done", timeout="1s")
    assert states(run_json(mlops, project, status=1)) == {"one": "timeout"}
    assert not alive(int((project / "pid").read_text()))


# -- time --

def test_files_of_the_future_and_of_the_past(mlops, project):
    write_chain(project)
    for when in 4102444800, 1:
        (project / "in.txt").write_text(f"{when}\n")
        os.utime(project / "in.txt", (when, when))
        run_ok(mlops, project)
        assert (project / "a.txt").read_text() == f"{when}\n"
        assert run_json(mlops, project)["steps"] == []
    before = os.stat(project / "in.txt")
    (project / "in.txt").write_text("2\n")
    os.utime(project / "in.txt", ns=(before.st_atime_ns, before.st_mtime_ns))
    ran(project)
    run_ok(mlops, project)
    assert "a" in ran(project), "the same size and time, other bytes"


@pytest.mark.skipif(not CLOCK, reason="faketime is not installed")
def test_a_clock_set_back(mlops, project):
    write_chain(project)
    run_ok(mlops, project)
    # Not by the program `faketime`: it makes a semaphore named after its process id, and fails when a process of that id
    # was killed before it could remove its own. A sanitizer wants to be loaded first; the clock is loaded before it.
    env = dict(ENV, LD_PRELOAD=CLOCK, FAKETIME="@2001-01-01 00:00:00", ASAN_OPTIONS="verify_asan_link_order=0")
    done = subprocess.run([MLOPS, "run", "-f"], cwd=project, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done
    assert run_json(mlops, project)["steps"] == []


def test_files_that_may_not_grow_end_the_run_not_mlops(mlops, project):
    import resource
    one_step(project, "yes | head -c 400000; echo x > out.txt")
    done = subprocess.run([MLOPS, "run"], cwd=project, env=ENV, capture_output=True, text=True,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)))
    assert done.returncode == 5 and one_error(done.stderr), done
    assert run_ok(mlops, project) and (project / "out.txt").read_text() == "x\n"


# -- two at a time --

@pytest.fixture
def busy(project):
    """A run that goes on until `go` is made."""
    one_step(project, "touch begun; while [ ! -e go ]; do sleep 0.05; done; echo x > out.txt")
    run = start(project, "run")
    wait_for((project / "begun").exists)
    yield run
    if run.poll() is None:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()


def test_the_second_run_waits_and_names_the_first(project, busy):
    second = start(project, "run")
    line = second.stderr.readline()
    assert "waiting" in line and str(busy.pid) in line and "mlops run" in line
    assert second.poll() is None
    (project / "go").touch()
    assert busy.wait(20) == 0
    out, err = second.communicate(timeout=20)
    assert second.returncode == 0, err
    assert out.startswith("up to date")


def test_no_wait_fails_and_names_the_first(mlops, project, busy):
    message, _, _ = fails(mlops, project, 4, "run", "--no-wait")
    assert str(busy.pid) in message
    (project / "go").touch()
    assert busy.wait(20) == 0


def test_looking_waits_for_nobody(mlops, project, busy):
    for args in ["why", "one"], ["runs"], ["show"], ["run", "--dry"], ["dag"], ["logs"]:
        status, _, err = mlops(*args, cwd=project)
        assert status == 0, err


# -- stopped --

def test_interrupted_once_ends_gracefully(mlops, project):
    one_step(project, "echo old > out.txt")
    run_ok(mlops, project)
    one_step(project, "trap 'echo cleaned > cleaned; exit 0' TERM; echo half > out.txt; touch begun;"
                      " while :; do sleep 0.05; done")
    run = start(project, "run")
    wait_for((project / "begun").exists)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=20)
    assert run.returncode == 130
    message, _, _ = one_error(err)
    assert "interrupted" in message and (project / "cleaned").exists()
    assert (project / "out.txt").read_text() == "old\n"
    shown = json.loads(mlops("show", "--json", cwd=project)[1])
    assert shown["run"]["status"] == "KILLED" and shown["attempts"][0]["state"] == "killed"
    one_step(project, "echo new > out.txt")
    run_ok(mlops, project)
    assert (project / "out.txt").read_text() == "new\n"


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGHUP])
def test_other_ends_are_as_graceful(project, sig):
    one_step(project, "echo $$ > pid; while :; do sleep 0.05; done")
    run = start(project, "run")
    pid = int(wait_for(lambda: (project / "pid").exists() and (project / "pid").read_text().strip()))
    run.send_signal(sig)
    run.communicate(timeout=20)
    assert run.returncode == 130 and not alive(pid)


def test_ctrl_c_on_a_terminal(project, terminal):
    one_step(project, "echo ready; while :; do sleep 0.05; done")
    status, shown, _ = terminal("run", cwd=project, on={b"ready": b"\x03"})
    assert status == 130 and "interrupted" in shown


def test_interrupted_while_it_waits(project, busy):
    second = start(project, "run")
    assert "waiting" in second.stderr.readline()
    second.send_signal(signal.SIGINT)
    second.communicate(timeout=20)
    assert second.returncode in (130, -signal.SIGINT)
    (project / "go").touch()
    assert busy.wait(20) == 0


def test_a_killed_mlops_takes_its_steps_along_and_the_next_run_recovers(mlops, project):
    one_step(project, "echo old > out.txt")
    run_ok(mlops, project)
    one_step(project, "echo $$ > pid; echo half > out.txt; while [ ! -e ok ]; do sleep 0.05; done; echo new > out.txt")
    run = start(project, "run")
    pid = int(wait_for(lambda: (project / "pid").exists() and (project / "pid").read_text().strip()))
    wait_for(lambda: json.loads(mlops("runs", "--json", cwd=project)[1])["runs"][0]["status"] == "RUNNING")
    run.kill()
    run.communicate(timeout=20)
    wait_for(lambda: not alive(pid))
    (project / "ok").touch()
    _, err = run_ok(mlops, project)
    assert "was interrupted in step one" in err and "kept in .mlops/failed/" in err
    kept = err.split("kept in ")[1].split()[0]
    assert (project / kept / "out.txt").read_text() == "half\n"
    assert (project / "out.txt").read_text() == "new\n"
    statuses = [r["status"] for r in json.loads(mlops("runs", "--all", "--json", cwd=project)[1])["runs"]]
    assert sorted(set(statuses)) == ["FINISHED", "KILLED"]
    assert run_json(mlops, project)["steps"] == []


def test_old_outputs_are_back_after_a_kill_when_the_next_run_fails(mlops, project):
    one_step(project, "echo old > out.txt")
    run_ok(mlops, project)
    one_step(project, "echo half > out.txt; touch begun; while :; do sleep 0.05; done")
    run = start(project, "run")
    wait_for((project / "begun").exists)
    run.kill()
    run.communicate(timeout=20)
    (project / "pipeline.ini").write_text("[step.other]\ncmd = true\n")
    run_ok(mlops, project)
    assert (project / "out.txt").read_text() == "old\n"


def test_a_killed_spawner_fails_the_step(mlops, project):
    one_step(project, "echo old > out.txt")
    run_ok(mlops, project)
    one_step(project, "echo half > out.txt; kill -9 $PPID; while :; do sleep 0.05; done")
    status, _, err = mlops("run", cwd=project)
    assert status in (1, 5), err
    one_error(err)
    assert (project / "out.txt").read_text() == "old\n"
    one_step(project, "echo new > out.txt")
    run_ok(mlops, project)


# -- records --

def get_version(project):
    with sqlite3.connect(project / ".mlops/registry.db") as db:
        version = db.execute("PRAGMA user_version").fetchone()[0]
    db.close()
    return version


def set_version(project, version):
    with sqlite3.connect(project / ".mlops/registry.db") as db:
        db.execute(f"PRAGMA user_version = {version}")
    db.close()


def test_a_database_of_a_newer_version_is_refused(mlops, project):
    write_chain(project)
    run_ok(mlops, project)
    version = get_version(project)
    set_version(project, 999)
    (project / "in.txt").write_text("new\n")
    message, _, fix = fails(mlops, project, 4, "run")
    assert "newer" in message and "registry.db" in message
    assert (project / "a.txt").read_text() == "data\n"
    set_version(project, version)
    run_ok(mlops, project)


@pytest.mark.parametrize("command", ["run", "status", "runs", "why a"])
def test_a_database_of_the_first_version_is_converted_and_keeps_its_facts(mlops, project, command):
    write_chain(project)
    database = project / ".mlops/registry.db"
    for path in project.glob(".mlops/registry.db*"):
        path.unlink()
    with sqlite3.connect(database) as db:
        db.executescript((ROOT / "registry/schema/0001_init.sql").read_text())
        db.execute("PRAGMA user_version = 1")
        db.execute("INSERT INTO runs (run_id, name, experiment, user_id, status, start_time, end_time)"
                   " VALUES (?, 'old', 0, 'me', 'FINISHED', 1, 2)", ("0123456789abcdef" * 2,))
        db.execute("INSERT INTO attempts (parent, step, number, state, start_time, user_us, system_us, max_rss)"
                   " VALUES (1, 'a', 1, 'ok', 1, 0, 0, 5)")
    db.close()
    run_ok(mlops, project) if command == "run" else mlops(*command.split(), cwd=project)
    status, out, err = mlops("show", "01234567", cwd=project)
    assert status == 0, err
    assert "old" in out and "a     ok" in out


@pytest.mark.parametrize("damage", ["truncated", "text", "empty", "gone"])
def test_a_broken_database_says_how_to_recover(mlops, project, damage):
    write_chain(project)
    run_ok(mlops, project)
    path = project / ".mlops/registry.db"
    for name in "registry.db-wal", "registry.db-shm":
        (project / ".mlops" / name).unlink(missing_ok=True)
    whole = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes({"truncated": whole[:5000], "text": b"this is no database\n" * 500, "empty": b""}[damage])
    (project / "in.txt").write_text("new\n")
    message, _, fix = fails(mlops, project, 9, "run")
    assert "registry.db" in message and "mlops init" in fix
    assert (project / "c.txt").read_text() == "data\n0.01\n"
    if path.exists():
        path.unlink()
    assert mlops("init", cwd=project)[0] == 0
    run_ok(mlops, project)
    assert (project / "c.txt").read_text() == "new\n0.01\n"


def test_a_lock_file_with_conflicts(mlops, project):
    write_chain(project)
    run_ok(mlops, project)
    lock = project / "mlops.lock"
    text = lock.read_text()
    line = next(line for line in text.splitlines() if line.endswith(" a.txt"))
    other = line.replace(line.split(":")[1][:8], "00000000")
    for broken in (text + other + "\n\n",
                   text.replace(line, f"<<<<<<< HEAD\n{line}\n=======\n{other}\n>>>>>>> other")):
        lock.write_text(broken)
        message, _, fix = fails(mlops, project, 4, "run")
        assert "a.txt" in message and "mlops lock take" in fix
        assert lock.read_text() == broken
    lock.write_text("nonsense\n" + text)
    message, where, _ = fails(mlops, project, 9, "run")
    assert "mlops.lock" in message + where and "1" in message + where
    lock.write_text(text)
    assert run_json(mlops, project)["steps"] == []


def test_what_is_missing_of_the_project_is_made_anew(mlops, project):
    write_chain(project)
    run_ok(mlops, project)
    for name in "locks", "work", "staging", "failed":
        shutil.rmtree(project / ".mlops" / name)
    (project / "in.txt").write_text("new\n")
    status, _, err = mlops("run", cwd=project)
    if status:
        _, _, fix = one_error(err)
        assert "mlops init" in fix
        assert mlops("init", cwd=project)[0] == 0
        run_ok(mlops, project)
    assert (project / "a.txt").read_text() == "new\n"


def test_leftovers_of_another_tool_are_left_alone(mlops, project):
    (project / "mlruns").mkdir()
    (project / "mlflow.db").write_bytes(b"x")
    write_chain(project)
    run_ok(mlops, project)
    assert (project / "mlflow.db").read_bytes() == b"x"
