# SPDX-License-Identifier: Apache-2.0
"""Kills, damage and full disks while bytes move to a remote and from it: what is seen there is whole, and the next
command goes on."""
import hashlib
import os
import re
import shutil
import subprocess

import pytest
from sweep import run, run_json, sweep

SECONDS = 35

PIPELINE = """\
[pipeline]
name = sweep
[step.one]
cmd = cp in.txt out.txt
in  = in.txt
out = out.txt
[remote.team]
url = team
"""
DATA = {f"{i}.txt": f"text {i}\n".encode() for i in range(6)}
COMMITTED = ["pipeline.ini", "mlops.lock", "in.txt"]


@pytest.fixture
def alice(tmp_path):
    """A project that has data and a run, and has not pushed."""
    top = tmp_path / "alice"
    (top / "data").mkdir(parents=True)
    run(top, "init")
    (top / "pipeline.ini").write_text(PIPELINE)
    (top / "in.txt").write_text("in\n")
    for name, data in DATA.items():
        (top / "data" / name).write_bytes(data)
    run(top, "add", "data")
    run(top, "run")
    return top


@pytest.fixture
def pushed(alice):
    run(alice, "push", "--init")
    return alice


def clone(tree, to):
    """What git would bring, with a remote at the same place."""
    to.mkdir()
    for name in COMMITTED:
        shutil.copy(tree / name, to / name)
    shutil.copytree(tree / "team", to / "team")
    return to


def objects(top):
    return sorted(p for p in (top / "objects").rglob("*") if p.is_file())


def assert_sound(team):
    """Objects hold what their names say, and refs name objects."""
    if not team.exists():
        return
    for path in objects(team):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.parent.name + path.name, path
    for ref in (team / "refs").rglob("*"):
        if ref.is_file():
            named = re.findall(r"(?:file:|exec:|tree:|^)([0-9a-f]{64})", ref.read_text())
            assert named, ref
            for digest in named:
                assert (team / "objects" / digest[:2] / digest[2:]).exists(), ref


def assert_all_there(tree):
    for name, data in DATA.items():
        assert (tree / "data" / name).read_bytes() == data
    assert (tree / "out.txt").read_text() == "in\n"
    assert run_json(tree, "run")["steps"] == []
    run(tree, "fsck")


def test_a_killed_push_goes_on(alice, tmp_path):
    def check(work):
        assert_sound(work / "team")
        run(work, "push", "--init")
        assert_sound(work / "team")
        assert sorted(p.name for p in (work / "team").iterdir()) == ["mlops-remote", "objects", "refs", "staging"]
        again = run_json(work, "push")
        assert again["objects"] == 0, again
        run(work, "fsck")
        bob = tmp_path / "bob"
        shutil.rmtree(bob, ignore_errors=True)
        run(clone(work, bob), "pull")
        assert_all_there(bob)

    assert sweep(alice, tmp_path, ["push", "--init"], check, 3) > 50


def test_a_killed_pull_goes_on(pushed, tmp_path):
    bob = clone(pushed, tmp_path / "bob")

    def check(work):
        assert_sound(work / ".mlops")
        assert_sound(work / "team")
        run(work, "pull")
        assert_all_there(work)
        assert list((work / ".mlops" / "aside").glob("*")) == []

    assert sweep(bob, tmp_path, ["pull"], check, 3) > 50


def damage(path, how):
    data = path.read_bytes()
    path.unlink()
    if how == "flipped":
        path.write_bytes(bytes([data[0] ^ 1]) + data[1:] if data else b"x")
    elif how == "truncated":
        path.write_bytes(data[:-1])


@pytest.mark.parametrize("how", ["flipped", "truncated", "removed"])
def test_each_damaged_object_is_found_and_mended(pushed, tmp_path, how):
    for path in objects(pushed / "team"):
        whole = path.read_bytes()
        digest = path.parent.name + path.name
        damage(path, how)
        bob = clone(pushed, tmp_path / "bob")
        done = run(bob, "pull", check=False)
        assert done.returncode in (0, 3, 9), done.stderr
        # the code of the run comes with the run only
        said = done.stderr + done.stdout + (run(bob, "pull", "last", check=False).stderr if done.returncode == 0 else "")
        wrong = bob / ".mlops" / "objects" / path.parent.name / path.name
        assert not wrong.exists() or wrong.read_bytes() == whole
        # What is in no remote is told by the path that needs it; all else by the object.
        assert digest[:8] in said or how == "removed" and done.returncode == 3, (path, done)
        if done.returncode == 0:  # only a record: what the lock file names is all there
            assert_all_there(bob)
        run(pushed, "push", "--verify")
        assert path.read_bytes() == whole, how
        shutil.rmtree(bob / "team")
        shutil.copytree(pushed / "team", bob / "team")
        run(bob, "pull")
        assert_all_there(bob)
        shutil.rmtree(bob)


@pytest.fixture
def small_team(alice):
    """A remote on a file system of 4 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    team = alice / "team"
    team.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", team], check=True)
    try:
        yield team
    finally:
        subprocess.run(["umount", "-l", team], check=True)


@pytest.mark.parametrize("sizes", [[8 << 20], [200 << 10] * 40, [2000] * 4000], ids=["one", "some", "many"])
def test_a_full_remote_is_one_error_and_loses_nothing(alice, small_team, sizes):
    run(alice, "push", "--init")
    (alice / "big").mkdir()
    for i, size in enumerate(sizes):
        (alice / "big" / str(i)).write_bytes(os.urandom(size))
    run(alice, "add", "big")
    done = run(alice, "push", check=False)
    assert done.returncode == 5, done.stderr
    assert "No space left" in done.stderr and "free some disk space" in done.stderr
    assert_sound(small_team)
    assert list((small_team / "staging").iterdir()) == []
    subprocess.run(["mount", "-o", "remount,size=64m", small_team], check=True)
    run(alice, "push")
    assert_sound(small_team)
    assert run_json(alice, "push", "--verify")["objects"] == 0
