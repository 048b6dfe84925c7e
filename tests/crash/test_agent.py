# SPDX-License-Identifier: Apache-2.0
"""SIGKILL under writing clients: what was acknowledged is there, and nothing is there twice."""
import http.client
import json
import os
import random
import signal
import sqlite3
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
from agents import Agent  # noqa: E402
from sweep import ENV, run  # noqa: E402

SECONDS = 5
ROUNDS = 100 if os.environ.get("MLOPS_SOAK") else 4
CLIENTS = 16
API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"


class Client(threading.Thread):
    """Logs without pause; sends again, as MLflow's clients do, what was not answered. Notes what was."""

    def __init__(self, agent, name, stop):
        super().__init__()
        self.agent, self.key, self.stop = agent, name, stop
        self.connection = None
        self.metrics, self.params, self.tags, self.runs, self.files, self.errors = {}, {}, {}, [], {}, []

    def send(self, path, body):
        return self.ask("POST", API + path, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def ask(self, method, path, data, headers):
        """The answer, or None when the test ends first."""
        while not self.stop.is_set():
            try:
                if not self.connection:
                    self.connection = http.client.HTTPConnection(*self.agent.address, timeout=20)
                self.connection.request(method, path, data, headers)
                answer = self.connection.getresponse()
                text = answer.read()
                if answer.status == 503:
                    continue
                if answer.status != 200:
                    self.errors.append((path, answer.status, text))
                    return None
                return json.loads(text)
            except (OSError, http.client.HTTPException):
                self.connection.close()
                self.connection = None
                time.sleep(0.01)
        return None

    def run(self):
        n = 0
        while not self.stop.is_set() and not self.errors:
            answer = self.send("/runs/create", {"experiment_id": "0", "start_time": n, "user_id": self.key})
            if not answer:
                return
            run_id = answer["run"]["info"]["run_id"]
            self.runs.append(run_id)
            for _ in range(2):
                n += 1
                if self.send("/runs/log-metric", {"run_id": run_id, "key": "m", "value": n, "timestamp": n}) is not None:
                    self.metrics.setdefault(run_id, set()).add(n)
                if self.send("/runs/log-batch", {
                        "run_id": run_id, "params": [{"key": f"p{n}", "value": str(n)}],
                        "tags": [{"key": f"t{n}", "value": str(n)}]}) is not None:
                    self.params.setdefault(run_id, set()).add(n)
                    self.tags.setdefault(run_id, set()).add(n)
            path, data = f"{FILES}/0/{run_id}/artifacts/f", b"%d " % n * 5000 + self.key.encode()
            if self.ask("PUT", path, data, {}) is not None:
                self.files[path] = data


def check_files(agent, clients):
    for path, data in ((p, d) for client in clients for p, d in client.files.items()):
        status, _, found = agent.request("GET", path)
        assert status == 200 and found == data, "an acknowledged file is lost"


def check(project, clients):
    with sqlite3.connect(project / ".mlops/registry.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchone() is None
        rows = {run: row for run, row in db.execute("SELECT run_id, id FROM runs")}
        for client in clients:
            assert not client.errors
            made = {run for run, in db.execute("SELECT run_id FROM runs WHERE user_id = ?", (client.key,))}
            assert len(set(client.runs)) == len(client.runs), "one run was given twice"
            assert set(client.runs) <= made, "an acknowledged run is lost"
            # the last request may have been cut off by the end of the test
            assert len(made) <= len(client.runs) + 1, "a repeated request made two runs"
            for run in client.runs:
                for table, column, noted in (("metrics", "timestamp", client.metrics),
                                             ("params", "CAST(value AS INTEGER)", client.params),
                                             ("tags", "CAST(value AS INTEGER)", client.tags)):
                    there = [n for n, in db.execute(
                        f"SELECT {column} FROM {table} WHERE run = ? AND key != 'mlflow.runName'", (rows[run],))]
                    assert len(there) == len(set(there)), "a repeat was written twice"
                    assert noted.get(run, set()) <= set(there), f"acknowledged {table} are lost"


@pytest.fixture
def project(tmp_path):
    run(tmp_path, "init")
    return tmp_path


def test_kills_under_writing_clients(project):
    stop = threading.Event()
    agent = Agent(project, ENV)
    clients = [Client(agent, f"client {n}", stop) for n in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        for _ in range(ROUNDS):
            time.sleep(random.uniform(0.05, 0.6))
            agent.stop(signal.SIGKILL)
            agent.start()
        time.sleep(0.3)
    finally:
        stop.set()
        for client in clients:
            client.join()
        check_files(agent, clients)
        agent.stop()
    assert all(client.runs and client.files for client in clients)
    check(project, clients)
    run(project, "fsck")
