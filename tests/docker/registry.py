# SPDX-License-Identifier: Apache-2.0
"""A registry on loopback, with or without a login."""
import json
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import warnings

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import crypt


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Registry:
    def __init__(self, login=None):
        """`login`: (user, password) that everything needs."""
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="mltr", dir="/tmp"))
        self.address = f"127.0.0.1:{free_port()}"
        config = {"version": 0.1, "log": {"level": "error"}, "http": {"addr": self.address},
                  "storage": {"filesystem": {"rootdirectory": str(self.directory / "data")},
                              "delete": {"enabled": True}}}
        if login:
            salt = crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)
            (self.directory / "htpasswd").write_text(f"{login[0]}:{crypt.crypt(login[1], salt)}\n")
            config["auth"] = {"htpasswd": {"realm": "tests", "path": str(self.directory / "htpasswd")}}
        (self.directory / "config.yml").write_text(json.dumps(config))  # JSON is YAML
        self.process = None
        self.start()

    def start(self):
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", self.directory / "config.yml"],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for _ in range(500):
            try:
                opener.open(f"http://{self.address}/v2/", timeout=5)
                return
            except urllib.error.HTTPError:
                return  # 401: it wants a login
            except OSError:
                assert self.process.poll() is None, (self.directory / "log").read_text()
                time.sleep(0.02)
        raise RuntimeError("the registry does not answer")

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


@pytest.fixture
def registry():
    """registry(login=("ann", "secret")): registries that end with the test."""
    if not shutil.which("docker-registry"):
        pytest.skip("docker-registry is not installed")
    made = []

    def make(**how):
        made.append(Registry(**how))
        return made[-1]

    yield make
    for one in made:
        one.close()
