# SPDX-License-Identifier: Apache-2.0
"""The agent as a program: how it starts, listens, tells how it is, and stops."""
import http.client
import json
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import threading
import time

import pytest

from agents import AGENT

SECONDS = 14


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def over_unix(path, target):
    connection = UnixConnection(str(path))
    connection.request("GET", target)
    answer = connection.getresponse()
    return answer.status, answer.read()


def refused(project, environment, *options):
    done = subprocess.run([AGENT, *map(str, options)], cwd=project, env=environment, capture_output=True, text=True,
                          timeout=20, check=False)
    assert done.returncode
    return done.returncode, done.stderr


def test_the_projects_own_socket_is_for_its_owner(agent):
    path = agent.directory / ".mlops/agent.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_ISSOCK(path.stat().st_mode)
    assert over_unix(path, "/health") == (200, b"OK")
    assert agent.stop() == 0
    assert not path.exists()


def test_a_socket_whose_path_is_longer_than_an_address(tmp_path, mlops, start_agent):
    deep = tmp_path / ("d" * 100) / ("e" * 60)
    deep.mkdir(parents=True)
    assert mlops("init", cwd=deep).status == 0
    start_agent(directory=deep)
    fd = os.open(deep / ".mlops", os.O_PATH)
    assert over_unix("/proc/self/fd/%d/agent.sock" % fd, "/health") == (200, b"OK")
    os.close(fd)


def test_several_addresses(project, start_agent):
    agent = start_agent("--listen", "127.0.0.1:0", "--listen", "unix:other.sock")
    lines = [agent.process.stdout.readline().decode().strip() for _ in range(3)]
    assert lines[0].startswith("ready: http://127.0.0.1:")
    assert lines[1:] == ["ready: unix:%s/other.sock" % project, "ready: unix:%s/.mlops/agent.sock" % project]
    assert over_unix(project / "other.sock", "/health")[0] == 200


def test_what_a_killed_agent_left_is_replaced_and_a_file_is_not(project, environment, start_agent):
    agent = start_agent()
    agent.stop(signal.SIGKILL)
    agent.start()
    assert agent.get("/health") == (200, b"OK")
    agent.stop()
    (project / ".mlops/agent.sock").write_text("mine")
    status, err = refused(project, environment, "--listen", "127.0.0.1:0")
    assert status == 4 and "a regular file stands there" in err
    assert (project / ".mlops/agent.sock").read_text() == "mine"


def test_a_second_agent_is_told_who_is_first(agent, environment):
    status, err = refused(agent.directory, environment, "--listen", "127.0.0.1:0")
    assert status == 4 and "process %d" % agent.process.pid in err
    assert agent.get("/health") == (200, b"OK")


@pytest.mark.parametrize("options, text", [
    (["--listen", "0.0.0.0:0"], "--tls-cert"),
    (["--listen", "[::]:0"], "--tls-cert"),
    (["--listen", "nonsense"], "127.0.0.1:5000"),
    (["--listen", "127.0.0.1:70000"], "is no address"),
    (["--listen", "unix:"], "needs a path"),
    (["--listen"], "needs a value"),
    (["--tls-cert", "c.pem"], "belong together"),
    (["--tls-cert", "no.pem", "--tls-key", "no.pem"], "no.pem"),
    (["--allow-host", "a b"], "name of one host"),
    (["--bogus"], "no option '--bogus'"),
    (["-C", "/nowhere"], "/nowhere"),
])
def test_what_it_does_not_start_with(project, environment, options, text):
    assert text in refused(project, environment, *options)[1]


def test_the_command_becomes_the_program(project, environment, program):
    process = subprocess.Popen([program, "-C", project, "agent", "--listen", "127.0.0.1:0"], env=environment, cwd="/",
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout.readline().startswith(b"ready: http://127.0.0.1:")
    assert os.readlink("/proc/%d/exe" % process.pid) == os.path.realpath(AGENT)
    process.terminate()
    assert process.wait(10) == 0


# ---- TLS ----

@pytest.fixture
def pem(tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", "k.pem", "-out", "c.pem", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost"], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


def test_a_certificate_of_ones_own_is_believed_when_told(pem, start_agent, mlops):
    agent = start_agent("--tls-cert", pem / "c.pem", "--tls-key", pem / "k.pem", listen="localhost:0")
    status, _, err = mlops("--agent", agent.url, "whoami")
    assert status == 5 and "certificate" in err
    assert mlops("--agent", agent.url, "whoami", env={"SSL_CERT_FILE": str(pem / "c.pem")}).status == 0


def test_tls_is_new_enough(project, pem, start_agent, environment):
    agent = start_agent("--tls-cert", pem / "c.pem", "--tls-key", pem / "k.pem", listen="localhost:0")
    assert agent.url.startswith("https://localhost:")
    context = ssl.create_default_context(cafile=pem / "c.pem")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context.minimum_version = context.maximum_version = version
        connection = http.client.HTTPSConnection(*agent.address, context=context, timeout=10)
        connection.request("GET", "/health")
        assert connection.getresponse().read() == b"OK"
    for old in ("-tls1", "-tls1_1"):
        done = subprocess.run(["openssl", "s_client", old, "-cipher", "ALL:@SECLEVEL=0", "-connect",
                               "%s:%d" % agent.address], input=b"", capture_output=True, timeout=10, check=False)
        assert b"Cipher is (NONE)" in done.stdout
    # Without anybody who could log in, it stays on this machine.
    agent.stop()
    _, err = refused(project, environment, "--listen", "0.0.0.0:0", "--tls-cert", pem / "c.pem", "--tls-key",
                     pem / "k.pem")
    assert "mlops token add" in err
    _, err = refused(project, environment, "--listen", "127.0.0.1:0", "--tls-cert", pem / "k.pem", "--tls-key",
                     pem / "c.pem")
    assert "belong together" in err


# ---- how it is ----

def test_health(agent):
    assert agent.get("/livez") == (200, {"status": "live"})
    status, ready = agent.get("/readyz")
    assert status == 200 and ready["status"] == "ready"
    assert {"database", "store", "readers", "writer", "workers"} == set(ready["checks"])
    assert ready["checks"]["store"]["free_bytes"] > 0
    # A proxy asks for strangers.
    status, _, data = agent.request("GET", "/readyz", headers={"X-Forwarded-For": "192.0.2.1"})
    assert (status, json.loads(data)) == (200, {"status": "ready"})
    assert agent.request("GET", "/metrics", headers={"X-Forwarded-For": "192.0.2.1"})[0] == 401


def test_metrics_have_templates_for_routes(agent):
    agent.get("/api/v1/models/secret-name")
    agent.get("/secret-path")
    agent.request("GET", "/health")
    text = agent.get("/metrics")[1].decode()
    assert "secret" not in text
    assert 'mlops_http_requests_total{route="/health",method="GET",code="200"} 1' in text
    assert 'mlops_http_requests_total{route="",method="",code="404"} 1' in text
    for name in ("mlops_build_info", "mlops_runs", "mlops_store_free_bytes", "process_resident_memory_bytes",
                 "process_open_fds", "process_cpu_seconds_total", "process_start_time_seconds"):
        assert re.search(r"^%s(\{[^}]*\})? [0-9.]+$" % name, text, re.M), name
    # Every sample belongs to a family that was declared, and no sample stands twice.
    samples = [line.rsplit(" ", 1)[0] for line in text.splitlines() if not line.startswith("#")]
    families = set(re.findall(r"^# TYPE (\S+) ", text, re.M))
    assert len(samples) == len(set(samples))
    assert all(re.sub(r"_(bucket|sum|count)$", "", s.split("{")[0]) in families or s.split("{")[0] in families
               for s in samples)
    started = float(re.search(r"^process_start_time_seconds (\S+)", text, re.M)[1])
    assert abs(started - time.time()) < 60


def test_the_page_says_what_runs_and_escapes_it(tmp_path, mlops, start_agent):
    named = tmp_path / "<b>&'x"
    named.mkdir()
    assert mlops("init", cwd=named).status == 0
    agent = start_agent(directory=named)
    status, headers, data = agent.request("GET", "/")
    text = data.decode()
    assert status == 200 and "<b>" not in text and "&lt;b&gt;&amp;&#39;x" in text
    assert "MLFLOW_TRACKING_URI=" + agent.url in text
    nonce = re.search("'nonce-([0-9a-f]{32})'", headers["Content-Security-Policy"])[1]
    assert '<style nonce="%s">' % nonce in text and "<script" not in text
    stranger = agent.request("GET", "/", headers={"X-Forwarded-For": "192.0.2.1"})[2].decode()
    assert "&lt;b" not in stranger and "experiments</dt>" not in stranger


def test_the_log_has_a_line_of_json_for_each_event(agent):
    for _ in range(30):
        agent.request("GET", "/health", headers={"X-A": "a", "Transfer-Encoding": "bogus\x7f"})
    agent.stop()
    lines = [json.loads(line) for line in (agent.directory / "agent.err").read_text().splitlines()]
    assert [line["msg"] for line in lines if line["level"] == "info"] == ["ready", "stopping", "stopped"]
    assert 1 <= len([line for line in lines if line["msg"] == "request refused"]) <= 15


# ---- systemd, and its end ----

def test_the_service_manager_is_told(tmp_path, project, environment):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(10)
        process = subprocess.Popen([AGENT, "--listen", "127.0.0.1:0"], cwd=project, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL,
                                   env={**environment, "NOTIFY_SOCKET": str(tmp_path / "notify"),
                                        "WATCHDOG_USEC": "300000"})
        assert notify.recv(99) == b"READY=1"
        assert notify.recv(99) == b"WATCHDOG=1" == notify.recv(99)
        process.send_signal(signal.SIGHUP)
        assert notify.recv(99) == b"WATCHDOG=1"
        process.terminate()
        while (state := notify.recv(99)) == b"WATCHDOG=1":
            pass
        assert state == b"STOPPING=1"
        assert process.wait(10) == 0


def test_what_was_asked_is_answered_before_it_stops(agent):
    body = b'{"max_results": 1}'
    with socket.create_connection(agent.address, 10) as sock, socket.create_connection(agent.address, 10) as idle:
        sock.sendall(b"POST /api/2.0/mlflow/experiments/search HTTP/1.1\r\nHost: localhost\r\n"
                     b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:5])
        time.sleep(0.3)
        agent.process.terminate()
        time.sleep(0.3)
        with pytest.raises(OSError):
            socket.create_connection(agent.address, 1)
        assert agent.process.poll() is None
        sock.sendall(body[5:])
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
        assert answer.startswith(b"HTTP/1.1 200 ") and b"Connection: close" in answer
        assert agent.process.wait(5) == 0
        assert idle.recv(1) == b""


def test_requests_of_kept_connections_come_while_it_stops(agent):
    """After the last answer, when the parts that would serve them are gone."""
    request = b"GET /api/2.0/mlflow/experiments/get?experiment_id=0 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for _ in range(3):
        connections = [socket.create_connection(agent.address, 10) for _ in range(60)]
        for sock in connections:
            sock.sendall(request)
            assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
        agent.process.terminate()
        for sock in connections:
            time.sleep(0.0005)
            try:
                sock.sendall(request)
            except OSError:
                pass
        assert agent.process.wait(10) == 0
        agent.start()


def test_a_second_signal_ends_it_at_once(agent):
    with socket.create_connection(agent.address, 10) as sock:
        sock.sendall(b"POST /api/2.0/mlflow/experiments/search HTTP/1.1\r\nHost: localhost\r\n"
                     b"Content-Type: application/json\r\nContent-Length: 5\r\n\r\n")
        time.sleep(0.3)
        agent.process.terminate()
        time.sleep(0.3)
        agent.process.terminate()
        assert agent.process.wait(2) == 128 + signal.SIGTERM
    agent.start()


def test_it_ends_without_waiting_for_clients_who_left(agent):
    path = "/api/2.0/mlflow-artifacts/artifacts/0/%s/artifacts/a" % ("a" * 32)
    with socket.create_connection(agent.address) as cut:
        cut.sendall(b"PUT %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nabc" % path.encode())
    time.sleep(0.1)
    agent.process.terminate()
    assert agent.process.wait(5) == 0
    agent.start()


def sockets(pid):
    """How many it has open; files come and go as its threads begin to work."""
    count = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            count += os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:")
        except FileNotFoundError:
            pass  # closed since
    return count


def test_live_events_end_with_it_and_with_their_client(agent):
    streams = [socket.socket(socket.AF_UNIX) for _ in range(20)]
    for sock in streams:
        sock.settimeout(10)
        sock.connect(str(agent.directory / ".mlops/agent.sock"))
        sock.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
    assert all(sock.recv(12) == b"HTTP/1.1 200" for sock in streams)
    before = sockets(agent.process.pid)
    for sock in streams[:15]:
        sock.close()
    for _ in range(60):
        if sockets(agent.process.pid) <= before - 15:
            break
        time.sleep(0.1)
    assert sockets(agent.process.pid) <= before - 15
    began = time.monotonic()
    assert agent.stop() == 0
    assert time.monotonic() - began < 5
