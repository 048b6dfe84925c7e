# SPDX-License-Identifier: Apache-2.0
"""
A real MLflow server and ours, side by side. These tests run inside a virtual environment that has an MLflow client,
of the 2.x or the 3.x line; `scripts/test` makes both. MLFLOW_JUDGE names the program `mlflow` of the 3.x one, which is
the server.
"""
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

# Before mlflow is imported: one answer a request, no reports to anybody.
os.environ.update(MLFLOW_HTTP_REQUEST_MAX_RETRIES="0", MLFLOW_HTTP_REQUEST_TIMEOUT="60", GIT_PYTHON_REFRESH="quiet",
                  MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true", MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false")
for name in [n for n in os.environ if n.startswith(("MLFLOW_TRACKING", "MLFLOW_RUN", "MLFLOW_EXPERIMENT"))]:
    del os.environ[name]

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))
from agents import Agent, ROOT  # noqa: E402

import mlflow  # noqa: E402
from both import Both  # noqa: E402

PROGRAM = os.path.abspath(os.environ.get("MLOPS", ROOT / "build/release/mlops"))
NEW_CLIENT = int(mlflow.__version__.split(".")[0]) >= 3


@pytest.fixture(scope="session")
def real_uri(tmp_path_factory):
    """A real MLflow server, of the newest line."""
    home = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server = os.environ.get("MLFLOW_JUDGE", os.path.join(os.path.dirname(sys.executable), "mlflow"))
    with open(home / "log", "wb") as log:
        process = subprocess.Popen(
            [server, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
             "--backend-store-uri", "sqlite:///%s/mlflow.db" % home, "--artifacts-destination", str(home / "artifacts")],
            cwd=home, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        uri = "http://127.0.0.1:%d" % port
        for _ in range(600):
            try:
                urllib.request.urlopen(uri + "/health", timeout=5).read()
                break
            except OSError:
                assert process.poll() is None, (home / "log").read_text()[-3000:]
                time.sleep(0.2)
        yield uri
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def our_agent(tmp_path_factory):
    home = tmp_path_factory.mktemp("ours")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "MLOPS_"))}
    environment["HOME"] = str(home)
    subprocess.run([PROGRAM, "init"], cwd=home, env=environment, check=True, capture_output=True)
    agent = Agent(home, environment)
    yield agent
    assert agent.stop() == 0, (home / "agent.err").read_text()[-4000:]


@pytest.fixture(scope="session")
def both(real_uri, our_agent):
    return Both(real_uri, our_agent.url)


@pytest.fixture(autouse=True)
def settled(request):
    """Every difference is told at the end of a test, not only the first."""
    yield
    if "both" in request.fixturenames:
        request.getfixturevalue("both").settle()


@pytest.fixture
def fresh(both, request):
    """An experiment of the test's own on both: a Pair of ids."""
    return both.client.create_experiment("exp %s %s" % (request.module.__name__, request.node.name))
