"""What the benches share: measuring a command, medians, and one line of verdict a target."""
import argparse
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent


class Bench:
    """One bench: its arguments, a scratch directory that is removed, and its verdicts."""

    def __init__(self, doc, **options):
        parser = argparse.ArgumentParser(description=doc.split("\n")[0])
        parser.add_argument("--mlops", default=os.environ.get("MLOPS", HERE.parent / "build/release/mlops"))
        parser.add_argument("--dir", help="where to work (default: build/); its file system is measured too")
        parser.add_argument("--times", type=int, default=options.pop("times", 5), help="repetitions")
        for name, settings in options.items():
            parser.add_argument(f"--{name}", **settings)
        self.args = parser.parse_args()
        self.mlops = str(pathlib.Path(self.args.mlops).resolve())
        if not os.access(self.mlops, os.X_OK):
            sys.exit(f"no program at {self.mlops}: build it, or give --mlops")
        base = pathlib.Path(self.args.dir or HERE.parent / "build")
        base.mkdir(parents=True, exist_ok=True)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=base))
        self.missed = []
        self.measure_program = self.dir / "measure"
        subprocess.run(["cc", "-O2", "-o", self.measure_program, HERE / "measure.c"], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir, ignore_errors=True)

    def run(self, argv, cwd, env=None):
        """(seconds, peak KiB) of one execution, which must succeed."""
        with tempfile.TemporaryFile() as out:
            reader, writer = os.pipe()
            try:
                process = subprocess.Popen(
                    ["sh", "-c", f'exec "$0" "$@" 3>&{writer}', self.measure_program, *map(str, argv)],
                    cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=out, pass_fds=[writer],
                    env={**os.environ, **(env or {})})
            finally:
                os.close(writer)
            process.wait()
            with os.fdopen(reader) as answer:
                words = answer.read().split()
            if len(words) != 3 or words[2] != "0":
                out.seek(0)
                sys.exit(f"{' '.join(map(str, argv))} failed:\n{out.read()[-2000:].decode(errors='replace')}")
        return float(words[0]), int(words[1])

    def several(self, *argvs, cwd, before=None):
        """Median of each command's seconds and the largest of its peaks. The commands take turns, so that a
        slow minute of the machine meets all of them. cwd: one directory, or one a command."""
        cwds = cwd if isinstance(cwd, (list, tuple)) else [cwd] * len(argvs)
        samples = [[] for _ in argvs]
        for _ in range(self.args.times):
            for argv, place, sample in zip(argvs, cwds, samples):
                if before:
                    before(argv)
                sample.append(self.run(argv, place))
        return [(statistics.median(s for s, _ in sample), max(k for _, k in sample)) for sample in samples]

    def show(self, what, seconds, kib=None):
        memory = f"  {kib / 1024:7.1f} MiB peak" if kib is not None else ""
        print(f"{what:<44} {seconds * 1000:10.1f} ms{memory}", flush=True)

    def target(self, what, value, limit, unit, least=False):
        met = value >= limit if least else value <= limit
        sign = ">=" if least else "<="
        print(f"  {'met   ' if met else 'MISSED'} {what}: {value:.3g} {unit} (target {sign} {limit:g} {unit})", flush=True)
        if not met:
            self.missed.append(what)

    def memory_target(self, what, kib):
        self.target(f"{what}, peak memory", kib / 1024, 40, "MiB")

    def finish(self):
        print(f"{len(self.missed)} targets missed" if self.missed else "all targets met")
        return 1 if self.missed else 0


def mlops_project(bench, directory, pipeline):
    """A project without git: the bench measures mlops, not the history of a repository."""
    directory.mkdir()
    (directory / "pipeline.ini").write_text(pipeline)
    bench.run([bench.mlops, "init"], directory)
    return directory


def need(program, package):
    if not shutil.which(program):
        sys.exit(f"{program} is missing: apt-get install {package}")
    return program


def _answers(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        try:
            client.connect(str(path))
            client.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in client.recv(64)
        except OSError:
            return False


class Engine:
    """The container engine of DOCKER_HOST; without it, as root, a dockerd of our own below the bench's directory."""

    def __init__(self, bench):
        self.process = None
        need("docker", "docker.io")
        if os.environ.get("DOCKER_HOST"):
            return
        if os.geteuid() != 0:
            sys.exit("no container engine to measure: set DOCKER_HOST, or run as root to start one")
        need("dockerd", "docker.io")
        # The path of a Unix socket may have 107 bytes.
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="bench-engine-"))
        sock = self.place / "d.sock"
        self.log = open(bench.dir / "dockerd.log", "wb")
        self.process = subprocess.Popen(
            ["dockerd", "--data-root", bench.dir / "engine", "--exec-root", self.place / "exec", "-H", f"unix://{sock}",
             "--pidfile", self.place / "pid", "--bridge=none", "--iptables=false"],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while not _answers(sock):
            if self.process.poll() is not None or time.monotonic() > end:
                self.close()
                sys.exit(f"dockerd did not start:\n{(bench.dir / 'dockerd.log').read_text()[-2000:]}")
            time.sleep(0.1)
        os.environ["DOCKER_HOST"] = f"unix://{sock}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if not self.process:
            return
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        os.environ.pop("DOCKER_HOST", None)
        shutil.rmtree(self.place, ignore_errors=True)


def busybox_image(bench, name):
    """An image of one static program under many names, 2 MB."""
    program = os.path.realpath(shutil.which(need("busybox", "busybox-static")))
    path = bench.dir / "image.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(program, "bin/busybox", recursive=False)
        for applet in ("sh", "true", "cp", "yes", "head"):
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    subprocess.run(["docker", "import", path, name], check=True, stdout=subprocess.DEVNULL)
    path.unlink()
    return name
