"""The loop's parts: rows over HTTP until they are durable, a scheduler with 10,000 triggers, and from a cause to a run."""
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import socket
import sqlite3
import statistics
import subprocess
import sys
import threading
import time

from common import Bench, mlops_project

SECONDS = 4       # of the load
CLIENTS = 4
BATCH = 1000      # rows a request
TRIGGERS = 10_000
CAUSES = 20
KEY = b"of-the-bench"

MONITOR = """
[monitor.m]
data      = http
reference = ref.csv
window    = 100000000 rows
"""
STEP = """
[step.a]
cmd   = true
cache = no
"""


class Agent:
    def __init__(self, bench, directory):
        self.directory = directory
        self.process = subprocess.Popen([bench.mlops, "agent", "--listen", "127.0.0.1:0"], cwd=directory,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=open(directory / "agent.log", "wb"))
        line = self.process.stdout.readline().decode()
        if not line.startswith("ready: "):
            sys.exit((directory / "agent.log").read_text())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def connect(self):
        connection = http.client.HTTPConnection("localhost", timeout=60)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.connect(str(self.directory / ".mlops/agent.sock"))
        return connection

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def registered(bench, name, pipeline, *files):
    """A project that its agent may run."""
    directory = mlops_project(bench, bench.dir / name, pipeline)
    for file, text in files:
        (directory / file).write_text(text)
    for words in (["config", "agent.dirs", str(directory)],
                  ["project", "add", "bench", ".", "--no-checkout", "--allow-local"]):
        subprocess.run([bench.mlops, *words], cwd=directory, check=True, stdout=subprocess.DEVNULL)
    return directory


def post_until(agent, body, end, counts, i):
    connection = agent.connect()
    while time.monotonic() < end:
        connection.request("POST", "/api/v1/monitors/m/rows", body, {"Content-Type": "application/x-ndjson"})
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            sys.exit(f"{answer.status} {said.decode()}")
        counts[i] += BATCH


def disk(directory, body):
    """Rows a second that a program gets to the same disk with a sync a batch."""
    fd = os.open(directory / "limit", os.O_CREAT | os.O_WRONLY, 0o600)
    rows, began = 0, time.monotonic()
    while time.monotonic() < began + SECONDS / 2:
        os.write(fd, body)
        os.fdatasync(fd)
        rows += BATCH
    os.close(fd)
    return rows / (time.monotonic() - began)


def ingest(bench):
    directory = registered(bench, "ingest", MONITOR, ("ref.csv", "age,balance\n" + "1,2\n3,4\n" * 500))
    body = "".join(json.dumps({"id": str(i), "age": i % 90, "balance": i * 1.25, "prediction": i % 2}) + "\n"
                   for i in range(BATCH)).encode()
    limit = disk(bench.dir, body)
    with Agent(bench, directory) as agent:
        counts, began = [0] * CLIENTS, time.monotonic()
        threads = [threading.Thread(target=post_until, args=(agent, body, began + SECONDS, counts, i))
                   for i in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rate = sum(counts) / (time.monotonic() - began)
    print(f"ingest: {rate:,.0f} rows/s durable, {len(body) // BATCH} bytes each, {CLIENTS} clients; "
          f"write and fdatasync alone: {limit:,.0f} rows/s ({rate / limit:.2f})")
    bench.target("ingest", rate, 100_000, "rows/s", least=True)


def idle(bench):
    text = STEP + "".join(f"[trigger.t{i}]\ncron = {i % 60} {i // 60 % 24} {1 + i % 28} * *\n" for i in range(TRIGGERS))
    directory = registered(bench, "idle", text)
    with Agent(bench, directory) as agent:
        time.sleep(3)
        before = agent.cpu()
        time.sleep(5)
        share = (agent.cpu() - before) / 5
    build = pathlib.Path(bench.mlops).parent
    subprocess.run(["cmake", "--build", build, "--target", "bench-ticks"], check=True, stdout=subprocess.DEVNULL)
    mean, worst = map(float, subprocess.check_output([build / "bench-ticks"], cwd=directory).split())
    print(f"{TRIGGERS} triggers: {share:.1%} of a core while nothing happens; a tick takes {mean:.4f} ms, at most {worst:.3f}")
    bench.target("idle CPU", share * 100, 1, "% of a core")
    bench.target("tick", mean, 1, "ms")


def started(directory, run):
    """When its row says so, in seconds; None before that."""
    db = sqlite3.connect(f"file:{directory}/.mlops/registry.db?mode=ro", uri=True)
    try:
        row = db.execute("SELECT started FROM jobs WHERE run_id = ?", (run,)).fetchone()
        return row[0] / 1000 if row and row[0] else None
    finally:
        db.close()


def cause_to_run(bench):
    directory = registered(bench, "cause", STEP + "[trigger.push]\nbranch = main\n")
    subprocess.run([bench.mlops, "secret", "add", "HOOK_bench"], cwd=directory, check=True, input=KEY,
                   stdout=subprocess.DEVNULL)
    delays = []
    with Agent(bench, directory) as agent:
        time.sleep(1)
        connection = agent.connect()
        for i in range(CAUSES):
            body = json.dumps({"ref": "refs/heads/main", "before": "0" * 39 + "1", "after": f"{i + 2:040x}", "deleted": False,
                               "repository": {"full_name": "team/bench", "clone_url": "https://example.org/team/bench.git"},
                               "pusher": {"name": "dev"}, "commits": []}).encode()
            sent = time.time()
            connection.request("POST", "/api/v1/hooks/bench", body, {
                "Content-Type": "application/json", "X-GitHub-Event": "push", "X-GitHub-Delivery": f"d{i}",
                "X-Hub-Signature-256": "sha256=" + hmac.new(KEY, body, hashlib.sha256).hexdigest()})
            answer = connection.getresponse()
            said = json.loads(answer.read())
            run = next(firing["run_id"] for firing in said["fired"])
            while not (at := started(directory, run)):
                time.sleep(0.002)
            delays.append((at - sent) * 1000)
            while json.loads(subprocess.run([bench.mlops, "--json", "trigger", "history", "--limit", "1"], cwd=directory,
                                            capture_output=True).stdout)["firings"][0].get("outcome") is None:
                time.sleep(0.02)
    print(f"webhook to run: median {statistics.median(delays):.0f} ms, worst {max(delays):.0f} ms of {CAUSES}")
    bench.target("cause to run started", statistics.median(delays), 50, "ms")


def main():
    with Bench(__doc__) as bench:
        ingest(bench)
        idle(bench)
        cause_to_run(bench)
        return bench.finish()


if __name__ == "__main__":
    sys.exit(main())
