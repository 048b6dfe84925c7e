# SPDX-License-Identifier: Apache-2.0
"""secret: kept by mlops, read by steps, seen by nobody else."""
import base64
import gzip
import json
import os
import pathlib
import pty
import re
import select
import signal
import sqlite3
import stat
import subprocess
import termios
import urllib.parse

import pytest
from boxes import Box
from steps import wait_for

SECONDS = 20

VALUE = "s3cr3t/Va+lue with blank"
LINES = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nBAQEFAASCBKcwggSjAgEA\n-----END KEY-----"
TMPFS = pathlib.Path("/dev/shm") / f"mlops-{os.getuid()}"


def add(mlops, name, value, *more):
    status, out, err = mlops("secret", "add", name, *more, input=value)
    assert status == 0, err
    return out


def listed(mlops):
    status, out, err = mlops("secret", "list", "--json")
    assert status == 0, err
    return json.loads(out)


def step(project, script, secrets, **keys):
    """A pipeline of one step whose Python script stands in a file of the project."""
    (project / "step.py").write_text(script)
    lines = ["[step.one]", "cmd = python3 step.py", "in = step.py", "out = out.txt", f"secrets = {secrets}"]
    lines += [f"{key} = {value}" for key, value in keys.items()]
    (project / "pipeline.ini").write_text("\n".join(lines) + "\n")


def everything_kept(project):
    """All bytes of .mlops but the secrets themselves, logs unpacked, as one."""
    found = []
    for path in sorted((project / ".mlops").rglob("*")):
        if not path.is_file() or (project / ".mlops/secrets") in path.parents:
            continue
        data = path.read_bytes()
        found.append(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
        if data[:4] == b"\x28\xb5\x2f\xfd":
            found.append(subprocess.run(["zstd", "-dc", path], capture_output=True, check=False).stdout)
    return b"\n".join(found)


# ---- add, list, rm ----

def test_a_secret_is_kept_for_its_owner_alone(mlops, project):
    assert add(mlops, "KEY", VALUE + "\n") == "added secret KEY\n"
    path = project / ".mlops/secrets/KEY"
    assert path.read_text() == VALUE, "one line feed is dropped"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert add(mlops, "KEY", LINES + "\r\n\n") == "replaced secret KEY\n"
    assert path.read_bytes() == LINES.encode() + b"\r\n"
    assert json.loads(add(mlops, "OTHER", "x\r\n", "--json")) == {"name": "OTHER", "replaced": False, "masked": False}
    assert (project / ".mlops/secrets/OTHER").read_text() == "x"
    assert mlops("secret", "rm", "OTHER").out == "removed secret OTHER\n"
    with sqlite3.connect(project / ".mlops/registry.db") as db:
        events = db.execute("SELECT operation, subject FROM events WHERE operation LIKE 'secret.%' ORDER BY seq")
        assert events.fetchall() == [("secret.add", "KEY"), ("secret.add", "KEY"), ("secret.add", "OTHER"),
                                     ("secret.rm", "OTHER")]
    assert b"s3cr3t" not in everything_kept(project) and b"MIIEvQ" not in everything_kept(project)


def test_bytes_and_the_largest_come_from_a_file(mlops, project):
    large = os.urandom(65535) + b"\0"
    done = mlops("secret", "add", "LARGE", input=large, text=False)
    assert done.status == 0 and (project / ".mlops/secrets/LARGE").read_bytes() == large
    status, _, err = mlops("secret", "add", "KEY", input="x" * (1 << 20))
    assert status == 2 and "larger than 65536 bytes" in err and "help:" in err and "xxxx" not in err
    assert [s["name"] for s in listed(mlops)["secrets"]] == ["LARGE"]


@pytest.mark.parametrize("name, value, says", [
    ("KEY", "", "empty"), ("KEY", "\n", "empty"), ("A-B", VALUE, "letters, digits and '_'"), ("1A", VALUE, "begins"),
    ("MLOPS_X", VALUE, "MLOPS_"), ("", VALUE, "NAME is empty"), ("../x", VALUE, "letters"), ("K" * 101, VALUE, "100 bytes")])
def test_what_cannot_be_a_secret_is_refused(mlops, project, name, value, says):
    status, out, err = mlops("secret", "add", name, input=value)
    assert (status, out) == (2, "") and says in err and "s3cr3t" not in err
    assert listed(mlops)["secrets"] == []


def test_a_value_is_never_an_argument(mlops, project):
    status, _, err = mlops("secret", "add", "KEY", VALUE, input="")
    assert status == 2 and "takes no further argument" in err
    assert "--value" not in mlops("help", "secret", "add").out + mlops("__complete", "secret", "add", "--").out


def test_a_person_types_unseen(terminal, project, mlops):
    asked = {b"value of KEY: ": b"s3cr3t value\n"}
    status, out, _ = terminal("secret", "add", "KEY", "--color", "never", on=asked)
    assert status == 0 and out.splitlines() == ["value of KEY: ", "added secret KEY"]
    assert (project / ".mlops/secrets/KEY").read_text() == "s3cr3t value"
    status, out, _ = terminal("secret", "add", "KEY", on={b"value of KEY: ": b"half\x03"})
    assert status == 130 and "half" not in out
    assert (project / ".mlops/secrets/KEY").read_text() == "s3cr3t value"


def test_ctrl_c_leaves_a_terminal_that_shows_what_is_typed(project, environment, program):
    """The shell goes on with the terminal that mlops asked on."""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(project)
        os.execvpe("sh", ["sh", "-c", f"trap : INT; {program} secret add KEY; echo status $?"],
                   environment)
    seen, typed = b"", False
    while b"status 130" not in seen:
        assert select.select([fd], [], [], 30)[0]
        seen += os.read(fd, 4096)
        if b"value of KEY: " in seen and not typed:
            typed = True
            assert not termios.tcgetattr(fd)[3] & termios.ECHO
            os.write(fd, b"\x03")
    assert termios.tcgetattr(fd)[3] & termios.ECHO
    os.close(fd)
    os.waitpid(pid, 0)


def test_the_list_names_users_and_what_is_missing(mlops, project):
    assert "no secrets" in mlops("secret", "list").out
    step(project, "", "KEY, TOKEN env")
    add(mlops, "KEY", VALUE)
    add(mlops, "UNUSED", VALUE)
    found = listed(mlops)
    assert [(s["name"], s["steps"]) for s in found["secrets"]] == [("KEY", ["one"]), ("UNUSED", [])]
    assert found["missing"] == [{"name": "TOKEN", "steps": ["one"]}]
    assert "mlops secret add TOKEN" in mlops("secret", "list").out
    assert mlops("__complete", "secret", "add", "T").out.split()[0] == "TOKEN"
    (project / "pipeline.ini").write_text("[step.one\n")
    assert len(listed(mlops)["secrets"]) == 2 and "is not known" in mlops("secret", "list").out


def test_rm_of_what_is_not_there_names_the_nearest(mlops, project):
    add(mlops, "WANDB_KEY", VALUE)
    status, _, err = mlops("secret", "rm", "WANDB_KYE")
    assert status == 3 and "did you mean WANDB_KEY?" in err


def test_one_that_others_can_read_is_found(mlops, project):
    add(mlops, "KEY", VALUE)
    step(project, "", "KEY")
    path = project / ".mlops/secrets/KEY"
    path.chmod(0o644)
    assert "open to others" in mlops("secret", "list").out
    status, out, _ = mlops("doctor")
    assert status == 5 and "chmod go= .mlops/secrets/KEY" in out
    status, _, err = mlops("run")
    assert status == 6 and "chmod go= .mlops/secrets/KEY" in err


# ---- in runs ----

LEAK = r"""
import base64, json, os, sys, time, urllib.parse
value = open(os.environ["KEY_FILE"], "rb").read()
assert "KEY" not in os.environ
for name in ("KEY_FILE",):
    st = os.stat(os.environ[name])
    assert st.st_mode & 0o777 == 0o400, oct(st.st_mode)
text = value.decode()
def say(data):
    os.write(1, b"[" + data + b"]\n")
say(value)
say(base64.b64encode(value))
say(base64.urlsafe_b64encode(b"x" + value))
say(urllib.parse.quote(text).encode())
say(urllib.parse.quote_plus(text).encode())
say(json.dumps({"key": text}).encode())
for line in value.splitlines():
    os.write(2, b"[" + line + b"]\n")
for i in range(len(value)):
    os.write(1, value[i:i + 1])
    if i % 7 == 0:
        time.sleep(0.01)
os.write(1, b"\n")
open(os.environ["MLOPS_SUMMARY"], "w").write("the key is " + text)
open(os.environ["MLOPS_METRICS"], "w").write(json.dumps({"key": "n", "value": 1}) + "\n")
open("out.txt", "w").write("done")
sys.exit(int(os.environ.get("FAIL", "0")))
"""


def forms(value):
    lines = [line for line in value.encode().splitlines() if len(line) > 4]
    found = [value.encode(), base64.b64encode(value.encode())[:-4], urllib.parse.quote(value, safe="").encode(),
             base64.urlsafe_b64encode(b"x" + value.encode())[4:-4], *lines]
    return found


@pytest.mark.parametrize("value, fails", [(VALUE, False), (LINES, True)], ids=["good", "bad"])
def test_a_printed_secret_is_masked_wherever_it_lands(mlops, project, value, fails):
    add(mlops, "KEY", value)
    step(project, LEAK, "KEY", env="FAIL=%d" % fails)
    status, out, err = mlops("run")
    assert status == (1 if fails else 0), err
    assert "***" in out + err + mlops("logs").out
    shown = out + err
    for command in (["logs"], ["show", "last"], ["runs", "--json", "--all"], ["why", "one"], ["run", "--json"]):
        done = mlops(*command)
        shown += done.out + done.err
    kept = everything_kept(project)
    for form in forms(value):
        assert form not in shown.encode() and form not in kept, form
    assert mlops("logs").out.count("[***]") >= 4


def test_a_step_gets_a_variable_only_if_it_asks(mlops, project):
    add(mlops, "KEY", VALUE)
    step(project, "import os\nassert os.environ['KEY'] == open(os.environ['KEY_FILE']).read()\n"
                  "print(os.environ['KEY'])\nopen('out.txt', 'w')", "KEY env")
    status, out, err = mlops("run")
    assert status == 0, err
    assert mlops("logs").out.strip().endswith("***")
    assert "s3cr3t" not in (project / "mlops.lock").read_text()


def test_of_a_secret_that_was_cut_nothing_stays(mlops, project):
    add(mlops, "KEY", VALUE)
    step(project, "import os\nos.write(1, b'half: ' + open(os.environ['KEY_FILE'], 'rb').read()[:-2])\n"
                  "os.kill(os.getpid(), 9)", "KEY")
    status, out, err = mlops("run")
    assert status == 1 and "s3cr3t" not in out + err
    assert mlops("logs").out.strip().endswith("half: ***")
    # An error is as long as it may be inside of the secret.
    add(mlops, "KEY", "s3cr3t-" + 60 * "y")
    for pad in (140, 165):
        step(project, "import os\nwhere = 'out.txt/' + 400 * 'd/'\nos.makedirs(where)\n"
                      f"os.mkfifo(where + {pad} * 'x' + open(os.environ['KEY_FILE']).read())", "KEY")
        status, out, err = mlops("run")
        assert status == 1 and "xxx***" in err and "s3cr3t" not in out + err, err


def test_a_new_value_runs_nothing_and_a_new_name_does(mlops, project):
    for name in ("KEY", "TOKEN"):
        add(mlops, name, VALUE)
    step(project, "open('out.txt', 'w')", "KEY")
    assert mlops("run").status == 0
    add(mlops, "KEY", "another value")
    assert json.loads(mlops("run", "--json").out.splitlines()[-1])["fresh"] == 1
    mlops("secret", "rm", "KEY")
    assert mlops("run").status == 0, "what is fresh needs no secret"
    step(project, "open('out.txt', 'w')", "TOKEN")
    assert "secret TOKEN" in mlops("why", "one").out
    assert json.loads(mlops("run", "--json").out.splitlines()[-1])["ran"] == 1


def test_all_missing_ones_are_told_before_anything_starts(mlops, project):
    (project / "pipeline.ini").write_text(
        "[step.first]\ncmd = touch ran\nout = ran\n"
        "[step.a]\ncmd = touch a\nout = a\nsecrets = KEY, TOKEN\n[step.b]\ncmd = touch b\nout = b\nsecrets = KEY\n")
    status, _, err = mlops("run")
    assert status == 3 and "KEY (a, b)" in err and "TOKEN (a)" in err and "mlops secret add" in err
    assert "pipeline.ini:7" in err and not (project / "ran").exists()


def test_files_go_with_the_step_and_after_a_kill(mlops, project, program, environment):
    add(mlops, "KEY", VALUE)
    step(project, "import os, time\nprint(os.environ['KEY_FILE'], flush=True)\n"
                  "open('where', 'w').write(os.environ['KEY_FILE'])\n"
                  "while not os.path.exists('go'): time.sleep(0.01)\nopen('out.txt', 'w')", "KEY")
    run = subprocess.Popen([program, "run"], cwd=project, env=environment, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
    where = wait_for(lambda: (project / "where").exists() and (project / "where").read_text())
    assert where.startswith(str(TMPFS)) and pathlib.Path(where).read_text() == VALUE
    for parent in (TMPFS, TMPFS / where.split("/")[4]):
        assert stat.S_IMODE(parent.stat().st_mode) == 0o700
    run.send_signal(signal.SIGKILL)
    run.wait()
    (project / "go").write_text("")
    assert mlops("run").status == 0
    assert not pathlib.Path(where).parent.parent.exists(), "the attempt's files, and the project's directory"


def test_ps_never_shows_a_secret(mlops, project, program, environment):
    add(mlops, "KEY", VALUE)
    step(project, "import os, time\nopen('up', 'w')\nwhile not os.path.exists('go'): time.sleep(0.01)\n"
                  "open('out.txt', 'w')", "KEY env")
    run = subprocess.Popen([program, "run"], cwd=project, env=environment, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
    wait_for((project / "up").exists)
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert b"s3cr3t" not in path.read_bytes()
        except OSError:
            pass
    (project / "go").write_text("")
    assert run.wait() == 0
    (project / "pipeline.ini").write_text("[step.one]\ncmd = echo ${secret.KEY}\nsecrets = KEY\n")
    status, _, err = mlops("run")
    assert status == 2 and "secret" in err and "help:" in err and "s3cr3t" not in err


def test_a_container_reads_its_secret(engine, mlops, project):
    box = Box(project, engine.host)
    add(mlops, "KEY", VALUE)
    box.step("cat /run/secrets/KEY; echo; stat -c %a-%u $KEY_FILE; id -u; (echo x > /run/secrets/KEY) 2>/dev/null && "
             "echo writable; cat $KEY_FILE | wc -c > out.txt; ls /run/secrets", secrets="KEY")
    box.run()
    assert int(box.read("out.txt")) == len(VALUE)
    log = mlops("logs", env={"DOCKER_HOST": engine.host}).out
    lines = [re.sub(r"^.*\| ", "", line) for line in log.splitlines()]
    assert "***" in lines and "writable" not in log and "s3cr3t" not in log
    assert "400-65532" in log and lines[-1].endswith("KEY")
    assert not (TMPFS / box.label()).exists() and b"s3cr3t" not in everything_kept(project)


def test_a_container_keeps_its_secret_when_mlops_is_killed(engine, mlops, project):
    box = Box(project, engine.host)
    add(mlops, "KEY", VALUE)
    box.step("touch ckpt/up; while [ ! -e ckpt/go ]; do sleep 0.1; done; cat $KEY_FILE; wc -c < $KEY_FILE > out.txt",
             secrets="KEY", checkpoints="ckpt")
    first = box.start("run")
    wait_for((project / "ckpt/up").exists)
    first.kill()
    first.communicate()
    second = box.start("run", "--json")
    while "goes on" not in second.stdout.readline():
        assert second.poll() is None
    assert list((TMPFS / box.label()).glob("*/KEY")), "the sweep spares what was taken over"
    (project / "ckpt/go").write_text("")
    out, err = second.communicate(timeout=60)
    assert second.returncode == 0, err
    assert int(box.read("out.txt")) == len(VALUE)
    assert "***" in mlops("logs").out and "s3cr3t" not in out + err + mlops("logs").out
    assert not (TMPFS / box.label()).exists()
