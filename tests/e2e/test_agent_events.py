# SPDX-License-Identifier: Apache-2.0
"""The record of changes, live."""
import json
import socket
import subprocess
import time

from agents import UnixConnection

SECONDS = 20


class Feed:
    """A client of server-sent events."""

    def __init__(self, agent, query="", headers=None, buffer=None):
        self.connection = UnixConnection(agent.socket, timeout=10)
        if buffer:
            self.connection.connect()
            self.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.connection.request("GET", "/api/v1/events" + query,
                                headers={"Accept": "text/event-stream", **(headers or {})})
        self.answer = self.connection.getresponse()
        assert self.answer.getheader("Content-Type") == "text/event-stream" or self.answer.status != 200

    def next(self):
        """(id, event, data) of the next one; None at the end."""
        got = {}
        while True:
            line = self.answer.readline().decode()
            if not line:
                return None
            if line == "\n":
                if got:
                    return int(got["id"]), got["event"], json.loads(got["data"])
                continue
            name, _, value = line.rstrip("\n").partition(": ")
            if name:
                got[name] = value

    def close(self):
        self.answer.close()
        self.connection.close()


def secret(agent, name, method="PUT"):
    status, body = agent.owner(method, f"/api/v1/secrets/{name}", b"value" if method == "PUT" else None)
    assert status == 200, body


def test_events_come_as_they_are_committed(agent, project, mlops):
    feed = Feed(agent)
    secret(agent, "ONE")
    first = feed.next()
    assert first[1] == "secret.add" and first[2]["subject"] == "ONE" and first[2]["seq"] == first[0]
    # of another process
    began = time.monotonic()
    assert mlops("secret", "rm", "ONE").status == 0
    second = feed.next()
    assert second[:2] == (first[0] + 1, "secret.rm") and time.monotonic() - began < 3
    feed.close()


# The first event of a project is its key.
def test_who_comes_back_misses_nothing(agent):
    for i in range(4):
        secret(agent, f"A{i}")
    feed = Feed(agent, "?after=2")
    assert [feed.next()[0] for _ in range(3)] == [3, 4, 5]
    secret(agent, "MORE")
    assert feed.next()[0] == 6
    feed.close()
    feed = Feed(agent, "?after=1", {"Last-Event-ID": "5"})
    assert feed.next()[0] == 6
    feed.close()
    for bad in ("x", "-1", "1x", "99999999999999999999"):
        assert agent.owner("GET", "/api/v1/events", None, {"Accept": "text/event-stream"}, after=bad)[0] == 400
    # one that was never written: only what is new
    feed = Feed(agent, "?after=1000")
    secret(agent, "NEW")
    assert feed.next()[0] == 7
    feed.close()


def test_the_list_is_the_operation(agent, mlops):
    for i in range(1, 3):
        secret(agent, f"A{i}")
    status, body = agent.owner("GET", "/api/v1/events", None, {"Accept": "application/json"}, limit=2)
    assert status == 200 and [e["seq"] for e in body["events"]] == [3, 2]
    status, body = agent.owner("GET", "/api/v1/events", after=1)
    assert [e["seq"] for e in body["events"]] == [2, 3]
    text = mlops("events", "-n", "1").out
    assert text.startswith("3 ") and "secret.add A2" in text and "(http)" in text
    assert agent.get("/api/v1/events")[0] == 401
    assert agent.owner("GET", "/api/v1/events", limit=0)[0] == 400


def test_the_command_follows(agent, project, environment, program):
    secret(agent, "OLD")
    for options in ([], ["--agent", f"unix:{agent.socket}"]):
        follower = subprocess.Popen([program, *options, "events", "-f", "-n", "1"], cwd=project, env=environment,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert "secret." in follower.stdout.readline()
        secret(agent, "NEW")
        assert "secret.add NEW" in follower.stdout.readline()
        follower.kill()
        follower.communicate()


def test_one_that_does_not_read_is_cut_and_resumes(agent):
    """Its socket's buffer and the queue are full; others go on."""
    lazy, eager = Feed(agent, buffer=4096), Feed(agent)
    names = [f"N{i:04}" + "x" * 55 for i in range(6)]
    for name in names:
        secret(agent, name)
    assert [eager.next()[2]["subject"] for _ in names] == names
    # far behind: it is given all of them in pieces
    late = Feed(agent, "?after=0")
    assert [late.next()[0] for _ in names] == list(range(1, 7))
    for feed in (lazy, eager, late):
        feed.close()


def test_streams_end_with_the_agent(start_agent):
    agent = start_agent()
    feeds = [Feed(agent) for _ in range(20)]
    began = time.monotonic()
    assert agent.stop() == 0 and time.monotonic() - began < 5
    for feed in feeds:
        try:
            assert feed.next() is None
        except OSError:
            pass
        feed.close()


def test_two_hundred_at_once(agent):
    feeds = [Feed(agent) for _ in range(200)]
    began = time.monotonic()
    secret(agent, "ONE")
    assert all(feed.next()[2]["subject"] == "ONE" for feed in feeds)
    assert time.monotonic() - began < 5
    for feed in feeds:
        feed.close()


def test_who_lost_his_token_sees_no_more(agent, mlops):
    readers = []
    for name in ("one", "two"):
        token = json.loads(mlops("--json", "token", "add", name).out)["token"]
        readers.append(Feed(agent, headers={"Authorization": "Bearer " + token}))
    assert mlops("token", "rm", "one").status == 0
    seen = []
    while (event := readers[0].next()) is not None:
        seen.append(event[1])
    assert set(seen) <= {"token.add", "token.rm"}
    assert mlops("token", "add", "three").status == 0
    while (event := readers[1].next())[2]["subject"] != "three":
        pass
