"""70,000 files of 270 bytes: `mlops add` and `mlops status` against `cp -r` and sync."""
import shutil
import sys

from common import Bench

FILES, BYTES, A_DIRECTORY = 70_000, 270, 500


def make_data(directory):
    """Every file differs, so nothing is stored once for all."""
    for number in range(FILES):
        if number % A_DIRECTORY == 0:
            place = directory / f"{number // A_DIRECTORY:03}"
            place.mkdir(parents=True)
        (place / f"{number:06}.txt").write_bytes(f"{number:>{BYTES}}".encode())


def main():
    with Bench(__doc__, times=3) as bench:
        project = bench.dir / "project"
        make_data(project / "data")
        copy = bench.dir / "copy"

        def fresh(_):
            """Both start with nothing stored and nothing dirty."""
            for leftover in (copy, project / ".mlops"):
                shutil.rmtree(leftover, ignore_errors=True)
            (project / "mlops.lock").unlink(missing_ok=True)
            bench.run([bench.mlops, "init"], project)
            bench.run(["sync"], bench.dir)

        (seconds, kib), (peer, _) = bench.several(
            [bench.mlops, "add", "data"], ["sh", "-c", f"cp -r data {copy} && sync -f {copy}"],
            cwd=project, before=fresh)
        fresh(None)
        bench.run([bench.mlops, "add", "data"], project)
        (status, status_kib), = bench.several([bench.mlops, "status"], cwd=project)

        bench.show(f"mlops add, {FILES} files", seconds, kib)
        bench.show("mlops status", status, status_kib)
        bench.show("cp -r and sync", peer)
        bench.target("add + status against cp -r and sync", (seconds + status) / peer, 1, "times")
        bench.target("status", status * 1000, 150, "ms")
        bench.memory_target("add", kib)
        bench.memory_target("status", status_kib)
        return bench.finish()


if __name__ == "__main__":
    sys.exit(main())
