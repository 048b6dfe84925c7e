# SPDX-License-Identifier: Apache-2.0
"""Pipelines whose steps run in containers, for tests of both engines."""
import json
import os
import pathlib
import sqlite3
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
MLOPS = os.environ.get("MLOPS", str(ROOT / "build/release/mlops"))


class Box:
    """A project and the engine that its steps run on."""

    def __init__(self, project, host, mlops=None, home="/nonexistent"):
        self.project, self.program = pathlib.Path(project), mlops or MLOPS
        self.env = {"PATH": os.environ["PATH"], "HOME": str(home), "TZ": "UTC", "LC_ALL": "C.UTF-8",
                    "GIT_CONFIG_GLOBAL": "/dev/null", "DOCKER_HOST": host,
                    **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}}

    def label(self):
        """What mlops.project says of this tree's containers: device and inode of .mlops."""
        home = (self.project / ".mlops").stat()
        return f"{home.st_dev:x}.{home.st_ino:x}"

    # -- files --

    def write(self, name, text):
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def read(self, name):
        return (self.project / name).read_text()

    def step(self, script, out="out.txt", image="busybox-test", inputs=(), name="one", more="", **keys):
        """A pipeline of one step, a shell script in a file of the project. Keys that end with _ are Python's words."""
        self.write("step.sh", script + "\n")
        lines = [f"[step.{name}]", "cmd = sh step.sh", "in = " + ", ".join(["step.sh", *inputs])]
        lines += [f"image = {image}"] if image else []
        lines += [f"out = {out}"] if out else []
        lines += [f"{key.rstrip('_')} = {value}" for key, value in keys.items()]
        self.write("pipeline.ini", "\n".join(lines) + "\n" + more)

    # -- commands --

    def start(self, *args, env=None, prefix=()):
        return subprocess.Popen([*prefix, self.program, *args], cwd=self.project, env={**self.env, **(env or {})},
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                encoding="utf-8", errors="surrogateescape", start_new_session=True)

    def mlops(self, *args, env=None, timeout=120, prefix=()):
        """(status, out, err)"""
        with self.start(*args, env=env, prefix=prefix) as running:
            try:
                out, err = running.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                running.kill()
                raise
        return running.returncode, out, err

    def ok(self, *args, **how):
        status, out, err = self.mlops(*args, **how)
        assert status == 0, (args, status, out, err)
        return out, err

    def json(self, *args, status=0, **how):
        got, out, err = self.mlops(*args, "--json", **how)
        assert got == status, (args, got, out, err)
        return json.loads(out.splitlines()[-1])

    def run(self, *args, status=0, **how):
        return self.json("run", *args, status=status, **how)

    def fails(self, status, *args, **how):
        """The one error of a command: (message, help)."""
        got, out, err = self.mlops(*args, **how)
        assert got == status, (args, got, out, err)
        lines = err.splitlines()
        at = [i for i, line in enumerate(lines) if line.startswith("error: ")]
        assert len(at) == 1 and "Sanitizer" not in err and "runtime error" not in err, err
        fix = [line[len("help: "):] for line in lines[at[0]:] if line.startswith("help: ")]
        return lines[at[0]][len("error: "):], fix[0] if fix else ""

    def log(self, step="one"):
        """What a step printed in its newest run, both streams, each line with an end; None when it never ran."""
        logs = sorted(self.project.glob(f".mlops/logs/*/{step}.log*"), key=lambda p: p.stat().st_mtime_ns)
        if not logs:
            return None
        text = logs[-1].read_bytes()
        if logs[-1].suffix == ".zst":
            text = subprocess.run(["zstd", "-dc"], input=text, stdout=subprocess.PIPE, check=True).stdout
        return b"".join(line.split(b" ", 2)[2] for line in text.splitlines(keepends=True))

    def attempt(self, step="one", run="last"):
        return next(a for a in self.json("show", run)["attempts"] if a["step"] == step)

    def pins(self):
        """{name: pin} of mlops.lock."""
        lines = [line.split(" ", 2) for line in self.read("mlops.lock").splitlines()]
        return {line[2]: line[1] for line in lines if line[0] == "image"}

    # -- what must hold after anything --

    def check_whole(self):
        self.ok("fsck")
        with sqlite3.connect(f"file:{self.project}/.mlops/registry.db?mode=ro", uri=True) as db:
            running = db.execute("select count(*) from runs where status = 'RUNNING'").fetchone()[0]
        assert running == 0
        work = self.project / ".mlops/work"
        assert not work.exists() or list(work.iterdir()) == []
