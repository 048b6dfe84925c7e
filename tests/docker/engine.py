# SPDX-License-Identifier: Apache-2.0
"""A Docker Engine of the tests' own.

Never one that runs already: tests kill engines, stop them and fill their disks. Its data
and sockets are in a temporary directory with a short path, its containers in a
containerd namespace of their own, and its network is a bridge without firewall rules,
so nothing of the machine's own engine is touched.
"""
import ctypes
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

import images
import pytest

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


class Reply:
    def __init__(self, status, body):
        self.status, self.body = status, body

    def json(self):
        return json.loads(self.body)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("engine", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def request(path, method, target, body=None, timeout=60):
    connection = UnixConnection(path, timeout)
    headers = {}
    if isinstance(body, (dict, list)):
        body, headers = json.dumps(body), {"Content-Type": "application/json"}
    elif body is not None:
        headers = {"Content-Type": "application/x-tar"}
    try:
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        return Reply(answer.status, answer.read())
    finally:
        connection.close()


def _die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Bridge:
    """A bridge for containers with a network; without one they have loopback only."""

    def __init__(self):
        number = os.getpid() % 250
        self.name = f"mlt{os.getpid() % 10**8}"
        address = f"10.213.{number}.1/24"
        commands = (["link", "add", self.name, "type", "bridge"], ["addr", "add", address, "dev", self.name],
                    ["link", "set", self.name, "up"])
        if not all(self._ip(*command) for command in commands):
            self.close()
            self.name = "none"

    def _ip(self, *args):
        return shutil.which("ip") and subprocess.run(["ip", *args], capture_output=True, check=False).returncode == 0

    def close(self):
        if self.name != "none":
            self._ip("link", "del", self.name)


class Engine:
    """One dockerd. `options` are more of its arguments; `disk`, bytes, puts its data on a file system of that size."""

    count = 0

    def __init__(self, *options, bridge="none", disk=0):
        self.options, self.bridge = options, bridge
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="mlt", dir="/tmp"))
        self.socket = self.directory / "s"
        self.host = f"unix://{self.socket}"
        self.process = None
        Engine.count += 1
        self.namespace = f"mlt-{os.getpid()}-{Engine.count}"
        (self.directory / "data").mkdir()
        if disk:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={disk}", "tmpfs", self.directory / "data"], check=True)

    # -- the process --

    def start(self):
        assert self.process is None
        self.socket.unlink(missing_ok=True)
        (self.directory / "pid").unlink(missing_ok=True)
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["dockerd", "--data-root", self.directory / "data", "--exec-root", self.directory / "exec",
                 "-H", self.host, "--pidfile", self.directory / "pid", "--log-level", "warn",
                 "--iptables=false", "--ip6tables=false", "--bridge", self.bridge,
                 "--containerd-namespace", self.namespace, "--containerd-plugins-namespace", self.namespace + "-p",
                 *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=_die_with_parent,
                # The proxy settings of this machine are not for registries on loopback.
                env={**os.environ, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"})
        self.wait_ready()
        return self

    def wait_ready(self, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                if request(self.socket, "GET", "/_ping", timeout=5).status == 200:
                    return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("dockerd does not answer: " + self.log()[-2000:])

    def log(self):
        return (self.directory / "log").read_text(errors="replace")

    def stop(self, how=signal.SIGTERM):
        """Ends dockerd. Containers end with it, unless it is killed or was started with --live-restore."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(how)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(30)
        self.process = None
        self._end_containerd()

    def _end_containerd(self):
        """It dies with dockerd. Where nobody reaps it, its number stays taken, and a new dockerd would wait for it."""
        path = self.directory / "exec/containerd/containerd.pid"
        try:
            pid = int(path.read_text())
            if b"containerd" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
            path.unlink()
        except (OSError, ValueError):
            pass  # it has ended as it should

    def kill(self):
        self.stop(signal.SIGKILL)

    def restart(self, how=signal.SIGTERM):
        self.stop(how)
        self.start()

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        try:
            if self.process is None:
                self.start()
            self.thaw()
            self.remove_all()
        except (OSError, RuntimeError, http.client.HTTPException):
            pass
        self.stop()
        mounts = [line.split()[4] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()]
        for mount in sorted((m for m in mounts if m.startswith(f"{self.directory}/")), reverse=True):
            subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    # -- its contents --

    def api(self, method, target, body=None, timeout=60):
        return request(self.socket, method, target, body, timeout)

    def get(self, target):
        reply = self.api("GET", target)
        assert reply.status == 200, (target, reply.status, reply.body)
        return reply.json()

    def load(self, name, **variant):
        """Makes an image of images.saved; its id."""
        archive, image_id = images.saved(name, **variant)
        reply = self.api("POST", "/images/load?quiet=1", archive)
        assert reply.status == 200 and b"errorDetail" not in reply.body, reply.body
        return image_id

    def image(self, name):
        """Has the engine this image, of images.IMAGES or "mlops-example-python": its name."""
        if self.api("GET", f"/images/{name}/json").status != 200:
            if name == "mlops-example-python":
                images.make_python(self.host)
            else:
                self.load(name, **images.IMAGES[name])
        return name

    def image_id(self, name):
        return self.get(f"/images/{name}/json")["Id"]

    def forget_image(self, name):
        self.api("DELETE", f"/images/{name}?force=1")

    def containers(self, label=None):
        """All, ended ones too, as the engine lists them."""
        filters = {"label": [label]} if label else {}
        query = urllib.parse.urlencode({"all": 1, "filters": json.dumps(filters)})
        return self.get(f"/containers/json?{query}")

    def steps(self):
        """Containers of steps, not the pauses."""
        return [c for c in self.containers() if c["Labels"].get("mlops.step")]

    def inspect(self, container):
        return self.get(f"/containers/{container}/json")

    def remove_all(self):
        for container in self.containers():
            self.api("DELETE", f"/containers/{container['Id']}?force=1&v=1")

    def push(self, name, target):
        """Tags an image as REGISTRY/REPOSITORY:TAG and pushes it; its digest there."""
        repository, tag = target.rsplit(":", 1)
        reply = self.api("POST", f"/images/{name}/tag?" + urllib.parse.urlencode({"repo": repository, "tag": tag}))
        assert reply.status == 201, reply.body
        return self.push_as(repository, tag, "e30=")

    def push_as(self, repository, tag, auth):
        connection = UnixConnection(self.socket, 60)
        connection.request("POST", f"/images/{repository}/push?tag={tag}", headers={"X-Registry-Auth": auth})
        lines = [json.loads(line) for line in connection.getresponse().read().splitlines()]
        connection.close()
        errors = [line for line in lines if "errorDetail" in line]
        assert not errors, errors
        return next(line["aux"]["Digest"] for line in lines if "Digest" in line.get("aux", {}))


def why_not():
    """Why no engine can be started here, or None."""
    if os.geteuid() != 0:
        return "starting an engine needs root"
    if not shutil.which("dockerd"):
        return "dockerd is not installed"
    if not os.path.exists(images.BUSYBOX):
        return "busybox-static is not installed"
    return None


@pytest.fixture(scope="session")
def bridge():
    found = Bridge()
    yield found.name
    found.close()


@pytest.fixture(scope="session")
def shared_engine(bridge):
    reason = why_not()
    if reason:
        pytest.skip(reason)
    found = Engine(bridge=bridge)
    try:
        found.start()
    except RuntimeError as error:
        found.close()
        pytest.skip(f"no engine starts here: {error}")
    found.image("busybox-test")
    yield found
    found.close()


@pytest.fixture
def engine(shared_engine):
    """The engine of this test run, with busybox-test and without containers."""
    if shared_engine.process is None:
        shared_engine.start()
    yield shared_engine
    if shared_engine.process is None:
        shared_engine.start()
    shared_engine.thaw()
    shared_engine.remove_all()


@pytest.fixture
def own_engine(bridge):
    """own_engine("--live-restore", disk=1 << 26): more engines, which end with the test."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    made = []

    def make(*options, **how):
        made.append(Engine(*options, bridge=bridge, **how))
        return made[-1].start()

    yield make
    for one in made:
        one.close()
