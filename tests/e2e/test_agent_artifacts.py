# SPDX-License-Identifier: Apache-2.0
"""The artifact proxy: what MLflow's clients put, list, get and delete, and what only we promise."""
import hashlib
import json
import os
import signal
import socket
import struct
import time
import urllib.parse

import pytest
from agents import UnixConnection

SECONDS = 15

PROXY = "/api/2.0/mlflow-artifacts/artifacts"


def quote(path):
    return urllib.parse.quote(path)


def put(agent, path, data, prefix=PROXY):
    return agent.request("PUT", f"{prefix}/{quote(path)}", data)


def get(agent, path, headers=None, prefix=PROXY, method="GET"):
    return agent.request(method, f"{prefix}/{quote(path)}", headers=headers)


def names(agent, path):
    status, answer = agent.get(PROXY, path=path)
    assert status == 200, answer
    return [(f["path"], f["is_dir"]) for f in answer.get("files", [])]


def objects(project):
    return sorted(p.parent.name + p.name for p in (project / ".mlops/objects").glob("??/*"))


def test_what_was_put_comes_back(agent, project):
    for size in (0, 1, 5000, 65536, 65537, 3 << 20):
        data = os.urandom(size)
        assert put(agent, f"0/models/m-1/artifacts/d/{size}.bin", data)[::2] == (200, b"{}")
        status, headers, got = get(agent, f"0/models/m-1/artifacts/d/{size}.bin")
        assert (status, got) == (200, data)
        digest = hashlib.sha256(data).hexdigest()
        assert headers["ETag"] == f'"{digest}"' and headers["Content-Length"] == str(size)
        assert digest in objects(project)


def test_headers_make_a_download_harmless(agent):
    put(agent, "free/ä \"x\".html", b"<script>alert(1)</script>")
    status, headers, data = get(agent, "free/ä \"x\".html")
    assert status == 200 and data.startswith(b"<script>")
    assert headers["Content-Type"] == "text/html" and headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("sandbox")
    assert headers["Content-Disposition"] == \
        "attachment; filename=\"__ _x_.html\"; filename*=UTF-8''%C3%A4%20%22x%22.html"
    status, head, data = get(agent, "free/ä \"x\".html", method="HEAD")
    assert (status, data) == (200, b"") and head["ETag"] == headers["ETag"]


@pytest.mark.parametrize("asked, status, part", [
    ("bytes=0-3", 206, slice(0, 4)), ("bytes=10-", 206, slice(10, None)), ("bytes=-5", 206, slice(-5, None)),
    ("bytes=90-200", 206, slice(90, 100)), ("bytes=-500", 206, slice(0, 100)), ("bytes=99-99", 206, slice(99, 100)),
    ("bytes=100-", 416, None), ("bytes=-0", 416, None), ("bytes=5-3", 200, slice(None)),
    ("bytes=0-1,4-5", 200, slice(None)), ("lines=1-2", 200, slice(None)), ("bytes=a-b", 200, slice(None)),
])
def test_ranges(agent, asked, status, part):
    data = bytes(range(100))
    put(agent, "free/r", data)
    got, headers, body = get(agent, "free/r", {"Range": asked})
    assert got == status
    if part:
        assert body == data[part]
    if status == 206:
        first = data.index(body)
        assert headers["Content-Range"] == f"bytes {first}-{first + len(body) - 1}/100"
    if status == 416:
        assert headers["Content-Range"] == "bytes */100"


def test_what_the_client_has_is_not_sent_again(agent):
    put(agent, "free/x", b"one")
    etag = get(agent, "free/x")[1]["ETag"]
    status, headers, body = get(agent, "free/x", {"If-None-Match": f'W/"other", {etag}'})
    assert (status, body, headers["ETag"]) == (304, b"", etag)
    assert get(agent, "free/x", {"If-None-Match": '"other"'})[0] == 200
    assert get(agent, "free/x", {"Range": "bytes=1-", "If-Range": etag})[::2] == (206, b"ne")
    put(agent, "free/x", b"two")
    assert get(agent, "free/x", {"Range": "bytes=1-", "If-Range": etag})[::2] == (200, b"two")


def test_an_empty_file_comes_in_chunks(agent):
    with socket.create_connection(agent.address) as wire:
        wire.sendall(f"PUT {PROXY}/free/empty HTTP/1.1\r\nHost: {':'.join(map(str, agent.address))}\r\n"
                     "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n".encode())
        answer = b"".join(iter(lambda: wire.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n\r\n{}")
    assert agent.get(PROXY, path="free")[1] == {"files": [{"path": "empty", "is_dir": False}]}  # as MLflow has it
    assert get(agent, "free/empty")[2] == b""


def test_listing_tells_files_from_directories(agent):
    for path in ("a", "a-b", "d/x", "d/y/z", "d.txt", "e0/q"):
        put(agent, f"0/models/m-1/artifacts/{path}", path.encode())
    top = "0/models/m-1/artifacts"
    assert sorted(names(agent, top)) == [("a", False), ("a-b", False), ("d", True), ("d.txt", False), ("e0", True)]
    assert names(agent, top + "/d/") == [("x", False), ("y", True)]
    assert names(agent, top + "/d/y") == [("z", False)]
    # A file, and nothing at all, are no directories.
    assert agent.get(PROXY, path=top + "/a")[1] == {} and agent.get(PROXY, path="nowhere")[1] == {}
    assert agent.get(PROXY)[1] == {"files": [{"path": "0", "is_dir": True}]}
    assert names(agent, "0") == [("models", True)] and names(agent, "0/models/m-1") == [("artifacts", True)]


def test_listing_in_pages(agent):
    paths = [f"n{i:02}" for i in range(20)] + [f"d{i:02}/x/y" for i in range(20)] + ["d00/x/z", "n", "n-1", "n.d/x"]
    for path in paths:
        put(agent, f"free/{path}", b"")
    wanted = sorted({p.split("/")[0] for p in paths})
    got, token = [], None
    for _ in range(100):
        query = {"path": "free", "max_results": 7, **({"page_token": token} if token else {})}
        status, page = agent.get("/api/v1/artifacts", **query)
        assert status == 200 and len(page["files"]) <= 7
        got += [f["path"] for f in page["files"]]
        token = page.get("next_page_token")
        if not token:
            break
    assert sorted(got) == wanted and len(got) == len(wanted)


def test_a_name_is_a_file_or_a_directory(agent):
    put(agent, "free/a/b", b"x")
    for path in ("free/a", "free/a/b/c", "free/a/b/c/d"):
        status, _, answer = put(agent, path, b"y")
        assert status == 400, (path, answer)
    assert get(agent, "free/a")[0] == 404
    assert get(agent, "free/a/b")[2] == b"x"


def test_deleting(agent):
    for path in ("a", "d/x", "d/y/z", "dd"):
        put(agent, f"free/{path}", b"")
    assert agent.request("DELETE", f"{PROXY}/free/d")[::2] == (200, b"{}")
    assert [n for n, _ in names(agent, "free")] == ["a", "dd"]
    assert agent.request("DELETE", f"{PROXY}/free/nothing")[0] == 200
    assert agent.request("DELETE", f"{PROXY}/free")[0] == 200
    assert names(agent, "") == []


def test_missing_is_404_and_parts_are_refused(agent):
    status, answer = agent.get(f"{PROXY}/0/none")
    assert status == 404 and answer["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    for what in ("create", "complete", "abort"):
        for prefix in ("/api/2.0", "/ajax-api/2.0"):
            status, answer = agent.post(f"{prefix}/mlflow-artifacts/mpu/{what}/0/x", path="x", num_parts=2)
            assert status == 501 and answer == {
                "error_code": "NOT_IMPLEMENTED",
                "message": "Multipart upload is not supported for the current artifact repository"} | \
                {k: v for k, v in answer.items() if k not in ("error_code", "message")}


def test_the_same_bytes_are_kept_once(agent, project):
    data = os.urandom(1 << 20)
    for i in range(5):
        put(agent, f"free/copy{i}", data)
    assert objects(project) == [hashlib.sha256(data).hexdigest()]


def test_a_cut_upload_leaves_nothing(agent, project):
    put(agent, "free/there", b"before")
    with socket.create_connection(agent.address) as wire:
        wire.sendall(f"PUT {PROXY}/free/there HTTP/1.1\r\nHost: {':'.join(map(str, agent.address))}\r\n"
                     "Content-Length: 9000000\r\n\r\n".encode())
        wire.sendall(b"x" * 3000000)
        time.sleep(0.3)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, as when it dies
    assert get(agent, "free/there")[2] == b"before"
    assert len(objects(project)) == 1
    until = time.monotonic() + 10
    while list((project / ".mlops/staging").glob("*/*")) and time.monotonic() < until:
        time.sleep(0.02)
    assert not list((project / ".mlops/staging").glob("*/*"))


def test_an_answer_means_durable(agent, project):
    data = os.urandom(300000)
    put(agent, "free/x", data)
    agent.stop(signal.SIGKILL)
    agent.start()
    assert get(agent, "free/x")[2] == data
    assert not list((project / ".mlops/staging").glob("*/*"))


def test_a_missing_or_short_object_is_damage(agent, project):
    put(agent, "free/x", b"0123456789")
    one = next((project / ".mlops/objects").glob("??/*"))
    one.chmod(0o644)
    one.write_bytes(b"0123")
    status, answer = agent.get(f"{PROXY}/free/x")
    assert status == 500 and "free/x" in answer["message"] and "damaged" in answer["message"]
    one.unlink()
    status, answer = agent.get(f"{PROXY}/free/x")
    assert status == 500 and "not in the store" in answer["message"]


@pytest.mark.parametrize("prefix", ["/api/2.0", "/api/3.0", "/ajax-api/2.0", "/ajax-api/3.0"])
def test_every_prefix(agent, prefix):
    proxy = prefix + "/mlflow-artifacts/artifacts"
    assert put(agent, "free/x", b"1", proxy)[0] == 200
    assert get(agent, "free/x", prefix=proxy)[2] == b"1"
    assert agent.get(proxy, path="free")[1]["files"][0]["file_size"] == 1
    assert agent.request("DELETE", proxy + "/free/x")[0] == 200


def test_v1_tells_the_digest(agent):
    status, _, answer = put(agent, "free/x", b"abc", "/api/v1/artifacts")
    assert status == 200 and json.loads(answer) == {"sha256": hashlib.sha256(b"abc").hexdigest(), "size": 3}
    assert get(agent, "free/x", prefix="/api/v1/artifacts")[2] == b"abc"


def test_a_cut_upload_goes_on(agent, project):
    data = os.urandom(2 << 20)
    upload = agent.owner("POST", "/api/v1/uploads")[1]["upload"]
    path = f"/api/v1/uploads/{upload}"
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(str(agent.socket))
        wire.sendall(f"PATCH {path} HTTP/1.1\r\nHost: localhost\r\nUpload-Offset: 0\r\n"
                     f"Content-Length: {len(data)}\r\n\r\n".encode() + data[:1_500_000])
        time.sleep(0.3)
        wire.shutdown(socket.SHUT_RDWR)
    until, status = time.monotonic() + 90, 409
    while status != 200 and time.monotonic() < until:
        status, headers, _ = agent.request("HEAD", path, connection=UnixConnection(agent.socket))
        time.sleep(0.05)
    at = int(headers["Upload-Offset"])
    assert 0 < at <= 1_500_000
    assert agent.owner("PATCH", path, b"x", {"Upload-Offset": str(at + 1)})[0] == 409
    assert agent.owner("PATCH", path, b"x")[0] == 400
    assert agent.owner("PATCH", path, data[at:], {"Upload-Offset": str(at)})[0] == 200
    status, answer = agent.owner("POST", path + "/finish?path=free/parts")
    assert (status, answer) == (200, {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)})
    assert get(agent, "free/parts")[2] == data
    assert agent.owner("POST", path + "/finish?path=free/again")[0] == 404
