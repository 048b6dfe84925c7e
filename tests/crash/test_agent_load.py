# SPDX-License-Identifier: Apache-2.0
"""A minute of everything at once: clients who work, who hang up, who are slow and who talk nonsense."""
import http.client
import json
import os
import random
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
from agents import Agent  # noqa: E402
from sweep import ENV, run  # noqa: E402

SECONDS = 70
WARM, REST = 15, 45  # seconds until memory and descriptors are compared with, and then of load
API = "/api/2.0/mlflow"


class Load:
    """What each thread does over and over; `faults` are answers that should not be."""

    def __init__(self, agent):
        self.agent, self.stop, self.faults, self.done = agent, threading.Event(), [], 0
        self.runs = [self.post(http.client.HTTPConnection(*agent.address), "/runs/create",
                               {"experiment_id": "0", "start_time": n})["run"]["info"]["run_id"] for n in range(20)]

    def post(self, connection, path, body):
        connection.request("POST", API + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            self.faults.append((path, answer.status, text[:200]))
        self.done += 1
        return json.loads(text)

    def work(self, connection, random):
        run_id, n = random.choice(self.runs), random.randrange(1 << 30)
        self.post(connection, "/runs/log-metric", {"run_id": run_id, "key": "m%d" % (n % 5), "value": n, "timestamp": n % 500})
        self.post(connection, "/runs/log-batch", {"run_id": run_id, "tags": [{"key": "t%d" % (n % 7), "value": str(n)}],
                                                  "metrics": [{"key": "b", "value": i, "timestamp": i} for i in range(50)]})
        self.post(connection, "/runs/search", {"experiment_ids": ["0"], "max_results": 10, "order_by": ["metrics.m1 DESC"],
                                               "filter": "tags.t1 LIKE '%d%%'" % (n % 10)})

    def upload(self, connection, random):
        path = "/api/2.0/mlflow-artifacts/artifacts/0/%s/artifacts/f%d" % (random.choice(self.runs), random.randrange(5))
        for method, data in (("PUT", random.randbytes(200_000)), ("GET", None)):
            connection.request(method, path, data)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                self.faults.append((method, path, answer.status))
        self.done += 1

    def hang_up(self, _, random):
        """In the midst of a head, of a body, of an upload, of an answer."""
        with socket.create_connection(self.agent.address, timeout=10) as s:
            s.sendall(random.choice((
                b"POST /api/2.0/ml", b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n",
                b"POST /api/2.0/mlflow/runs/create HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{",
                b"PUT /api/2.0/mlflow-artifacts/artifacts/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\n" +
                b"x" * random.randrange(300_000),
                b"GET /api/2.0/mlflow/metrics/get-history?run_id=%s&metric_key=b HTTP/1.1\r\nHost: localhost\r\n\r\n" %
                self.runs[0].encode(), random.randbytes(300))))
            if random.random() < 0.3:
                s.settimeout(0.2)
                try:
                    s.recv(100)
                except OSError:
                    pass
        self.done += 1

    def thread(self, what, seed):
        chance = random.Random(seed)
        connection = http.client.HTTPConnection(*self.agent.address, timeout=30)
        while not self.stop.is_set():
            try:
                what(connection, chance)
            except (OSError, http.client.HTTPException) as err:
                if what != self.hang_up:
                    self.faults.append(repr(err))
                    return


def sizes(agent):
    """(KiB of memory, descriptors)"""
    place = Path("/proc/%d" % agent.process.pid)
    memory = next(int(line.split()[1]) for line in (place / "status").read_text().splitlines() if line.startswith("VmRSS"))
    return memory, len(os.listdir(place / "fd"))


@pytest.mark.parametrize("seed", [random.randrange(1 << 32)])
def test_a_minute_of_everything(tmp_path, seed):
    run(tmp_path, "init")
    agent = Agent(tmp_path, ENV)
    load = Load(agent)
    kinds = [load.work] * 4 + [load.upload] * 2 + [load.hang_up] * 2
    threads = [threading.Thread(target=load.thread, args=(kind, seed + n)) for n, kind in enumerate(kinds)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(WARM)
        before = sizes(agent)
        time.sleep(REST)
    finally:
        load.stop.set()
        for thread in threads:
            thread.join()
    time.sleep(2)  # those who hung up are noticed
    after = sizes(agent)
    assert agent.stop() == 0
    assert not load.faults, load.faults[:5]
    assert load.done > 1000
    assert after[0] < before[0] + 20_000, (before, after)
    assert after[1] <= before[1], (before, after)
    run(tmp_path, "fsck")
