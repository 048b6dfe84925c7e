# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the agent's tests: an agent on a project of its own, and plain requests to it."""
import http.client
import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import urllib.parse

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
AGENT = os.path.join(os.path.dirname(os.path.abspath(os.environ.get("MLOPS", ROOT / "build/release/mlops"))),
                     "mlops-agent")


class UnixConnection(http.client.HTTPConnection):
    """To the agent's own socket, where its owner needs no token."""

    def __init__(self, path, timeout=30):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Agent:
    """A running mlops-agent. `get`, `post`... return (status, JSON or bytes)."""

    def __init__(self, directory, environment, *options, listen="127.0.0.1:0"):
        self.directory, self.environment, self.options, self.listen = directory, environment, options, listen
        self.process = None
        self.start()

    def start(self, timeout=20):
        self.process = subprocess.Popen([AGENT, "--listen", self.listen, *map(str, self.options)],
                                        cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=open(self.directory / "agent.err", "ab"))
        assert select.select([self.process.stdout], [], [], timeout)[0], "the agent is not ready"
        line = self.process.stdout.readline().decode()
        assert line.startswith("ready: "), (line, (self.directory / "agent.err").read_text())
        self.url = line[len("ready: "):].strip()
        # After a kill it comes back where its clients know it.
        if self.url.startswith("http"):
            self.listen = urllib.parse.urlsplit(self.url).netloc

    def stop(self, signo=signal.SIGTERM, timeout=30):
        """Its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signo)
        return self.process.wait(timeout)

    @property
    def address(self):
        where = urllib.parse.urlsplit(self.url)
        return where.hostname, where.port

    @property
    def socket(self):
        return self.directory / ".mlops/agent.sock"

    def owner(self, method, path, body=None, headers=None, **query):
        """As the agent's owner, over its socket: (status, JSON or bytes)."""
        if query:
            path += "?" + urllib.parse.urlencode(query, doseq=True)
        status, got, data = self.request(method, path, body, headers, UnixConnection(self.socket))
        return status, json.loads(data) if got.get("Content-Type", "").startswith("application/json") else data

    def request(self, method, path, body=None, headers=None, connection=None):
        """(status, headers, bytes); a body that is no bytes is sent as JSON."""
        connection = connection or http.client.HTTPConnection(*self.address, timeout=30)
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, bytearray)) and not hasattr(body, "read"):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def call(self, method, path, body=None, /, **query):
        if query:
            path += "?" + urllib.parse.urlencode(query, doseq=True)
        status, headers, data = self.request(method, path, body)
        return status, json.loads(data) if headers.get("Content-Type", "").startswith("application/json") else data

    def get(self, path, /, **query):
        return self.call("GET", path, **query)

    def post(self, path, /, **body):
        return self.call("POST", path, body)


@pytest.fixture
def start_agent(project, environment):
    """start_agent(OPTION...) -> Agent of the test's project; all are stopped at the end."""
    agents = []

    def start(*options, directory=project, **named):
        agents.append(Agent(directory, environment, *options, **named))
        return agents[-1]

    yield start
    for one in agents:
        if one.stop() not in (0, -signal.SIGKILL, -signal.SIGTERM):
            pytest.fail("the agent ended badly: " + (one.directory / "agent.err").read_text()[-4000:])


@pytest.fixture
def agent(start_agent):
    return start_agent()
