# SPDX-License-Identifier: Apache-2.0
"""HTTP itself: what the agent makes of bytes that no library would send."""
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import time

import pytest

from agents import AGENT

SECONDS = 20
OK = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
SEARCH = "/api/2.0/mlflow/experiments/search"


def connect(agent, timeout=10):
    return socket.create_connection(agent.address, timeout)


def receive(sock, enough=None):
    """All until the end, or until `enough(data)`."""
    data = b""
    while not (enough and enough(data)):
        try:
            piece = sock.recv(65536)
        except (ConnectionResetError, TimeoutError):
            break
        if not piece:
            break
        data += piece
    return data


def ask(agent, *pieces, timeout=2):
    """(status, rest) of what came back until the server closed; status 0: it closed without a word."""
    with connect(agent, timeout) as sock:
        for piece in pieces:
            sock.sendall(piece)
        data = receive(sock)
    return (int(data.split(b" ")[1]), data) if data else (0, data)


def whole(data):
    """Whether it ends an answer that has a length."""
    head, found, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return bool(found) and length and len(body) >= int(length[1])


def head(*lines, target="/health", method="GET"):
    return b"\r\n".join([("%s %s HTTP/1.1" % (method, target)).encode(), b"Host: localhost", *lines, b"", b""])


SMUGGLED = {
    "two lengths": head(b"Content-Length: 5", b"Content-Length: 6") + b"hello",
    "two equal lengths": head(b"Content-Length: 5", b"Content-Length: 5") + b"hello",
    "length and chunks": head(b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"0\r\n\r\n" + OK,
    "chunks and length": head(b"Transfer-Encoding: chunked", b"Content-Length: 5") + b"0\r\n\r\n" + OK,
    "two codings": head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity") + b"0\r\n\r\n",
    "another coding": head(b"Transfer-Encoding: xchunked") + b"0\r\n\r\n",
    "coding list": head(b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n",
    "coding in 1.0": b"POST /health HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two hosts": head(b"Host: other"),
    "two authorizations": head(b"Authorization: Bearer a", b"Authorization: Bearer b"),
    "signed length": head(b"Content-Length: +5") + b"hello",
    "negative length": head(b"Content-Length: -5") + b"hello",
    "hex length": head(b"Content-Length: 0x5") + b"hello",
    "list of lengths": head(b"Content-Length: 5, 5") + b"hello",
    "empty length": head(b"Content-Length:"),
    "blank before the colon": head(b"Content-Length : 5") + b"hello",
    "tab before the colon": head(b"Transfer-Encoding\t: chunked") + b"0\r\n\r\n",
    "continued line": head(b"X-A: b", b" c"),
    "continued name": head(b"Content-Leng: 5", b" th") + b"hello",
    "bare line feed": b"GET /health HTTP/1.1\r\nHost: localhost\nX-A: b\r\n\r\n",
    "carriage return in a value": head(b"X-A: b\rTransfer-Encoding: chunked"),
    "NUL in a value": head(b"X-A: b\0c"),
    "control in a value": head(b"X-A: b\x01c"),
    "no colon": head(b"nothing"),
    "no host": b"GET /health HTTP/1.1\r\nX-A: b\r\n\r\n",
    "NUL in the target": b"GET /health\0/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "blank in the target": b"GET /health /x HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "two blanks": b"GET  /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "control in the target": b"GET /health\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no target": b"GET\r\nHost: localhost\r\n\r\n",
    "old": b"GET /health\r\n\r\n",
    "another protocol": b"GET /health FTP/1.1\r\nHost: localhost\r\n\r\n",
}


def test_a_head_that_two_programs_could_read_in_two_ways_is_refused(agent):
    for name, request in SMUGGLED.items():
        status, data = ask(agent, request)
        assert status in (0, 400, 505), (name, data)
        # And the connection ends: what follows in it is nobody's request.
        assert b"HTTP/1.1 200" not in data, (name, data)


def test_what_is_too_long_is_refused_at_once(agent):
    began = time.monotonic()
    assert ask(agent, head(target="/" + "a" * 20000))[0] == 414
    assert ask(agent, head(target="/" + "a" * 300000))[0] in (0, 414)
    assert ask(agent, head(b"X-A: " + b"a" * 30000))[0] == 431
    assert ask(agent, head(*[b"X-%d: a" % i for i in range(300)]))[0] == 431
    assert ask(agent, head(b"X-A: " + b"a" * 300000))[0] in (0, 431)
    for length in (2 ** 63 - 1, 2 ** 63, 2 ** 64, 10 ** 30):
        assert ask(agent, head(b"Content-Length: %d" % length, target=SEARCH, method="POST"))[0] == 413
    assert time.monotonic() - began < 5


def test_a_body_beyond_the_limit(agent):
    status, headers, data = agent.request("POST", SEARCH, b"x" * (17 << 20), {"Content-Type": "application/json"})
    assert status == 413 and json.loads(data)["message"].startswith("the body has more than")
    chunk = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
    start = head(b"Transfer-Encoding: chunked", b"Content-Type: application/json", b"Connection: close",
                 target=SEARCH, method="POST")
    assert ask(agent, start, *[chunk] * 18, b"0\r\n\r\n")[0] == 413


def test_methods(agent):
    status, headers, data = agent.request("DELETE", "/health")
    assert (status, headers["Allow"]) == (405, "GET, HEAD") and json.loads(data)["error"]["code"]
    assert agent.request("BREW", "/health")[0] == 405
    assert agent.request("BREW", "/nothing")[0] == 404
    status, headers, data = agent.request("HEAD", "/health")
    assert (status, headers["Content-Length"], data) == (200, "2", b"")
    status, _, data = agent.request("GET", "/api/2.0/mlflow/nothing")
    assert (status, json.loads(data)["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


def test_escapes_that_hide_something(agent):
    for name in ("a%2fb", "a%00", "..", "%2e%2e", ".", "%ff", "%4", "%zz", "%", "%c0%af", "%ed%a0%80"):
        assert agent.get("/api/v1/models/" + name)[0] == 400, name
        assert agent.get("/api/2.0/mlflow-artifacts/artifacts/a/" + name)[0] == 400, name


def test_escapes_stay_where_they_are(agent):
    assert agent.get("/%68ealth")[0] == 404
    assert agent.get("//health")[0] == 404
    assert agent.get("/health/")[0] == 404
    assert agent.get("/health?a=%00")[0] == 400


def test_a_body_says_that_it_is_json(agent):
    for headers in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/jsonx"}):
        status, _, data = agent.request("POST", SEARCH, b'{"max_results": 1}', headers)
        assert (status, json.loads(data)["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), headers
    for kind in ("application/json", "application/json; charset=utf-8", "Application/JSON"):
        assert agent.request("POST", SEARCH, b'{"max_results": 1}', {"Content-Type": kind})[0] == 200


def test_json_that_is_a_trap(agent):
    for body in (b"[" * 100000, b'{"a":' * 100000, b'{"max_results":1,"max_results":2}', b'{"a":NaN}', b'{"a":1e999}',
                 b'{"a":"\\ud800"}', b"{}\0", b"{} {}", b"\xff", b"[]", b'"a"'):
        status, _, data = agent.request("POST", SEARCH, body, {"Content-Type": "application/json"})
        assert status == 400 and json.loads(data), body[:40]
    assert agent.get("/health") == (200, b"OK")


def test_every_answer_has_its_headers(agent):
    for path in ("/health", "/nothing", "/", SEARCH):
        _, headers, _ = agent.request("GET", path)
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'") and headers["Cache-Control"]
        assert "Server" not in headers and headers["Date"].endswith("GMT")


def test_requests_in_a_row_on_one_connection(agent):
    with connect(agent) as sock:
        sock.sendall(OK * 50)
        data = receive(sock, lambda d: d.count(b"\r\n\r\nOK") == 50)
        sock.sendall(head(target="/nothing"))
        assert b" 404 " in receive(sock, whole)
        sock.sendall(head(b"Content-Length: 3", target="/nothing", method="POST") + b"abc" + OK)
        data = receive(sock, lambda d: d.endswith(b"OK"))
        assert data.startswith(b"HTTP/1.1 404 ") and b"HTTP/1.1 200 " in data


def test_a_client_that_waits_to_be_told_to_go_on(agent):
    body = b'{"max_results": 1}'
    wanted = head(b"Content-Type: application/json", b"Content-Length: %d" % len(body), b"Expect: 100-continue", target=SEARCH,
                  method="POST")
    with connect(agent) as sock:
        sock.sendall(wanted)
        assert receive(sock, lambda d: b"\r\n\r\n" in d).startswith(b"HTTP/1.1 100 ")
        sock.sendall(body)
        assert receive(sock, whole).startswith(b"HTTP/1.1 200 ")
    with connect(agent) as sock:
        sock.sendall(wanted.replace(SEARCH.encode(), b"/nothing"))
        assert receive(sock, whole).startswith(b"HTTP/1.1 404 ")


# ---- time and number ----

def status_of(agent, name):
    text = pathlib.Path("/proc/%d/status" % agent.process.pid).read_text()
    return int(re.search(name + r":\s*(\d+)", text)[1])


def open_files(agent):
    """How many it has, but for those of the project itself, which each thread opens when it first needs them."""
    count, directory = 0, "/proc/%d/fd" % agent.process.pid
    for name in os.listdir(directory):
        try:
            path = os.readlink(os.path.join(directory, name))
        except FileNotFoundError:
            continue
        count += not re.search(r"/\.mlops(/registry\.db[^/]*|/[a-z]+)?$", path)
    return count


def settle(agent, wanted):
    for _ in range(100):
        if open_files(agent) <= wanted:
            return
        time.sleep(0.05)
    assert open_files(agent) <= wanted


def test_two_thousand_connections_come_and_go(agent):
    agent.get("/health")
    before = open_files(agent)
    for kind in (b"", OK[:20], OK, head(b"Content-Length: 100", b"Content-Type: application/json", target=SEARCH,
                                        method="POST") + b"{"):
        socks = []
        for _ in range(500):
            socks.append(connect(agent))
            socks[-1].sendall(kind)
        assert agent.get("/health") == (200, b"OK")
        for sock in socks:
            sock.close()
        settle(agent, before + 2)
    memory = status_of(agent, "VmRSS")
    for _ in range(2):
        for sock in [connect(agent) for _ in range(500)]:
            sock.sendall(OK)
            sock.close()
        settle(agent, before + 2)
    assert status_of(agent, "VmRSS") < memory + 20000


def test_who_leaves_in_the_midst_of_a_body_is_not_waited_for(agent):
    agent.get("/health")
    before = open_files(agent)
    for start in (head(b"Content-Length: 500", b"Content-Type: application/json", target=SEARCH, method="POST") + b"{",
                  head(b"Content-Length: 900000", target=b"/api/2.0/mlflow-artifacts/artifacts/x", method="PUT") + b"x" * 200000):
        for sock in [connect(agent) for _ in range(20)]:
            sock.sendall(start)
            sock.shutdown(socket.SHUT_RDWR)
            sock.close()
    settle(agent, before + 2)
    # who only says that all is sent still gets the answer
    sock = connect(agent)
    sock.sendall(OK)
    sock.shutdown(socket.SHUT_WR)
    assert b" 200 " in sock.recv(1000)


def test_large_bodies_have_one_room_together(agent):
    size, part = 16 << 20, b" " * (15 << 20)
    lines = head(b"Content-Length: %d" % size, b"Content-Type: application/json", target=SEARCH, method="POST")
    socks = [connect(agent, 30) for _ in range(9)]
    for sock in socks:
        sock.sendall(lines)
        sock.sendall(part)
    body = b'{"max_results": 1}'.ljust(size - len(part))
    socks[0].settimeout(10)
    for sock in socks:
        sock.sendall(body)
    statuses = [sock.recv(12)[9:] for sock in socks]
    assert b"429" in statuses and statuses.count(b"200") >= 7
    for sock in socks:
        sock.close()
    assert agent.post("/api/2.0/mlflow/runs/search", experiment_ids=["0"])[0] == 200


def test_a_head_that_trickles_is_cut_and_others_are_served(agent):
    slow = connect(agent, 30)
    body = connect(agent, 30)
    body.sendall(head(b"Content-Length: 1000", b"Content-Type: application/json", target=SEARCH, method="POST"))
    began, cut = time.monotonic(), 0
    while time.monotonic() - began < 20 and not cut:
        try:
            slow.sendall(b"x" if time.monotonic() - began > 1 else b"GET /health HTTP/1.1\r\nX-A: ")
            slow.settimeout(0.25)
            cut = time.monotonic() - began if slow.recv(1) == b"" else 0
        except TimeoutError:
            assert agent.get("/health") == (200, b"OK")
        except OSError:
            cut = time.monotonic() - began
    assert 8 < cut < 14
    slow.close()
    body.close()
