# SPDX-License-Identifier: Apache-2.0
"""Steps with tracking = yes: what an MLflow client in one logs is of the step's own run, and of no other."""
import json
import os
import signal
import socket
import sqlite3
import subprocess
import time

import pytest
from boxes import Box
from steps import wait_for

SECONDS = 20

# As MLflow's clients do it, with nothing but Python's own library.
CLIENT = """
import json, os, sys, time, urllib.error, urllib.request
URI, RUN, TOKEN = (os.environ["MLFLOW_" + n] for n in ("TRACKING_URI", "RUN_ID", "TRACKING_TOKEN"))

def call(path, body=None, token=TOKEN, method=None):
    request = urllib.request.Request(URI + "/api/2.0/mlflow/" + path, json.dumps(body).encode() if body else None,
                                     {"Content-Type": "application/json",
                                      **({"Authorization": "Bearer " + token} if token else {})}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as e:
        return e.code, json.loads(e.read() or b"{}")

def metric(key, value, step=0, run=RUN, **how):
    return call("runs/log-metric", {"run_id": run, "key": key, "value": value, "timestamp": int(time.time() * 1000),
                                    "step": step}, **how)[0]

"""
STEP = """[step.one]
cmd = python3 client.py
in = client.py
out = out.txt
tracking = yes
"""


@pytest.fixture
def client(project):
    """client(SCRIPT, **keys): a pipeline of one step that runs the script."""

    def write(script, more=""):
        (project / "client.py").write_text(CLIENT + script + "\nopen('out.txt', 'w').write('x')\n")
        (project / "pipeline.ini").write_text(STEP + more)

    return write


def runs(mlops):
    done = json.loads(mlops("--json", "runs", "--all").out)["runs"]
    return {(r.get("step") or "top", r["run_id"]): r for r in done}


def tokens(project):
    with sqlite3.connect(f"file:{project}/.mlops/registry.db?mode=ro", uri=True) as db:
        return db.execute("select count(*) from tokens").fetchone()[0]


def test_a_client_logs_to_the_run_of_its_step(client, mlops, project):
    client("""
assert call("runs/get?run_id=" + RUN)[1]["run"]["info"]["status"] == "RUNNING"
assert call("runs/get?run_id=" + RUN)[1]["run"]["info"]["experiment_id"] == os.environ["MLFLOW_EXPERIMENT_ID"]
for i in range(3):
    assert metric("loss", 1 / (i + 1), i) == 200
assert call("runs/log-parameter", {"run_id": RUN, "key": "depth", "value": "3"})[0] == 200
json.dump({"auc": 0.5, "loss": 0.1}, open("m.json", "w"))
open(os.environ["MLOPS_METRICS"], "a").write('{"key": "speed", "value": 7}\\n')
# as the client does at its end, before the step's
assert call("runs/update", {"run_id": RUN, "status": "FINISHED", "end_time": 1})[0] == 200
""", "metrics = m.json\n")
    assert mlops("run").status == 0, mlops("logs", "last").out
    found = runs(mlops)
    step = next(r for (name, _), r in found.items() if name == "one")
    assert step["status"] == "FINISHED" and step["end_time"] > 1
    assert step["params"] == {"depth": "3"}
    assert step["metrics"]["auc"] == 0.5 and step["metrics"]["speed"] == 7 and set(step["metrics"]) == {"auc", "speed", "loss"}
    assert len(found) == 2
    assert tokens(project) == 0
    # it is no part of the key
    (project / "pipeline.ini").write_text(STEP.replace("tracking = yes\n", "") + "metrics = m.json\n")
    assert "up to date" in mlops("run").out
    # what the pipeline adds after the client has ended the run is no forgery
    assert mlops("audit", "verify").status == 0


def test_its_token_is_for_that_run_and_that_time(client, mlops, project):
    other = "0" * 32
    client(f"""
seen = [metric("a", 1, token=None), metric("a", 1, token="mlops_wrong"), metric("a", 1, run="{other}"),
        call("experiments/create", {{"name": "x"}})[0], call("runs/create", {{"experiment_id": "0"}})[0]]
print(seen, file=open("out.txt", "w"))
open("token", "w").write(TOKEN)
import re
parent = [p for p in os.listdir(".mlops/locks") if p.startswith("run-")][0][4:]
assert metric("a", 1, run=parent) == 403
assert seen[0] == 401 and seen[1] == 401 and all(s in (401, 403, 404) for s in seen), seen
assert not any(TOKEN in open("/proc/%s/cmdline" % p).read() for p in os.listdir("/proc") if p.isdigit() and int(p) > 1
               and os.path.exists("/proc/%s/cmdline" % p))
""")
    assert mlops("run").status == 0, mlops("logs", "last").out
    token = (project / "token").read_text()
    for path in project.glob(".mlops/**/*"):
        if path.is_file():
            assert token.encode() not in path.read_bytes(), path


def test_each_attempt_logs_to_a_run_of_its_own(client, mlops):
    client("""
metric("try", int(os.environ["MLOPS_ATTEMPT"]))
if os.environ["MLOPS_ATTEMPT"] == "1":
    call("runs/update", {"run_id": RUN, "status": "FINISHED"})
    sys.exit(1)
""", "retries = 1\nbackoff = 10ms..20ms\n")
    assert mlops("run").status == 0, mlops("logs", "last").out
    steps = [r for (name, _), r in runs(mlops).items() if name == "one"]
    assert sorted((r["status"], r["metrics"]["try"]) for r in steps) == [("FAILED", 1), ("FINISHED", 2)]


def test_beside_an_agent_and_without_one(client, mlops, start_agent):
    client("assert metric('a', 1) == 200")
    agent = start_agent()
    assert mlops("run").status == 0, mlops("logs", "last").out
    run = next(i for (name, i) in runs(mlops) if name == "one")
    status, body = agent.get("/api/2.0/mlflow/runs/get", run_id=run)
    assert status == 200 and {m["key"]: m["value"] for m in body["run"]["data"]["metrics"]} == {"a": 1.0}


def test_its_process_ends_with_the_run(client, mlops, project, environment, program):
    client("open('pids', 'w').write(URI); time.sleep(60)")
    with subprocess.Popen([program, "run"], cwd=project, env=environment, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, start_new_session=True) as running:
        wait_for(lambda: (project / "pids").exists() and (project / "pids").read_text())
        port = int((project / "pids").read_text().rsplit(":", 1)[1])
        running.send_signal(signal.SIGKILL)
    wait_for(lambda: not listens(port))
    # and an interrupted one leaves no process either
    client("open('pids', 'w').write(URI); time.sleep(60) # again")
    (project / "pids").unlink()
    with subprocess.Popen([program, "run"], cwd=project, env=environment, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, start_new_session=True) as running:
        wait_for(lambda: (project / "pids").exists() and (project / "pids").read_text())
        port = int((project / "pids").read_text().rsplit(":", 1)[1])
        os.killpg(running.pid, signal.SIGINT)
        assert running.wait(20) == 130
    assert not listens(port)
    assert tokens(project) <= 1  # of the killed one, until it expires


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def test_runs_of_clients_are_not_ended_by_ours(agent, client, mlops, project, environment, program):
    status, body = agent.post("/api/2.0/mlflow/runs/create", experiment_id="0")
    assert status == 200
    run = body["run"]["info"]["run_id"]
    client("open('begun', 'w'); time.sleep(60)")
    with subprocess.Popen([program, "run"], cwd=project, env=environment, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, start_new_session=True) as running:
        wait_for((project / "begun").exists)
        running.kill()
    client("pass")
    assert mlops("run").status == 0, mlops("logs", "last").out
    status, body = agent.get("/api/2.0/mlflow/runs/get", run_id=run)
    assert body["run"]["info"]["status"] == "RUNNING"
    killed = [r for r in runs(mlops).values() if r["status"] == "KILLED"]
    assert len(killed) == 2


# ---- in containers ----

SHELL = """
call() { wget -q -O - --header "Authorization: Bearer $MLFLOW_TRACKING_TOKEN" --header 'Content-Type: application/json' "$@"; }
log() { call --post-data "{\\"run_id\\": \\"$MLFLOW_RUN_ID\\", \\"key\\": \\"$1\\", \\"value\\": $2, \\"timestamp\\": 1}" \
    $MLFLOW_TRACKING_URI/api/2.0/mlflow/runs/log-metric; }
"""


@pytest.fixture
def box(engine, project):
    return Box(project, engine.host)


def test_in_a_container_without_network(box):
    box.step(SHELL + """
echo $MLFLOW_TRACKING_URI > out.txt
for i in $(seq 20); do log m$i $i || exit 1; done
ls /sys/class/net >> out.txt
wget -q -O - $MLFLOW_TRACKING_URI/api/2.0/mlflow/runs/get?run_id=$MLFLOW_RUN_ID && exit 1
call $MLFLOW_TRACKING_URI/api/2.0/mlflow/runs/get?run_id=$MLFLOW_RUN_ID >> out.txt
""", tracking="yes")
    result = box.run()
    out = box.read("out.txt")
    assert out.startswith("http://127.0.0.1:5000\nlo\n") and "m20" in out
    nested = result["steps"][0]["run_id"]
    assert len(box.json("show", nested)["run"]["metrics"]) == 20
    box.check_whole()


def test_in_a_container_with_network(box):
    box.step(SHELL + "log a 1 && ls /sys/class/net > out.txt", tracking="yes", network="yes")
    result = box.run()
    assert "eth0" in box.read("out.txt") or box.read("out.txt").strip() == "lo"
    assert box.json("show", result["steps"][0]["run_id"])["run"]["metrics"] == {"a": 1.0}


def test_a_container_that_is_taken_over_finds_the_next_agent(box, engine):
    box.step(SHELL + """
log before 1 || exit 1
while ! [ -e /tmp/stop ]; do sleep 0.2; log beat 1 && n=$((n+1)) || n=0; [ "$n" = 15 ] && break; done
log after 2 && echo x > out.txt
""", tracking="yes")
    running = box.start("run")
    wait_for(lambda: any(c for c in engine.containers() if "pause" not in json.dumps(c)), 30)
    wait_for(lambda: "before" in box.mlops("--json", "runs", "--all")[1], 30)
    time.sleep(0.5)
    running.kill()
    running.wait()
    result = box.run()
    metrics = box.json("show", result["steps"][0]["run_id"])["run"]["metrics"]
    assert metrics["before"] == 1 and metrics["after"] == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace of one's own needs root")
def test_an_address_that_cannot_be_reached_is_told_before_a_step_waits_for_it(client, project, program, environment):
    client("call('runs/get')")
    done = subprocess.run(["unshare", "-n", program, "run"], cwd=project, env=environment, capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 5 and "ip link set lo up" in done.stderr, done
    assert not (project / "out.txt").exists()
