# SPDX-License-Identifier: Apache-2.0
"""Pipelines of small shell steps, and what the tests of runs ask of their results."""
import json
import os
import pathlib
import re
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
MLOPS = os.environ.get("MLOPS", str(ROOT / "build/release/mlops"))
ENV = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "TZ": "UTC", "LC_ALL": "C.UTF-8",
       "GIT_CONFIG_GLOBAL": "/dev/null",
       **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}}

# a -> b -> c, each one counting how often it really ran.
CHAIN = """\
[pipeline]
name = chain
[params]
lr = 0.01
[step.a]
cmd = sh -c 'echo a >> ran; cat in.txt > a.txt'
in  = in.txt
out = a.txt
[step.b]
cmd = sh -c 'echo b >> ran; cat a.txt > b.txt; echo $MLOPS_PARAM_LR >> b.txt'
in  = a.txt
out = b.txt
params = lr
[step.c]
cmd = sh -c 'echo c >> ran; cat b.txt > c.txt; echo "{\\"n\\": 3}" > m.json'
in  = b.txt
out = c.txt
metrics = m.json
"""


def write_chain(project):
    (project / "pipeline.ini").write_text(CHAIN)
    (project / "in.txt").write_text("data\n")


def one_step(project, script, out="out.txt", **keys):
    """A pipeline of one step whose shell script stands in a file of the project."""
    (project / "step.sh").write_text(script + "\n")
    lines = ["[step.one]", "cmd = sh step.sh", "in = step.sh"]
    lines += [f"out = {out}"] if out else []
    lines += [f"{key} = {value}" for key, value in keys.items()]
    (project / "pipeline.ini").write_text("\n".join(lines) + "\n")


def ran(project):
    """Names of the steps that ran since the last call, in order."""
    path = project / "ran"
    names = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return names


def result_of(out):
    """The result of an operation printed with --json; of a run, its last line."""
    return json.loads(out.splitlines()[-1])


def run_json(mlops, project, *args, status=0, env=None):
    got, out, err = mlops("run", "--json", *args, cwd=project, env=env)
    assert got == status, (got, out, err)
    return result_of(out)


def states(result):
    return {step["name"]: step["state"] for step in result["steps"]}


def run_ok(mlops, project, *args, env=None):
    status, out, err = mlops("run", *args, cwd=project, env=env)
    assert status == 0, (status, out, err)
    return out, err


def one_error(err, told=False):
    """The one error on stderr: (message, where, help). Help must be there, unless the message has told already
    what is right."""
    lines = err.splitlines()
    at = [i for i, line in enumerate(lines) if line.startswith("error: ")]
    assert len(at) == 1, err
    assert "runtime error" not in err and "Sanitizer" not in err, err
    message = lines[at[0]][len("error: "):]
    rest = lines[at[0] + 1:]
    where = next((line[len("  --> "):] for line in rest if line.startswith("  --> ")), "")
    fix = next((line[len("help: "):] for line in rest if line.startswith("help: ")), "")
    assert fix or told, err
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", err), ascii(err)
    return message, where, fix


def start(project, *args, env=None, **kwargs):
    """A command in the background, in a process group of its own."""
    return subprocess.Popen([MLOPS, *args], cwd=project, env={**ENV, **(env or {})}, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
                            **kwargs)


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("what was waited for did not come")


def alive(pid):
    """Whether a process still runs; one that waits to be reaped does not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the second: it was reaped between open and read
        return False


def fails(mlops, project, status, *args, env=None, told=False):
    """A command that fails: its one error."""
    got, out, err = mlops(*args, cwd=project, env=env)
    assert got == status, (got, out, err)
    return one_error(err, told)
