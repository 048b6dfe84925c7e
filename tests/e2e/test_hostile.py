# SPDX-License-Identifier: Apache-2.0
"""A clone made by somebody who means harm: nothing outside is written or removed, nothing runs unasked."""
import os
import shutil

import pytest

SECONDS = 15


@pytest.fixture
def clone(project, git):
    """The project, in a git repository."""
    git("init", "-q")
    return project


def lock_line(mlops, project, path, text):
    """The line of mlops.lock for a version with these bytes, which is in the store."""
    (project / "seed").write_text(text)
    status, _, err = mlops("add", "seed")
    assert status == 0, err
    line = next(x for x in (project / "mlops.lock").read_text().splitlines() if x.endswith(" seed"))
    return line[: -len("seed")] + path + "\n"


def commit_home(git):
    git("add", "-f", "-A")
    git("commit", "-qm", "evil")


@pytest.mark.parametrize("command", [["checkout"], ["run"], ["add", "file"], ["lock", "take", "ours"]])
def test_a_work_directory_elsewhere_is_left_alone(command, project, mlops, tmp_path_factory):
    home = tmp_path_factory.mktemp("victim")
    (home / "photos" / "2024").mkdir(parents=True)
    (home / "photos" / "2024" / "dear").write_text("x")
    (project / "file").write_text("x")
    (project / "pipeline.ini").write_text("[step.a]\ncmd = true\n")
    shutil.rmtree(project / ".mlops/work")
    os.symlink(home, project / ".mlops/work")
    status, _, err = mlops(*command)
    assert status == 4, err
    assert ".mlops/work is a symlink" in err
    assert (home / "photos" / "2024" / "dear").read_text() == "x"


@pytest.mark.parametrize("part", ["work", "failed", "aside", "logs", "locks", "staging", "quarantine", "objects"])
@pytest.mark.parametrize("command", [["status"], ["init"]])
def test_a_part_that_is_a_symlink_is_named(part, command, project, mlops):
    shutil.rmtree(project / ".mlops" / part)
    os.symlink("..", project / ".mlops" / part)
    status, _, err = mlops(*command)
    assert status == 4
    assert f".mlops/{part} is a symlink" in err


def test_only_runs_are_recovered(project, mlops):
    kept = project / ".mlops/work/photos/2024/dear"
    kept.parent.mkdir(parents=True)
    kept.write_text("x")
    (project / "file").write_text("x")
    assert mlops("add", "file").status == 0
    assert mlops("checkout").status == 0
    assert kept.read_text() == "x"


@pytest.mark.parametrize("command", [["status"], ["run"], ["config"], ["init"]])
@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_a_home_that_git_tracks_is_refused(command, version, clone, mlops, git):
    (clone / ".mkfile").write_text("x")
    git("config", "index.version", version)
    commit_home(git)
    copy = clone / "copy"
    git("clone", "-q", "--no-local", "-c", "index.version=" + version, ".", "copy")
    assert (copy / ".mlops").is_dir()
    status, _, err = mlops(*command, cwd=copy)
    assert status == 6, err
    assert "came with the clone" in err and "git rm -r --cached .mlops" in err


def test_a_home_tracked_in_a_sha256_repository_is_refused(project, mlops, git):
    git("init", "-q", "--object-format=sha256")
    commit_home(git)
    assert mlops("status").status == 6


def test_a_home_tracked_in_a_split_index_is_refused(clone, mlops, git):
    commit_home(git)
    git("update-index", "--split-index")
    (clone / "more").write_text("x")
    git("add", "more")
    assert mlops("status").status == 6


def test_a_home_tracked_in_a_subdirectory_or_a_worktree_is_refused(clone, mlops, git):
    sub = clone / "sub"
    sub.mkdir()
    assert mlops("init", cwd=sub).status == 0
    assert mlops("status", cwd=sub).status == 0
    git("add", "-f", "sub")
    assert mlops("status", cwd=sub).status == 6
    assert mlops("status").status == 0
    git("commit", "-qm", "evil")
    git("worktree", "add", "-q", "tree")
    assert mlops("status", cwd=clone / "tree/sub").status == 6


def test_what_a_pull_brings_is_seen(clone, mlops, git):
    (clone / "code").write_text("x")
    git("add", "code")
    git("commit", "-qm", "one")
    assert mlops("status").status == 0
    assert mlops("status").status == 0
    git("add", "-f", ".mlops/config.ini")
    assert mlops("status").status == 6
    git("rm", "-r", "-q", "--cached", ".mlops")
    assert mlops("status").status == 0


def test_a_kept_answer_from_elsewhere_does_not_count(clone, mlops, git):
    (clone / "code").write_text("x")
    git("add", "code")
    assert mlops("status").status == 0
    assert (clone / ".mlops/git-index").exists()
    commit_home(git)
    git("clone", "-q", "--no-local", ".", "copy")
    assert (clone / "copy/.mlops/git-index").exists()
    assert mlops("status", cwd=clone / "copy").status == 6


def test_a_lock_file_cannot_write_a_hook(clone, mlops):
    line = lock_line(mlops, clone, "h/post-checkout", "#!/bin/sh\ntouch pwned\n").replace("file:", "exec:")
    os.symlink(".git/hooks", clone / "h")
    (clone / "mlops.lock").write_text(line)
    status, _, err = mlops("checkout")
    assert status == 4, err
    assert "h is a symlink to .git/hooks" in err and "rm h" in err
    assert not (clone / ".git/hooks/post-checkout").exists()
    assert mlops("checkout", "--force").status == 4
    assert not (clone / ".git/hooks/post-checkout").exists()


def test_a_lock_file_cannot_remove_through_a_symlink(project, mlops):
    (project / "real").mkdir()
    (project / "real/one").write_text("1")
    assert mlops("add", "real").status == 0
    (project / "real/two").write_text("2")
    assert mlops("add", "real").status == 0
    lock = (project / "mlops.lock").read_text().replace(" real", " alias")
    (project / "mlops.lock").write_text(lock)
    os.symlink("real", project / "alias")
    assert mlops("checkout").status == 0  # it holds what it should: nothing is written
    (project / "real/three").write_text("3")
    assert mlops("add", "real/three").status == 0
    status, _, err = mlops("checkout", "alias")
    assert status == 4, err
    assert "alias is a symlink to real" in err
    assert (project / "real/three").read_text() == "3"


def test_an_output_cannot_be_reached_through_a_symlink(clone, mlops):
    os.symlink(".git/hooks", clone / "h")
    (clone / "pipeline.ini").write_text("[step.a]\ncmd = touch h/post-commit\nout = h/post-commit\n")
    status, _, err = mlops("run")
    assert status != 0
    assert "h is a symlink to .git/hooks" in err
    assert not (clone / ".git/hooks/post-commit").exists()


def test_inputs_are_read_through_symlinks(project, mlops):
    (project / "real").mkdir()
    (project / "real/one").write_text("1")
    os.symlink("real", project / "alias")
    (project / "pipeline.ini").write_text("[step.a]\ncmd = cp alias/one copy\nin = alias/one\nout = copy\n")
    status, _, err = mlops("run")
    assert status == 0, err
    assert (project / "copy").read_text() == "1"


@pytest.mark.parametrize("path,real", [("alias", "real"), ("alias/one", "real/one"), ("alias/in", "real/in")])
def test_add_names_the_real_path(path, real, project, mlops):
    (project / "real/in").mkdir(parents=True)
    (project / "real/one").write_text("1")
    (project / "real/in/two").write_text("2")
    os.symlink("real", project / "alias")
    status, _, err = mlops("add", path)
    assert status == 2
    assert f"{path} is reached through a symlink" in err and f"mlops add {real}\n" in err
    assert mlops("add", real).status == 0


def test_add_takes_a_file_that_is_a_symlink(project, mlops):
    (project / "real").write_text("1")
    os.symlink("real", project / "alias")
    assert mlops("add", "alias").status == 0


@pytest.mark.parametrize("target", ["lnk/evil", "lnk/m/evil", "lnk/../.mlops/evil", ".mlops/evil", "lnk/empty"])
def test_code_is_not_restored_into_the_home(target, project, mlops):
    (project / "pipeline.ini").write_text("[step.a]\ncmd = touch out\nout = out\n")
    assert mlops("run").status == 0
    (project / ".mlops/m").mkdir()
    (project / ".mlops/empty").mkdir()
    os.symlink(".mlops", project / "lnk")
    status, _, err = mlops("checkout", "--from", "last", "--to", target)
    assert status == 2, err
    assert "is inside .mlops" in err
    assert not (project / ".mlops/evil").exists() and not (project / ".mlops/m/evil").exists()


@pytest.mark.parametrize("path", [".gitignore", "sub/.gitattributes", ".mlopsignore", ".GitModules"])
def test_rules_are_no_outputs(path, project, mlops):
    (project / "pipeline.ini").write_text(f"[step.a]\ncmd = touch {path}\nout = {path}\n")
    status, _, err = mlops("run")
    assert status == 2
    assert f"output '{path}' would replace rules of" in err and "pipeline.ini:3" in err
