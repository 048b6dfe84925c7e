# SPDX-License-Identifier: Apache-2.0
"""push, pull and a fresh clone: two people, one git repository, one remote."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import pytest

from conftest import PROGRAM

SECONDS = 45

PIPELINE = """[pipeline]
name = churn
[params]
lr = 0.5
[step.train]
cmd = sh train.sh ${params.lr}
in  = train.sh
      data/raw
out = model
metrics = metrics.json
[step.pick]
cmd = sh -c 'cat model/a > best; echo pick >> ran'
in  = model
out = best
[remote.team]
url = ../team
"""
TRAIN = """echo train >> ran
mkdir model
cat data/raw/* > model/a
echo $1 > model/b
echo '{"loss": 0.25}' > metrics.json
"""


class People:
    """Work trees of one repository below one directory, and what they type."""

    def __init__(self, top, mlops, git):
        self.top, self.mlops, self.git = top, mlops, git
        self.team = top / "team"
        git("init", "-q", "--bare", "-b", "main", "origin.git", cwd=top)

    def types(self, who, *args, want=0, **kw):
        done = self.mlops(*args, cwd=self.top / who, **kw)
        assert done.status == want, (args, done)
        return done

    def json(self, who, *args, want=0):
        return json.loads(self.types(who, "--json", *args, want=want).out.strip().split("\n")[-1])

    def alice(self):
        """Data, a run, and both pushed."""
        tree = self.top / "alice"
        self.git("clone", "-q", "origin.git", "alice", cwd=self.top)
        self.git("checkout", "-q", "-b", "main", cwd=tree)
        self.types("alice", "init")
        (tree / "data/raw").mkdir(parents=True)
        for name in "xyz":
            (tree / "data/raw" / name).write_text(name * 100)
        (tree / ".gitignore").write_text("ran\n")
        (tree / "train.sh").write_text(TRAIN)
        (tree / "pipeline.ini").write_text(PIPELINE)
        self.types("alice", "add", "data/raw")
        self.commit("alice", "code")
        self.types("alice", "run")
        self.commit("alice", "results")
        return tree

    def commit(self, who, message):
        self.git("add", "-A", cwd=self.top / who)
        self.git("commit", "-qm", message, cwd=self.top / who)
        self.git("push", "-q", "origin", "HEAD", cwd=self.top / who)

    def clone(self, who="bob"):
        self.git("clone", "-q", "origin.git", who, cwd=self.top)
        return self.top / who

    def objects(self):
        return sorted(p for p in (self.team / "objects").rglob("*") if p.is_file())

    def everything(self):
        """Each file of the remote with its bytes."""
        return {p.relative_to(self.team): p.read_bytes() for p in self.team.rglob("*") if p.is_file()}

    def object_of(self, data):
        import hashlib
        digest = hashlib.sha256(data).hexdigest()
        return self.team / "objects" / digest[:2] / digest[2:]


@pytest.fixture
def people(tmp_path, mlops, git):
    return People(tmp_path, mlops, git)


@pytest.fixture
def pushed(people):
    people.alice()
    people.types("alice", "push", "--init")
    return people


def outputs(tree):
    return {str(p.relative_to(tree)): p.read_bytes() for name in ("data/raw", "model", "best", "metrics.json")
            for p in ([tree / name] if (tree / name).is_file() else (tree / name).rglob("*")) if p.is_file()}


def damage(path, data):
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(0o444)


# ---- the way it is meant ----

def test_a_colleague_clones_and_pulls(pushed):
    bob = pushed.clone()
    assert not (bob / "model").exists()
    done = pushed.types("bob", "pull")
    assert "pulled" in done.out and "1 run" in done.out and "2 results" in done.out and "placed" in done.out
    assert "fresh clone" in done.err
    assert outputs(bob) == outputs(pushed.top / "alice") and len(outputs(bob)) == 7
    assert "up to date" in pushed.types("bob", "run").out
    assert not (bob / "ran").exists()
    assert pushed.git("status", "--short", cwd=bob) == ""


def test_runs_of_a_colleague_are_listed_and_shown(pushed):
    pushed.clone()
    pushed.types("bob", "pull")
    theirs, ours = (pushed.json(who, "runs", "--all") for who in ("alice", "bob"))
    assert ours == theirs and len(ours["runs"]) == 3
    shown = [pushed.json(who, "show", "last") for who in ("alice", "bob")]
    assert shown[0] == shown[1]


def test_without_a_pull_run_brings_the_results(pushed):
    bob = pushed.clone()
    # data is no step's result
    pushed.types("bob", "checkout", "data/raw")
    pushed.types("bob", "run")
    assert not (bob / "ran").exists()
    assert outputs(bob) == outputs(pushed.top / "alice")


def test_a_changed_step_of_a_colleague_is_a_cache_hit(pushed):
    pushed.clone()
    pushed.types("bob", "pull")
    pushed.types("alice", "run", "-p", "lr=0.9")
    pushed.types("alice", "push")
    assert pushed.json("bob", "pull")["results"] >= 1
    done = pushed.types("bob", "run", "-p", "lr=0.9")
    assert "cached" in done.err
    assert not (pushed.top / "bob/ran").exists()
    assert (pushed.top / "bob/model/b").read_text() == "0.9\n"


def test_a_second_push_sends_nothing(pushed):
    before = pushed.everything()
    done = pushed.types("alice", "push")
    assert done.out.startswith("everything is there already")
    result = pushed.json("alice", "push", "--verify")
    assert (result["objects"], result["bytes"], result["runs"], result["results"], result["replaced"]) == (0, 0, 0, 0, 0)
    assert pushed.everything() == before


def test_a_second_pull_brings_nothing(pushed):
    pushed.clone()
    pushed.types("bob", "pull")
    result = pushed.json("bob", "pull")
    assert (result["objects"], result["runs"], result["results"], result["files_written"]) == (0, 0, 0, 0)
    assert pushed.types("bob", "pull").out == "everything is here already\n"


def test_dry_changes_nothing(people):
    people.alice()
    people.types("alice", "push", "--init", "--dry", want=3)
    assert not people.team.exists()
    people.types("alice", "push", "--init", "data/raw")
    before = people.everything()
    would = people.json("alice", "push", "--dry")
    assert people.everything() == before and would["dry"] and would["runs"] == 1 and would["results"] == 2
    really = people.json("alice", "push")
    assert {k: v for k, v in would.items() if k != "dry"} == {k: v for k, v in really.items() if k != "dry"}
    bob = people.clone()
    would = people.json("bob", "pull", "--dry")
    assert would["objects"] and would["runs"] == 1 and not (bob / "model").exists()
    assert people.types("bob", "runs").out == "no runs\n"


def test_names_choose_what_is_pushed(people):
    people.alice()
    people.types("alice", "push", "--init", "data/raw")
    assert people.object_of(b"x" * 100).exists() and not people.object_of(b"0.5\n").exists()
    result = people.json("alice", "push", "last")
    assert result["runs"] == 1 and result["results"] == 0 and people.object_of(b"0.5\n").exists()
    done = people.types("alice", "push", "nothing-of-that", want=3)
    assert "nothing-of-that" in done.err


def test_names_choose_what_is_pulled(pushed):
    bob = pushed.clone()
    pushed.types("bob", "pull", "model")
    assert (bob / "model/b").read_text() == "0.5\n" and not (bob / "best").exists()
    assert pushed.types("bob", "runs").out == "no runs\n"
    run = pushed.json("alice", "runs")["runs"][0]["run_id"]
    result = pushed.json("bob", "pull", run[:8])
    assert result["runs"] == 1 and not (bob / "best").exists()
    assert pushed.types("bob", "cat", f"{run[:8]}/best").out == ("x" * 100 + "y" * 100 + "z" * 100)
    done = pushed.types("bob", "pull", "0123abcd", want=3)
    assert "0123abcd" in done.err


def test_two_branches_that_changed_steps_are_merged(pushed):
    bob = pushed.clone()
    pushed.types("bob", "pull")
    alice = pushed.top / "alice"
    ini = (bob / "pipeline.ini").read_text()
    pushed.git("checkout", "-qb", "bobs", cwd=bob)
    (bob / "pipeline.ini").write_text(ini.replace("echo pick", "echo other"))
    pushed.types("bob", "run")
    pushed.commit("bob", "another pick")
    pushed.types("bob", "push")
    (alice / "data/raw/w").write_text("w" * 100)
    pushed.types("alice", "add", "data/raw")
    pushed.commit("alice", "more data")
    pushed.types("alice", "push")
    pushed.git("pull", "-q", "--no-rebase", "origin", "bobs", cwd=alice)
    pushed.types("alice", "pull")
    assert "best" in (alice / "mlops.lock").read_text()
    pushed.types("alice", "run")
    assert (alice / "best").read_text().startswith("w" * 100)
    pushed.commit("alice", "merged")
    pushed.types("alice", "push")
    carol = pushed.clone("carol")
    pushed.types("carol", "pull")
    assert "up to date" in pushed.types("carol", "run").out
    assert outputs(carol) == outputs(alice)
    assert len(pushed.json("carol", "runs")["runs"]) == 3


def test_last_is_the_run_made_here(pushed):
    bob = pushed.clone()
    (bob / "data/raw").mkdir(parents=True)
    (bob / "data/raw/other").write_text("other")
    pushed.types("bob", "run")
    mine = pushed.json("bob", "runs")["runs"][0]["run_id"]
    pushed.types("bob", "pull")
    assert pushed.json("bob", "runs")["runs"][0]["run_id"] == mine
    assert len(pushed.json("bob", "runs")["runs"]) == 2


# ---- a fresh clone ----

def test_commands_work_in_a_fresh_clone_without_init(pushed):
    for command in ("status", "runs", "checkout"):
        tree = pushed.clone(command)
        done = pushed.types(command, command)
        assert "fresh clone" in done.err and (tree / ".mlops/registry.db").exists()
        assert "fresh clone" not in pushed.types(command, command).err
    below = pushed.clone("below") / "data"
    below.mkdir()
    assert pushed.mlops("status", cwd=below).status == 0
    assert (below.parent / ".mlops").exists() and not (below / ".mlops").exists()


def test_commands_that_start_together_in_a_fresh_clone_all_work(pushed):
    for turn in range(4):
        tree = pushed.clone(f"clone{turn}")
        results = []
        threads = [threading.Thread(target=lambda: results.append(pushed.mlops("runs", cwd=tree))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [done.status for done in results] == [0] * 4, results
        assert [p.name for p in tree.glob(".mlops*")] == [".mlops"]


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files away")
@pytest.mark.parametrize("name", [".", "mlops.lock"])
def test_root_makes_no_project_in_the_clone_of_somebody_else(pushed, name):
    tree = pushed.clone()
    os.chown(tree / name, 12345, 12345)
    done = pushed.types("bob", "status", want=3)
    assert "belongs to user 12345" in done.err and "mlops init" in done.err
    assert not (tree / ".mlops").exists()


@pytest.mark.parametrize("how", ["link", "directory", "damaged", "sticky"])
def test_only_a_lock_file_as_git_leaves_it_makes_a_project(pushed, how):
    tree = pushed.clone()
    lock = tree / "mlops.lock"
    text = lock.read_text()
    if how in ("link", "directory"):
        lock.unlink()
    if how == "link":
        (pushed.top / "elsewhere").write_text(text)
        lock.symlink_to(pushed.top / "elsewhere")
    elif how == "directory":
        lock.mkdir()
    elif how == "damaged":
        lock.write_text("not a lock file\n")
    else:
        tree.chmod(0o1777)
    done = pushed.types("bob", "status", want=9 if how == "damaged" else 3)
    assert not (tree / ".mlops").exists()
    assert ("mlops.lock" if how == "damaged" else "mlops init") in done.err


def test_a_tracked_home_stays_refused(pushed):
    alice = pushed.top / "alice"
    pushed.git("add", "-f", ".mlops/config.ini", cwd=alice)
    pushed.git("commit", "-qm", "bad", cwd=alice)
    pushed.git("push", "-q", "origin", "HEAD", cwd=alice)
    pushed.clone()
    assert "came with the clone" in pushed.types("bob", "pull", want=6).err


# ---- what checkout and fsck ask of a remote ----

def test_checkout_fetches_what_is_missing(pushed):
    alice = pushed.top / "alice"
    was = outputs(alice)
    shutil.rmtree(alice / ".mlops/objects")
    (alice / ".mlops/objects").mkdir()
    for name in ("model", "data/raw"):
        shutil.rmtree(alice / name)
    done = pushed.types("alice", "checkout", "model")
    assert "came from a remote" in done.out and (alice / "model/a").exists()
    pushed.types("alice", "checkout", "data/raw/x")
    assert sorted(p.name for p in (alice / "data/raw").iterdir()) == ["x"]
    pushed.types("alice", "checkout")
    assert outputs(alice) == was


def test_checkout_of_a_colleagues_run_with_its_code(pushed):
    alice = pushed.top / "alice"
    (alice / "train.sh").write_text(TRAIN + "echo changed >> model/b\n")
    (alice / "extra.txt").write_text("not committed\n")
    pushed.git("rm", "-q", "--cached", ".gitignore", cwd=alice)
    pushed.types("alice", "run")
    run = pushed.json("alice", "runs")["runs"][0]["run_id"]
    pushed.types("alice", "push")
    pushed.clone()
    pushed.types("bob", "pull")
    pushed.types("bob", "checkout", "--from", run[:8], "--to", "../as-it-was")
    there = pushed.top / "as-it-was"
    assert (there / "extra.txt").read_text() == "not committed\n"
    assert (there / "model/b").read_text() == "0.5\nchanged\n"


def test_checkout_without_the_bytes_anywhere_says_so(pushed):
    shutil.rmtree(pushed.team / "objects")
    (pushed.team / "objects").mkdir()
    pushed.clone()
    done = pushed.types("bob", "checkout", "model", want=3)
    assert "mlops pull" in done.err


def test_fsck_brings_damaged_objects_from_a_remote(pushed):
    alice = pushed.top / "alice"
    (alice / "model/a").write_text("edited, so the work tree has it no more")
    shutil.rmtree(alice / "data/raw")
    big = b"x" * 100 + b"y" * 100 + b"z" * 100
    for data in (big, b"x" * 100):
        name = pushed.object_of(data).relative_to(pushed.team)
        damage(alice / ".mlops" / name, b"rubbish")
    (alice / ".mlops" / pushed.object_of(b"0.5\n").relative_to(pushed.team)).unlink()
    done = pushed.types("alice", "fsck", want=9)
    assert done.out.count("from remote team") == 3 and "put back" in done.err
    assert pushed.types("alice", "fsck").status == 0


def test_what_only_others_have_is_no_damage(pushed):
    pushed.clone()
    pushed.types("bob", "pull")
    pushed.types("alice", "run", "-p", "lr=7")
    pushed.types("alice", "push")
    pushed.types("bob", "pull")
    done = pushed.types("bob", "fsck")
    assert "all good" in done.out and "others made" in done.out
    assert "everything is there already" in pushed.types("bob", "push").out


# ---- bad remotes ----

def test_no_remote_says_which_lines_to_add(people):
    alice = people.alice()
    (alice / "pipeline.ini").write_text(PIPELINE.split("[remote")[0])
    for command in ("push", "pull"):
        err = people.types("alice", command, want=3).err
        assert "[remote.team]\nurl = " in err and "--init" in err


@pytest.mark.parametrize("above", ["", "[step.train]\ncolor = red\n"])
def test_data_is_shared_whatever_the_steps_are(people, above):
    """The section that the printed help names is enough."""
    tree = people.top / "alice"
    people.git("clone", "-q", "origin.git", "alice", cwd=people.top)
    people.git("checkout", "-q", "-b", "main", cwd=tree)
    people.types("alice", "init")
    (tree / "data").mkdir()
    (tree / "data/x").write_text("x\n")
    people.types("alice", "add", "data")
    (tree / "pipeline.ini").write_text(above + "[remote.team]\nurl = ../team\n")
    people.commit("alice", "data")
    people.types("alice", "push", "--init")
    for who, command in (("bob", "pull"), ("carol", "checkout")):
        people.clone(who)
        people.types(who, command)
        assert (people.top / who / "data/x").read_text() == "x\n"


def test_an_unknown_remote_names_the_nearest(pushed):
    assert "did you mean 'team'?" in pushed.types("alice", "push", "--remote", "taem", want=3).err
    assert "team" in pushed.types("alice", "pull", "--remote", "elsewhere", want=3).err


def test_other_schemes_are_refused(people):
    alice = people.alice()
    (alice / "pipeline.ini").write_text(PIPELINE.replace("../team", "s3://bucket/x"))
    for command in (["push", "--init"], ["pull"]):
        assert "s3:// is not supported by this version" in people.types("alice", *command, want=2).err


def test_a_missing_remote_is_not_made_by_chance(people):
    people.alice()
    assert "--init" in people.types("alice", "push", want=3).err
    assert not people.team.exists()
    assert "--init" in people.types("alice", "pull", want=3).err
    people.team.mkdir()
    assert "not a remote" in people.types("alice", "push", want=4).err
    (people.team / "photo.jpg").write_text("mine")
    assert "photo.jpg" in people.types("alice", "push", "--init", want=4).err
    assert [p.name for p in people.team.iterdir()] == ["photo.jpg"]


def test_a_newer_format_is_refused(pushed):
    (pushed.team / "mlops-remote").write_text("mlops remote 2\n")
    before = pushed.everything()
    for command in ("push", "pull"):
        assert "format 2" in pushed.types("alice", command, want=4).err
    assert pushed.everything() == before


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root may write everywhere")
def test_a_remote_that_cannot_be_written(pushed):
    alice = pushed.top / "alice"
    (alice / "data/raw/new").write_text("new")
    pushed.types("alice", "add", "data/raw")
    with read_only(pushed.team) as how:
        if not how:
            pytest.skip("cannot make a directory read-only here")
        done = pushed.types("alice", "push", want=5)
        assert "team" in done.err
        bob = pushed.clone()
        pushed.types("bob", "pull")
        assert outputs(bob)["best"]
    pushed.types("alice", "push")


@contextlib.contextmanager
def read_only(path):
    """For root by a mount, for others by modes. Yields whether it worked."""
    if os.geteuid() == 0:
        worked = subprocess.run(["mount", "--bind", "-o", "ro", path, path], capture_output=True, check=False)
        try:
            yield worked.returncode == 0
        finally:
            if worked.returncode == 0:
                subprocess.run(["umount", path], check=True)
        return
    for root, dirs, _ in os.walk(path):
        for name in [*dirs, "."]:
            os.chmod(os.path.join(root, name), 0o555)
    try:
        yield True
    finally:
        for root, dirs, _ in os.walk(path):
            for name in [*dirs, "."]:
                os.chmod(os.path.join(root, name), 0o755)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
def test_a_full_remote_keeps_what_it_has(people):
    alice = people.alice()
    people.team.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "team", people.team], check=False).returncode:
        pytest.skip("cannot mount here")
    try:
        people.types("alice", "push", "--init")
        (alice / "data/raw/big").write_bytes(os.urandom(2 << 20))
        people.types("alice", "add", "data/raw")
        done = people.types("alice", "push", want=5)
        assert "No space left" in done.err
        assert not [p for p in (people.team / "staging").rglob("*") if p.is_file()]
        assert people.types("bob" if people.clone() else "", "pull").status == 0
        subprocess.run(["mount", "-o", "remount,size=8m", people.team], check=True)
        people.types("alice", "push")
        assert people.object_of((alice / "data/raw/big").read_bytes()).exists()
    finally:
        subprocess.run(["umount", people.team], check=True)


def test_a_half_copied_remote_is_named_and_repaired(pushed):
    pushed.object_of(b"0.5\n").unlink()
    bob = pushed.clone()
    done = pushed.types("bob", "pull", want=3)
    assert "model" in done.err and "mlops push" in done.err
    assert (bob / "best").exists() and (bob / "data/raw/x").exists() and not (bob / "model").exists()
    assert pushed.json("alice", "push", "--verify")["objects"] == 1
    pushed.types("bob", "pull")
    assert outputs(bob) == outputs(pushed.top / "alice")


@pytest.mark.parametrize("how", ["flipped", "truncated", "empty"])
def test_damaged_bytes_are_found_named_and_repaired(pushed, how):
    data = b"x" * 100 + b"y" * 100 + b"z" * 100
    path = pushed.object_of(data)
    damage(path, {"flipped": b"X" + data[1:], "truncated": data[:200], "empty": b""}[how])
    bob = pushed.clone()
    done = pushed.types("bob", "pull", want=9)
    assert path.name[:8] in done.err + done.out and "push --verify" in done.err
    assert (bob / "data/raw/x").exists() and not (bob / "best").exists()
    result = pushed.json("alice", "push", "--verify")
    assert result["replaced"] == 1 and path.read_bytes() == data
    pushed.types("bob", "pull")
    assert outputs(bob) == outputs(pushed.top / "alice")


@pytest.mark.parametrize("text", [b"", b"rubbish\n", b"0" * 64 + b"\n", b"{}", b"\xff\xfe\n"])
@pytest.mark.parametrize("kind", ["runs", "cache"])
def test_a_bad_ref_is_named_and_the_rest_comes(pushed, kind, text):
    ref = sorted((pushed.team / "refs" / kind).iterdir())[0]
    ref.write_bytes(text)
    bob = pushed.clone()
    done = pushed.types("bob", "pull", want=9)
    assert f"{kind}/{ref.name}" in done.out + done.err
    assert outputs(bob) == outputs(pushed.top / "alice")
    assert "up to date" in pushed.types("bob", "run").out
    assert pushed.json("alice", "push", "--verify")["replaced"] == 1
    pushed.types("bob", "pull")
    assert len(pushed.json("bob", "runs")["runs"]) == 1


def test_a_record_of_somebody_hostile_is_left_out(pushed):
    ref = next((pushed.team / "refs/runs").iterdir())
    digest = ref.read_text().strip()
    record = json.loads((pushed.team / "objects" / digest[:2] / digest[2:]).read_text())
    record["runs"][0]["inputs"][0]["path"] = "../../outside"
    data = json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
    path = pushed.object_of(data)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    ref.write_text(path.parent.name + path.name + "\n")
    pushed.clone()
    done = pushed.types("bob", "pull", want=9)
    assert "outside" in done.err
    assert pushed.types("bob", "runs").out == "no runs\n"


def test_bytes_come_from_the_other_remote_when_one_is_damaged(pushed):
    alice = pushed.top / "alice"
    with (alice / "pipeline.ini").open("a") as ini:
        ini.write("[remote.backup]\nurl = ../backup\n[remote.gone]\nurl = ../gone\n")
    pushed.types("alice", "push", "--init", "--remote", "backup")
    pushed.commit("alice", "two remotes")
    damage(pushed.object_of(b"0.5\n"), b"5.0\n")
    bob = pushed.clone()
    done = pushed.types("bob", "pull")
    assert outputs(bob) == outputs(alice)
    assert "gone" in done.out and "team" in done.out


def test_many_damaged_objects_are_a_few_lines(pushed):
    alice = pushed.top / "alice"
    for name in ("one", "two"):
        (alice / name).mkdir()
        for i in range(40):
            (alice / name / str(i)).write_text(f"{name} {i}\n")
        pushed.types("alice", "add", name)
    pushed.types("alice", "push")
    pushed.commit("alice", "much")
    for path in pushed.objects():
        if path.read_bytes().startswith((b"one ", b"two ")):
            damage(path, b"")
    pushed.clone()
    done = pushed.types("bob", "pull", want=9)
    assert "40 objects" in done.out + done.err or "80 objects" in done.out + done.err
    lines = (done.out + done.err).splitlines()
    assert len(lines) < 15, lines
    assert len([line for line in lines if line.startswith("note: ") and "damaged" in line]) <= 2, lines


def test_many_bad_refs_are_a_few_lines(pushed):
    for i in range(200):
        (pushed.team / "refs/runs" / f"{i:032x}").write_text("rubbish")
    bob = pushed.clone()
    done = pushed.types("bob", "pull", want=9)
    assert "200 of the remote's runs" in done.err and len((done.out + done.err).splitlines()) < 20
    assert outputs(bob) == outputs(pushed.top / "alice")


def put_object(people, data):
    path = people.object_of(data)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path.parent.name + path.name


def test_push_verify_replaces_a_result_without_its_bytes(pushed):
    """One that names an object which nobody has makes everybody run the step again."""
    for ref in (pushed.team / "refs/cache").iterdir():
        entry = json.loads(ref.read_text())
        for output in entry["outputs"]:
            kind, _, digest = output["content"].partition(":")
            output["content"] = kind + ":" + digest[::-1]
        ref.write_text(json.dumps(entry, sort_keys=True, separators=(",", ":")))
    result = pushed.json("alice", "push", "--verify")
    assert result["replaced"] == 2
    assert pushed.json("alice", "push", "--verify")["replaced"] == 0
    bob = pushed.clone()
    pushed.types("bob", "checkout", "data/raw")
    pushed.types("bob", "run")
    assert not (bob / "ran").exists() and outputs(bob) == outputs(pushed.top / "alice")


@pytest.mark.parametrize("what", ["bytes of data", "another run", "other blanks"])
def test_push_verify_replaces_a_ref_to_what_is_not_the_record(pushed, what):
    ref = next((pushed.team / "refs/runs").iterdir())
    good = ref.read_text()
    digest = good.strip()
    record = (pushed.team / "objects" / digest[:2] / digest[2:]).read_bytes()
    data = {
        "bytes of data": b"x" * 100 + b"y" * 100 + b"z" * 100,
        "another run": record.replace(ref.name.encode(), ref.name[::-1].encode()),
        "other blanks": record + b"\n",
    }[what]
    ref.write_text(put_object(pushed, data) + "\n")
    pushed.clone()
    assert f"runs/{ref.name}" in pushed.types("bob", "pull", want=9).err
    result = pushed.json("alice", "push", "--verify")
    assert result["replaced"] == 1 and ref.read_text() == good
    pushed.types("bob", "pull")
    assert len(pushed.json("bob", "runs")["runs"]) == 1


def spoil(team, how):
    """What of one remote cannot be asked, or believed."""
    if how == "refs is a file":
        shutil.rmtree(team / "refs")
        (team / "refs").write_text("")
    elif how == "a kind is a file":
        shutil.rmtree(team / "refs/cache")
        (team / "refs/cache").write_text("")
    elif how == "a ref is no file":
        for kind in ("runs", "cache"):
            ref = next((team / "refs" / kind).iterdir())
            ref.unlink()
            ref.symlink_to("elsewhere")
    else:
        ref = next((team / "refs/runs").iterdir())
        digest = ref.read_text().strip()
        damage(team / "objects" / digest[:2] / digest[2:], b"{}")


@pytest.mark.parametrize("how", ["refs is a file", "a kind is a file", "a ref is no file", "a record is damaged"])
def test_what_is_bad_in_one_remote_comes_from_the_other(pushed, how):
    alice = pushed.top / "alice"
    with (alice / "pipeline.ini").open("a") as ini:
        ini.write("[remote.backup]\nurl = ../backup\n")
    pushed.types("alice", "push", "--init", "--remote", "backup")
    pushed.commit("alice", "two remotes")
    spoil(pushed.team, how)
    bob = pushed.clone()
    done = pushed.types("bob", "pull")
    assert "note: remote team: cannot read" in done.out or "and came from another" in done.out
    assert outputs(bob) == outputs(alice)
    assert len(pushed.json("bob", "runs")["runs"]) == 1
    assert "up to date" in pushed.types("bob", "run").out
    shutil.rmtree(pushed.top / "backup")
    pushed.clone("carol")
    done = pushed.mlops("pull", cwd=pushed.top / "carol")
    assert done.status in (3, 5, 9), done


def test_what_the_lock_names_must_be_somewhere(people):
    alice = people.alice()
    shutil.rmtree(alice / ".mlops/objects")
    (alice / ".mlops/objects").mkdir()
    done = people.types("alice", "push", "--init", want=3)
    assert "data/raw" in done.err or "best" in done.err


def test_a_recorded_content_that_is_gone_is_told_and_skipped(people):
    alice = people.alice()
    (alice / "data/raw/x").write_text("second")
    people.types("alice", "add", "data/raw")
    people.types("alice", "run")
    (alice / ".mlops" / people.object_of(b"x" * 100).relative_to(people.team)).unlink()
    done = people.types("alice", "push", "--init")
    assert "not in this store" in done.out and "data/raw@v1" in done.out


# ---- interrupted, and at once ----

def interrupted(people, who, args, ready):
    """Ctrl-C as soon as something is under way; whether it was stopped before its end."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MLOPS_", "GIT_"))}
    process = subprocess.Popen([PROGRAM, *args], cwd=people.top / who, env=env, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    while process.poll() is None and not ready():
        time.sleep(0.0005)
    process.send_signal(signal.SIGINT)
    return process.wait(30) != 0


def test_an_interrupted_push_and_pull_go_on(people):
    alice = people.alice()
    for i in range(600):
        (alice / f"data/raw/{i}").write_bytes(b"%d" % i * 2000)
    people.types("alice", "add", "data/raw")
    people.types("alice", "run")
    people.commit("alice", "much data")
    people.types("alice", "push", "--init", "metrics.json")
    staging = people.team / "staging"
    interrupted(people, "alice", ["push"], lambda: any(staging.iterdir()))
    people.types("alice", "push")
    assert people.json("alice", "push", "--verify")["replaced"] == 0
    assert not list(staging.iterdir())
    bob = people.clone()
    people.types("bob", "status")
    interrupted(people, "bob", ["pull"], lambda: any((bob / ".mlops/staging").iterdir()))
    people.types("bob", "pull")
    assert outputs(bob) == outputs(alice)
    assert "up to date" in people.types("bob", "run").out
    assert people.types("bob", "fsck").status == 0


def test_two_pushes_at_once(people):
    people.alice()
    people.types("alice", "push", "--init", "metrics.json")
    for who in ("bob", "carol"):
        tree = people.clone(who)
        (tree / "data/raw").mkdir(parents=True)
        for i in range(200):
            (tree / f"data/raw/{i}").write_text(f"{who if i % 2 else 'both'} {i}\n")
        people.types(who, "add", "data/raw")
        people.types(who, "run")
    threads = [threading.Thread(target=people.types, args=(who, "push")) for who in ("bob", "carol")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for who in ("bob", "carol"):
        result = people.json(who, "push", "--verify")
        assert (result["objects"], result["runs"], result["results"], result["replaced"]) == (0, 0, 0, 0)
    assert len(list((people.team / "refs/runs").iterdir())) == 2
    assert not list((people.team / "staging").iterdir())


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs two users")
def test_two_users_of_one_group_share_a_directory(environment):
    top = pathlib.Path(tempfile.mkdtemp(prefix="mlops-share-"))
    try:
        two_users(top, environment)
    finally:
        shutil.rmtree(top)


def two_users(top, environment):
    group, users = 54321, {"alice": 54322, "bob": 54323}
    top.chmod(0o755)
    shutil.copy(PROGRAM, top / "mlops")
    (top / "gitconfig").write_text("[safe]\ndirectory = *\n")
    (top / "team").mkdir()
    os.chown(top / "team", 0, group)
    (top / "team").chmod(0o2775)
    for who, uid in users.items():
        (top / who).mkdir()
        os.chown(top / who, uid, group)

    def run(who, *argv):
        env = {**environment, "HOME": str(top / who), "GIT_CONFIG_GLOBAL": str(top / "gitconfig")}
        done = subprocess.run(["setpriv", f"--reuid={users[who]}", f"--regid={group}", "--clear-groups", *map(str, argv)],
                              cwd=top / who, env=env, capture_output=True, encoding="utf-8", timeout=60, check=False)
        assert done.returncode == 0, (argv, done)
        return done.stdout

    def write(who, name, text):
        (top / who / name).write_text(text)
        os.chown(top / who / name, users[who], group)

    mlops = top / "mlops"
    run("alice", "git", "init", "-q", "-b", "main")
    run("alice", "mkdir", "-p", "data/raw")
    for name, text in (("data/raw/x", "x"), ("train.sh", TRAIN), ("pipeline.ini", PIPELINE), (".gitignore", "ran\n")):
        write("alice", name, text)
    run("alice", mlops, "init")
    run("alice", mlops, "add", "data/raw")
    run("alice", mlops, "run")
    run("alice", "git", "add", "-A")
    run("alice", "git", "commit", "-qm", "all")
    run("alice", mlops, "push", "--init")
    run("bob", "git", "clone", "-q", "../alice", ".")
    assert "placed" in run("bob", mlops, "pull")
    assert "up to date" in run("bob", mlops, "run")
    write("bob", "train.sh", TRAIN + "echo bob >> model/b\n")
    run("bob", mlops, "run")
    assert "1 run" in run("bob", mlops, "push")
    assert "1 run" in run("alice", mlops, "pull")
    assert json.loads(run("alice", mlops, "--json", "push", "--verify"))["replaced"] == 0
    for path in (top / "team").rglob("*"):
        assert path.stat().st_gid == group, path
