"""push and pull of 70,000 small files, and of one file of 2 GiB, against `rsync -a` and `cp -r`, each with sync."""
import os
import shutil
import sys

from add import FILES, make_data
from common import Bench, need

LARGE = 2 << 30
PIPELINE = "[step.use]\ncmd = true\nin = data\n[remote.team]\nurl = ../remote\n"


def make_large(directory):
    """No block repeats, and none is of zeros."""
    directory.mkdir(parents=True)
    block = bytearray(os.urandom(1 << 20))
    with open(directory / "large", "wb") as out:
        for number in range(LARGE // len(block)):
            block[:8] = number.to_bytes(8, "little")
            out.write(block)


class Team:
    """A project with the data, a remote, a clone that has only what git brings, and the peers' copy."""

    def __init__(self, bench, name, make, many):
        self.bench, self.many, self.old = bench, many, 0
        self.top = bench.dir / name.replace(" ", "-")
        self.mine, self.clone, self.remote, self.copy = (self.top / n for n in ("mine", "clone", "remote", "copy"))
        make(self.mine / "data")
        (self.mine / "pipeline.ini").write_text(PIPELINE)
        for command in ("init",), ("add", "data"):
            bench.run([bench.mlops, *command], self.mine)

    def forget(self, *places):
        """Many files are moved away and deleted at the end: for half a minute ext4 searches past each inode that was
        just freed whenever it makes one near by, which would be measured instead."""
        for place in places:
            if self.many and place.exists():
                self.old += 1
                place.rename(self.top / f"old-{self.old}")
            shutil.rmtree(place, ignore_errors=True)
        self.bench.run(["sync"], self.bench.dir)

    def new_clone(self):
        self.forget(self.clone, self.copy)
        self.clone.mkdir()
        for name in ("pipeline.ini", "mlops.lock"):
            shutil.copy(self.mine / name, self.clone)
        self.bench.run([self.bench.mlops, "init"], self.clone)
        self.bench.run(["sync"], self.bench.dir)

    def peers(self):
        return (["sh", "-c", f"rsync -a data {self.copy}/ && sync -f {self.copy}"],
                ["sh", "-c", f"mkdir {self.copy} && cp -r data {self.copy} && sync -f {self.copy}"])


def measure(bench, what, make, many):
    team = Team(bench, what, make, many)
    rsync, copy = team.peers()
    results = {}
    results["push"] = bench.several([bench.mlops, "push", "--init"], rsync, copy, cwd=team.mine,
                                    before=lambda _: team.forget(team.remote, team.copy))
    team.forget(team.remote, team.copy)
    bench.run([bench.mlops, "push", "--init"], team.mine)
    (again, again_kib), = bench.several([bench.mlops, "push", "--init"], cwd=team.mine)
    # The peers bring what the remote of theirs would be: a plain copy.
    results["pull"] = bench.several([bench.mlops, "pull"], rsync, copy, cwd=[team.clone, team.mine, team.mine],
                                    before=lambda _: team.new_clone())
    for verb, ((seconds, kib), (by_rsync, _), (by_copy, _)) in results.items():
        bench.show(f"mlops {verb}, {what}", seconds, kib)
        bench.show(f"rsync -a and sync, {what}", by_rsync)
        bench.show(f"cp -r and sync, {what}", by_copy)
        bench.target(f"{verb} of {what} / rsync -a and sync", seconds / by_rsync, 1, "times")
        bench.target(f"{verb} of {what} / cp -r and sync", seconds / by_copy, 1, "times")
        bench.memory_target(f"{verb} of {what}", kib)
    bench.show(f"mlops push again, {what}", again, again_kib)
    shutil.rmtree(team.top)


def main():
    with Bench(__doc__, times=3) as bench:
        need("rsync", "rsync")
        measure(bench, f"{FILES} files", make_data, True)
        measure(bench, "one file of 2 GiB", make_large, False)
        return bench.finish()


if __name__ == "__main__":
    sys.exit(main())
