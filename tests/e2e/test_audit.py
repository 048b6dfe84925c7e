# SPDX-License-Identifier: Apache-2.0
"""audit list, verify, prove, check, checkpoint: and what somebody with the database in his hands may try."""
import base64
import hashlib
import json
import pathlib
import re
import shutil
import sqlite3
import subprocess

import pytest

SECONDS = 14

PIPELINE = """\
[pipeline]
name = t
[step.a]
cmd = sh -c 'cp in.txt a.txt; echo {\\"auc\\":0.5} > m.json'
in = in.txt
out = a.txt
metrics = m.json
[model.churn]
from = a.txt
gate = auc > 0.1
"""
NAMES = ("actor", "after", "before", "body", "operation", "origin", "seq", "subject", "time")


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """A project with a history, and its database as it was after the first half of it."""
    top = tmp_path_factory.mktemp("history")
    from conftest import PROGRAM

    def do(*args, input=None):
        done = subprocess.run([PROGRAM, *args], cwd=top, capture_output=True, text=True, input=input, check=False)
        assert done.returncode == 0, (args, done.stderr)

    do("init")
    (top / "pipeline.ini").write_text(PIPELINE)
    (top / "in.txt").write_text("1\n")
    do("run")
    do("add", "pipeline.ini")
    do("audit", "checkpoint")
    with sqlite3.connect(top / ".mlops/registry.db") as db, sqlite3.connect(top / "early.db") as copy:
        db.backup(copy)
    (top / "in.txt").write_text("2\n")
    do("run")
    do("model", "rollback", "churn@champion", "--reason", "worse")
    do("user", "add", "ann", "--role", "viewer", input="a long password\n")
    do("audit", "checkpoint")
    return top


@pytest.fixture
def forged(history, tmp_path, mlops):
    """forged(sql, ...) -> (status, findings): of a copy of it in which somebody did that."""
    shutil.copytree(history, tmp_path / "p", symlinks=True)

    def forge(*changes, verify=("audit", "verify")):
        with sqlite3.connect(tmp_path / "p/.mlops/registry.db") as db:
            for name, in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                db.execute(f"DROP TRIGGER {name}")
            for change in changes:
                change(db) if callable(change) else db.execute(change)
        db.close()
        done = mlops("--json", *verify, cwd=tmp_path / "p")
        return done.status, json.loads(done.out)["findings"]

    return forge


def events(db):
    """What stands in the leaves, as other programs would say it."""
    rows = db.execute(f"SELECT {', '.join(NAMES)} FROM events ORDER BY seq").fetchall()
    for row in rows:
        members = {k: v for k, v in zip(NAMES, row) if v is not None}
        body = members.pop("body", None)
        text = json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        yield (text if body is None else
               re.sub(r'"operation":', lambda _: f'"body":{body},"operation":', text, count=1)).encode()


def leaf(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def rehash(db):
    """The tree anew, as an attacker who knows how would make it."""
    level = [leaf(e) for e in events(db)]
    db.execute("DELETE FROM audit_nodes")
    for height in range(64):
        db.executemany("INSERT INTO audit_nodes VALUES (?, ?, ?)", [(height, i, h) for i, h in enumerate(level)])
        level = [hashlib.sha256(b"\1" + a + b).digest() for a, b in zip(level[::2], level[1::2])]


def seq_of(db, operation):
    return db.execute("SELECT min(seq) FROM events WHERE operation = ?", [operation]).fetchone()[0]


def renumber(db, first, by):
    for seq, in db.execute("SELECT seq FROM events WHERE seq >= ? ORDER BY seq " + ("DESC" if by > 0 else ""), [first]).fetchall():
        db.execute("UPDATE events SET seq = ? WHERE seq = ?", [seq + by, seq])


def test_what_was_left_alone_holds(history, mlops):
    done = mlops("--json", "audit", "verify", cwd=history)
    result = json.loads(done.out)
    assert done.status == 0 and result["findings"] == [] and result["found"] == 0, done
    assert result["checkpoints"] >= 2 and result["signed"] == result["events"] and result["runs"] == 2
    text = mlops("audit", "verify", cwd=history).out
    assert text.startswith(f"all holds: {result['events']} events, {result['events']} of them under a signature; ")


def test_leaves_are_what_the_page_says(history):
    with sqlite3.connect(history / ".mlops/registry.db") as db:
        stored = [h for h, in db.execute("SELECT hash FROM audit_nodes WHERE level = 0 ORDER BY place")]
        assert [leaf(e) for e in events(db)] == stored


# What is done, and the findings it gives: what, and about which event.
FORGERIES = {
    "edit": (["UPDATE events SET actor = 'mallory' WHERE seq = 3"], [("edited", 3)]),
    "edit the body": (["UPDATE events SET body = replace(body, 'worse', 'well') WHERE operation = 'model.rollback'"],
                      [("edited", "model.rollback")]),
    "delete": (["DELETE FROM events WHERE seq = 4"], [("removed", 4)]),
    "delete and close the gap": (["DELETE FROM events WHERE seq = 4", lambda db: renumber(db, 5, -1)], [("removed", 4)]),
    "insert": ([lambda db: renumber(db, 4, 1),
                "INSERT INTO events SELECT 4, time, 'mallory', origin, operation, subject, before, after, body FROM events"
                " WHERE seq = 3"], [("inserted", 4)]),
    "append": (["INSERT INTO events SELECT max(seq) + 1, time, 'mallory', origin, 'x', 'y', NULL, NULL, NULL FROM events"],
               [("inserted", None)]),
    "reorder": (["UPDATE events SET seq = -3 WHERE seq = 3", "UPDATE events SET seq = 3 WHERE seq = 5",
                 "UPDATE events SET seq = 5 WHERE seq = -3"], [("moved", 3), ("moved", 5)]),
    "truncate": (["DELETE FROM events WHERE operation = 'user.add'", "DELETE FROM users"], [("removed", "user.add")]),
    "truncate with the tree": (["DELETE FROM events WHERE operation = 'user.add'", "DELETE FROM users", rehash],
                               [("truncated", "user.add")]),
    "write it all anew": (["UPDATE events SET actor = 'mallory' WHERE seq = 3", rehash], [("replaced", 1)]),
    "write the end anew": (["UPDATE events SET actor = 'mallory' WHERE operation = 'user.add'", rehash],
                           [("replaced", "early")]),
    "edit with its leaf": (["UPDATE events SET actor = 'mallory' WHERE seq = 3",
                            lambda db: db.execute("UPDATE audit_nodes SET hash = ? WHERE level = 0 AND place = 2",
                                                  [leaf(list(events(db))[2])])], [("node", 3)]),
    "a hash": (["UPDATE audit_nodes SET hash = zeroblob(32) WHERE level = 2 AND place = 0"], [("node", 1)]),
    "a hash less": (["DELETE FROM audit_nodes WHERE level = 1 AND place = 1"], [("node", None)]),
    "a hash more": (["INSERT INTO audit_nodes VALUES (40, 0, zeroblob(32))"], [("node", None)]),
    "an alias": (["UPDATE model_aliases SET number = 2"], [("state", "model.rollback")]),
    "a role": (["UPDATE users SET role = 'admin'"], [("state", "user.add")]),
    "a user": (["INSERT INTO users (name, role, created) VALUES ('mallory', 'admin', 1)"], [("state", None)]),
    "a verdict": (["UPDATE candidates SET verdict = 'failed' WHERE version = 1"], [("state", "gate.judge")]),
    "a version": (["DELETE FROM model_aliases", "DELETE FROM model_versions WHERE number = 1"], [("state", None)]),
    "the files of a version": (["UPDATE candidates SET content = (SELECT content FROM candidates WHERE version = 2)"
                                " WHERE version = 1"], [("state", "model.register")]),
    "a rejection": (["DELETE FROM rejected_versions"], [("state", "model.rollback")]),
    "who promoted": (["UPDATE promotions SET actor = 'ann' WHERE id = 1"], [("state", "model.promote")]),
    "data": (["UPDATE artifact_versions SET content = 1 WHERE run IS NULL"], [("state", "data.add")]),
    "a metric": (["UPDATE latest_metrics SET value = 0.99 WHERE run = 1"], [("record", "run.start")]),
    "a run": (["UPDATE runs SET user_id = 'ann' WHERE id = 1"], [("record", "run.start")]),
    "a key": (["UPDATE signing_keys SET public = zeroblob(32)"], [("signature", None)]),
    "another key": (["UPDATE signing_keys SET id = '" + hashlib.sha256(bytes.fromhex("302a300506032b6570032100") + bytes(32)).hexdigest()
                     + "', public = zeroblob(32)"], [("signature", None), ("state", "key.add")]),
    "a checkpoint": (["UPDATE checkpoints SET note = replace(note, 'mlops/', 'nlops/')"], [("other log", None)]),
    "a signature": ([lambda db: db.execute("UPDATE checkpoints SET note = substr(note, 1, length(note) - 9) || 'AAAAAAA=' || char(10)")],
                    [("signature", None)]),
    "a reproduction": (["INSERT INTO reproductions (subject, run_id, verdict, body, actor, time)"
                        " VALUES ('churn@v1', 'x', 'IDENTICAL', '{}', 'ann', 1)"], [("state", None)]),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_found_and_named(forged, history, name):
    changes, wanted = FORGERIES[name]
    with sqlite3.connect(history / ".mlops/registry.db") as db, sqlite3.connect(history / "early.db") as early:
        numbers = {op: n for op, n in db.execute("SELECT operation, min(seq) FROM events GROUP BY operation")}
        numbers["early"] = early.execute("SELECT max(seq) FROM events").fetchone()[0] + 1
    status, found = forged(*changes)
    assert status == 9
    for what, seq in wanted:
        seq = numbers.get(seq, seq)
        assert any(f["what"] == what and (seq is None or f.get("seq") == seq) for f in found), (what, seq, found)
    kinds = {what for what, _ in wanted}
    assert all(f["what"] in kinds | {"signature", "state", "replaced"} for f in found), found


def test_a_database_that_was_rolled_back_is_found(history, tmp_path, mlops):
    shutil.copytree(history, tmp_path / "p", symlinks=True)
    p = tmp_path / "p"
    shutil.copy(p / "early.db", p / ".mlops/registry.db")
    for part in ("-wal", "-shm"):
        pathlib.Path(f"{p}/.mlops/registry.db{part}").unlink(missing_ok=True)
    done = mlops("audit", "verify", cwd=p)
    assert done.status == 9 and "truncated the log ends with event" in done.out, done
    # nothing is signed that contradicts what was signed
    assert mlops("audit", "checkpoint", cwd=p).status == 9
    # it goes on from there, until it is as long as it was, and longer
    names = [f"data{n}" for n in range(20)]
    for name in names:
        (p / name).write_text(name)
    assert mlops("add", *names, cwd=p).status == 0
    done = mlops("--json", "audit", "verify", cwd=p)
    assert done.status == 9 and [f["what"] for f in json.loads(done.out)["findings"]] == ["replaced"], done
    # nor where the file was rolled back, too, when somebody else has kept one
    shutil.rmtree(p / ".mlops/audit")
    assert mlops("audit", "verify", cwd=p).status == 0
    kept = mlops("audit", "checkpoint", cwd=history).out
    (tmp_path / "kept").write_text(kept)
    done = mlops("audit", "verify", "--against", tmp_path / "kept", cwd=p)
    assert done.status == 9 and "replaced" in done.out


def test_checkpoints_that_are_given(history, tmp_path, mlops):
    note = mlops("audit", "checkpoint", cwd=history).out
    (tmp_path / "kept").write_text(note)
    assert mlops("audit", "verify", "--against", tmp_path / "kept", cwd=history).status == 0
    other = tmp_path / "other"
    other.mkdir()
    assert mlops("init", cwd=other).status == 0
    done = mlops("audit", "verify", "--against", tmp_path / "kept", cwd=other)
    assert done.status == 2 and "holds a checkpoint of another log" in done.err
    for text in ("", "no checkpoint\n", note[:40]):
        (tmp_path / "kept").write_text(text)
        done = mlops("audit", "verify", "--against", tmp_path / "kept", cwd=history)
        assert done.status == 2 and "kept" in done.err, (text, done)
    assert mlops("audit", "verify", "--against", tmp_path / "none", cwd=history).status == 3


def test_a_proof_is_checked_anywhere(history, tmp_path, mlops):
    proof, key = tmp_path / "p.tlog-proof", tmp_path / "key.pem"
    with sqlite3.connect(history / ".mlops/registry.db") as db:
        seq = seq_of(db, "model.promote")
    text = mlops("audit", "prove", seq, cwd=history).out
    proof.write_text(text)
    shown = json.loads(mlops("--json", "key", "show", cwd=history).out)
    key.write_text(shown["public"])
    (tmp_path / "key.line").write_text(shown["verifier"] + "\n")
    assert mlops("audit", "check", proof, cwd=history).status == 0
    for file in (key, tmp_path / "key.line"):
        done = mlops("--json", "audit", "check", proof, "--key", file)
        result = json.loads(done.out)
        assert done.status == 0 and result["event"]["seq"] == seq and result["event"]["operation"] == "model.promote"
        assert result["key"] == shown["id"]
    # without a key, nobody outside can tell
    done = mlops("audit", "check", proof)
    assert done.status == 2 and "--key FILE" in done.err
    # another event, the same proof
    lines = text.split("\n")
    event = json.loads(base64.b64decode(lines[1].split()[1]))
    event["actor"] = "mallory"
    lies = {
        9: ["extra " + base64.b64encode(json.dumps(event).encode()).decode(), lines[2]],
        2: [lines[1], "index 007"],
    }
    for status, (extra, index) in lies.items():
        proof.write_text("\n".join([lines[0], extra, index, *lines[3:]]))
        assert mlops("audit", "check", proof, "--key", key).status == status
    proof.write_text(text[:-30])
    assert mlops("audit", "check", proof, "--key", key).status == 2
    # another key
    other = tmp_path / "other"
    other.mkdir()
    assert mlops("init", cwd=other).status == 0
    proof.write_text(text)
    assert mlops("audit", "check", proof, cwd=other).status == 8
    key.write_text(json.loads(mlops("--json", "key", "show", cwd=other).out)["public"])
    assert mlops("audit", "check", proof, "--key", key).status == 8
    assert mlops("audit", "prove", 4711, cwd=history).status == 3


def test_the_list_is_narrowed(history, mlops):
    def seen(*args):
        return [(e["operation"], e["subject"]) for e in json.loads(mlops("--json", "audit", "list", *args, cwd=history).out)["events"]]

    assert {s for _, s in seen("--subject", "churn")} == {"churn@v1", "churn@v2", "churn@champion"}
    assert {o.split(".")[0] for o, _ in seen("--operation", "model")} == {"model"}
    assert [o for o, _ in seen("--operation", "user.add", "--subject", "ann")] == ["user.add"]
    assert len(seen("--actor", "nobody")) == 0 and len(seen("--since", "1d", "--actor", "*@*")) == len(seen())
    assert [e[0] for e in seen("--after", "0", "-n", "1")] == ["key.add"]
    lines = mlops("audit", "list", "--csv", "-n", "1", cwd=history).out.splitlines()
    assert lines[0] == "seq,time,actor,origin,operation,subject,before,after,body" and ",user.add,ann,,," in lines[1]
    assert mlops("audit", "list", "-n", "0", cwd=history).status == 2
    assert mlops("audit", "list", "--since", "yesterday", cwd=history).status == 2


def test_the_commands_of_the_page_check_a_proof(history, tmp_path, mlops):
    """openssl, sha256sum and a shell: docs/audit.md, typed."""
    page = (pathlib.Path(__file__).parents[2] / "docs/audit.md").read_text()
    script = re.search(r"## By hand.*?```sh\n(.*?)```", page, re.S).group(1)
    with sqlite3.connect(history / ".mlops/registry.db") as db:
        seq = seq_of(db, "model.promote")
    (tmp_path / "promotion.tlog-proof").write_text(mlops("audit", "prove", seq, cwd=history).out)
    (tmp_path / "churn.pem").write_text(json.loads(mlops("--json", "key", "show", cwd=history).out)["public"])
    (tmp_path / "check.sh").write_text(script)

    def check():
        return subprocess.run(["sh", "-eu", "check.sh"], cwd=tmp_path, capture_output=True, text=True, check=False)

    done = check()
    assert done.returncode == 0 and '"operation":"model.promote"' in done.stdout and "Verified" in done.stdout, done
    text = (tmp_path / "promotion.tlog-proof").read_text()
    lines = text.split("\n")
    event = base64.b64decode(lines[1].split()[1]).replace(b"gate", b"fate")
    (tmp_path / "promotion.tlog-proof").write_text(text.replace(lines[1], "extra " + base64.b64encode(event).decode()))
    assert check().returncode != 0
