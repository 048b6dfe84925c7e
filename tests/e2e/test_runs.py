# SPDX-License-Identifier: Apache-2.0
"""mlops runs, show, logs: what was recorded, found again by name and by filter."""
import re
import shutil
import signal

import pytest
from steps import fails, one_step, result_of, run_json, run_ok, start, wait_for, write_chain

SECONDS = 20


@pytest.fixture
def history(mlops, project):
    """Three runs of lr = 0.01, 0.1 and 0.5; the last one failed."""
    one_step(project, """
echo "lr $MLOPS_PARAM_LR"; echo "warn" >&2
echo "{\\"auc\\": $MLOPS_PARAM_LR, \\"odd name/x\\": 1}" > m.json
echo x > out.txt
test $MLOPS_PARAM_LR != 0.5
""", params="lr", metrics="m.json")
    with open(project / "pipeline.ini", "a") as f:
        f.write("[params]\nlr = 0.01\nname = it's\n")
    ids = [run_json(mlops, project, "-p", f"lr={lr}", status=lr == "0.5")["run_id"] for lr in ("0.01", "0.1", "0.5")]
    return ids


def runs(mlops, project, *args):
    status, out, err = mlops("runs", "--json", *args, cwd=project)
    assert status == 0, err
    return [run["run_id"] for run in result_of(out)["runs"]]


def test_no_runs_yet(mlops, project):
    status, out, _ = mlops("runs", cwd=project)
    assert (status, out) == (0, "no runs\n")
    for command in ("show", "logs"):
        message, _, fix = fails(mlops, project, 3, command)
        assert message == "nothing has run here yet" and "mlops run" in fix


def test_the_newest_comes_first_in_a_table(mlops, project, history):
    assert runs(mlops, project) == history[::-1]
    out = mlops("runs", cwd=project)[1].splitlines()
    assert re.match(r"RUN +PIPELINE +STATUS +STARTED +TOOK", out[0]) and "auc" in out[0] and "lr" in out[0]
    assert out[1].startswith(history[2][:8]) and "FAILED" in out[1] and len(out) == 4


def test_the_table_fits_80_columns_and_leaves_out_what_is_equal(mlops, terminal, project):
    names = [f"a_long_param_{i}" for i in range(9)] + ["depth", "rate"]
    metrics = '{"accuracy": 1, "recall": 0.123456, "loss": 2, "precision_macro": 4}'
    one_step(project, f"echo '{metrics}' > m.json; echo x > out.txt",
             params=", ".join(names), metrics="m.json")
    with open(project / "pipeline.ini", "a") as f:
        f.write("[params]\n" + "".join(f"{name} = 1\n" for name in names))
    for depth in (1, 2):
        assert mlops("run", "-p", f"depth={depth}", "-p", f"rate=0.{depth}").status == 0
    lines = terminal("runs", "--color=never", "--no-pager", columns=80).out.splitlines()
    assert max(map(len, lines)) <= 80 and "a_long" not in lines[0]
    assert re.match(r"RUN .* accuracy( +\w+)* +depth", lines[0]), lines[0]
    assert re.fullmatch(r"\d more columns: --json", lines[-1])
    wide = mlops("runs").out.splitlines()
    assert wide[0].split()[5:] == ["accuracy", "loss", "precision_macro", "recall", "depth", "rate"] and len(wide) == 3


def test_runs_of_steps_come_with_all(mlops, project, history):
    assert len(runs(mlops, project, "--all")) == 6
    assert len(runs(mlops, project, "-a", "-n", "2")) == 2
    assert runs(mlops, project, "-n", "1") == history[2:]


@pytest.mark.parametrize("text, found", [
    ("metrics.auc > 0.05", [1]),
    ("metrics.auc < 0.05 AND params.lr = '0.01'", [0]),
    ('params.lr = "0.1"', [1]),
    ("params.lr LIKE '0.%'", [2, 1, 0]),
    ("attributes.status = 'FAILED'", [2]),
    ("status != 'FAILED'", [1, 0]),
    ("metrics.`odd name/x` = 1", [1, 0]),
    ("params.lr IN ('0.5', '0.01')", [2, 0]),
    ("tags.nothing = 'x'", []),
    ("start_time > 0", [2, 1, 0]),
])
def test_filters(mlops, project, history, text, found):
    assert runs(mlops, project, "--filter", text) == [history[i] for i in found]


@pytest.mark.parametrize("text, found", [
    ("metrics.auc DESC", [1, 0, 2]),
    ("metrics.auc", [0, 1, 2]),
    ("params.lr DESC", [2, 1, 0]),
    ("start_time ASC", [0, 1, 2]),
])
def test_orders(mlops, project, history, text, found):
    assert runs(mlops, project, "--order-by", text) == [history[i] for i in found]


@pytest.mark.parametrize("option, text", [
    ("--filter", "metrics.auc >"), ("--filter", "metrics.auc > 'x'"), ("--filter", "auc > 1"),
    ("--filter", "params.lr = 'x"), ("--filter", "params.lr = 'x' OR"),
    ("--filter", "metrix.auc > 1"), ("--filter", "'; DROP TABLE runs; --"),
    ("--order-by", "metrics.auc SIDEWAYS"), ("--order-by", "nothing"),
])
def test_a_wrong_filter_is_explained(mlops, project, option, text):
    message, _, _ = fails(mlops, project, 2, "runs", option, text, told=True)
    assert message
    assert mlops("runs", cwd=project)[0] == 0


def test_a_limit_is_a_number_above_zero(mlops, project):
    for n in ("0", "-1", "x", "99999999999999999999"):
        fails(mlops, project, 2, "runs", f"--limit={n}", told=True)


def test_show_tells_all_of_a_run(mlops, project, history):
    out = mlops("show", history[1][:8], cwd=project)[1]
    assert out.startswith(history[1]) and "FINISHED" in out.splitlines()[0]
    for text in ("command mlops run", "params", "lr", "0.1", "metrics", "auc", "inputs", "step.sh", "outputs",
                 "out.txt", "PEAK MEMORY"):
        assert text in out
    assert mlops("show", cwd=project)[1].startswith(history[2]), "without a name: the last"
    assert mlops("show", "last", cwd=project)[1].startswith(history[2])


def test_show_of_a_version_names_its_runs(mlops, project, history):
    shown = result_of(mlops("show", "m.json", "--json", cwd=project)[1])
    assert shown["kind"] == "artifact" and shown["version"] == 2 and len(shown["versions"]) == 2
    content = shown["content"].split(":")[1]
    assert result_of(mlops("show", f"sha256:{content[:10]}", "--json", cwd=project)[1])["kind"] == "content"


@pytest.mark.parametrize("name, status, text", [
    ("nothing", 3, "nothing"), ("m.json@v9", 3, "version 9"), ("sha256:zz", 2, "hex"), ("", 2, "empty"),
    ("0000000000", 3, "0000000000"), ("../x", 3, "../x"),
])
def test_a_name_that_is_none(mlops, project, history, name, status, text):
    message, _, _ = fails(mlops, project, status, "show", name, told=status == 2)
    assert text in message


def test_logs_of_a_run_and_of_a_step(mlops, project, history):
    assert mlops("logs", cwd=project) == (0, "lr 0.5\nwarn\n", "")
    assert mlops("logs", history[0][:6], cwd=project)[1] == "lr 0.01\nwarn\n"
    assert mlops("logs", "last", "one", cwd=project)[1] == "lr 0.5\nwarn\n"
    assert mlops("logs", "one", cwd=project)[1] == "lr 0.5\nwarn\n", "a step of the last run"
    nested = result_of(mlops("show", history[1], "--json", cwd=project)[1])["attempts"][0]["run"]
    assert mlops("logs", nested, cwd=project)[1] == "lr 0.1\nwarn\n"


def test_logs_of_what_has_none(mlops, project, history):
    message, _, fix = fails(mlops, project, 3, "logs", "last", "onne")
    assert "onne" in message and "one" in fix
    fails(mlops, project, 3, "logs", "nothing")
    shutil.rmtree(project / ".mlops/logs")
    message, _, fix = fails(mlops, project, 3, "logs")
    assert "has no logs" in message


def test_several_steps_are_told_apart(mlops, project):
    (project / "pipeline.ini").write_text(
        "[step.a]\ncmd = echo one\n[step.b]\ncmd = echo two\nafter = a\n")
    run_ok(mlops, project)
    assert mlops("logs", cwd=project)[1] == "a | one\nb | two\n"


def test_logs_follow_a_run_to_its_end(mlops, project):
    one_step(project, "echo begun; while [ ! -e go ]; do sleep 0.05; done; echo ended; echo x > out.txt")
    run = start(project, "run")
    wait_for(lambda: list(project.glob(".mlops/logs/*/one.log")))
    wait_for(lambda: "begun" in mlops("logs", cwd=project)[1])
    follow = start(project, "logs", "-f")
    assert follow.stdout.readline() == "begun\n"
    assert follow.poll() is None
    (project / "go").touch()
    assert follow.communicate(timeout=20) == ("ended\n", "") and follow.returncode == 0
    assert run.wait(20) == 0


def test_who_stops_reading_stops_the_log(mlops, project):
    one_step(project, "yes line | head -n 200000; echo x > out.txt")
    run_ok(mlops, project)
    reader = start(project, "logs")
    assert reader.stdout.readline() == "line\n"
    reader.stdout.close()
    assert reader.wait(20) == 0 and reader.stderr.read() == ""


def test_a_run_that_goes_on_is_listed(mlops, project):
    one_step(project, "echo x > out.txt; while :; do sleep 0.1; done")
    run = start(project, "run")
    wait_for(lambda: '"RUNNING"' in mlops("runs", "--json", cwd=project)[1])
    assert "RUNNING" in mlops("show", cwd=project)[1]
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=20)
    assert '"KILLED"' in mlops("runs", "--json", cwd=project)[1]


def test_a_bare_metric_is_told_its_full_name(mlops, project):
    assert "metrics.acc or params.acc" in fails(mlops, project, 2, "runs", "--filter", "acc > 0.5")[2]
    assert "metrics.accuracy or" in fails(mlops, project, 2, "runs", "--order-by", "accuracy")[2]
    assert "params.train.lr" in fails(mlops, project, 2, "runs", "--filter", "train.lr = '1'")[2]
