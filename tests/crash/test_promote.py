# SPDX-License-Identifier: Apache-2.0
"""SIGKILL in promotions and rollbacks: alias, row, event and the monitors' reference move together or not at all."""
import hashlib
import json
import sqlite3

import pytest
from sweep import run, run_json, sweep

SECONDS = 10


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
