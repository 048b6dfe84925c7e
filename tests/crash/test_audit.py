# SPDX-License-Identifier: Apache-2.0
"""SIGKILL while the audit log is signed and its keys change: events and their tree agree, and no checkpoint is forgotten."""
import pathlib
import sqlite3
import sys

import pytest
from sweep import ENV, run, sweep

sys.path.append(str(pathlib.Path(__file__).parents[1] / "e2e"))
from log_reader import leaves, notes_in, read_note, root  # noqa: E402

SECONDS = 18


@pytest.fixture
def template(tmp_path, monkeypatch):
    monkeypatch.setitem(ENV, "MLOPS_AUDIT_EVENTS", "1")
    top = tmp_path / "template"
    top.mkdir()
    run(top, "init")
    (top / "a.csv").write_text("a\n1\n")
    run(top, "add", "a.csv")
    (top / "a.csv").write_text("a\n2\n")
    return top


def check_log(work):
    """The tree is that of the events, each checkpoint one of its beginnings, and the newest row is in the file."""
    hashes = leaves(work / ".mlops/registry.db")
    db = sqlite3.connect(work / ".mlops/registry.db")
    assert [row[0] for row in db.execute("SELECT hash FROM audit_nodes WHERE level = 0 ORDER BY place")] == hashes
    rows = [read_note(note) for note, in db.execute("SELECT note FROM checkpoints ORDER BY size")]
    assert db.execute("SELECT count(*) FROM signing_keys WHERE state = 'active'").fetchone() == (1,)
    (key,), = db.execute("SELECT id FROM signing_keys WHERE state = 'active'")
    db.close()
    assert (work / f".mlops/keys/{key}.pem").read_text().endswith("-----END PRIVATE KEY-----\n")
    for note in rows:
        assert note.root == root(hashes[:note.size])
    return rows


def sweep_through(template, tmp_path, args, stride):
    def check(work):
        check_log(work)
        (work / "a.csv").write_text("a\n3\n")
        run(work, "add", "a.csv")
        rows = check_log(work)
        kept = notes_in((work / ".mlops/audit/checkpoints").read_text())
        assert kept[-1] == rows[-1] and rows[-1].size == len(leaves(work / ".mlops/registry.db"))
        assert {note.size for note in kept} <= {note.size for note in rows}

    return sweep(template, tmp_path, args, check, stride)


def test_a_killed_change_leaves_events_and_tree_as_one(template, tmp_path):
    assert sweep_through(template, tmp_path, ["add", "a.csv"], 5) > 20


def test_a_killed_rotation_leaves_one_key_that_signs(template, tmp_path):
    assert sweep_through(template, tmp_path, ["key", "rotate"], 4) > 15
