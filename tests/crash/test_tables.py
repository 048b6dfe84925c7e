# SPDX-License-Identifier: Apache-2.0
"""SIGKILL in a run that checks tables and keeps a profile: what was checked and described is true, or not there."""
import json
import os
import sqlite3
import subprocess

import pytest
from sweep import ENV, ROOT, run, run_json, sweep

SECONDS = 15

ARMED = os.environ.get("MLOPS_FAILPOINTS_PROGRAM", str(ROOT / "build/asan/mlops"))
SCHEMA = {"version": 1, "columns": [{"name": "id", "type": "integer"}, {"name": "age", "type": "integer", "max": 120}]}
PIPELINE = """\
[step.clean]
cmd = sh -c 'cat raw.csv > clean.csv'
in  = raw.csv
out = clean.csv
profile = clean.csv
[schema.people]
path = *.csv
file = people.json
"""
PROFILE = "clean.csv.profile.json"


@pytest.fixture
def template(tmp_path):
    top = tmp_path / "template"
    top.mkdir()
    run(top, "init")
    (top / "pipeline.ini").write_text(PIPELINE)
    (top / "people.json").write_text(json.dumps(SCHEMA))
    (top / "raw.csv").write_text("id,age\n1,30\n2,41\n")
    return top


def facts(work):
    with sqlite3.connect(f"file:{work}/.mlops/registry.db?mode=ro", uri=True) as db:
        checks = [path for path, in db.execute("SELECT path FROM table_checks ORDER BY path")]
        profiles = db.execute("SELECT count(*) FROM table_profiles").fetchone()[0]
        versions = [name for name, in db.execute("SELECT name FROM artifacts ORDER BY name")]
    db.close()
    return checks, profiles, versions


def check(work):
    """An output, its check and its profile are one fact; the next run makes what is missing, once."""
    checks, profiles, versions = facts(work)
    assert (checks, profiles, versions) in [([], 0, []), (["raw.csv"], 0, []),
                                            (["clean.csv", "raw.csv"], 1, ["clean.csv", PROFILE])]
    run(work, "run")
    assert facts(work) == (["clean.csv", "raw.csv"], 1, ["clean.csv", PROFILE])
    assert run_json(work, "run")["steps"] == []
    run(work, "fsck")
    (work / "people.json").write_text(json.dumps({**SCHEMA, "rows": {"min": 9}}))
    assert run(work, "run", check=False).returncode == 7, "what was checked is checked against what holds now"


def test_a_killed_run_leaves_whole_facts(template, tmp_path):
    assert sweep(template, tmp_path, ["run"], check, 12) > 10


@pytest.mark.skipif(not os.path.exists(ARMED), reason="needs a build with failpoints")
@pytest.mark.parametrize("command, point, told", [
    (["run"], "tables.recorded", (["raw.csv"], 0, [])),
    (["run"], "facts.recorded", None),
    (["add", "raw.csv"], "add.stored", ([], 0, [])),
], ids=lambda value: value if isinstance(value, str) else None)
def test_between_objects_and_facts(template, command, point, told):
    done = subprocess.run([ARMED, *command], cwd=template, env={**ENV, "MLOPS_FAILPOINT": f"{point}=kill"},
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert done.returncode == -9
    assert told is None or facts(template) == told
    if command == ["run"]:
        check(template)
