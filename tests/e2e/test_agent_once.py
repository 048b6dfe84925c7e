# SPDX-License-Identifier: Apache-2.0
"""A request whose answer did not arrive is sent again by its client, and must not happen twice."""
import json
import signal
import socket
import sqlite3
import time

SECONDS = 3

BODY = json.dumps({"experiment_id": "0", "start_time": 42, "user_id": "replayed"}).encode()
REQUEST = (b"POST /api/2.0/mlflow/runs/create HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
           b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY))


def read_answer(sock):
    data = b""
    while b"\r\n\r\n" not in data:
        part = sock.recv(65536)
        assert part, "no answer"
        data += part
    head, body = data.split(b"\r\n\r\n", 1)
    length = int([line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")][0].split(b":")[1])
    while len(body) < length:
        body += sock.recv(65536)
    return json.loads(body)["run"]["info"]["run_id"]


def ask(sql, project):
    with sqlite3.connect(project / ".mlops/registry.db") as db:
        return db.execute(sql).fetchone()[0]


def count_runs(project):
    return ask("SELECT count(*) FROM runs WHERE user_id = 'replayed'", project)


def wait_for(what):
    end = time.monotonic() + 10
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def test_an_answer_that_did_not_arrive_is_given_again(agent, project):
    sock = socket.create_connection(agent.address)
    sock.sendall(REQUEST)
    sock.close()
    wait_for(lambda: count_runs(project) == 1)
    with socket.create_connection(agent.address) as sock:
        sock.sendall(REQUEST)
        first = read_answer(sock)
        assert count_runs(project) == 1, "the repeat made a second run"
        sock.sendall(REQUEST)  # it has its answer: this one is meant
        assert read_answer(sock) != first
    assert count_runs(project) == 2


def test_what_arrived_is_not_kept(agent, project):
    with socket.create_connection(agent.address) as sock:
        for _ in range(5):
            sock.sendall(REQUEST)
            read_answer(sock)
        assert ask("SELECT count(*) FROM answers", project) <= 2
    with socket.create_connection(agent.address) as sock:
        sock.sendall(REQUEST)
        read_answer(sock)
    assert count_runs(project) == 6


def test_two_that_ask_the_same_at_once_are_two(agent, project):
    socks = [socket.create_connection(agent.address) for _ in range(8)]
    for sock in socks:
        sock.sendall(REQUEST)
    assert len({read_answer(sock) for sock in socks}) == 8
    for sock in socks:
        sock.close()
    with socket.create_connection(agent.address) as sock:
        sock.sendall(REQUEST)
        read_answer(sock)
    assert count_runs(project) == 9


def test_an_orderly_end_keeps_nothing_that_went_out(start_agent, project):
    agent = start_agent()
    with socket.create_connection(agent.address) as sock:
        sock.sendall(REQUEST)
        read_answer(sock)
        time.sleep(0.05)
        assert agent.stop() == 0
    assert ask("SELECT count(*) FROM answers", project) == 0


def test_an_answer_outlives_the_agent(start_agent, project):
    agent = start_agent()
    sock = socket.create_connection(agent.address)
    sock.sendall(REQUEST)
    wait_for(lambda: count_runs(project) == 1)
    agent.stop(signal.SIGKILL)
    sock.close()
    agent.start()
    with socket.create_connection(agent.address) as again:
        again.sendall(REQUEST)
        read_answer(again)
        assert count_runs(project) == 1
        again.sendall(REQUEST)
        read_answer(again)
    assert count_runs(project) == 2


def test_who_comes_again_at_once_gets_something_new(agent):
    """It has its answer, though the server may not know that yet."""
    ids = [agent.post("/api/2.0/mlflow/runs/create", experiment_id="0")[1]["run"]["info"]["run_id"] for _ in range(300)]
    assert len(set(ids)) == len(ids)
