"""1,000 trivial steps at -j 2, all recorded, against ninja, which records next to nothing."""
import shutil
import sys

from common import Bench, need
from noop import flat_mlops, flat_ninja

STEPS = 1000


def main():
    with Bench(__doc__, times=3) as bench:
        need("ninja", "ninja-build")
        project, other = bench.dir / "mlops", bench.dir / "ninja"

        def fresh(_):
            """Each round starts from nothing: no outputs, no facts."""
            for place, name, text in ((project, "pipeline.ini", flat_mlops(STEPS)),
                                      (other, "build.ninja", flat_ninja(STEPS))):
                shutil.rmtree(place, ignore_errors=True)
                (place / "out").mkdir(parents=True)
                (place / name).write_text(text)
                (place / "source").write_text("bytes\n")
            bench.run([bench.mlops, "init"], project)
            bench.run(["sync"], bench.dir)

        (seconds, kib), (peer, peer_kib) = bench.several(
            [bench.mlops, "run", "-j", "2"], ["ninja", "-j", "2"], cwd=[project, other], before=fresh)
        bench.show(f"mlops run -j 2, {STEPS} steps", seconds, kib)
        bench.show(f"ninja -j 2, {STEPS} edges", peer, peer_kib)
        bench.target("mlops / ninja", seconds / peer, 2.5, "times")
        bench.memory_target(f"{STEPS} steps", kib)
        return bench.finish()


if __name__ == "__main__":
    sys.exit(main())
