# SPDX-License-Identifier: Apache-2.0
"""run --update, and what a trigger says of its time and window, by hand."""
import json

SECONDS = 4

PIPELINE = """[step.count]
cmd = sh -c 'wc -l < data/raw.csv > count.txt'
in  = data/raw.csv
out = count.txt
"""
TIMED = """[step.stamp]
cmd = sh -c 'printf %s\\\\n "$1" >> calls; printf %s "$1" > when.txt' sh ${trigger.time}
out = when.txt
[step.plain]
cmd = touch plain.txt
out = plain.txt
"""


def lock_of(project):
    """{path: content} of mlops.lock's data."""
    lines = (project / "mlops.lock").read_text().split("\n\n")
    return {line.split()[2]: line.split()[1] for line in lines if line.startswith("data ")}


def add(project, mlops, text):
    """A version of data/raw.csv; its content as mlops.lock names it."""
    (project / "data").mkdir(exist_ok=True)
    (project / "data/raw.csv").write_text(text)
    assert mlops("add", "data/raw.csv").status == 0
    return lock_of(project)["data/raw.csv"]


def test_the_newest_version_comes_to_its_place_and_into_the_lock(project, mlops):
    (project / "pipeline.ini").write_text(PIPELINE)
    old = add(project, mlops, "a\n")
    lock = (project / "mlops.lock").read_text()
    new = add(project, mlops, "a\nb\n")
    (project / "mlops.lock").write_text(lock)
    assert mlops("checkout").status == 0
    assert lock_of(project)["data/raw.csv"] == old and (project / "data/raw.csv").read_text() == "a\n"
    status, out, err = mlops("run", "--update", "data/raw.csv")
    assert status == 0, err
    assert "updated data/raw.csv to v2" in out + err
    assert lock_of(project)["data/raw.csv"] == new
    assert (project / "count.txt").read_text().strip() == "2"
    # Nothing is newer: nothing runs, and nothing is said.
    status, out, err = mlops("run", "--update", "data/raw.csv")
    assert status == 0 and "updated" not in out + err, err


def test_data_that_no_lock_names_comes_too(project, mlops):
    (project / "pipeline.ini").write_text(PIPELINE)
    add(project, mlops, "a\nb\nc\n")
    (project / "mlops.lock").unlink()
    (project / "data/raw.csv").unlink()
    assert mlops("run").status == 2
    assert mlops("run", "--update", "data/raw.csv").status == 0
    assert (project / "count.txt").read_text().strip() == "3"


def test_what_is_kept_nowhere_is_not_overwritten(project, mlops):
    (project / "pipeline.ini").write_text(PIPELINE)
    add(project, mlops, "a\n")
    (project / "data/raw.csv").write_text("mine\n")
    status, _, err = mlops("run", "--update", "data/raw.csv")
    assert status != 0 and "data/raw.csv" in err and "mlops add data/raw.csv" in err
    assert (project / "data/raw.csv").read_text() == "mine\n"


def test_only_data_is_updated(project, mlops):
    (project / "pipeline.ini").write_text(PIPELINE)
    add(project, mlops, "a\n")
    assert mlops("run").status == 0
    for path, words in (("count.txt", "a step makes count.txt"), ("data", "data/raw.csv is one version"),
                        ("nowhere.csv", "mlops add nowhere.csv"), ("../out.csv", "out.csv")):
        before = (project / "mlops.lock").read_text()
        status, _, err = mlops("run", "--update", path)
        assert status != 0 and words in err, (path, err)
        assert (project / "mlops.lock").read_text() == before


def test_an_update_is_no_dry_thing(project, mlops):
    (project / "pipeline.ini").write_text(PIPELINE)
    add(project, mlops, "a\n")
    assert mlops("run", "--dry", "--update", "data/raw.csv").status == 2
    assert mlops("run", "-p", "x=1,2", "--update", "data/raw.csv").status == 2


def test_the_time_of_a_trigger_is_part_of_the_key(project, mlops):
    (project / "pipeline.ini").write_text(TIMED)
    status, _, err = mlops("run")
    assert status == 2 and "step stamp uses ${trigger.time}" in err and "--trigger-time" in err, err
    assert mlops("run", "plain").status == 0
    assert mlops("status").status == 0 and mlops("dag").status == 0 and mlops("pipeline", "check").status == 0
    # Spellings of one moment are one key.
    for time in ("2026-01-31T03:00:00Z", "2026-01-31T04:00+01:00", "2026-01-31T03:00:00.000Z"):
        assert mlops("run", "--trigger-time", time).status == 0
        assert (project / "when.txt").read_text() == "2026-01-31T03:00:00Z"
    assert (project / "calls").read_text().count("\n") == 1
    assert mlops("run", "--trigger-time", "2026-02-01T03:00:00Z").status == 0
    assert (project / "calls").read_text().count("\n") == 2
    # The first one is in the cache.
    assert mlops("run", "--trigger-time", "2026-01-31T03:00:00Z").status == 0
    assert (project / "when.txt").read_text() == "2026-01-31T03:00:00Z"
    assert (project / "calls").read_text().count("\n") == 2
    assert mlops("run", "--trigger-time", "31 Feb").status == 2


def test_the_window_of_a_trigger(project, mlops):
    (project / "pipeline.ini").write_text("[step.a]\ncmd = sh -c 'echo ${trigger.window} > a.txt'\nout = a.txt\n")
    status, _, err = mlops("run", "--trigger-time", "2026-01-31T03:00Z")
    assert status == 2 and "${trigger.window}" in err and "monitor=" in err
    assert mlops("run", "--trigger-window", "17").status == 0
    assert (project / "a.txt").read_text() == "17\n"


def test_a_trigger_is_known_in_commands_only(project, mlops):
    for line, column in (("env = T=${trigger.time}", 9), ("in = ${trigger.time}.csv", 6), ("env = T=${trigger.x}", 9)):
        (project / "pipeline.ini").write_text(f"[step.a]\ncmd = true\n{line}\n")
        status, _, err = mlops("run", "--trigger-time", "2026-01-31T03:00Z")
        assert status == 2 and f"pipeline.ini:3:{column}" in err, err


def test_the_result_tells_the_key(project, mlops):
    (project / "pipeline.ini").write_text(TIMED)
    keys = [json.loads(mlops("--json", "run", "--trigger-time", f"2026-01-{day}T03:00Z").out.splitlines()[-1])
            ["steps"][0]["key"] for day in (30, 31)]
    assert keys[0] != keys[1]
