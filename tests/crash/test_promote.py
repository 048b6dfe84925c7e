# SPDX-License-Identifier: Apache-2.0
"""SIGKILL in promotions and rollbacks: alias, row, event and the monitors' reference move together or not at all."""
import hashlib
import json
import os
import sqlite3
import subprocess
import time

import pytest
from sweep import ENV, ROOT, run, run_json, sweep

SECONDS = 25
ARMED = os.environ.get("MLOPS_FAILPOINTS_PROGRAM", str(ROOT / "build/asan/mlops"))


@pytest.fixture
def template(tmp_path):
    """Two versions of a model as pipelines made them; the first has the alias."""
    top = tmp_path / "template"
    top.mkdir()
    run(top, "init")
    db = sqlite3.connect(top / ".mlops/registry.db", isolation_level=None)
    db.execute("INSERT INTO registered_models (id, name, creation_time, last_update_time, last_number)"
               " VALUES (1, 'churn', 1, 1, 2)")
    for n in (1, 2):
        db.execute("INSERT INTO contents (id, digest, kind, size, files) VALUES (?, ?, 'file', 1, 1)",
                   (100 + n, hashlib.sha256(b"%d" % n).digest()))
        db.execute("INSERT INTO model_versions (id, model, number, creation_time, last_update_time, source, location)"
                   " VALUES (?, 1, ?, 1, 1, 's3://b/m', 's3://b/m')", (n, n))
        db.execute("INSERT INTO candidates (version, content, reference, spec, verdict, lines, metrics, author, judged)"
                   " VALUES (?, ?, ?, ?, 'passed', '[]', '{}', 'anna', 1)",
                   (n, 100 + n, 100 + n, json.dumps({"alias": "champion"})))
    db.close()
    run(top, "model", "promote", "churn@v1")
    return top


def facts(work):
    """(holder, last row, last event, reference of monitors, rejected, held) as numbers of versions."""
    db = sqlite3.connect(work / ".mlops/registry.db")
    ask = lambda sql: (db.execute(sql).fetchone() or [None])[0]  # noqa: E731
    found = (ask("SELECT number FROM model_aliases"), ask("SELECT after FROM promotions ORDER BY id DESC"),
             ask("SELECT after FROM events WHERE operation IN ('model.promote', 'model.rollback') ORDER BY seq DESC"),
             ask("SELECT number FROM monitor_references ORDER BY id DESC"), ask("SELECT number FROM rejected_versions"),
             ask("SELECT count(*) FROM held_aliases"))
    assert ask("PRAGMA integrity_check") == "ok"
    db.close()
    return found


def test_a_killed_promotion_has_happened_or_not(template, tmp_path):
    def check(work):
        now = facts(work)
        assert now in ((1, 1, "v1", 1, None, 0), (2, 2, "v2", 2, None, 0)), now
        assert run_json(work, "model", "promote", "churn@v2")["outcome"] == ("promoted" if now[0] == 1 else "unchanged")
        assert facts(work) == (2, 2, "v2", 2, None, 0)

    assert sweep(template, tmp_path, ["model", "promote", "churn@v2"], check, 2) > 20


def test_a_killed_rollback_has_happened_or_not(template, tmp_path):
    run(template, "model", "promote", "churn@v2")

    def check(work):
        now = facts(work)
        assert now in ((2, 2, "v2", 2, None, 0), (1, 1, "v1", 1, 2, 1)), now
        again = run(work, "model", "rollback", "churn", "--reason", "errors", check=False)
        assert again.returncode == (0 if now[0] == 2 else 3), again.stderr
        assert facts(work) == (1, 1, "v1", 1, 2, 1)

    assert sweep(template, tmp_path, ["model", "rollback", "churn", "--reason", "errors"], check, 2) > 20


# ---- candidates ----

STEP = """\
[step.train]
cmd = sh -c 'cp quality model; echo {\\"auc\\": 0.9} > train.json'
in  = quality
out = model
metrics = train.json
"""
MODEL = """
[model.churn]
from = model
gate = auc >= 0.5
       auc >= champion.auc
"""


@pytest.fixture
def trained(tmp_path):
    """A first version has the alias, and the step has made another model that is no version so far."""
    top = tmp_path / "trained"
    top.mkdir()
    run(top, "init")
    (top / "pipeline.ini").write_text(STEP + MODEL)
    (top / "quality").write_text("1")
    run(top, "run")
    (top / "pipeline.ini").write_text(STEP)
    (top / "quality").write_text("2")
    run(top, "run")
    (top / "pipeline.ini").write_text(STEP + MODEL)
    return top


def versions(work):
    """(numbers, holder, moves, events that register, that judge)"""
    db = sqlite3.connect(work / ".mlops/registry.db")
    ask = lambda sql: [row[0] for row in db.execute(sql)]  # noqa: E731
    found = (ask("SELECT number FROM model_versions ORDER BY number"), ask("SELECT number FROM model_aliases"),
             ask("SELECT after FROM promotions ORDER BY id"),
             ask("SELECT count(*) FROM events WHERE operation = 'model.register'"),
             ask("SELECT count(*) FROM events WHERE operation = 'gate.judge'"))
    assert ask("PRAGMA integrity_check") == ["ok"]
    db.close()
    return found


def test_a_killed_candidate_is_registered_judged_and_promoted_or_none_of_it(trained, tmp_path):
    before, after = ([1], [1], [1], [1], [1]), ([1, 2], [2], [1, 2], [2], [2])
    assert versions(trained) == before

    def check(work):
        now = versions(work)
        assert now in (before, after), now
        run(work, "run")
        assert versions(work) == after

    assert sweep(trained, tmp_path, ["run"], check, 6) > 20


@pytest.mark.skipif(not os.path.exists(ARMED), reason="no build with failpoints")
def test_who_moves_the_alias_while_a_candidate_is_judged_is_its_new_rival(trained):
    """The gate is asked again, about who has the alias now."""
    judged = subprocess.Popen([ARMED, "--json", "run"], cwd=trained, env=ENV | {"MLOPS_FAILPOINT": "candidate.judged=sleep:3000"},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    time.sleep(1.5)
    db = sqlite3.connect(trained / ".mlops/registry.db", isolation_level=None, timeout=10)
    db.execute("INSERT INTO model_versions (id, model, number, creation_time, last_update_time, source, location)"
               " SELECT 7, id, 7, 1, 1, 's3://b/m', 's3://b/m' FROM registered_models")
    db.execute("UPDATE registered_models SET last_number = 7")
    db.close()
    run(trained, "model", "promote", "churn@v7", "--reason", "from elsewhere")
    out, _ = judged.communicate(timeout=60)
    (model,) = json.loads(out.splitlines()[-1])["models"]
    assert (judged.returncode, model["version"], model["champion"]) == (0, 8, 7), model
