# SPDX-License-Identifier: Apache-2.0
"""Images for tests, made here: busybox with what a Dockerfile can set, and one of Debian's python3.

Each is an archive as `docker save` writes it, the same bytes at every run, so that
image ids are the same, too.
"""
import hashlib
import io
import json
import os
import pathlib
import subprocess
import tarfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUSYBOX = "/bin/busybox"
ARM64 = 183  # e_machine of ELF

# What differs from plain busybox: of the configuration, and of the layer.
IMAGES = {
    "busybox-test": {},
    "busybox-entrypoint": {"config": {"Entrypoint": ["/bin/echo", "the entry point got"]}},
    "busybox-user": {"config": {"User": "1234:1234"}},
    "busybox-volume": {"config": {"Volumes": {"/w": {}, "/data": {}}}},
    "busybox-health": {"config": {"Healthcheck": {
        "Test": ["CMD-SHELL", "exit 1"], "Interval": 1_000_000_000, "Retries": 1}}},
    "busybox-workdir": {"config": {"WorkingDir": "/elsewhere", "Env": ["FROM_IMAGE=yes", "PATH=/bin"]}},
    "busybox-noshell": {"applets": ("cp", "true")},
    "busybox-arm": {"architecture": "arm64"},
}


def cache():
    """Where what takes long to make is kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    path = pathlib.Path(os.environ.get("MLOPS_TEST_CACHE") or os.path.join(base, "mlops-tests"))
    path.mkdir(parents=True, exist_ok=True)
    return path


def _add(archive, name, data=None, mode=0o755, link=None):
    entry = tarfile.TarInfo(name)
    entry.mode = mode
    if link:
        entry.type, entry.linkname = tarfile.SYMTYPE, link
    elif data is None:
        entry.type = tarfile.DIRTYPE
    else:
        entry.size = len(data)
    archive.addfile(entry, None if data is None else io.BytesIO(data))


def _archive(add):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        add(archive)
    return out.getvalue()


def layer(applets=None, architecture="amd64", marker=""):
    """A root file system as a tar. Another architecture's programs are busybox that says so."""
    program = bytearray(pathlib.Path(BUSYBOX).read_bytes())
    if architecture != host():
        program[18:20] = ARM64.to_bytes(2, "little")
    if applets is None:
        applets = subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout.split()

    def add(archive):
        for name in "bin", "dev", "etc", "proc", "root", "sys":
            _add(archive, name)
        _add(archive, "tmp", mode=0o1777)
        _add(archive, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", 0o644)
        _add(archive, "etc/marker", marker.encode(), 0o644)
        _add(archive, "bin/busybox", bytes(program))
        for applet in applets:
            if applet != "busybox":
                _add(archive, "bin/" + applet, link="busybox")

    return _archive(add)


def host():
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


def saved(name, config=None, applets=None, architecture=None, marker=""):
    """(archive for the engine to load, image id). The name gets the tag latest when it has none."""
    architecture = architecture or host()
    content = layer(applets, architecture, marker)
    description = json.dumps({
        "architecture": architecture, "os": "linux", "created": "2024-01-01T00:00:00Z",
        "config": {"Env": ["PATH=/bin"], **(config or {})},
        "history": [{"created": "2024-01-01T00:00:00Z"}],
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(content).hexdigest()]},
    }, sort_keys=True).encode()
    digest = hashlib.sha256(description).hexdigest()
    tag = name if ":" in name.rsplit("/", 1)[-1] else name + ":latest"
    manifest = [{"Config": digest + ".json", "RepoTags": [tag], "Layers": ["layer.tar"]}]

    def add(archive):
        _add(archive, digest + ".json", description, 0o644)
        _add(archive, "layer.tar", content, 0o644)
        _add(archive, "manifest.json", json.dumps(manifest).encode(), 0o644)

    return _archive(add), "sha256:" + digest


def make_python(docker_host):
    """Gives the engine mlops-example-python. Its packages are unpacked once and kept."""
    done = subprocess.run([ROOT / "examples/docker/make-image"], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False, timeout=600,
                          env={**os.environ, "DOCKER_HOST": docker_host, "XDG_CACHE_HOME": str(cache())})
    assert done.returncode == 0, done.stderr
    return "mlops-example-python"
