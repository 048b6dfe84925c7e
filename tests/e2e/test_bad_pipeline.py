# SPDX-License-Identifier: Apache-2.0
"""Pipelines, names, paths and files that are wrong: one error with what, where, why and the fix, before anything
ran; afterwards a good pipeline runs and what was there is still there."""
import json
import os
import re
import socket
import subprocess
import sys

import pytest
from steps import ENV, MLOPS, fails, one_error, one_step, ran, run_json, run_ok, states

SECONDS = 65

GOOD = "[step.good]\ncmd = sh -c 'echo good > good.txt; echo good >> ran'\nout = good.txt\n"


@pytest.fixture
def refused(mlops, project):
    """A pipeline that must be refused, next to a result that must survive."""
    (project / "pipeline.ini").write_text(GOOD)
    run_ok(mlops, project)
    lock = (project / "mlops.lock").read_text()

    def check(pipeline, status=2, told=False, args=("run",)):
        (project / "pipeline.ini").write_bytes(pipeline if isinstance(pipeline, bytes) else pipeline.encode())
        ran(project)
        error = fails(mlops, project, status, *args, told=told)
        assert ran(project) == [] and not (project / "bad.txt").exists()
        assert (project / "good.txt").read_text() == "good\n"
        assert (project / "mlops.lock").read_text() == lock
        (project / "pipeline.ini").write_text(GOOD)
        assert run_json(mlops, project)["steps"] == []
        return error

    return check


def bad(*lines):
    return "\n".join(["[step.bad]", "cmd = sh -c 'echo bad > bad.txt; echo bad >> ran'", *lines]) + "\n"


# -- the file --

def test_not_a_project(mlops, tmp_path_factory):
    message, _, fix = fails(mlops, tmp_path_factory.mktemp("empty"), 3, "run")
    assert "no project" in message and fix == "run: mlops init"


def test_no_pipeline(mlops, project):
    message, _, fix = fails(mlops, project, 3, "run")
    assert "pipeline.ini" in message and "mlops init" in fix
    message, _, fix = fails(mlops, project, 3, "run", "other.ini")
    assert "other.ini" in message


def test_a_directory_for_a_pipeline(mlops, project):
    (project / "pipeline.ini").mkdir()
    fails(mlops, project, 2, "run", told=True)


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n; at all\n", "[pipeline]\nname = x\n", "[params]\na = 1\n"])
def test_no_steps(refused, text):
    message, where, fix = refused(text)
    assert "pipeline.ini" in message + where and "[step." in message + fix


@pytest.mark.parametrize("content, what", [
    (b"\x00", "NUL"), (b"[step.a]\ncmd = a\x00b\n", "NUL"), (os.urandom(4096), ""), (b"\x7fELF\x02\x01" * 100, ""),
    (b"[step.a]\ncmd = \xff\xfe\n", "UTF-8"), ("[step.a]\ncmd = true\n".encode("utf-16"), ""),
], ids=["nul", "nul-in-value", "random", "elf", "not-utf8", "utf16"])
def test_binary(refused, content, what):
    message, where, _ = refused(content, told=True)
    assert what in message and "pipeline.ini" in message + where


def test_terminal_escapes_are_shown_harmless(refused):
    message, _, _ = refused(b"[step.a]\ncmd = a\x1b[31m\n", 5)
    assert "a^[[31m" in message


def test_ten_megabytes(refused):
    message, _, _ = refused(GOOD + "#" * 79 + "\n" + ("# " + "x" * 77 + "\n") * (10 << 20 >> 6), told=True)
    assert "pipeline.ini" in message and re.search(r"\d+ bytes", message)


def test_a_windows_file_is_read_as_any_other(mlops, project):
    (project / "pipeline.ini").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    run_ok(mlops, project)
    assert (project / "good.txt").read_text() == "good\n"
    (project / "pipeline.ini").write_text(GOOD)
    assert run_json(mlops, project)["steps"] == [], "line ends are no change"


@pytest.mark.parametrize("text, where, what, near", [
    ("[pipelin]\nname = x\n", "1:", "pipelin", "pipeline"),
    ("[steps.a]\ncmd = true\n", "1:", "steps.a", "step."),
    (bad("outt = x"), "3:1", "outt", "out"),
    (bad("out = bad.txt", "out = x"), "4:1", "out", "3"),
    (bad() + bad(), "3:2", "bad", "1"),
    ("name = x\n", "1:1", "section", "[name]"),
    ("[step.a\ncmd = true\n", "1:", "']'", "[name]"),
    ("[step.a]\ncmd\n", "2:", "'='", "key = value"),
    ("[step.a]\nout = x\n", "1:", "cmd", ""),
    ("[step.]\ncmd = true\n", "1:", "", ""),
    ("[]\n", "1:", "", ""),
    (bad("workdir = x"), "3:1", "workdir", "not supported"),
    ("[monitor.x]\nmodel = y\n", "1:2", "has no 'data'", "data = "),
    (bad("pool = a", "retries = 3"), "3:8", "no pool 'a'", "pool.a = 2"),
    ("[pipeline]\npool.a = 0\n" + bad("pool = a"), "2:10", "pool of 0", ""),
    (bad("retry_on = ooom"), "3:12", "does not know 'ooom'", "oom"),
    (bad("backoff = 5m..10s"), "3:11", "'backoff'", "10s..5m"),
    (bad("secrets = A-B"), "3:11", "secret name 'A-B'", ""),
    (bad("in = ${params.nothing}"), "3:", "nothing", ""),
    (bad("in = ${nothing}"), "3:", "nothing", ""),
    (bad("in = ${params.x"), "3:", "}", ""),
    (bad("after = nobody"), "3:", "nobody", ""),
    ("[step.a]\ncmd = cat x | wc\n", "2:13", "|", "sh -c"),
    ("[step.a]\ncmd = echo $HOME\n", "2:12", "$HOME", "sh -c"),
    ("[step.a]\ncmd = ls *.txt\n", "2:10", "*", "sh -c"),
    ("[step.a]\ncmd = echo 'open\n", "2:12", "quote", ""),
    ("[params]\nx = 1\n[step.a]\ncmd = sh -c 'echo ${params.x}'\n", "4:", "params.x", "MLOPS_PARAM_X"),
    ("[step.a]\ncmd = echo ${out}\nout = a, b\n", "2:", "out", ""),
], ids=lambda value: None if isinstance(value, str) and len(value) < 9 else re.sub(r"\W+", "-", str(value))[:40])
def test_the_place_and_the_nearest_right_name_are_told(refused, text, where, what, near):
    message, place, fix = refused(text, told=True)
    assert place.startswith(f"pipeline.ini:{where}"), (message, place)
    assert what in message and near in message + fix, (message, place, fix)


def test_several_problems_are_counted(refused):
    _, where, fix = refused(bad("outt = x", "inn = y", "cpu = many"))
    assert where == "pipeline.ini:3:1" and "2 more" in fix


# -- the graph --

@pytest.mark.parametrize("text, what", [
    ("[step.a]\ncmd = true\nin = b\nout = a\n[step.b]\ncmd = true\nin = a\nout = b\n", "a -> b -> a"),
    ("[step.a]\ncmd = true\nin = a\nout = a\n", "a"),
    ("[step.a]\ncmd = true\nafter = a\n", "a"),
    ("[step.a]\ncmd = true\nout = x\n[step.b]\ncmd = true\nout = x\n", "x"),
    ("[step.a]\ncmd = true\nout = x/\n[step.b]\ncmd = true\nmetrics = x\n", "x"),
    ("[step.a]\ncmd = true\nout = x\n[step.b]\ncmd = true\nout = x/y\n", "x/y"),
    ("[step.a]\ncmd = true\nout = x, ./x\n", "x"),
    (bad("in = missing.csv"), "missing.csv"),
    (bad("in = data/*.csv"), "data/*.csv"),
    ("[step.a]\ncmd = no-such-program-anywhere\n", "no-such-program-anywhere"),
], ids=range(10))
def test_a_graph_that_cannot_run(refused, text, what):
    status = 5 if "no-such" in text else 2
    message, where, fix = refused(text, status, told=status == 2)
    assert what in message, (message, where, fix)


# -- names --

@pytest.mark.parametrize("name", ["two words", "a/b", "a.b", "ünï", "x" * 300, "-x", "..", "a@1", "a\tb", "a,b", "$x"])
def test_names_of_steps(refused, mlops, project, name):
    """Either it is refused with what a name may hold, or it works through and through."""
    text = f"[step.{name}]\ncmd = sh -c 'echo $MLOPS_STEP > name.txt'\nout = name.txt\n"
    (project / "pipeline.ini").write_text(text)
    status, _, err = mlops("run", cwd=project)
    if status == 0:
        assert (project / "name.txt").read_text() == name + "\n"
        assert mlops("logs", "last", "--", name, cwd=project)[0] == 0
        assert mlops("why", "--", name, cwd=project)[0] == 0
    else:
        message, where, _ = refused(text, told=True)
        assert where.startswith("pipeline.ini:1:"), message


@pytest.mark.parametrize("name", ["two words.txt", "deep/er/a.txt", "a.b.c", "ünï.txt", "-x", "a'b", "quo\"te", "$x",
                                  "a=b", "#c", "x" * 200, "new-näme", "a b/c d"])
def test_names_of_files(mlops, project, name):
    (project / "make.py").write_text("import os, sys\nopen(os.environ['NAME'], 'w').write('x')\n")
    written = name.replace("$", "$$")
    (project / "pipeline.ini").write_text(
        f"[step.a]\ncmd = python3 make.py\nin = make.py\nout = {written}\nenv = NAME={written}\n"
        f"[step.b]\ncmd = sh -c 'wc -c < \"$NAME\" > size'\nin = {written}\nout = size\nenv = NAME=./{written}\n")
    status, _, err = mlops("run", cwd=project)
    assert status == 0, err
    assert (project / name).read_text() == "x" and (project / "size").read_text().strip() == "1"
    (project / name).write_text("changed")
    assert states(run_json(mlops, project)) == {"a": "restored"}
    assert (project / name).read_text() == "x"


@pytest.mark.parametrize("name", ["x" * 300, "a/" + "y" * 256, "/".join(["d" * 200] * 25)], ids=["name", "part", "path"])
@pytest.mark.parametrize("key", ["in", "out"])
def test_names_that_are_too_long(refused, key, name):
    message, where, _ = refused(bad(f"{key} = {name}"), told=True)
    assert len(message) < 1000 and where.startswith("pipeline.ini:3:")


# -- paths --

@pytest.mark.parametrize("key", ["in", "out", "metrics", "plots"])
def test_paths_that_leave_the_project(mlops, project, key):
    for path in "/etc/passwd", "../x", "a/../../x", ".mlops/registry.db", ".git/config", ".":
        if (key, path) == ("in", "."):
            continue
        (project / "pipeline.ini").write_text(bad(f"{key} = {path}"))
        message, where, _ = fails(mlops, project, 2, "run", told=True)
        assert path.strip("./") in message, message
        assert where.startswith("pipeline.ini:3:"), where
        assert not (project / "bad.txt").exists()


def test_there_is_no_home_without_a_shell(refused):
    message, _, _ = refused(bad("in = ~/x"))
    assert "~/x" in message


def test_a_symlink_that_leaves_the_project(refused, project, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.txt").write_text("secret")
    (project / "link").symlink_to(outside)
    (project / "file-link").symlink_to(outside / "secret.txt")
    for path in "link/secret.txt", "file-link", "link":
        message, _, _ = refused(bad(f"in = {path}"), told=True)
        assert path in message
    refused(bad("out = link/bad.out"), told=True)
    assert sorted(os.listdir(outside)) == ["secret.txt"]


def test_a_symlink_inside_the_project_is_followed(mlops, project):
    (project / "real.txt").write_text("x\n")
    (project / "link").symlink_to("real.txt")
    (project / "pipeline.ini").write_text("[step.a]\ncmd = cp link out.txt\nin = link\nout = out.txt\n")
    run_ok(mlops, project)
    (project / "real.txt").write_text("y\n")
    assert run_json(mlops, project)["ran"] == 1


def make_fifo(path):
    os.mkfifo(path)


def make_socket(path):
    s = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(path.parent)
    s.bind(path.name)
    os.chdir(here)
    s.close()


def make_device(path):
    if os.geteuid() != 0:
        pytest.skip("making a device needs root")
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("devices cannot be made here")


def make_loop(path):
    path.symlink_to(path.name)


@pytest.mark.parametrize("make, inside", [(make_fifo, False), (make_socket, False), (make_device, False),
                                          (make_loop, False), (make_fifo, True), (make_socket, True),
                                          (make_device, True)])
def test_an_input_that_is_no_file(refused, project, make, inside):
    if inside:
        (project / "d").mkdir()
    path = "d/odd" if inside else "odd"
    make(project / path)
    message, _, fix = refused(bad("in = " + ("d" if inside else "odd")), told=inside)
    assert "odd" in message and (fix or inside)


@pytest.mark.parametrize("make", [make_fifo, make_socket, make_loop])
def test_an_output_that_is_no_file(mlops, project, make):
    one_step(project, "echo x > out.txt")
    run_ok(mlops, project)
    code = {make_fifo: "os.mkfifo('out.txt')", make_loop: "os.symlink('out.txt', 'out.txt')",
            make_socket: "import socket; socket.socket(socket.AF_UNIX).bind('out.txt')"}[make]
    one_step(project, f"python3 -c \"import os; {code}\"")
    message, _, _ = fails(mlops, project, 1, "run")
    assert "out.txt" in message
    assert (project / "out.txt").read_text() == "x\n", "the old output is back"
    one_step(project, "echo y > out.txt")
    run_ok(mlops, project)


def test_an_unreadable_input(mlops, project):
    if os.geteuid() == 0:
        pytest.skip("root reads all")
    (project / "in.txt").write_text("x")
    (project / "in.txt").chmod(0)
    (project / "pipeline.ini").write_text(bad("in = in.txt"))
    message, _, _ = fails(mlops, project, 5, "run")
    assert "in.txt" in message


def test_an_unreadable_input_of_another_user(project, tmp_path):
    """The same as root: the program runs as nobody."""
    if os.geteuid() != 0:
        pytest.skip("changing the user needs root")
    for folder in [tmp_path, *tmp_path.parents][:3]:
        folder.chmod(0o755)
    (project / "in.txt").write_text("x")
    (project / "in.txt").chmod(0o600)
    (project / "pipeline.ini").write_text(bad("in = in.txt"))
    for top, _, files in os.walk(project / ".mlops"):
        for name in [".", *files]:
            os.chown(os.path.join(top, name), 65534, 65534)
    done = subprocess.run([MLOPS, "run"], cwd=project, env={**ENV, "ASAN_OPTIONS": "detect_leaks=0"}, user=65534,
                          group=65534, extra_groups=[], capture_output=True, text=True)
    message, _, fix = one_error(done.stderr)
    assert done.returncode == 5 and "in.txt" in message and "permission" in fix
    assert not (project / "bad.txt").exists()


# -- metrics --

@pytest.mark.parametrize("text, what", [
    (None, "m.json"), ("", "m.json"), ("not json", "m.json"), ('{"a": 1', "m.json"), ("\x00\x01", "m.json"),
    ('{"a": 1}\n{"a": 2}', "m.json"),
], ids=["absent", "empty", "text", "cut", "binary", "two"])
def test_a_metrics_file_that_is_none(mlops, project, text, what):
    one_step(project, "echo '{\"a\": 1}' > m.json; echo old > out.txt", metrics="m.json")
    run_ok(mlops, project)
    if text is not None:
        (project / "given").write_text(text)
    one_step(project, ("" if text is None else "cp given m.json; ") + "echo new > out.txt", metrics="m.json")
    message, _, _ = fails(mlops, project, 1, "run")
    assert what in message and "step one" in message
    assert (project / "out.txt").read_text() == "old\n" and json.loads((project / "m.json").read_text()) == {"a": 1}
    one_step(project, "echo '{\"a\": 2}' > m.json; echo new > out.txt", metrics="m.json")
    run_ok(mlops, project)


@pytest.mark.parametrize("text, metrics", [
    ('{"a": NaN, "b": Infinity, "c": -Infinity}', {"a": "NaN", "b": sys.float_info.max, "c": -sys.float_info.max}),
    ('{"a": {"b": {"c": 1}}, "l": [1, 2]}', {"a.b.c": 1, "l.0": 1, "l.1": 2}),
    ('{"a": "text", "b": null, "c": true}', {"c": 1}),
    ("{}", {}), ("[]", {}), ("3", {"value": 3}), ('{"NaN": 1}', {"NaN": 1}), ('{"a\\"NaN": 1e400}', None),
    ('{"a": 123456789012345678901234567890}', None),
])
def test_odd_metrics_are_kept_or_refused_never_wrong(mlops, project, text, metrics):
    (project / "given").write_text(text)
    one_step(project, "cp given m.json; echo x > out.txt", metrics="m.json")
    status, out, err = mlops("run", "--json", cwd=project)
    if metrics is None:
        assert status in (0, 1), err
        return
    assert status == 0, (out, err)
    shown = json.loads(mlops("show", "--json", cwd=project)[1])
    assert shown["run"]["metrics"] == metrics


@pytest.mark.parametrize("text", ["{" + ", ".join(f'"k{i}": {i}' for i in range(700000)) + "}",
                                  '{"a": "' + "x" * (17 << 20) + '"}', "[" * 100000],
                         ids=["many", "long", "deep"])
def test_ten_megabytes_of_metrics(mlops, project, text):
    (project / "given").write_text(text)
    one_step(project, "cp given m.json; echo x > out.txt", metrics="m.json")
    message, _, _ = fails(mlops, project, 1, "run")
    assert "m.json" in message and len(message) < 500


# -- options --

@pytest.mark.parametrize("args, what", [
    (("nobody",), "nobody"), (("good", "nobody"), "nobody"), (("--only",), "--only"), (("--only", "--downstream", "good"), ""),
    (("-j", "x"), "x"), (("-j", "-1"), "-1"), (("-j", "99999999999"), "99999999999"), (("--nonsense",), "--nonsense"),
    (("",), ""), (("../x.ini",), "../x.ini"), (("/etc/x.ini",), "/etc/x.ini"),
])
def test_options_that_are_wrong(mlops, project, args, what):
    (project / "pipeline.ini").write_text(GOOD)
    got, out, err = mlops("run", *args, cwd=project)
    assert got in (2, 3), (got, out, err)
    assert err.startswith("error: ") and what in err
    assert not (project / "good.txt").exists()
