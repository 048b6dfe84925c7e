# SPDX-License-Identifier: Apache-2.0
"""Further attempts, checkpoints and shares of the machine, with real steps."""
import hashlib
import json

from steps import one_step, ran, result_of, run_json, run_ok

SECONDS = 20


def attempts(mlops, project, run="last"):
    status, out, err = mlops("show", run, "--json", cwd=project)
    assert status == 0, err
    return result_of(out)


def test_a_step_goes_on_from_its_checkpoint(mlops, project):
    one_step(project, "n=$(cat ckpt/n 2>/dev/null || echo 0); echo $((n + 1)) > ckpt/n\n"
                      "echo \"attempt $MLOPS_ATTEMPT after $n\"; [ $n -ge 2 ] || exit 75; cp ckpt/n out.txt",
             checkpoints="ckpt", retries=5, backoff="1ms", retry_on="75")
    out, _ = run_ok(mlops, project)
    assert (project / "out.txt").read_text() == "3\n"
    assert (project / "ckpt/n").read_text() == "3\n"
    logs = mlops("logs", cwd=project).out
    assert [f"attempt {i} after {i - 1}" in logs for i in (1, 2, 3)] == [True] * 3
    # They are no part of the key, and outlive runs.
    (project / "ckpt/n").write_text("7\n")
    assert run_json(mlops, project)["fresh"] == 1
    run_ok(mlops, project, "--force")
    assert (project / "out.txt").read_text() == "8\n"


def test_each_attempt_is_recorded(mlops, project):
    one_step(project, "echo try >> ran; [ $(grep -c try ran) -ge 3 ] || { echo half > out.txt; exit 1; }; echo ok > out.txt",
             retries=2, backoff="1ms..5ms")
    result = run_json(mlops, project)
    assert (result["ran"], result["failed"]) == (1, 0)
    assert ran(project) == ["try"] * 3
    status, out, _ = mlops("runs", "--all", "--json", cwd=project)
    nested = [run for run in result_of(out)["runs"] if run.get("step") == "one"]
    assert sorted(run["status"] for run in nested) == ["FAILED", "FAILED", "FINISHED"]


def test_the_last_failure_is_told(mlops, project):
    one_step(project, "echo attempt $MLOPS_ATTEMPT; exit 3", retries=2, backoff="1ms")
    status, out, err = mlops("run", cwd=project)
    assert status == 1
    assert "step one failed with exit status 3" in out + err and "attempt 3" in out + err


def test_an_interrupt_ends_the_wait(mlops, project, environment, program):
    import signal
    import subprocess
    one_step(project, "echo one >> ran; exit 1", retries=5, backoff="1000d")
    process = subprocess.Popen([program, "run"], cwd=project, env=environment, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True)
    for line in process.stdout:
        if "attempt 2 of 6" in line:
            break
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert ran(project) == ["one"]


def test_gpus_of_local_steps_are_handed_out(mlops, project):
    steps = "".join(f"[step.s{i}]\ncmd = sh -c 'echo $CUDA_VISIBLE_DEVICES > g{i}; sleep 0.2'\nout = g{i}\ngpu = 1\n"
                    for i in range(2))
    (project / "pipeline.ini").write_text(steps)
    run_ok(mlops, project, "-j", "2", env={"MLOPS_RUN_GPU": "4,6"})
    assert sorted((project / f"g{i}").read_text() for i in range(2)) == ["4\n", "6\n"]


def test_more_than_there_is_is_refused_before_anything_runs(mlops, project):
    one_step(project, "echo one >> ran; echo > out.txt", cpu=3)
    status, _, err = mlops("run", "--json", cwd=project, env={"MLOPS_RUN_CPU": "2"})
    assert (status, ran(project)) == (5, [])
    assert "cpu = 3" in err + _ and "run.cpu" in err + _


def test_very_long_times_are_times(mlops, project):
    one_step(project, "echo > out.txt", timeout="3650d", deadline="3650d")
    run_ok(mlops, project)
    one_step(project, "echo > out.txt", timeout="0s")
    status, out, err = mlops("run", cwd=project)
    assert status == 2 and "'timeout' must be more than 0" in err


def test_a_step_that_must_run_after_all_is_asked_for_what_it_takes(mlops, project):
    """Its result was to come from a remote, which turns out to be damaged: it waits for no cores that never come."""
    team, other = project / "team", project / "other"
    one_step(project, "seq 1000 > out.txt", cpu=2)
    with open(project / "pipeline.ini", "a", encoding="utf-8") as out:
        out.write(f"[remote.team]\nurl = {team}\n")
    run_ok(mlops, project)
    assert mlops("push", "--init", cwd=project).status == 0
    data = (project / "out.txt").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    path = team / "objects" / digest[:2] / digest[2:]
    path.chmod(0o644)
    path.write_bytes(data.replace(b"7", b"8"))
    other.mkdir()
    for name in "pipeline.ini", "step.sh":
        (other / name).write_text((project / name).read_text())
    assert mlops("init", cwd=other).status == 0
    got = mlops("run", cwd=other, env={"MLOPS_RUN_CPU": "1"}, timeout=20)
    assert got.status == 5 and "step one asks for cpu = 2" in got.err and "cannot be had" in got.err
    run_ok(mlops, other)
    assert (other / "out.txt").read_bytes() == data
