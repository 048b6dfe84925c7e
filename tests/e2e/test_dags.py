# SPDX-License-Identifier: Apache-2.0
"""Random graphs, random edits, failures and kills: the result is that of a fresh run, and nothing runs in vain."""
import hashlib
import os
import signal
import subprocess
import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from steps import ENV, MLOPS, ran

SECONDS = 40
SOAK = bool(os.environ.get("MLOPS_SOAK"))

# What a step makes says all it read. It fails where a file tells it to, and may be slow, so that a kill meets it.
CALC = """\
out=$1; shift
echo "$MLOPS_STEP" >> ran
[ ! -e "fail-${MLOPS_STEP%%@*}" ] || { echo half > "$out"; exit 7; }
[ ! -e slow ] || sleep 0.02
{ echo "$MLOPS_PARAM_P $MLOPS_MATRIX_M"; for file; do cat "$file"; done; } | sha256sum > "$out"
"""
VALUES = ["1", "2", "3"]


class Model:
    """A graph whose steps are numbered in order: step i may read what the steps below it made."""

    def __init__(self, draw):
        self.draw = draw
        self.count = draw(st.integers(2, 6), label="steps")
        self.known = set()  # keys of steps that ended well
        self.sources = {i: "1" for i in range(self.count)}
        self.param = "1"
        self.steps = [self.new_step(i) for i in range(self.count)]

    def new_step(self, i):
        ups = self.draw(st.sets(st.integers(0, i - 1), max_size=3), label=f"ups of {i}") if i else set()
        return {"ups": sorted(ups), "param": self.draw(st.booleans(), label=f"param of {i}"),
                "matrix": self.draw(st.booleans(), label=f"matrix of {i}")}

    @staticmethod
    def instances(step, i):
        return [(f"s{i}@{m}", f"out/{i}-{m}", m) for m in "xy"] if step["matrix"] else [(f"s{i}", f"out/{i}", "")]

    def text(self):
        parts = ["[pipeline]\nname = dags\n", f"[params]\np = {self.param}\n"]
        for i, step in enumerate(self.steps):
            inputs = [f"src/{i}"] + [out for up in step["ups"] for _, out, _ in self.instances(self.steps[up], up)]
            own = f"out/{i}-${{matrix.key}}" if step["matrix"] else f"out/{i}"
            parts.append(f"[step.s{i}]\ncmd = sh calc.sh {own} {' '.join(inputs)}\nin = calc.sh\n"
                         + "".join(f"     {path}\n" for path in inputs) + f"out = {own}\n"
                         + ("params = p\n" if step["param"] else "") + ("matrix.m = x, y\n" if step["matrix"] else ""))
        return "".join(parts)

    def results(self):
        """{step: (key, output path, content)} of a run from nothing."""
        made, all_ = {}, {}
        for i, step in enumerate(self.steps):
            texts = [self.sources[i] + "\n"]
            paths = [f"src/{i}"]
            for up in step["ups"]:
                for _, out, _ in self.instances(self.steps[up], up):
                    texts.append(made[out])
                    paths.append(out)
            for name, out, m in self.instances(step, i):
                param = self.param if step["param"] else ""
                body = f"{param} {m}\n" + "".join(texts)
                made[out] = hashlib.sha256(body.encode()).hexdigest() + "  -\n"
                # Inputs are a set with names; the command names them in order.
                all_[name] = ((param, m, out, tuple(zip(paths, texts))), out, made[out])
        return all_

    def edit(self):
        kind = self.draw(st.sampled_from(["source", "param", "edge", "lose", "spoil", "none"]), label="edit")
        at = self.draw(st.integers(0, self.count - 1), label="at")
        if kind == "source":
            self.sources[at] = self.draw(st.sampled_from(VALUES))
        elif kind == "param":
            self.param = self.draw(st.sampled_from(VALUES))
        elif kind == "edge":
            self.steps[at] = self.new_step(at)
        return kind, at


def write(project, model):
    (project / "src").mkdir(exist_ok=True)
    (project / "calc.sh").write_text(CALC)
    for i, text in model.sources.items():
        path = project / f"src/{i}"
        if not path.exists() or path.read_text() != text + "\n":
            path.write_text(text + "\n")
    (project / "pipeline.ini").write_text(model.text())


def run(project, *args):
    done = subprocess.run([MLOPS, "run", "-j", "2", *args], cwd=project, env=ENV, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    return done.returncode, done.stdout.decode()


def killed_run(project, delay):
    (project / "slow").touch()
    process = subprocess.Popen([MLOPS, "run", "-j", "2"], cwd=project, env=ENV, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (project / "slow").unlink()


def expect_whole(project, model, certain):
    """One run to the end. `certain`: nobody was killed since, so just what is not known runs."""
    want = model.results()
    ran(project)
    status, out = run(project)
    assert status == 0, out
    names = ran(project)
    new = {name for name, (key, _, _) in want.items() if key not in model.known}
    assert len(names) == len(set(names)), names
    assert set(names) == new if certain else set(names) <= new, (names, new, out)
    for name, (key, path, content) in want.items():
        assert (project / path).read_text() == content, (name, out)
        model.known.add(key)
    status, out = run(project)
    assert (status, ran(project)) == (0, []), out


def disturb(project, model, draw):
    """A failing step, or a kill; True when what ended well is no longer certain."""
    what = draw(st.sampled_from(["nothing", "nothing", "failure", "kill"]), label="disturbance")
    if what == "kill":
        killed_run(project, draw(st.integers(0, 80), label="after ms") / 1000)
        return True
    if what == "failure":
        at = draw(st.integers(0, model.count - 1), label="fails")
        (project / f"fail-s{at}").touch()
        want = model.results()
        status, out = run(project, "-k")
        names = set(ran(project))
        failed = {name for name in names if name.split("@")[0] == f"s{at}"}
        assert (status != 0) == bool(failed), (status, names, out)
        for name in names - failed:
            model.known.add(want[name][0])
        (project / f"fail-s{at}").unlink()
    return False


@settings(max_examples=400 if SOAK else 25, deadline=None, derandomize=not SOAK,
          suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_history_ends_as_a_fresh_run(tmp_path_factory, data):
    project = tmp_path_factory.mktemp("dag")
    subprocess.run([MLOPS, "init"], cwd=project, env=ENV, check=True, stdout=subprocess.DEVNULL)
    model = Model(data.draw)
    write(project, model)
    for _ in range(data.draw(st.integers(1, 5), label="turns")):
        certain = not disturb(project, model, data.draw)
        expect_whole(project, model, certain)
        kind, at = model.edit()
        write(project, model)
        for _, path, _ in model.results().values():
            target = project / path
            if path.split("/")[1].split("-")[0] == str(at) and target.exists():
                if kind == "lose":
                    target.unlink()
                elif kind == "spoil":
                    target.unlink()
                    target.write_text("somebody's own\n")
    expect_whole(project, model, True)
