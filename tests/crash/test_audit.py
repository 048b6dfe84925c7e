# SPDX-License-Identifier: Apache-2.0
"""SIGKILL while the audit log is signed and its keys change: events and their tree agree, and no checkpoint is forgotten."""
import pathlib
import sqlite3
import subprocess
import sys

import pytest
from sweep import ENV, MLOPS, run, sweep

sys.path.append(str(pathlib.Path(__file__).parents[1] / "e2e"))
from log_reader import leaves, notes_in, read_note, root  # noqa: E402

SECONDS = 20


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


def test_two_that_sign_at_once_see_no_log_that_was_rolled_back(template):
    """One is held up where it looks for what is known, while the other goes on."""
    slow = subprocess.Popen(["strace", "-f", "-qqq", "-o", "/dev/null", "-P", template / ".mlops/audit/checkpoints",
                             "-e", "inject=openat:delay_enter=1500000:when=1", "--", MLOPS, "audit", "checkpoint"],
                            cwd=template, env=ENV | {"MLOPS_AUDIT_EVENTS": "0"}, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    n = 3
    while slow.poll() is None:
        (template / "a.csv").write_text(f"a\n{n}\n")
        run(template, "add", "a.csv")
        n += 1
    out, err = slow.communicate(timeout=120)
    assert slow.returncode == 0, err
    assert n > 3 and read_note(out).root == root(leaves(template / ".mlops/registry.db")[:read_note(out).size])
    check_log(template)
    run(template, "audit", "verify")
