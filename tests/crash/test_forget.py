# SPDX-License-Identifier: Apache-2.0
"""SIGKILL while something is forgotten: nobody has agreed and all is there, or the next command finds all gone."""
import hashlib
import sqlite3

import pytest
from sweep import run, run_json, sweep

SECONDS = 6
ANNA = b"anna,1984-05-06\n"
DIGEST = hashlib.sha256(ANNA).hexdigest()


@pytest.fixture
def template(tmp_path):
    """A directory of two files with a remote beside it; somebody has asked that one file goes."""
    top = tmp_path / "template"
    (top / "data").mkdir(parents=True)
    (top / "data/anna.csv").write_bytes(ANNA)
    (top / "data/ben.csv").write_text("ben\n")
    (top / "pipeline.ini").write_text("[pipeline]\nname = p\n[remote.team]\nurl = team\n")
    run(top, "init")
    run(top, "add", "data")
    run(top, "push", "--init")
    for place in ("aside/x", "failed/x"):
        (top / ".mlops" / place).mkdir(parents=True)
        (top / ".mlops" / place / "anna.csv").write_bytes(ANNA)
    (top / "data/anna.csv").unlink()
    run(top, "forget", "data@v1/anna.csv", "--reason", "ticket 7")
    return top


def holding(work):
    return sorted(str(p.relative_to(work)) for p in work.rglob("*") if p.is_file() and p.read_bytes() == ANNA)


def facts(work):
    """(state, names of the events of forgetting, tombstones in the database)"""
    db = sqlite3.connect(work / ".mlops/registry.db")
    found = (db.execute("SELECT state FROM forget_requests").fetchone()[0],
             [r[0] for r in db.execute("SELECT operation FROM events WHERE operation LIKE 'forget.%' ORDER BY seq")],
             db.execute("SELECT lower(hex(digest)) FROM forgotten").fetchall())
    assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    db.close()
    return found


def test_a_killed_agreement_is_none_or_is_carried_on(template, tmp_path):
    everywhere = holding(template)
    assert len(everywhere) == 4, everywhere
    done = ("done", ["forget.ask", "forget.agree", "forget.done"], [(DIGEST,)])
    seen = set()

    def check(work):
        state, events, rows = facts(work)
        seen.add(state)
        if state == "waiting":
            assert (events, rows, holding(work)) == (["forget.ask"], [], everywhere)
        run(work, "status")  # any command
        state, events, rows = facts(work)
        if state == "waiting":
            assert holding(work) == everywhere and not (work / ".mlops/forgetting").exists()
            run(work, "forget", "agree", "1", "--alone")
            state, events, rows = facts(work)
        assert (state, events, rows) == done
        assert holding(work) == [] and not (work / ".mlops/forgetting").exists()
        for place in (".mlops", "team"):
            assert (work / place / "forgotten" / DIGEST).read_text().endswith(" ticket 7\n")
        assert not run_json(work, "fsck")["problems"]
        assert not run_json(work, "forget", "list")["requests"]

    assert sweep(template, tmp_path, ["forget", "agree", "1", "--alone"], check, 5) > 20
    assert seen == {"waiting", "agreed", "done"}, seen
