# SPDX-License-Identifier: Apache-2.0
"""Full disks, failing disks and read-only projects: one error, the right status, nothing lost."""
import os
import subprocess

import pytest
from sweep import ENV, MLOPS, run, run_json

SECONDS = 10


@pytest.fixture
def small_disk(tmp_path):
    """A project on a tmpfs of 8 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    top = tmp_path / "disk"
    top.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", top], check=True)
    try:
        run(top, "init")
        yield top
    finally:
        subprocess.run(["umount", "-l", top], check=True)


def fill(top, leave):
    """Leaves about `leave` bytes free."""
    free = os.statvfs(top)
    size = free.f_bavail * free.f_frsize - leave
    with open(top / "ballast", "wb") as f:
        f.write(b"\0" * max(size, 0))


def test_a_full_disk_stops_add_and_loses_nothing(small_disk):
    (small_disk / "a.bin").write_bytes(os.urandom(1 << 20))
    run(small_disk, "add", "a.bin")
    (small_disk / "b.bin").write_bytes(os.urandom(2 << 20))
    fill(small_disk, 1 << 20)
    done = run(small_disk, "add", "b.bin", check=False)
    assert done.returncode == 5
    assert "No space left" in done.stderr and "free some disk space" in done.stderr
    (small_disk / "ballast").unlink()
    run(small_disk, "fsck")
    run(small_disk, "add", "b.bin")
    assert run_json(small_disk, "show", "b.bin")["version"] == 1


def test_a_full_disk_stops_run_and_keeps_old_outputs(small_disk):
    (small_disk / "pipeline.ini").write_text(
        "[step.make]\ncmd = cp in.bin out.bin\nin = in.bin\nout = out.bin\n")
    (small_disk / "in.bin").write_bytes(b"old")
    run(small_disk, "run")
    (small_disk / "in.bin").write_bytes(os.urandom(1 << 20))
    fill(small_disk, 1 << 19)
    done = run(small_disk, "run", check=False)
    assert done.returncode in (1, 5)
    assert done.stderr.strip()
    (small_disk / "ballast").unlink()
    assert (small_disk / "out.bin").read_bytes() == b"old"
    run(small_disk, "fsck")
    run(small_disk, "run")
    assert (small_disk / "out.bin").read_bytes() == (small_disk / "in.bin").read_bytes()


def inject(cwd, fault, *args):
    return subprocess.run(["strace", "-f", "-qqq", "-o", "/dev/null", "-b", "execve", "-e", fault, "--", MLOPS, *args],
                          cwd=cwd, env=ENV, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("call", ["fdatasync", "fsync", "syncfs", "renameat2", "renameat"])
@pytest.mark.parametrize("when", [1, 2, 3])
def test_a_failing_disk_is_an_error_and_nothing_half_is_seen(tmp_path, call, when):
    run(tmp_path, "init")
    (tmp_path / "d").mkdir()
    for i in range(70):
        (tmp_path / "d" / f"{i}").write_text(f"{i}")
    done = inject(tmp_path, f"inject={call}:error=EIO:when={when}", "add", "d")
    assert done.returncode in (0, 5), done.stderr
    if done.returncode:
        assert "error:" in done.stderr
    run(tmp_path, "fsck")
    run(tmp_path, "add", "d")
    assert run(tmp_path, "cat", "d@v1/33").stdout == "33"
    run(tmp_path, "fsck")


def test_a_read_only_project_is_one_error(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    top = tmp_path / "ro"
    top.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", top], check=True)
    try:
        run(top, "init")
        (top / "x").write_text("x")
        (top / "pipeline.ini").write_text("[step.a]\ncmd = cp x y\nin = x\nout = y\n")
        subprocess.run(["mount", "-o", "remount,ro", top], check=True)
        for args in ["add", "x"], ["run"]:
            done = run(top, *args, check=False)
            assert done.returncode == 5, done.stderr
            assert "read-only" in done.stderr.lower()
    finally:
        subprocess.run(["umount", "-l", top], check=True)
