# SPDX-License-Identifier: Apache-2.0
"""add, status, checkout, diff, cat, lock take and fsck as a user types them."""
import hashlib
import json
import os
import re

import pytest

SECONDS = 20

TRAIN = """import json, sys
total = sum(map(int, open("data/raw.csv"))) * float(sys.argv[1])
open("model.bin", "w").write(str(total))
json.dump({"loss": total}, open("metrics.json", "w"))
"""
PIPELINE = """[params]
lr = 0.5
[step.train]
cmd = python3 train.py ${params.lr}
in = train.py
     data/raw.csv
out = model.bin
metrics = metrics.json
"""


@pytest.fixture
def work(project, git):
    """A committed project with data, code and a pipeline."""
    git("init", "-q", "-b", "main")
    (project / "data").mkdir()
    (project / "data/raw.csv").write_text("1\n2\n3\n")
    (project / "train.py").write_text(TRAIN)
    (project / "pipeline.ini").write_text(PIPELINE)
    git("add", "-A", "--", "train.py", "pipeline.ini")
    git("commit", "-qm", "code")
    return project


def test_add_then_status_then_back(work, mlops):
    assert mlops("add", "data/raw.csv").out.split()[:2] == ["data/raw.csv", "v1"]
    assert "1 path is as mlops.lock says" in mlops("status").out
    (work / "data/raw.csv").write_text("4\n")
    assert "changed" in mlops("status").out
    status, _, err = mlops("checkout")
    assert status == 4 and "data/raw.csv" in err and "--force" in err
    assert (work / "data/raw.csv").read_text() == "4\n"
    assert mlops("add", "data/raw.csv").status == 0
    assert mlops("checkout", "--from", "data/raw.csv@v1").status == 0
    assert (work / "data/raw.csv").read_text() == "1\n2\n3\n"
    assert mlops("checkout").status == 0
    assert (work / "data/raw.csv").read_text() == "4\n"


def test_objects_are_named_as_sha256sum_names_them(work, mlops):
    mlops("add", "data/raw.csv")
    digest = hashlib.sha256(b"1\n2\n3\n").hexdigest()
    assert (work / f".mlops/objects/{digest[:2]}/{digest[2:]}").read_bytes() == b"1\n2\n3\n"
    assert mlops("cat", f"sha256:{digest[:10]}").out == "1\n2\n3\n"


def test_a_clone_brings_data_by_its_lock(work, mlops, git, tmp_path_factory):
    mlops("add", "data/raw.csv")
    git("add", "-A")
    git("commit", "-qm", "data")
    (work / "data/raw.csv").unlink()
    assert "missing" in mlops("status").out
    assert mlops("checkout").status == 0
    assert (work / "data/raw.csv").read_text() == "1\n2\n3\n"
    other = tmp_path_factory.mktemp("clone")
    git("clone", "-q", str(work), str(other))
    assert mlops("init", cwd=other).status == 0
    status, _, err = mlops("checkout", cwd=other)
    assert status == 3 and "data/raw.csv" in err and "help:" in err


def test_an_earlier_run_comes_back_with_its_code(work, mlops, tmp_path_factory):
    assert mlops("run").status == 0
    first = json.loads(mlops("runs", "--json").out)["runs"][0]["run_id"]
    (work / "train.py").write_text(TRAIN + "# edited\n")
    (work / "pipeline.ini").write_text(PIPELINE.replace("0.5", "0.25"))
    assert mlops("run").status == 0

    then = tmp_path_factory.mktemp("then") / "new"
    assert mlops("checkout", "--from", first, "--to", then).status == 0
    assert (then / "train.py").read_text() == TRAIN
    assert (then / "model.bin").read_text() == "3.0"
    now = tmp_path_factory.mktemp("now") / "new"
    assert mlops("checkout", "--from", "last", "--to", now).status == 0
    assert (now / "train.py").read_text() == TRAIN + "# edited\n"
    assert (now / "pipeline.ini").read_text() == PIPELINE.replace("0.5", "0.25")

    assert mlops("checkout", "model.bin", "--from", first).status == 0
    assert (work / "model.bin").read_text() == "3.0"
    assert (work / "train.py").read_text() == TRAIN + "# edited\n"
    assert mlops("cat", "last/model.bin").out == "1.5"
    assert mlops("cat", f"{first}/model.bin").out == "3.0"
    assert mlops("cat", "HEAD/train.py").out == TRAIN

    out = mlops("diff", first, "last").out
    assert "lr" in out and "loss" in out and "-1.5" in out and "train.py" in out
    table = json.loads(mlops("diff", first, "last", first, "--json").out)
    assert table["metrics_table"] == [{"key": "loss", "values": [3.0, 1.5, 3.0], "same": False}]


def test_many_deleted_files_stay_deleted(work, mlops, git, tmp_path_factory):
    """A list of deletions of any length comes back exactly."""
    names = [f"some/long/directory/name/to/make/the/list/long/{i:04}.txt" for i in range(400)]
    for name in names:
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text("x")
    git("add", "-A")
    git("commit", "-qm", "many")
    for name in names[:-1]:
        (work / name).unlink()
    assert mlops("run").status == 0
    then = tmp_path_factory.mktemp("then") / "new"
    assert mlops("checkout", "--from", "last", "--to", then).status == 0
    assert [p.name for p in then.glob("some/**/*.txt")] == ["0399.txt"]


def test_a_run_of_committed_code_is_clean_after_another_run(work, mlops, git):
    """The lock that a run writes is not a change of the code."""
    assert mlops("run").status == 0
    git("add", "-A")
    git("commit", "-qm", "all")
    assert mlops("run", "-p", "lr=0.1").status == 0
    assert "mlops.lock" in git("status", "--short")
    assert mlops("run", "-p", "lr=0.2").status == 0
    run = json.loads(mlops("show", "last", "--json").out)["run"]
    assert "mlops.code.changes" not in run["tags"]


def test_two_branches_merge_and_conflicts_are_settled(work, mlops, git):
    (work / "more.csv").write_text("a\n")
    mlops("add", "data/raw.csv", "more.csv")
    git("add", "-A")
    git("commit", "-qm", "base")
    git("checkout", "-qb", "topic")
    (work / "data/raw.csv").write_text("7\n")
    (work / "more.csv").write_text("b\n")
    mlops("add", "data/raw.csv", "more.csv")
    git("commit", "-qam", "topic")
    git("checkout", "-q", "main")
    assert mlops("checkout").status == 0
    (work / "data/raw.csv").write_text("8\n")
    mlops("add", "data/raw.csv")
    git("commit", "-qam", "main")
    git("merge", "-q", "-m", "merge", "topic")
    out = mlops("status").out
    assert "two branches disagree" in out and "lock take" in out
    status, _, err = mlops("checkout")
    assert status == 4 and "mlops lock take" in err
    assert mlops("run").status == 4
    assert mlops("lock", "take", "theirs").status == 0
    assert mlops("checkout").status == 0
    assert (work / "data/raw.csv").read_text() == "7\n"
    assert (work / "more.csv").read_text() == "b\n"


def damage(project, data):
    """Changes the stored bytes of `data`; the path of the object."""
    digest = hashlib.sha256(data).hexdigest()
    path = project / f".mlops/objects/{digest[:2]}/{digest[2:]}"
    path.chmod(0o644)
    path.write_bytes(b"x" + data[1:])
    return path


def test_fsck_finds_damage_and_what_it_affects(work, mlops):
    mlops("add", "data/raw.csv")
    assert mlops("fsck").status == 0
    path = damage(work, b"1\n2\n3\n")
    (work / "data/raw.csv").write_text("edited\n")
    status, out, err = mlops("fsck")
    assert status == 9 and "damaged" in out and "data/raw.csv" in out and "mlops add" in err
    assert not path.exists() and list((work / ".mlops/quarantine").iterdir())
    assert mlops("fsck").status == 9  # now it is missing
    (work / "data/raw.csv").write_text("1\n2\n3\n")
    assert mlops("add", "data/raw.csv").status == 0
    assert mlops("fsck").status == 0


def test_fsck_puts_back_what_the_work_tree_still_has(work, mlops):
    (work / "set/deep").mkdir(parents=True)
    (work / "set/deep/a").write_text("of a tree\n")
    (work / "set/b").write_text("edited later\n")
    mlops("add", "data/raw.csv", "set")
    assert mlops("run").status == 0
    (work / "set/b").write_text("never asked for\n")
    paths = [damage(work, data) for data in (b"1\n2\n3\n", (work / "model.bin").read_bytes(),
                                            (work / "train.py").read_bytes(), b"of a tree\n")]
    objects = sorted(p.name for p in (work / ".mlops/objects").rglob("*") if p.is_file())
    status, out, err = mlops("fsck")
    assert status == 9 and out.count("put back from the work tree") == 4 and "4 objects were damaged" in err
    assert all(path.exists() for path in paths)
    assert objects == sorted(p.name for p in (work / ".mlops/objects").rglob("*") if p.is_file())
    assert mlops("fsck").out.endswith("all good\n")


def test_fsck_puts_back_a_tree_and_tells_how_to_make_an_output_anew(work, mlops):
    (work / "set").mkdir()
    (work / "set/a").write_text("a\n")
    tree = json.loads(mlops("add", "--json", "set").out)["added"][0]["content"].split(":")[1]
    (work / f".mlops/objects/{tree[:2]}/{tree[2:]}").unlink()
    assert "put back" in mlops("fsck").out and mlops("fsck").status == 0
    assert mlops("run").status == 0
    damage(work, (work / "model.bin").read_bytes())
    (work / "model.bin").unlink()
    assert "mlops run --force" in mlops("fsck").err
    assert mlops("run", "--force", "train").status == 0
    assert mlops("fsck").status == 0


@pytest.mark.parametrize("name", ["with space", "ünï", "-dash", "a" * 200, "tab\\t", "[x]*"])
def test_odd_names_are_kept_and_ignored_by_git(work, mlops, git, name):
    (work / name).write_text("x\n")
    status, _, err = mlops("add", "--", name)
    assert status == 0, err
    os.unlink(work / name)
    assert mlops("checkout", "--", name).status == 0
    assert (work / name).read_text() == "x\n"
    git("check-ignore", "-q", "--", f"./{name}")


def test_a_name_that_drives_a_terminal_is_harmless(work, mlops):
    bad = "evil\x1b[2J"
    (work / "d").mkdir()
    (work / "d" / bad).write_text("x\n")
    status, out, err = mlops("add", "d")
    assert "\x1b" not in out + err
    assert status in (0, 2)


def test_a_damaged_lock_names_its_line_and_fix(work, mlops):
    mlops("add", "data/raw.csv")
    with open(work / "mlops.lock", "a") as lock:
        lock.write("nonsense\n")
    for command in ("status", "checkout", "run"):
        status, _, err = mlops(command)
        assert status == 9, command
        assert "mlops.lock:3" in err and "git checkout" in err


def test_links_by_request(work, mlops):
    mlops("add", "data/raw.csv")
    (work / "data/raw.csv").unlink()
    assert mlops("checkout", "--link", "symlink").status == 0
    assert (work / "data/raw.csv").is_symlink()
    assert "1 path is as mlops.lock says" in mlops("status").out
    (work / "data/raw.csv").unlink()
    assert mlops("checkout", "--link", "hardlink").status == 0
    assert os.stat(work / "data/raw.csv").st_nlink == 2


def test_what_a_checkout_replaces_is_named_and_can_be_had_again(work, mlops):
    mlops("add", "data/raw.csv")
    (work / "data/raw.csv").write_text("7\n")
    mlops("add", "data/raw.csv")
    assert mlops("checkout", "--from", "data/raw.csv@v1").status == 0
    status, out, _ = mlops("checkout")
    assert status == 0 and "replaced data/raw.csv" in out and "what was there is data/raw.csv@v1" in out
    way = re.search(r"to have it again: mlops (.*)", out).group(1).split()
    assert mlops(*way).status == 0
    assert (work / "data/raw.csv").read_text() == "1\n2\n3\n"
    (work / "data/raw.csv").unlink()
    assert "restored data/raw.csv" in mlops("checkout").out


def test_an_edit_that_only_a_run_has_seen_is_named_by_its_digest(work, mlops):
    mlops("add", "data/raw.csv")
    (work / "data/raw.csv").write_text("8\n")
    assert mlops("run").status == 0
    out = mlops("checkout", "data/raw.csv").out
    way = re.search(r"to have it again: mlops (.*)", out).group(1).split()
    assert "sha256:" in out and mlops(*way).status == 0
    assert (work / "data/raw.csv").read_text() == "8\n"


def test_advice_about_a_changed_file_can_be_followed(work, mlops):
    (work / "my data.csv").write_text("1\n")
    mlops("add", "my data.csv")
    assert mlops("run").status == 0
    (work / "my data.csv").write_text("2\n")
    status, out, err = mlops("checkout", "my data.csv")
    assert status == 4 and "mlops add 'my data.csv'" in err and (out + err).count("would be lost") == 1
    (work / "model.bin").write_text("edited by hand\n")
    status, _, err = mlops("checkout", "model.bin")
    assert status == 4 and "mlops add" not in err and "copy it elsewhere" in err and "--force" in err
    assert (work / "model.bin").read_text() == "edited by hand\n"
    assert mlops("checkout", "--force", "model.bin").status == 0


def test_a_run_that_is_brought_elsewhere_tells_its_params(work, mlops, tmp_path):
    mlops("add", "data/raw.csv")
    assert mlops("run", "-p", "lr=0.25").status == 0
    metrics = (work / "metrics.json").read_text()
    out = mlops("checkout", "--from", "last", "--to", "../there").out
    assert "so already" not in out and "1 input of the run" in out
    there = work.parent / "there"
    way = re.search(r"repeat it there: mlops (.*)", out).group(1).split()
    assert way == ["run", "-p", "lr=0.25"]
    mlops("init", cwd=there)
    (there / "metrics.json").unlink()
    assert mlops(*way, cwd=there).status == 0
    assert (there / "metrics.json").read_text() == metrics
    assert mlops("run").status == 0
    assert "repeat" not in mlops("checkout", "--from", "last", "--to", "../again").out


def test_a_damaged_object_is_never_restored(work, mlops):
    """Neither by checkout nor by run, whatever its size."""
    (work / "big.bin").write_bytes(bytes(range(256)) * 1200)
    mlops("add", "big.bin")
    name = hashlib.sha256((work / "big.bin").read_bytes()).hexdigest()
    stored = work / ".mlops" / "objects" / name[:2] / name[2:]
    stored.chmod(0o644)
    with open(stored, "r+b") as f:
        f.seek(1000)
        f.write(b"XXXX")
    (work / "big.bin").unlink()
    done = mlops("checkout", "big.bin")
    assert done.status == 9, done.err
    assert not (work / "big.bin").exists()


def test_a_restored_commit_brings_no_home(work, mlops, git, tmp_path_factory):
    """A .mlops that a commit holds would be trusted where it is restored."""
    git("add", "-f", ".mlops/config.ini")
    git("commit", "-qm", "with a home")
    git("rm", "-q", "--cached", ".mlops/config.ini")
    git("commit", "-qm", "without")
    there = tmp_path_factory.mktemp("there") / "new"
    assert mlops("checkout", "--from", "HEAD~1", "--to", there).status == 0
    assert not (there / ".mlops").exists()
