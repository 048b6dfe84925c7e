# SPDX-License-Identifier: Apache-2.0
"""key, and the checkpoints that are signed with it: as others read them."""
import hashlib
import json
import sqlite3
import subprocess

import pytest
from log_reader import is_signed, leaves, notes_in, read_note, root
from steps import wait_for

SECONDS = 6
EACH = {"MLOPS_AUDIT_EVENTS": "1"}


def openssl(*args, input=None):
    return subprocess.run(["openssl", *map(str, args)], input=input, capture_output=True, check=True).stdout


def show(mlops, *args):
    status, out, err = mlops("--json", "key", "show", *args)
    assert status == 0, err
    return json.loads(out)


def add(mlops, project, text, **env):
    (project / "a.csv").write_text(text)
    status, _, err = mlops("add", "a.csv", env={**EACH, **env})
    assert status == 0, err
    return err


def kept(project):
    return notes_in((project / ".mlops/audit/checkpoints").read_text())


def private(project, key):
    return project / f".mlops/keys/{key['id']}.pem"


def test_init_makes_the_first_key_and_it_is_the_first_event(project, mlops):
    key = show(mlops)
    assert key["state"] == "active" and key["name"] == project.name
    assert private(project, key).stat().st_mode & 0o777 == 0o600
    der = openssl("pkey", "-pubin", "-outform", "DER", input=key["public"].encode())
    assert hashlib.sha256(der).hexdigest() == key["id"]
    assert openssl("pkey", "-in", private(project, key), "-pubout") == key["public"].encode()
    with sqlite3.connect(project / ".mlops/registry.db") as db:
        assert db.execute("SELECT seq, operation, subject FROM events").fetchall() == [(1, "key.add", key["id"])]
    assert mlops("init").status == 0
    assert show(mlops) == key


def test_checkpoints_hold_for_those_who_know_only_the_standards(project, mlops, tmp_path):
    key = show(mlops)
    for n in range(5):
        add(mlops, project, f"a\n{n}\n")
    hashes = leaves(project / ".mlops/registry.db")
    notes = kept(project)
    assert [note.size for note in notes] == [2, 3, 4, 5, 6]
    for note in notes:
        assert note.origin == key["log"]
        assert note.root == root(hashes[:note.size])
        assert is_signed(note, key["verifier"])
        assert not is_signed(note._replace(text=note.text.replace("\n", "\n1", 1)), key["verifier"])
    (tmp_path / "note").write_text(notes[-1].text)
    (tmp_path / "sig").write_bytes(notes[-1].signatures[0][1][4:])
    (tmp_path / "key").write_text(key["public"])
    said = openssl("pkeyutl", "-verify", "-pubin", "-inkey", tmp_path / "key", "-rawin", "-in", tmp_path / "note",
                   "-sigfile", tmp_path / "sig")
    assert b"Verified Successfully" in said


def test_old_signatures_hold_after_a_rotation(project, mlops):
    old = show(mlops)
    add(mlops, project, "a\n1\n")
    status, out, err = mlops("key", "rotate", "--reason", "a year", env=EACH)
    assert status == 0 and "signs from now on" in out, err
    add(mlops, project, "a\n2\n")
    new = show(mlops)
    assert new["id"] != old["id"] and new["name"] == old["name"]
    assert not private(project, old).exists()
    first, *rest = kept(project)
    assert is_signed(first, old["verifier"]) and not is_signed(first, new["verifier"])
    assert len(rest) == 2 and all(is_signed(note, new["verifier"]) for note in rest)
    assert show(mlops, old["id"][:8])["state"] == "retired"
    status, out, _ = mlops("key", "list")
    assert status == 0 and "retired" in out and "a year" in out
    status, out, _ = mlops("key", "revoke", new["id"][:12], "--reason", "stolen")
    assert status == 0 and "signs from now on" in out
    assert show(mlops, new["id"])["state"] == "revoked"
    assert mlops("key", "revoke", new["id"], "--reason", "again").status == 4
    assert mlops("key", "revoke", new["id"]).status == 2


@pytest.mark.parametrize("harm, said", [
    (lambda path: path.unlink(), "is lost"),
    (lambda path: path.chmod(0o644), "is open to others, mode 644"),
    (lambda path: path.write_text("-----BEGIN"), "is no private Ed25519 key"),
])
def test_work_goes_on_without_the_key_and_says_so(project, mlops, harm, said):
    path = private(project, show(mlops))
    harm(path)
    assert said in add(mlops, project, "a\n1\n")
    assert said in show(mlops)["trouble"]
    assert mlops("key", "rotate").status == 0
    assert add(mlops, project, "a\n2\n") == ""
    assert kept(project)[-1].root == root(leaves(project / ".mlops/registry.db"))


def test_keys_of_others_are_trusted_by_name(project, mlops, tmp_path):
    openssl("genpkey", "-algorithm", "ed25519", "-out", tmp_path / "theirs.pem")
    public = openssl("pkey", "-in", tmp_path / "theirs.pem", "-pubout").decode()
    (tmp_path / "public.pem").write_text(public)
    status, _, err = mlops("key", "add", "--name", "auditors", "--public", "theirs.pem")
    assert status == 2 and "private key" in err and "openssl pkey" in err
    assert mlops("key", "add", "--name", "auditors", "--public", "public.pem").status == 0
    assert show(mlops, "auditors")["public"] == public
    assert mlops("key", "add", "--name", "others", input=public).status == 4
    assert mlops("key", "add", "--name", "others", input="-----BEGIN PUBLIC KEY-----\n").status == 2
    assert mlops("key", "add", "--name", "others", "--public", "absent.pem").status == 3
    assert mlops("key", "add", "--name", project.name, input=public).status == 4
    assert mlops("key", "show", "nobody").status == 3


def test_checkpoints_become_commits_that_are_pushed(project, mlops, git, tmp_path):
    git("init", "-q", "--bare", tmp_path / "far.git")
    git("init", "-q", project, cwd=project)
    for name, value in (("audit.ref", "refs/mlops/audit"), ("audit.remote", tmp_path / "far.git"), ("audit.file", "")):
        assert mlops("config", name, value).status == 0
    verifier = show(mlops)["verifier"]
    add(mlops, project, "a\n1\n")
    add(mlops, project, "a\n2\n")
    far = git("log", "--format=%B%x00", "refs/mlops/audit", cwd=tmp_path / "far.git").split("\0")[:-1]
    notes = [read_note(text.strip("\n") + "\n") for text in far]
    assert [note.size for note in notes] == [3, 2]
    assert all(is_signed(note, verifier) for note in notes)
    assert not (project / ".mlops/audit").exists()
    mlops("config", "audit.remote", tmp_path / "absent.git")
    add(mlops, project, "a\n3\n")
    assert git("log", "-1", "--format=%B", "refs/mlops/audit", cwd=project).splitlines()[1] == "4"


def test_what_is_somebody_elses_gets_no_checkpoints(project, mlops, git):
    git("init", "-q", "-b", "main", ".")
    (project / "notes.md").write_text("do not lose this\n")
    git("add", "notes.md")
    git("commit", "-qm", "work")
    tip = git("rev-parse", "main")
    for name, value in (("audit.file", "notes.md"), ("audit.ref", "refs/heads/main")):
        assert mlops("config", name, value).status == 0
    add(mlops, project, "a\n1\n")
    add(mlops, project, "a\n2\n")
    notes = json.loads(mlops("--json", "audit", "checkpoint").out)["notes"]
    assert len(notes) == 2 and all("something else than checkpoints" in note for note in notes), notes
    assert (project / "notes.md").read_text() == "do not lose this\n" and git("rev-parse", "main") == tip


def test_a_log_that_was_rolled_back_is_not_signed(project, mlops):
    add(mlops, project, "a\n1\n")
    before = {path.name: path.read_bytes() for path in (project / ".mlops").glob("registry.db*")}
    add(mlops, project, "a\n2\n")
    add(mlops, project, "a\n3\n")
    for path in (project / ".mlops").glob("registry.db*"):
        path.unlink()
    for name, data in before.items():
        (project / ".mlops" / name).write_bytes(data)
    err = add(mlops, project, "a\n4\n")
    assert "it was rolled back" in err and "mlops audit verify" in err
    assert [note.size for note in kept(project)] == [2, 3, 4]


def test_an_agent_signs_what_others_changed(project, mlops, environment, start_agent):
    environment["MLOPS_AUDIT_EVENTS"] = "1"
    start_agent()
    (project / "a.csv").write_text("a\n")
    assert mlops("add", "a.csv", env={"MLOPS_AUDIT_EVENTS": "0", "MLOPS_AUDIT_MINUTES": "0"}).status == 0
    wait_for(lambda: (project / ".mlops/audit/checkpoints").exists() and kept(project)[-1].size >= 2)
