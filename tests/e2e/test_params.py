# SPDX-License-Identifier: Apache-2.0
"""Parameters: files, [params], -p; which counts, how values are read, and what is refused."""
import json

import pytest
from steps import fails, run_json, run_ok

SECONDS = 15

SHOW = "[step.show]\ncmd = python3 -c 'import os, shutil; shutil.copy(os.environ[\"MLOPS_PARAMS\"], \"seen.json\")'\n" \
       "out = seen.json\nparams = *\n"


def seen(project):
    return json.loads((project / "seen.json").read_text())


@pytest.fixture
def shown(mlops, project):
    """Runs with a params.json, [params] and options; what the step saw."""

    def run(file, inline="", *args):
        (project / "params.json").write_text(json.dumps(file) if not isinstance(file, str) else file)
        (project / "pipeline.ini").write_text(f"[pipeline]\nparams = params.json\n[params]\n{inline}\n{SHOW}")
        run_ok(mlops, project, *args)
        return seen(project)

    return run


def test_the_last_of_file_section_and_option_counts(shown):
    assert shown({"a": 1, "b": 1, "c": 1}, "b = 2\nc = 2", "-p", "c=3") == {"a": 1, "b": 2, "c": 3}


def test_dots_reach_into_objects(shown):
    assert shown({"train": {"lr": 1, "deep": {"x": [1, 2]}}}, "train.lr = 2", "-p", "train.deep.x=[3]") == \
        {"train": {"lr": 2, "deep": {"x": [3]}}}


@pytest.mark.parametrize("text, value", [
    ("1", 1), ("0.5", 0.5), ("1e-3", 0.001), ("true", True), ("null", None), ("[1, 2]", [1, 2]), ("word", "word"),
    ("two words", "two words"), ('"1"', "1"), ("", ""), ("a=b", "a=b"), ("-1", -1), ("01", "01"), ("0x10", "0x10"),
    ("9007199254740993", 9007199254740993), ("ünï", "ünï"), ("inf", "inf"), ('"1,5"', "1,5"),
])
def test_a_value_is_json_or_else_text(shown, text, value):
    got = shown({"a": "old"}, "", "-p", f"a={text}")
    assert got == {"a": value} and type(got["a"]) is type(value)


def test_a_file_in_a_directory_and_without_a_section(mlops, project):
    (project / "conf").mkdir()
    (project / "conf/p.json").write_text('{"a": 1}')
    (project / "pipeline.ini").write_text(f"[pipeline]\nparams = conf/p.json\n{SHOW}")
    run_ok(mlops, project)
    assert seen(project) == {"a": 1}


def test_only_named_parameters_count(mlops, project):
    (project / "pipeline.ini").write_text(
        "[params]\na = 1\ntrain.b = 1\n[step.x]\ncmd = touch x\nout = x\nparams = train.*\n")
    run_ok(mlops, project)
    assert run_json(mlops, project, "-p", "a=2")["steps"] == []
    assert run_json(mlops, project, "-p", "train.b=2")["ran"] == 1


def test_a_parameter_of_the_command_counts_by_itself(mlops, project):
    (project / "pipeline.ini").write_text("[params]\nn = 1\n[step.x]\ncmd = sh step.sh ${params.n}\nin = step.sh\nout = x\n")
    (project / "step.sh").write_text("echo $1 > x\n")
    run_ok(mlops, project)
    result = run_json(mlops, project, "-p", "n=2")
    assert result["ran"] == 1 and (project / "x").read_text() == "2\n"


@pytest.mark.parametrize("option, text, near", [
    ("train.lx=1", "train.lx", "train.lr"), ("nothing", "nothing", "="), ("=1", "", "="),
    ("train=1", "train", ""), ("train.lr.x=1", "train.lr", ""),
])
def test_a_wrong_option_runs_nothing(mlops, project, option, text, near):
    (project / "pipeline.ini").write_text(f"[params]\ntrain.lr = 1\n{SHOW}")
    message, where, fix = fails(mlops, project, 2, "run", "-p", option)
    assert text in message and near in message + fix
    assert not (project / "seen.json").exists()
    run_ok(mlops, project)


@pytest.mark.parametrize("content, text", [
    (None, "no_such.json"), ("", ""), ("[1]", "object"), ('{"a": 1', ""), ('{"a": NaN}', ""), ("\x00", ""),
    ('{"a": 1, "a": 2}', "a"), ("a = 1", ""), pytest.param("{" * 100000, "", id="deep"),
])
def test_a_wrong_file_is_named_with_the_place(mlops, project, content, text):
    name = "no_such.json" if content is None else "params.json"
    if content is not None:
        (project / name).write_text(content)
    (project / "pipeline.ini").write_text(f"[pipeline]\nparams = {name}\n{SHOW}")
    message, where, fix = fails(mlops, project, 3 if content is None else 2, "run", told=True)
    assert name in message + where and text in message
    (project / name).write_text('{"a": 1}')
    run_ok(mlops, project)


def test_a_file_that_is_too_big_or_none(mlops, project):
    (project / "params.json").write_text('{"a": "' + "x" * (80 << 20) + '"}')
    (project / "pipeline.ini").write_text(f"[pipeline]\nparams = params.json\n{SHOW}")
    message, _, _ = fails(mlops, project, 2, "run", told=True)
    assert "params.json" in message
    (project / "params.json").unlink()
    (project / "params.json").mkdir()
    fails(mlops, project, 2, "run", told=True)


def test_a_missing_parameter_of_a_step_is_a_plan_error(mlops, project):
    (project / "pipeline.ini").write_text("[params]\nlr = 1\n[step.x]\ncmd = touch x\nout = x\nparams = lrr\n")
    message, where, fix = fails(mlops, project, 2, "run")
    assert "lrr" in message and "lr" in fix and where == "pipeline.ini:6:10"
    assert not (project / "x").exists()


def test_a_number_that_is_none_where_one_is_needed(mlops, project):
    for key, value in ("cpu", "many"), ("mem", "4 bananas"), ("timeout", "soon"), ("cache", "perhaps"), ("cpu", "-1"):
        (project / "pipeline.ini").write_text(f"[step.x]\ncmd = true\n{key} = {value}\n")
        message, where, _ = fails(mlops, project, 2, "run", told=True)
        assert key in message and value in message and where.startswith("pipeline.ini:3:")


@pytest.mark.parametrize("text, helps", [
    (b"\xef\xbb\xbf{}", "without BOM"),
    (b"{lr", "json.tool"),
    (b" " * (16 << 20) + b"{}", "small file"),
    (None, "params= of [pipeline]"),
], ids=["bom", "broken", "huge", "missing"])
def test_a_params_file_that_cannot_be_read_comes_with_a_way_out(mlops, project, text, helps):
    (project / "pipeline.ini").write_text("[pipeline]\nparams = p.json\n[step.a]\ncmd = true\n")
    if text is not None:
        (project / "p.json").write_bytes(text)
    status, _, err = mlops("run")
    assert status in (2, 3) and "p.json" in err and helps in err
