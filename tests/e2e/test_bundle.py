# SPDX-License-Identifier: Apache-2.0
"""Bundles: what goes in comes out elsewhere, with proofs that public tools check; what does not hold is refused whole."""
import hashlib
import json
import re
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest
from bundles import compress, entry, forge, header, pack, unpack

SECONDS = 6

PIPELINE = """\
[pipeline]
name = churn
[params]
lr = 0.5
[step.train]
cmd = sh train.sh ${params.lr}
in  = train.sh
      data/raw
out = model
metrics = metrics.json
[model.churn]
from = model
gate = auc >= 0.9
policy = trust.ini
"""
TRAIN = """mkdir model
cat data/raw/* > model/weights
echo $1 > model/lr
echo '{"auc": 0.95}' > metrics.json
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project with a model, and its bundle; nobody writes here."""
    from conftest import PROGRAM
    from steps import ENV
    top = tmp_path_factory.mktemp("made")

    def mlops(*args):
        done = subprocess.run([PROGRAM, *args], cwd=top, env=ENV, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (args, done)
        return done.stdout

    mlops("init")
    (top / "data/raw").mkdir(parents=True)
    (top / "data/raw/a.csv").write_text("x\n1\n")
    (top / "data/raw/b.csv").write_text("x\n2\n" * 5000)
    (top / "train.sh").write_text(TRAIN)
    (top / "trust.ini").write_text("[verify]\ngate = auc >= 0.9\n")
    (top / "pipeline.ini").write_text(PIPELINE)
    mlops("add", "data/raw")
    mlops("run")
    mlops("bundle", "create", "churn@champion", "model.bundle")
    mlops("bundle", "create", ".", "project.bundle")
    return top


def counts(top):
    db = sqlite3.connect(f"file:{top}/.mlops/registry.db?mode=ro", uri=True)
    tables = ["runs", "model_versions", "artifact_versions", "attestations", "cache", "events", "imports", "contents"]
    return {t: db.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables}


def objects(top):
    return sorted(str(p.relative_to(top)) for p in (top / ".mlops/objects").rglob("*") if p.is_file())


@pytest.fixture
def empty(mlops, tmp_path):
    top = tmp_path / "empty"
    top.mkdir()
    assert mlops("init", cwd=top).status == 0
    return top


def as_json(done):
    assert done.status == 0, done
    return json.loads(done.out.splitlines()[-1])


def test_equal_content_gives_equal_bytes(made, mlops, tmp_path):
    # the log goes on meanwhile
    assert mlops("config", "run.cores", "2", cwd=made).status in (0, 2, 3)
    for name, file in (("churn@v1", "model.bundle"), (".", "project.bundle")):
        out = tmp_path / "again"
        assert mlops("bundle", "create", name, out, "--force", cwd=made).status == 0
        assert out.read_bytes() == (made / file).read_bytes()


def test_import_brings_the_model_and_its_alias(made, empty, mlops):
    result = as_json(mlops("--json", "bundle", "import", made / "model.bundle", cwd=empty))
    assert result["new"]["versions"] == 1 and result["new"]["aliases"] == 1 and result["roots"] == ["churn@v1"]
    assert result["new"]["runs"] == 1
    assert mlops("cat", "churn@champion/weights", cwd=empty).out.startswith("x\n1\nx\n2\n")
    show = as_json(mlops("--json", "model", "show", "churn@champion", cwd=empty))
    assert show["candidate"]["verdict"] == "passed" and show["model_version"]["aliases"] == ["champion"]
    for check in (("fsck",), ("audit", "verify"), ("reproduce", "churn@v1")):
        done = mlops(*check, cwd=empty)
        assert done.status == 0, done
    assert "IDENTICAL" in done.out


def test_a_second_import_changes_nothing(made, empty, mlops):
    for file in ("model.bundle", "project.bundle"):
        as_json(mlops("--json", "bundle", "import", made / file, cwd=empty))
        before = counts(empty), objects(empty)
        again = as_json(mlops("--json", "bundle", "import", made / file, cwd=empty))
        assert again["repeated"] and not any(again["new"].values())
        assert (counts(empty), objects(empty)) == before


def test_import_into_the_store_it_came_from(made, mlops, tmp_path):
    top = tmp_path / "full"
    shutil.copytree(made, top, symlinks=True)
    before = counts(top)
    result = as_json(mlops("--json", "bundle", "import", "project.bundle", cwd=top))
    assert not any(result["new"].values()) and not result["repeated"]
    after = counts(top)
    assert {k: after[k] - before[k] for k in after if after[k] != before[k]} == {"events": 1, "imports": 1, "contents": 1}
    assert mlops("audit", "verify", cwd=top).status == 0


def test_a_project_runs_on_where_it_came_to(made, empty, mlops):
    as_json(mlops("--json", "bundle", "import", made / "project.bundle", cwd=empty))
    for name in ("pipeline.ini", "train.sh", "trust.ini", "mlops.lock"):
        shutil.copy(made / name, empty / name)
    assert mlops("checkout", cwd=empty).status == 0
    assert (empty / "model/weights").read_bytes() == (made / "model/weights").read_bytes()
    assert mlops("run", "--dry", cwd=empty).status == 0
    # the evidence of the other log is kept, word for word
    db = sqlite3.connect(f"file:{empty}/.mlops/registry.db?mode=ro", uri=True)
    body = json.loads(db.execute("SELECT body FROM events WHERE operation = 'bundle.import'").fetchone()[0])
    assert mlops("cat", body["evidence"] + "/bundle.json", cwd=empty).out == unpack(made / "project.bundle")[0][1].decode()
    # and it is a project of which a bundle can be made
    assert mlops("bundle", "create", "churn@v1", "again.bundle", cwd=empty).status == 0
    assert mlops("bundle", "verify", "again.bundle", cwd=empty).status == 0


def test_another_version_of_that_name_is_a_conflict_and_nothing_is_written(made, mlops, tmp_path):
    top = tmp_path / "other"
    top.mkdir()
    for name in ("pipeline.ini", "train.sh", "trust.ini"):
        shutil.copy(made / name, top / name)
    (top / "data/raw").mkdir(parents=True)
    (top / "data/raw/z.csv").write_text("other\n")
    assert mlops("init", cwd=top).status == 0 and mlops("run", cwd=top).status == 0
    before = counts(top), objects(top)
    done = mlops("bundle", "import", made / "model.bundle", cwd=top)
    assert done.status == 4 and "churn@v1 is another version here" in done.err and "mlops init" in done.err
    assert (counts(top), objects(top)) == before


def test_an_imported_version_asks_for_no_alias(made, mlops, tmp_path):
    """A stranger may say that a gate was passed here: neither our key nor our champion follow."""
    top = tmp_path / "full"
    shutil.copytree(made, top, symlinks=True)

    def newer(record):
        record["versions"][0]["number"] = 7
        record["versions"][0]["candidate"].update(champion=1, lines=[])
        record["versions"][0]["candidate"]["spec"].pop("approve", None)
        record.update(aliases={}, moves=[])

    forge(changed(unpack(made / "model.bundle"), "models/", edit_json(newer)), tmp_path / "forged")
    assert as_json(mlops("--json", "bundle", "import", tmp_path / "forged", cwd=top))["new"]["versions"] == 1
    assert mlops("reproduce", "churn@v7", cwd=top).status == 0
    done = mlops("attest", "churn@v7", cwd=top)
    assert done.status == 4 and "came with a bundle" in done.err
    assert mlops("run", "--force", cwd=top).status == 0
    assert as_json(mlops("--json", "model", "show", "churn@champion", cwd=top))["model_version"]["version"] in (1, "1")
    assert mlops("verify", "churn@v7", cwd=top).status == 8
    assert mlops("audit", "verify", cwd=top).status == 0
    # a person moves it
    assert mlops("model", "promote", "churn@v7", "--reason", "seen", cwd=top).status == 0


def test_the_readme_is_enough(made, tmp_path):
    """Its commands, typed by somebody who has only tar, sha256sum and openssl."""
    for file in ("model.bundle", "project.bundle"):
        top = tmp_path / file[:5]
        top.mkdir()
        readme = dict(unpack(made / file))["README.md"].decode()
        commands = re.findall(r"```sh\n(.*?)```", readme, re.S)
        assert len(commands) == 7
        for command in commands:
            done = subprocess.run(["sh", "-ec", command.replace("FILE", str(made / file))], cwd=top, capture_output=True,
                                  text=True, check=False)
            assert done.returncode == 0, (command, done)
        assert "Verified Successfully" in done.stdout or "log/proofs" in command
        # each of them can fail
        (top / "bundle.json").write_text("{}")
        for path in list(top.glob("objects/*/*"))[:1]:
            path.chmod(0o644)
            path.write_text("other")
        with (top / "SHA256SUMS").open("a") as out:
            out.write("\n")
        statement = next(top.glob("attestations/*"))
        statement.write_text(statement.read_text().replace('"payload":"', '"payload":"eyJ4IjoxfQ'))
        note = (top / "log/checkpoint").read_text()
        (top / "log/checkpoint").write_text(note.replace("\n", "\n1", 1))
        proofs = (top / "log/proofs").is_dir()
        for command in commands[1:] if proofs else commands[1:-1]:
            assert subprocess.run(["sh", "-ec", command], cwd=top, capture_output=True, check=False).returncode != 0


def test_who_signed_it(made, mlops, tmp_path):
    entries = dict(unpack(made / "model.bundle"))
    (tmp_path / "owner.pem").write_bytes(next(d for n, d in entries.items() if n.startswith("keys/")))
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", "k"], cwd=tmp_path, check=True)
    subprocess.run(["openssl", "pkey", "-in", "k", "-pubout", "-out", "other.pem"], cwd=tmp_path, check=True)
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    good = mlops("bundle", "verify", made / "model.bundle", "--key", tmp_path / "owner.pem", cwd=nowhere)
    assert good.status == 0 and "a key that you gave" in good.out
    bad = mlops("bundle", "verify", made / "model.bundle", "--key", tmp_path / "other.pem", cwd=nowhere)
    assert bad.status == 7 and "not signed by a key that you gave" in bad.err
    forge(unpack(made / "model.bundle"), tmp_path / "unsigned")
    assert "nobody" in mlops("bundle", "verify", tmp_path / "unsigned", cwd=nowhere).out
    assert mlops("bundle", "verify", tmp_path / "unsigned", "--key", tmp_path / "owner.pem", cwd=nowhere).status == 7
    assert not list(nowhere.iterdir())


def find(entries, prefix):
    return next(i for i, (n, _) in enumerate(entries) if n.startswith(prefix))


def changed(entries, prefix, data):
    """The first entry of that prefix, with these bytes (or what a function makes of its own)."""
    entries = list(entries)
    i = find(entries, prefix)
    entries[i] = (entries[i][0], data(entries[i][1]) if callable(data) else data)
    return entries


def one_more(entries, data):
    """With an object that nothing names, in its place."""
    hex_, first = hashlib.sha256(data).hexdigest(), find(entries, "objects/")
    return entries[:first] + sorted(entries[first:] + [(f"objects/{hex_[:2]}/{hex_[2:]}", data)])


def edit_json(change):
    def edit(data):
        value = json.loads(data)
        change(value)
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    return edit


def hostile(entries):
    """name -> (what writes it, what is said)."""
    last = entries[-1]
    first_object = find(entries, "objects/")
    tar = b"".join(entry(n, d) for n, d in entries)

    def raw(more):
        return lambda path: compress(tar + more + bytes(1024), path)

    def forged(new, **head):
        return lambda path: forge(new, path, **head)

    head = json.loads(entries[0][1])
    zeros = bytes(1 << 20)
    return {
        "symlink": (raw(header("objects/zz", 0, kind=b"2", o157=b"/etc/passwd")), "symlink"),
        "hard link": (raw(header("objects/zz", 0, kind=b"1", o157=b"bundle.json")), "hard link"),
        "device": (raw(header("dev", 0, kind=b"3")), "device"),
        "fifo": (raw(header("fifo", 0, kind=b"6")), "FIFO"),
        "directory": (raw(header("objects", 0, kind=b"5")), "directory"),
        "sparse": (raw(header("objects/zz", 0, kind=b"S")), "sparse"),
        "pax": (raw(header("x", 0, kind=b"x")), "pax"),
        "upwards": (raw(entry("../../etc/x", b"x")), "no name that belongs"),
        "absolute": (raw(entry("/etc/x", b"x")), "no name that belongs"),
        "dot": (raw(entry("objects/./x", b"x")), "no name that belongs"),
        "backslash": (raw(entry("..\\x", b"x")), "no name that belongs"),
        "strange name": (raw(entry("hooks/post-commit", b"x")), "nothing that belongs"),
        "twice": (raw(entry(*last)), "stands twice"),
        "other case": (raw(entry("BUNDLE.JSON", b"{}")), "nothing that belongs"),
        "8 EB": (raw(header("objects/" + last[0][8:10] + "/" + "f" * 62, (1 << 63) - 1)), "holds more than bundle.json says"),
        "bytes behind a file": (lambda path: compress(
            entry("bundle.json", entries[0][1])[:-1] + b"x" + bytes(1024), path), "behind the end"),
        "bytes behind the end": (lambda path: compress(tar + bytes(1024) + b"x", path), "goes on behind its end"),
        "owner": (raw(header("objects/zz", 0, o108=b"0001750")), "not written as a bundle's is"),
        "checksum": (lambda path: compress(tar[:148] + b"000000" + tar[154:] + bytes(1024), path), "not written"),
        "lying digest": (forged(changed(entries, "objects/", lambda d: b"y" * len(d))), "not what its name says"),
        "lying size": (forged(changed(entries, "objects/", b"y")), "must have"),
        "damaged tree": (forged(changed(entries, "trees/", lambda d: d[:-1] + b"\xff")), "not what its name says"),
        "list": (lambda path: pack(changed(entries, "README.md", b"trust me"), path), "not what SHA256SUMS says"),
        "missing object": (forged(entries[:first_object] + entries[first_object + 1:]), "is missing"),
        "unknown object": (forged(one_more(entries, zeros), bytes=head["bytes"] + len(zeros), objects=head["objects"] + 1),
                           "nothing in it names"),
        "bomb": (forged(one_more(entries, zeros)), "holds more than bundle.json says"),
        "fewer than said": (forged(entries, objects=head["objects"] + 1), "holds less"),
        "newer format": (forged(entries, format=2), "format 2"),
        "no format": (forged(entries, format="x"), "names no format"),
        "newer record": (forged(changed(entries, "runs/", edit_json(lambda r: r.update(version=99)))), "version 99"),
        "model of a newer form": (forged(changed(entries, "models/", edit_json(lambda r: r.update(version=7)))), "version 7"),
        "record with more": (forged(changed(entries, "runs/", edit_json(lambda r: r.update(more=1)))), "does not belong"),
        "record of another": (forged(changed(entries, "runs/", edit_json(
            lambda r: r["runs"][0].update(run_id="0" * 32)))), "run"),
        "path of a record": (forged(changed(entries, "runs/", edit_json(
            lambda r: r["runs"][1]["outputs"][0].update(path="../x")))), "path"),
        "edited gate": (forged(changed(entries, "models/", edit_json(
            lambda r: r["versions"][0]["candidate"].update(verdict="maybe")))), "maybe"),
        "blanks in a record": (forged(changed(entries, "models/", lambda d: d + b"\n")), "canonical"),
        "proof": (forged(changed(entries, "log/proofs/", lambda d: d.replace(b"index ", b"index 1"))), "has no proof"),
        "event": (forged(changed(entries, "log/proofs/", lambda d: d.replace(b"extra ey", b"extra eyA"))), "event"),
        "checkpoint": (forged(changed(entries, "log/checkpoint", lambda d: d.replace(b"\n", b"\n1", 1))), "signed by none"),
        "key": (forged(changed(entries, "keys/", b"-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----\n")), "key"),
        "signature": (lambda path: pack(changed(entries, "SHA256SUMS.sig", bytes(64)), path), "of none of its keys"),
        "no bundle": (lambda path: path.write_bytes(b"PK\3\4"), "damaged"),
        "nothing": (lambda path: path.write_bytes(b""), ""),
        "empty tar": (lambda path: compress(bytes(1024), path), "empty"),
    }


def test_hostile_bundles_are_refused_before_anything_is_written(made, empty, mlops, tmp_path):
    entries = unpack(made / "model.bundle")
    before = counts(empty), objects(empty)
    wrong = []
    for name, (write, said) in hostile(entries).items():
        path = tmp_path / "hostile"
        path.unlink(missing_ok=True)
        write(path)
        done = mlops("bundle", "import", path, cwd=empty)
        if done.status != (2 if name == "newer format" else 9) or said not in done.err:
            wrong.append((name, done))
        if (counts(empty), objects(empty)) != before:
            wrong.append((name, "wrote something"))
    assert not wrong


def test_a_bundle_cut_in_half(made, empty, mlops, tmp_path):
    data = (made / "project.bundle").read_bytes()
    for size in (len(data) // 2, len(data) - 1, 100, 5):
        (tmp_path / "cut").write_bytes(data[:size])
        done = mlops("bundle", "verify", tmp_path / "cut", cwd=empty)
        assert done.status == 9, (size, done)
    assert counts(empty)["imports"] == 0


def test_events_that_were_changed(made, empty, mlops, tmp_path):
    """The whole log: edited, shortened, reordered."""
    entries = unpack(made / "project.bundle")
    lines = dict(entries)["log/events"].splitlines(keepends=True)
    for name, new in {"edited": lines[:-1] + [lines[-1].replace(b"actor", b"actos")], "shortened": lines[:-1],
                      "reordered": [lines[1], lines[0]] + lines[2:]}.items():
        forge(changed(entries, "log/events", b"".join(new)), tmp_path / "events")
        done = mlops("bundle", "verify", tmp_path / "events", cwd=empty)
        assert done.status == 9 and "not the log of the checkpoint" in done.err, (name, done)


def test_what_is_missing(made, empty, mlops, tmp_path):
    top = tmp_path / "holed"
    shutil.copytree(made, top, symlinks=True)
    hex_ = hashlib.sha256((made / "data/raw/b.csv").read_bytes()).hexdigest()
    (top / ".mlops/objects" / hex_[:2] / hex_[2:]).unlink()
    done = mlops("bundle", "create", "churn@v1", "new.bundle", cwd=top)
    assert done.status == 3 and hex_[:12] in done.err and "--partial" in done.err and not (top / "new.bundle").exists()
    done = mlops("bundle", "create", "churn@v1", "new.bundle", "--partial", cwd=top)
    assert done.status == 0 and hex_ in done.out, done
    verified = as_json(mlops("--json", "bundle", "verify", "new.bundle", cwd=top))
    assert [hole["sha256"] for hole in verified["missing"]] == [hex_]
    # where it comes to, the hole is known and no damage
    as_json(mlops("--json", "bundle", "import", top / "new.bundle", cwd=empty))
    assert mlops("fsck", cwd=empty).status == 0


def test_what_was_forgotten_is_a_hole_that_no_bundle_fills(made, empty, mlops, tmp_path):
    top = tmp_path / "forgetting"
    shutil.copytree(made, top, symlinks=True)
    hex_ = hashlib.sha256((made / "data/raw/b.csv").read_bytes()).hexdigest()
    assert mlops("forget", f"sha256:{hex_}", "--reason", "ticket 1", cwd=top).status == 0
    assert mlops("forget", "agree", "1", "--alone", cwd=top).status == 0
    assert mlops("bundle", "create", "churn@v1", "new.bundle", cwd=top).status == 0
    hole, = as_json(mlops("--json", "bundle", "verify", "new.bundle", cwd=top))["missing"]
    assert hole["sha256"] == hex_ and hole["reason"] == "ticket 1"
    done = mlops("bundle", "import", "model.bundle", cwd=top)  # of before
    assert done.status == 0 and "forgotten here" in done.out
    assert not (top / ".mlops/objects" / hex_[:2] / hex_[2:]).exists()
    as_json(mlops("--json", "bundle", "import", top / "new.bundle", cwd=empty))
    assert mlops("fsck", cwd=empty).status == 0


def test_files_that_are_in_the_way(made, mlops):
    assert mlops("bundle", "create", "churn@v1", "model.bundle", cwd=made).status == 4
    assert mlops("bundle", "create", "churn@v1", "data", "--force", cwd=made).status == 4
    assert mlops("bundle", "create", "nothing", "x.bundle", cwd=made).status == 3
    assert mlops("bundle", "verify", "data", cwd=made).status == 2
    assert not list(made.glob("*.part"))


def test_one_that_is_stopped_leaves_nothing(made, program, environment):
    had = sorted(p.name for p in made.iterdir())
    for wait in 0.1, 0.15, 0.2, 0.25:
        child = subprocess.Popen([program, "bundle", "create", ".", "stopped.bundle"], cwd=made, env=environment,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(wait)
        child.send_signal(signal.SIGINT)
        child.wait()
        (made / "stopped.bundle").unlink(missing_ok=True)
        assert sorted(p.name for p in made.iterdir()) == had
