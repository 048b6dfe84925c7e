"""The agent beside a real MLflow server: the same requests by the same client, in one run."""
import asyncio
import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

from common import Bench, mlops_project, need
from fill_runs import fill

SECONDS = 4  # of each load
JUDGES = pathlib.Path(os.environ.get("MLOPS_TEST_CACHE", pathlib.Path.home() / ".cache/mlops-tests")) / "judges"

# A request generator for wrk; METRICS is how many points a request has.
LUA = """
local n = 0
local thread = 0
function setup(t) thread = thread + 1; t:set("id", thread) end
function init(args) math.randomseed(os.time() + id * 7919); base = math.random(1, 1e9) end
wrk.method = "%(method)s"
wrk.headers["Content-Type"] = "application/json"
function request()
  n = n + 1
  %(body)s
  return wrk.format(nil, "%(path)s", nil, body)
end
"""
METRIC = """local body = string.format('{"run_id":"%(run)s","key":"m","value":%%d.5,"timestamp":%%d,"step":%%d}', n, 1700000000000 + base + n, n)"""
BATCH = """local points = {}
  for i = 1, %(points)d do
    points[i] = string.format('{"key":"m%%d","value":%%d.25,"timestamp":%%d,"step":%%d}', i %% 10, n + i, 1700000000000 + base + n, n * %(points)d + i)
  end
  local body = '{"run_id":"%(run)s","metrics":[' .. table.concat(points, ",") .. ']}'"""
CREATE = """local body = string.format('{"experiment_id":"%(experiment)s","start_time":%%d,"run_name":"r%%d"}', 1700000000000 + base + n, n)"""
SEARCH = """local body = '{"experiment_ids":["%(experiment)s"],"max_results":100%(more)s}'"""


class Server:
    """One of the two: its address, processes and a place for its data."""

    def __init__(self, name, argv, cwd, ready):
        self.name, self.started = name, time.monotonic()
        self.log = open(cwd / (name + ".log"), "wb")
        self.process = subprocess.Popen([str(a) for a in argv], cwd=cwd, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE if ready is None else self.log, stderr=self.log,
                                        start_new_session=True)
        if ready is None:
            select.select([self.process.stdout], [], [], 60)
            self.url = self.process.stdout.readline().decode().split()[-1]
        else:
            self.url = ready
            while True:
                try:
                    urllib.request.urlopen(self.url + "/health", timeout=5).read()
                    break
                except OSError:
                    if self.process.poll() is not None:
                        sys.exit(f"{name} did not start, see {self.log.name}")
                    time.sleep(0.01)
        self.ready = time.monotonic() - self.started

    def rss(self):
        """Bytes of all processes of its session."""
        total = 0
        for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = entry.read_text().rsplit(")", 1)[1].split()
                if int(fields[3]) == self.process.pid:
                    total += int(fields[21]) * 4096
            except (OSError, IndexError):
                pass
        return total

    def post(self, path, body):
        request = urllib.request.Request(self.url + "/api/2.0/mlflow" + path, json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        return json.loads(urllib.request.urlopen(request, timeout=60).read())

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.log.close()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wrk(bench, server, path, body, connections, method="POST", **values):
    """(requests a second, p99 in ms) of a load; every answer must be 2xx."""
    script = bench.dir / "load.lua"
    script.write_text(LUA % {"method": method, "path": path, "body": body % values if body else "local body = nil"})
    done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}", "--latency", "--timeout", "30", "-s",
                           str(script), server.url + path], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in done:
        sys.exit(f"{server.name} refused {path}:\n{done}")
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s|m)\b", done).groups()
    return float(re.search(r"Requests/sec:\s+([\d.]+)", done)[1]), float(value) * {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}[unit]


def loads(bench, ours, real):
    """Small requests, side by side."""
    places = {}
    for server in (ours, real):
        experiment = server.post("/experiments/create", {"name": "bench"})["experiment_id"]
        run = server.post("/runs/create", {"experiment_id": experiment, "start_time": 1})["run"]["info"]["run_id"]
        places[server] = {"experiment": experiment, "run": run, "more": ""}
    api = "/api/2.0/mlflow"
    rows = [
        ("log-metric, 4 clients", api + "/runs/log-metric", METRIC, 4, {}, 50, 10),
        ("log-metric, 64 clients", api + "/runs/log-metric", METRIC, 64, {}, 50, 10),
        ("log-batch of 10, 4 clients", api + "/runs/log-batch", BATCH, 4, {"points": 10}, 50, None),
        ("log-batch of 1000, 4 clients", api + "/runs/log-batch", BATCH, 4, {"points": 1000}, None, None),
        ("create run, 4 clients", api + "/runs/create", CREATE, 4, {}, 50, None),
    ]
    for what, path, body, connections, values, factor, limit in rows:
        mine, p99 = wrk(bench, ours, path, body, connections, **places[ours], **values)
        theirs, their_p99 = wrk(bench, real, path, body, connections, **places[real], **values)
        print(f"{what:<44} {mine:10.0f}/s p99 {p99:.1f} ms; MLflow {theirs:.0f}/s p99 {their_p99:.1f} ms", flush=True)
        if factor:
            bench.target(what, mine / theirs, factor, "times MLflow", least=True)
        if limit:
            bench.target(what + ", p99", p99, limit, "ms")
        if values.get("points") == 1000:
            bench.target(what, mine * 1000, 100_000, "points/s", least=True)


def clients(bench, servers, python):
    """What a program sees that uses MLflow's own client."""
    code = ("import sys, time, mlflow\n"
            "c = mlflow.MlflowClient(sys.argv[1]); run = c.create_run('0').info.run_id\n"
            "c.log_metric(run, 'm', 0.5, step=0); t = time.monotonic()\n"
            "for n in range(200): c.log_metric(run, 'm', n, step=n)\n"
            "print((time.monotonic() - t) / 200 * 1000)")
    seen = {}
    for server in servers:
        done = subprocess.run([python, "-c", code, server.url], capture_output=True, text=True, check=True, cwd=bench.dir,
                              env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"})
        seen[server] = float(done.stdout.split()[-1])
        print(f"{'log_metric of the Python client, ' + server.name:<44} {seen[server]:10.2f} ms each", flush=True)


def timed(call, times=5):
    best = []
    for _ in range(times):
        start = time.monotonic()
        call()
        best.append(time.monotonic() - start)
    return sorted(best)[len(best) // 2]


def fetch(url, body=None):
    """Bytes of an answer, thrown away."""
    request = urllib.request.Request(url, json.dumps(body).encode() if body is not None else None,
                                     {"Content-Type": "application/json"})
    total = 0
    with urllib.request.urlopen(request, timeout=120) as answer:
        while piece := answer.read(1 << 20):
            total += len(piece)
    return total


def many_runs(bench, runs, limit):
    """Searches, and one run, in an experiment of many."""
    project = mlops_project(bench, bench.dir / f"runs-{runs}", "[step.a]\ncmd = true\n")
    experiment = str(fill(project, runs))
    server = Server("mlops", [bench.agent, "--listen", "127.0.0.1:0"], project, None)
    try:
        bench.target(f"ready, {runs} runs", server.ready * 1000, 1000, "ms")
        search = server.url + "/api/2.0/mlflow/runs/search"
        page = {"experiment_ids": [experiment], "max_results": 100}
        for what, more in (("in the default order", {}), ("ordered by a metric", {"order_by": ["metrics.auc DESC"]}),
                           ("by a metric and in its order", {"filter": "metrics.auc > 0.5", "order_by": ["metrics.auc DESC"]}),
                           ("by a param", {"filter": "params.lr = '0.010'"})):
            bench.target(f"search 100 of {runs} runs {what}", timed(lambda: fetch(search, {**page, **more})) * 1000, limit, "ms")
        run = server.post("/runs/search", {**page, "max_results": 1})["runs"][0]["info"]["run_id"]
        rate, p99 = wrk(bench, server, "/api/2.0/mlflow/runs/get?run_id=" + run, None, 64, method="GET")
        bench.target(f"one of {runs} runs, 64 clients", rate, 5000, "a second", least=True)
        bench.target(f"one of {runs} runs, 64 clients, p99", p99, 20, "ms")
    finally:
        server.stop()


def history(bench, server, points=1_000_000):
    experiment = server.post("/experiments/create", {"name": "history"})["experiment_id"]
    run = server.post("/runs/create", {"experiment_id": experiment, "start_time": 1})["run"]["info"]["run_id"]
    for first in range(0, points, 1000):
        server.post("/runs/log-batch", {"run_id": run, "metrics": [
            {"key": "m", "value": 1 / (first + i + 1), "timestamp": first + i, "step": first + i} for i in range(1000)]})
    url = f"{server.url}/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=m"
    seconds = timed(lambda: fetch(url), 3)
    bench.target("history of 1,000,000 points", seconds, 1, "s")
    bench.target("memory after it", server.rss() / 2**20, 40, "MiB")


def artifacts(bench, server, size):
    """One large file up and down, then ten at once."""
    path = bench.dir / "large"
    subprocess.run(["sh", "-c", f"head -c {size} /dev/urandom >{path}"], check=True)
    api = server.url + "/api/2.0/mlflow-artifacts/artifacts/bench/"
    peak, stop = [0], threading.Event()

    def watch():
        while not stop.is_set():
            peak[0] = max(peak[0], server.rss())
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        up = timed(lambda: subprocess.run(["curl", "-sfT", path, api + "one"], check=True, stdout=subprocess.DEVNULL), 1)
        bench.target("artifact PUT", size / up / 1e6, 300, "MB/s", least=True)
        down = timed(lambda: subprocess.run(["curl", "-sf", "-o", "/dev/null", api + "one"], check=True), 3)
        bench.target("artifact GET", size / down / 1e6, 800, "MB/s", least=True)
        start = time.monotonic()
        ten = [subprocess.Popen(["sh", "-c", f"(echo {n}; cat {path}) | head -c {size // 10} | curl -sfT - {api}ten-{n}"],
                                stdout=subprocess.DEVNULL) for n in range(10)]
        if any(p.wait() for p in ten):
            sys.exit("an upload failed")
        bench.target("ten at once, PUT", size / (time.monotonic() - start) / 1e6, 300, "MB/s", least=True)
    finally:
        stop.set()
        watcher.join()
    bench.target("memory at most", peak[0] / 2**20, 64, "MiB")


async def listen(address, token, lags, ready):
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n%sAccept: text/event-stream\r\n\r\n" % token)
    await reader.readuntil(b"\r\n\r\n")
    ready.append(1)
    try:
        while line := await reader.readline():
            found = re.search(rb'"subject":"[^"]*at-(\d+)', line)
            if found:
                lags.append(time.time() - int(found[1]) / 1e6)
    finally:
        writer.close()


async def event_clients(bench, server, token, clients=1000, events=20):
    address = server.url.split("//")[1].split(":")
    lags, ready = [], []
    tasks = [asyncio.create_task(listen((address[0], int(address[1])), token, lags, ready)) for _ in range(clients)]
    while len(ready) < clients:
        await asyncio.sleep(0.05)
    loop = asyncio.get_running_loop()
    for _ in range(events):
        name = f"at-{int(time.time() * 1e6)}"
        await loop.run_in_executor(None, server.post, "/registered-models/create", {"name": name})
        await asyncio.sleep(0.2)
    for _ in range(100):
        if len(lags) >= clients * events:
            break
        await asyncio.sleep(0.1)
    memory = server.rss()
    for task in tasks:
        task.cancel()
    bench.target("events that 1,000 clients got", len(lags) / (clients * events), 1, "of all", least=True)
    bench.target("their lag, p99", sorted(lags)[int(len(lags) * 0.99) - 1], 1, "s")
    bench.target("memory with them", memory / 2**20, 64, "MiB")


def viewer_token(bench, project):
    done = subprocess.run([bench.mlops, "--json", "token", "add", "bench", "--role", "viewer"], cwd=project,
                          capture_output=True, text=True, check=True)
    return b"Authorization: Bearer %s\r\n" % json.loads(done.stdout)["token"].encode()


def compared(bench, parts):
    """The parts that need both servers, or ours alone, of which real is None then."""
    project = mlops_project(bench, bench.dir / "ours", "[step.a]\ncmd = true\n")
    servers = [Server("mlops", [bench.agent, "--listen", "127.0.0.1:0"], project, None)]
    ours, real = servers[0], None
    try:
        time.sleep(2)
        bench.target("ready", ours.ready * 1000, 50, "ms")
        bench.target("idle memory", ours.rss() / 2**20, 20, "MiB")
        if parts & {"loads", "clients"}:
            real = start_mlflow(bench)
            servers.append(real)
            print(f"ready: mlops {ours.ready * 1000:.0f} ms, MLflow {real.ready:.1f} s; idle: mlops {ours.rss() / 2**20:.0f} MiB, "
                  f"MLflow {real.rss() / 2**20:.0f} MiB", flush=True)
        if "loads" in parts:
            loads(bench, ours, real)
        if "clients" in parts:
            clients(bench, servers, pathlib.Path(bench.args.mlflow).with_name("python"))
        if real:
            real.stop()
        if "history" in parts:
            history(bench, ours)
        if "artifacts" in parts:
            artifacts(bench, ours, bench.args.size)
        if "events" in parts:
            asyncio.run(event_clients(bench, ours, viewer_token(bench, project)))
    finally:
        for server in servers:
            if server.process.poll() is None:
                server.stop()


def start_mlflow(bench):
    place, port = bench.dir / "mlflow", free_port()
    place.mkdir()
    return Server("MLflow", [bench.args.mlflow, "server", "--host", "127.0.0.1", "--port", port, "--backend-store-uri",
                             f"sqlite:///{place}/mlflow.db", "--artifacts-destination", place / "files"],
                  place, f"http://127.0.0.1:{port}")


PARTS = ("loads", "clients", "history", "artifacts", "events", "runs")


def main():
    options = {"size": {"type": int, "default": 4 << 30, "help": "bytes of the large artifact"},
               "runs": {"type": int, "default": 1_000_000, "help": "runs of the large experiment"},
               "only": {"action": "append", "choices": PARTS, "help": "this part; may be given several times"},
               "mlflow": {"default": JUDGES / "mlflow/bin/mlflow", "help": "the program mlflow, 3.x"}}
    with Bench(__doc__, **options) as bench:
        parts = set(bench.args.only or PARTS)
        need("wrk", "wrk")
        need("curl", "curl")
        if parts & {"loads", "clients"} and not os.access(bench.args.mlflow, os.X_OK):
            sys.exit(f"no MLflow at {bench.args.mlflow}: scripts/test installs it, or give --mlflow")
        bench.agent = pathlib.Path(bench.mlops).with_name("mlops-agent")
        if parts - {"runs"}:
            compared(bench, parts)
        if "runs" in parts:
            many_runs(bench, min(10_000, bench.args.runs), 10)
        if "runs" in parts and bench.args.runs > 10_000:
            many_runs(bench, bench.args.runs, 50)
        return bench.finish()


if __name__ == "__main__":
    sys.exit(main())
