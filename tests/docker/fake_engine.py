# SPDX-License-Identifier: Apache-2.0
"""A scriptable Docker Engine for tests: the API over a Unix socket, containers as processes of this machine.

    python3 tests/docker/fake_engine.py SOCKET        until it is interrupted; requests go to stdout

A container runs its words in the directory that it would see as /w; /w and /mlops are
rewritten to the directories they stand for, and read-only mounts are symlinks for as
long as it runs. Isolation is not what this engine is for. What it can do, and no real one does when
asked: lose replies, hang, forget everything, speak another version, and tell
afterwards how often each container was started.

    fake.fault("POST", "/containers/create", "lose")          the work is done, the reply is lost
    fake.fault("GET", "/logs", "cut", bytes=100, times=3)
"""
import calendar
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler

import pytest

LOG_PART = 16384  # a longer line is several messages
ZERO_TIME = "0001-01-01T00:00:00Z"


def stamp(ns):
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // 10**9))
    return f"{whole}.{ns % 10**9:09d}Z"


def since_ns(text):
    """Of a query: "1700000000.000000001", or RFC 3339."""
    if not text or text == "0":
        return 0
    found = re.fullmatch(r"(\d+)(?:\.(\d+))?", text)
    if found:
        return int(found[1]) * 10**9 + int((found[2] or "").ljust(9, "0")[:9])
    found = re.fullmatch(r"(.{19})(?:\.(\d+))?Z", text)
    return calendar.timegm(time.strptime(found[1], "%Y-%m-%dT%H:%M:%S")) * 10**9 + \
        int((found[2] or "").ljust(9, "0")[:9])


def api_number(text):
    major, minor = text.split(".")
    return int(major) * 1000 + int(minor)


class Refused(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status, self.message = status, message


class Drop(Exception):
    """The connection closes without another word."""


class Fault:
    def __init__(self, method, path, action, after=0, times=1, **how):
        self.method, self.path, self.action = method, re.compile(path), action
        self.after, self.times, self.how = after, times, how
        self.hits = 0

    def takes(self, method, path):
        if self.method not in (method, "*") or not self.path.search(path):
            return False
        self.hits += 1
        return self.after < self.hits <= self.after + self.times


class Container:
    def __init__(self, engine, name, body):
        self.engine, self.name, self.body = engine, name, body
        self.id = os.urandom(32).hex()
        self.status, self.code, self.oom, self.error = "created", 0, False, ""
        self.started = self.finished = ZERO_TIME
        self.created = time.time_ns()
        self.process = None
        self.log = []  # (ns, stream, bytes)
        self.last_stamp = 0
        self.restore = []
        self.changed = threading.Condition(engine.lock)

    @property
    def labels(self):
        return self.body.get("Labels") or {}

    @property
    def host(self):
        return self.body.get("HostConfig") or {}

    def words(self):
        image = self.engine.find_image(self.body["Image"])
        config = (image or {}).get("Config") or {}
        entry = self.body.get("Entrypoint")
        command = self.body.get("Cmd")
        if entry is None:
            entry, command = config.get("Entrypoint"), command if command is not None else config.get("Cmd")
        return [*(entry or []), *(command or [])]

    def mounts(self):
        """[(source, target, read-only)], parents first."""
        found = [(m["Source"], m["Target"], bool(m.get("ReadOnly"))) for m in self.host.get("Mounts") or []
                 if m["Type"] == "bind"]
        for bind in self.host.get("Binds") or []:
            source, target, *options = bind.split(":")
            found.append((source, target, "ro" in ",".join(options).split(",")))
        return sorted(found, key=lambda mount: len(mount[1]))

    def outside(self, path):
        """Where a path of the container is on this machine."""
        for source, target, _ in reversed(self.mounts()):
            if path == target or path.startswith(target + "/"):
                return source + path[len(target):]
        return path

    def rewrite(self, text):
        """/w and /mlops where they stand as words or their beginnings."""
        for source, target, read_only in self.mounts():
            if not read_only:
                text = re.sub(r"(?<![\w./-])%s(?![\w.-])" % re.escape(target), lambda _, s=source: s, text)
        return text

    # -- life; the engine's lock is held --

    def start(self):
        if self.status == "running":
            raise Refused(304, "")
        mode = self.host.get("NetworkMode") or ""
        if mode.startswith("container:"):
            other = self.engine.find(mode[len("container:"):])
            if other.status != "running":
                raise Refused(409, f"cannot join network of a non running container: {other.id}")
        self.status, self.code, self.oom = "running", 0, False
        self.started, self.finished = stamp(time.time_ns()), ZERO_TIME
        self.engine.count_start(self)
        if not self.is_step():
            return  # a pause: nothing to run
        self._mount()
        argv = [self.rewrite(word) for word in self.words()]
        env = dict(item.split("=", 1) for item in self.body.get("Env") or [])
        env = {name: self.rewrite(value) for name, value in env.items()}
        env.setdefault("PATH", os.environ["PATH"])
        cwd = self.outside(self.body.get("WorkingDir") or "/")
        try:
            self.process = subprocess.Popen(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                            stderr=subprocess.PIPE, start_new_session=True)
        except OSError as error:
            self._unmount()
            self.status, self.code, self.error = "created", 127, str(error)
            raise Refused(400, "failed to create shim task: OCI runtime create failed: runc create failed: unable to "
                               f'start container process: exec: "{argv[0]}": executable file not found in $PATH: '
                               "unknown") from error
        readers = [threading.Thread(target=self._read, args=(kind, pipe), daemon=True)
                   for kind, pipe in ((1, self.process.stdout), (2, self.process.stderr))]
        for reader in readers:
            reader.start()
        threading.Thread(target=self._watch, args=(self.process, readers), daemon=True).start()

    def is_step(self):
        return bool(self.labels.get("mlops.step"))

    def _mount(self):
        for source, target, read_only in self.mounts():
            point = pathlib.Path(self.outside(os.path.dirname(target)), os.path.basename(target))
            if not read_only or not target.startswith("/w/") or not os.path.lexists(point):
                continue
            status = point.lstat()
            kind = "dir" if point.is_dir() else "file"
            shutil.rmtree(point) if kind == "dir" else point.unlink()
            point.symlink_to(source)
            self.restore.append((point, kind, status))

    def _unmount(self):
        while self.restore:
            point, kind, status = self.restore.pop()
            try:
                point.unlink()
                point.mkdir() if kind == "dir" else point.touch()
                os.chmod(point, status.st_mode & 0o7777)
                os.chown(point, status.st_uid, status.st_gid)
            except OSError:
                pass  # its directory is gone

    def _read(self, kind, pipe):
        line = b""
        while True:
            piece = pipe.read1(65536)
            with self.engine.lock:
                line += piece
                while b"\n" in line or len(line) >= LOG_PART or (not piece and line):
                    cut = line.find(b"\n") + 1
                    cut = min(cut or len(line), LOG_PART)
                    self._keep(kind, line[:cut])
                    line = line[cut:]
                self.changed.notify_all()
            if not piece:
                pipe.close()
                return

    def _keep(self, kind, data):
        last = next((entry for entry in reversed(self.log) if entry[1] == kind), None)
        if last and not last[2].endswith(b"\n"):
            now = last[0]  # parts of one line share the stamp
        else:
            now = self.last_stamp = max(time.time_ns(), self.last_stamp + 1)
        self.log.append((now, kind, data))

    def _watch(self, process, readers):
        code = process.wait()
        self._kill_group(process, signal.SIGKILL)  # with process 1 all others end
        for reader in readers:
            reader.join(10)
        with self.engine.lock:
            if self.process is process and self.status == "running":
                self.end(128 - code if code < 0 else code)

    def end(self, code):
        self._unmount()
        if self.engine.oom and re.search(self.engine.oom, self.name):
            self.oom, code = True, 137
        self.status, self.code, self.finished = "exited", code, stamp(time.time_ns())
        self.changed.notify_all()

    @staticmethod
    def _kill_group(process, number):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass

    def signal(self, number):
        if self.status != "running":
            raise Refused(409, f"Cannot kill container: {self.name}: Container {self.id} is not running")
        if self.process:
            self._kill_group(self.process, number)
        elif number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            self.end(128 + number if number == signal.SIGKILL else 0)

    def stop_now(self):
        if self.process:
            self._kill_group(self.process, signal.SIGKILL)
        if self.status == "running":
            self.end(137)

    # -- as the engine tells it --

    def state(self):
        return {"Status": self.engine.word(self.status), "Running": self.status == "running", "Paused": False,
                "Restarting": False, "OOMKilled": self.oom, "Dead": False, "Error": self.error,
                "Pid": self.process.pid if self.process and self.status == "running" else 0, "ExitCode": self.code,
                "StartedAt": self.started, "FinishedAt": self.finished}

    def inspect(self):
        return {"Id": self.id, "Name": "/" + self.name, "Created": stamp(self.created), "State": self.state(),
                "Image": self.body["Image"], "HostConfig": self.host, "LogPath": "",
                "Config": {k: v for k, v in self.body.items() if k != "HostConfig"}, "RestartCount": 0}

    def row(self):
        return {"Id": self.id, "Names": ["/" + self.name], "Image": self.body["Image"], "Labels": self.labels,
                "State": self.engine.word(self.status), "Status": "", "Created": self.created // 10**9}

    def stats(self):
        usage = 0
        try:
            for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    usage = int(line.split()[1]) * 1024
        except (OSError, AttributeError):
            pass
        return {"read": stamp(time.time_ns()), "id": self.id, "name": "/" + self.name,
                "memory_stats": {"usage": usage, "max_usage": usage, "stats": {}, "limit": 1 << 34},
                "cpu_stats": {"cpu_usage": {"total_usage": 10**7, "usage_in_usermode": 5 * 10**6,
                                            "usage_in_kernelmode": 5 * 10**6}}}


class FakeEngine:
    """Listens from the start. Settings are plain fields, which a test may change at any time."""

    def __init__(self, path, journal=None):
        self.path, self.journal_file = str(path), journal
        self.host = f"unix://{path}"
        self.api, self.min_api, self.product = "1.41", "1.12", "Docker"
        self.oom = None             # pattern of container names that are told to be out of memory
        self.loses_last_line = True # while following, when the log ends with one that has no end: all releases do
        self.loses_long_ends = True # the newline of a line of several parts: what the driver "local" does
        self.log_drivers = ["json-file", "local", "none"]
        self.images, self.registry, self.logins = [], {}, {}
        self.build_says = []        # what the next builds answer, bytes each; else they succeed
        self.found_says = None      # the same for whoever asks for images by their label
        self.containers, self.journal, self.faults = {}, [], []
        self.starts = {}            # how often the container of each name was started
        self.most_running = 0       # containers of steps at one time
        self.lock = threading.RLock()
        self.open_sockets = set()
        self.thawed = threading.Event()
        self.thawed.set()
        self.server = None
        self.add_image("busybox-test")
        self.listen()

    # -- for tests --

    def fault(self, method, path, action, after=0, times=1, **how):
        """For the requests after..after+times that match: "lose", "refuse", "status" (status=, message=; work=True:
        after the work), "delay" (seconds=), "hang" (work=, until=), "cut" (bytes= of the stream), or a function to
        call before the work."""
        found = Fault(method, path, action, after, times, **how)
        self.faults.append(found)
        return found

    def add_image(self, name, digest=None, **config):
        image = {"Id": "sha256:" + hashlib.sha256(f"{name}{config}{digest}".encode()).hexdigest(),
                 "RepoTags": [name if ":" in name.rsplit("/", 1)[-1] else name + ":latest"], "Config": config,
                 "RepoDigests": [f"{name.rsplit(':', 1)[0]}@{digest}"] if digest else [],
                 "Os": "linux", "Architecture": {"x86_64": "amd64"}.get(os.uname().machine, os.uname().machine),
                 "Size": 1 << 20, "Created": "2024-01-01T00:00:00Z"}
        self.images.append(image)
        return image

    def steps(self):
        return [c for c in self.containers.values() if c.is_step()]

    def forget(self):
        """A new beginning between two parts of a test."""
        self.drop_containers()
        self.starts.clear()
        self.faults.clear()
        self.journal.clear()
        self.most_running = 0

    def drop_containers(self):
        """As an engine whose data was lost."""
        with self.lock:
            for container in self.containers.values():
                container.stop_now()
            self.containers.clear()

    def die(self):
        """The engine is killed: containers end, nobody listens."""
        self.close_server()
        with self.lock:
            for container in self.containers.values():
                container.stop_now()

    def close_server(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None
        with self.lock:
            for one in self.open_sockets:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        pathlib.Path(self.path).unlink(missing_ok=True)

    def listen(self):
        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request, client_address):
                if not isinstance(sys.exc_info()[1], (OSError, Drop)):
                    super().handle_error(request, client_address)

        self.server = Server(self.path, type("Handler", (Handler,), {"engine": self}))
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def freeze(self):
        """As SIGSTOP: connections are taken, and nothing answers."""
        self.thawed.clear()

    def thaw(self):
        self.thawed.set()

    def close(self):
        self.thaw()
        self.close_server()
        self.drop_containers()

    def requests(self, method, path):
        return [r for r in self.journal if r["method"] == method and re.search(path, r["path"])]

    # -- for the handler --

    def count_start(self, container):
        self.starts[container.name] = self.starts.get(container.name, 0) + 1
        self.most_running = max(self.most_running, sum(c.status == "running" for c in self.steps()))

    def word(self, status):
        return "stopped" if self.product == "Podman" and status == "exited" else status

    def find(self, name):
        for container in self.containers.values():
            if name.lstrip("/") == container.name or container.id.startswith(name):
                return container
        raise Refused(404, f"No such container: {name}")

    def find_image(self, name):
        short = name.removeprefix("docker.io/").removeprefix("library/")
        if "@" not in short and ":" not in short.rsplit("/", 1)[-1]:
            short += ":latest"
        for image in self.images:
            if name == image["Id"] or short in image["RepoTags"] or short in image["RepoDigests"] or \
                    image["Id"] == "sha256:" + name:
                return image
        return None

    def version(self):
        parts = [{"Name": "Podman Engine" if self.product == "Podman" else "Engine", "Version": "20.10.24"}]
        return {"Version": "20.10.24", "ApiVersion": self.api, "MinAPIVersion": self.min_api, "Os": "linux",
                "Arch": {"x86_64": "amd64"}.get(os.uname().machine, os.uname().machine), "Components": parts}

    def info(self):
        return {"NCPU": 2, "MemTotal": 8 << 30, "SecurityOptions": ["name=seccomp,profile=default"],
                "Plugins": {"Log": self.log_drivers}, "OSType": "linux", "Driver": "fake", "Name": "fake",
                "CgroupVersion": "2", "Runtimes": {"runc": {}}, "ServerVersion": "20.10.24"}

    def create(self, name, body):
        if self.find_image(body.get("Image", "")) is None:
            raise Refused(404, f"No such image: {body.get('Image')}")
        name = name or os.urandom(6).hex()
        for container in self.containers.values():
            if container.name == name:
                raise Refused(409, f'Conflict. The container name "/{name}" is already in use by container '
                                   f'"{container.id}". You have to remove (or rename) that container to be able to '
                                   "reuse that name.")
        made = Container(self, name, body)
        for source, _, _ in made.mounts():
            if not os.path.exists(source):
                raise Refused(400, f'invalid mount config for type "bind": bind source path does not exist: {source}')
        self.containers[made.id] = made
        return made

    def load(self, archive):
        """An image of a tar, as `docker save` writes it."""
        with tarfile.open(fileobj=io.BytesIO(archive)) as found:
            manifest = json.load(found.extractfile("manifest.json"))
            config = json.load(found.extractfile(manifest[0]["Config"]))
        image = self.add_image(manifest[0]["RepoTags"][0], **(config.get("config") or {}))
        return image


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine = None

    ROUTES = [
        ("GET|HEAD", r"/_ping", "ping"), ("GET", r"/version", "version_of"), ("GET", r"/info", "info"),
        ("GET", r"/images/(.+)/json", "image_json"), ("POST", r"/images/create", "image_create"),
        ("POST", r"/images/load", "image_load"), ("DELETE", r"/images/(.+)", "image_delete"),
        ("POST", r"/images/(.+)/tag", "image_tag"), ("GET", r"/images/json", "image_list"), ("POST", r"/build", "build"),
        ("POST", r"/containers/create", "create"), ("GET", r"/containers/json", "list"),
        ("GET", r"/containers/([^/]+)/json", "inspect"), ("POST", r"/containers/([^/]+)/start", "start"),
        ("POST", r"/containers/([^/]+)/wait", "wait"), ("GET", r"/containers/([^/]+)/logs", "logs"),
        ("POST", r"/containers/([^/]+)/(?:kill|stop)", "kill"), ("GET", r"/containers/([^/]+)/stats", "stats"),
        ("DELETE", r"/containers/([^/]+)", "remove"),
    ]

    def log_message(self, format, *args):
        pass

    def setup(self):
        super().setup()
        with self.engine.lock:
            self.engine.open_sockets.add(self.connection)

    def finish(self):
        with self.engine.lock:
            self.engine.open_sockets.discard(self.connection)
        try:
            super().finish()
        except OSError:
            pass

    def address_string(self):
        return "unix"

    def do_GET(self):
        self.serve()

    do_POST = do_DELETE = do_HEAD = do_PUT = do_GET

    # -- one request --

    def serve(self):
        self.engine.thawed.wait()
        url = urllib.parse.urlsplit(self.path)
        self.query = {k: v[-1] for k, v in urllib.parse.parse_qs(url.query, keep_blank_values=True).items()}
        version = re.match(r"/v(\d+\.\d+)(?=/)", url.path)
        path = urllib.parse.unquote(url.path[version.end():] if version else url.path)
        self.body = self.read_body()
        self.sent = None
        self.cut = None
        with self.engine.lock:
            fault = next((f for f in list(self.engine.faults) if f.takes(self.command, path)), None)
        try:
            if fault:
                self.before(fault, path)
            if version:
                self.check_version(version[1])
            self.route(path)
        except Refused as refused:
            self.answer(refused.status, {"message": refused.message} if refused.message else None)
        except Drop:
            self.close_connection = True
            self.sent = self.sent or 0
        finally:
            self.note(path, fault)

    def note(self, path, fault):
        entry = {"t": time.time(), "method": self.command, "path": path, "query": self.query, "status": self.sent,
                 "fault": (fault.action if isinstance(fault.action, str) else "call") if fault else None}
        if self.body[:1] == b"{":
            entry["body"] = json.loads(self.body)
        self.engine.journal.append(entry)
        if self.engine.journal_file:
            with open(self.engine.journal_file, "a", encoding="utf-8") as out:
                out.write(json.dumps(entry) + "\n")

    def before(self, fault, path):
        """What a fault does instead of the work, or around it."""
        how = fault.how
        if callable(fault.action):
            fault.action()
        elif fault.action == "delay":
            time.sleep(how["seconds"])
        elif fault.action == "refuse":
            raise Drop()
        elif fault.action == "cut":
            self.cut = how.get("bytes", 0)
        else:
            if how.get("work") or fault.action == "lose":
                self.muted = True
                try:
                    self.route(path)
                except Refused:
                    pass
                finally:
                    self.muted = False
            if fault.action == "hang":
                while self.engine.server and not how.get("until", lambda: False)():
                    time.sleep(0.05)
            if fault.action != "status":
                raise Drop()
            if path.endswith("/start") and not how.get("work"):
                container = self.engine.find(path.split("/")[2])
                container.code, container.error = 127, how["message"]
            raise Refused(how["status"], how["message"])

    muted = False

    def read_body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            found = b""
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                found += self.rfile.read(size)
                self.rfile.readline()
                if not size:
                    return found
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def check_version(self, version):
        newest, oldest = self.engine.api, self.engine.min_api
        if api_number(version) > api_number(newest):
            raise Refused(400, f"client version {version} is too new. Maximum supported API version is {newest}")
        if api_number(version) < api_number(oldest):
            raise Refused(400, f"client version {version} is too old. Minimum supported API version is {oldest}, "
                               "please upgrade your client to a newer version")

    def route(self, path):
        for method, pattern, name in self.ROUTES:
            found = re.fullmatch(pattern, path)
            if found and self.command in method.split("|"):
                getattr(self, "do_" + name)(*found.groups())
                return
        raise Refused(404, "page not found")

    # -- replies --

    def answer(self, status, body=None, headers=()):
        if self.muted:
            return
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        self.sent = status
        self.send_response(status)
        for name, value in [("Api-Version", self.engine.api), ("Content-Type", "application/json"), *headers]:
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            if self.cut is not None:
                self.wfile.write(data[:self.cut])
                raise Drop()
            self.wfile.write(data)

    def begin(self, content_type="application/json"):
        if self.muted:
            return
        self.sent = 200
        self.send_response(200)
        self.send_header("Api-Version", self.engine.api)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data):
        if self.muted or not data:
            return
        if self.cut is not None:
            data, self.cut = data[:self.cut], self.cut - len(data)
            if self.cut <= 0:
                self.wfile.write(b"%x\r\n" % (len(data) + 1) + data)
                raise Drop()
        self.wfile.write(b"%x\r\n" % len(data) + data + b"\r\n")

    def line(self, value):
        self.chunk(json.dumps(value).encode() + b"\r\n")

    def end_chunks(self):
        if not self.muted:
            self.wfile.write(b"0\r\n\r\n")

    # -- the engine --

    def do_ping(self):
        self.answer(200, b"OK", [("Server", f"{self.engine.product}/20.10.24 (linux)")])

    def do_version_of(self):
        self.answer(200, self.engine.version())

    def do_info(self):
        self.answer(200, self.engine.info())

    # -- images --

    def do_image_json(self, name):
        image = self.engine.find_image(name)
        if not image:
            raise Refused(404, f"No such image: {name}")
        self.answer(200, image)

    def do_image_create(self):
        if "fromSrc" in self.query:
            image = self.engine.add_image(self.query.get("repo") or hashlib.sha256(self.body).hexdigest())
            self.answer(200, {"status": image["Id"]})
            return
        name, tag = self.query["fromImage"], self.query.get("tag", "")
        wanted = f"{name}@{tag}" if tag.startswith("sha256:") else f"{name}:{tag}" if tag else name
        found = self.engine.registry.get(wanted)
        if found is None:
            raise Refused(404, f"pull access denied for {name}, repository does not exist or may require 'docker "
                               "login': denied: requested access to the resource is denied")
        self.begin()
        for done in range(0, 101, 20):
            self.line({"status": "Downloading", "id": "aaaa",
                       "progressDetail": {"current": done << 10, "total": 100 << 10}})
        if found.get("error"):
            self.line({"errorDetail": {"message": found["error"]}, "error": found["error"]})
        else:
            with self.engine.lock:
                self.engine.images = [i for i in self.engine.images if wanted not in i["RepoTags"]]
                image = self.engine.add_image(f"{name}:{tag}" if tag and ":" not in tag else name, found["digest"])
                image["RepoDigests"] = [f"{name}@{found['digest']}"]
        self.end_chunks()

    def do_image_list(self):
        wanted = [pair.split("=", 1) for pair in json.loads(self.query.get("filters", "{}")).get("label", [])]
        found = [{"Id": i["Id"], "Created": 1} for i in self.engine.images
                 if all(i["Config"].get("Labels", {}).get(name) == value for name, value in wanted)]
        self.answer(200, found if self.engine.found_says is None else self.engine.found_says)

    def do_build(self):
        """Nothing is built: it takes the context and tells the story of it."""
        self.begin()
        if self.engine.build_says:
            for piece in self.engine.build_says.pop(0):
                self.chunk(piece)
        else:
            image = self.engine.add_image(f"built-{len(self.engine.images)}", Labels=json.loads(self.query["labels"]))
            self.line({"stream": "Step 1/1 : FROM busybox-test\n"})
            self.line({"aux": {"ID": image["Id"]}})
        self.end_chunks()

    def do_image_load(self):
        image = self.engine.load(self.body)
        self.answer(200, {"stream": f"Loaded image ID: {image['Id']}\n"})

    def do_image_tag(self, name):
        image = self.engine.find_image(name)
        if not image:
            raise Refused(404, f"No such image: {name}")
        image["RepoTags"].append(f"{self.query['repo']}:{self.query.get('tag') or 'latest'}")
        self.answer(201)

    def do_image_delete(self, name):
        image = self.engine.find_image(name)
        if not image:
            raise Refused(404, f"No such image: {name}")
        self.engine.images.remove(image)
        self.answer(200, [{"Deleted": image["Id"]}])

    # -- containers --

    def do_create(self):
        with self.engine.lock:
            made = self.engine.create(self.query.get("name"), json.loads(self.body))
        self.answer(201, {"Id": made.id, "Warnings": []})

    def do_list(self):
        wanted = json.loads(self.query.get("filters") or "{}").get("label") or []
        wanted = list(wanted) if isinstance(wanted, dict) else wanted
        with self.engine.lock:
            rows = [c.row() for c in self.engine.containers.values()
                    if (self.query.get("all") in ("1", "true", "True") or c.status == "running") and
                    all(label in [*c.labels, *(f"{k}={v}" for k, v in c.labels.items())] for label in wanted)]
        self.answer(200, rows)

    def do_inspect(self, name):
        with self.engine.lock:
            found = self.engine.find(name).inspect()
        self.answer(200, found)

    def do_start(self, name):
        with self.engine.lock:
            self.engine.find(name).start()
        self.answer(204)

    def do_wait(self, name):
        condition = self.query.get("condition", "not-running")
        with self.engine.lock:
            container = self.engine.find(name)
            before = container.finished
        self.begin()
        self.flush()
        with self.engine.lock:
            while container.status == "running" or container.status == "created" and condition != "not-running" or \
                    condition == "next-exit" and container.finished == before:
                if not self.wait_changed(container):
                    raise Drop()
        self.chunk(json.dumps({"StatusCode": container.code}).encode() + b"\n")
        self.end_chunks()

    def wait_changed(self, container):
        """False: nobody listens any more."""
        container.changed.wait(0.5)
        return self.engine.server is not None and container.id in self.engine.containers

    def flush(self):
        if not self.muted:
            self.wfile.flush()

    def do_logs(self, name):
        with self.engine.lock:
            container = self.engine.find(name)
        follow = self.query.get("follow") in ("1", "true")
        kinds = [kind for kind, key in ((1, "stdout"), (2, "stderr")) if self.query.get(key) in ("1", "true")]
        since = since_ns(self.query.get("since"))
        tail = self.query.get("tail", "all")
        self.begin("application/vnd.docker.raw-stream")
        self.flush()
        at = 0 if tail == "all" else max(0, len(container.log) - int(tail))
        while True:
            with self.engine.lock:
                running = container.status in ("running", "created")
                end = self.followed_end(container) if follow else len(container.log)
                new, begin, at = container.log[at:end], at, max(at, end)
                if not new and follow and running:
                    if not self.wait_changed(container):
                        raise Drop()
                    continue
            for number, (when, kind, data) in enumerate(new):
                if self.without_end(container, begin + number):
                    data = data[:-1]
                if kind in kinds and when >= since:
                    self.chunk(self.frame(when, kind, data))
            if not follow or not running:
                break
        self.end_chunks()

    def followed_end(self, container):
        """How much of a log its followers see: not a last line without an end."""
        end = len(container.log)
        while self.engine.loses_last_line and end and not container.log[end - 1][2].endswith(b"\n"):
            end -= 1
        return end

    def without_end(self, container, at):
        """Whether this message is the last part of a long line in a log that forgets such newlines."""
        driver = (container.host.get("LogConfig") or {}).get("Type")
        when, kind, data = container.log[at]
        before = next((e for e in reversed(container.log[:at]) if e[1] == kind), None)
        return self.engine.loses_long_ends and driver == "local" and data.endswith(b"\n") and \
            before is not None and before[0] == when

    def frame(self, when, kind, data):
        if self.query.get("timestamps") in ("1", "true"):
            data = stamp(when).encode() + b" " + data
        return bytes([kind, 0, 0, 0]) + len(data).to_bytes(4, "big") + data

    def do_kill(self, name):
        number = self.query.get("signal") or ("SIGTERM" if self.path.split("?")[0].endswith("/stop") else "SIGKILL")
        number = int(number) if number.isdigit() else int(signal.Signals["SIG" + number.removeprefix("SIG")])
        with self.engine.lock:
            self.engine.find(name).signal(number)
        self.answer(204)

    def do_stats(self, name):
        with self.engine.lock:
            container = self.engine.find(name)
        if self.query.get("stream") in ("0", "false"):
            self.answer(200, container.stats())
            return
        self.begin()
        while container.status == "running" and self.engine.server:
            self.chunk(json.dumps(container.stats()).encode() + b"\n")
            time.sleep(0.2)
        self.end_chunks()

    def do_remove(self, name):
        with self.engine.lock:
            container = self.engine.find(name)
            if container.status == "running":
                if self.query.get("force") not in ("1", "true"):
                    raise Refused(409, f"You cannot remove a running container {container.id}. Stop the container "
                                       "before attempting removal or force remove")
                container.stop_now()
            del self.engine.containers[container.id]
            container.changed.notify_all()
        self.answer(204)


@pytest.fixture
def fake():
    """A fake engine with busybox-test, on a socket with a short path."""
    directory = tempfile.mkdtemp(prefix="mltf", dir="/tmp")
    found = FakeEngine(os.path.join(directory, "s"))
    yield found
    found.close()
    shutil.rmtree(directory, ignore_errors=True)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: fake_engine.py SOCKET")
    engine = FakeEngine(sys.argv[1], journal="/dev/stdout")
    print(f"DOCKER_HOST={engine.host}", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        engine.close()


if __name__ == "__main__":
    main()
