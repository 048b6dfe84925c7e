"""The start of the program: `mlops --help`."""
import sys

from common import Bench


def main():
    with Bench(__doc__, times=31) as bench:
        (seconds, kib), (nothing, _) = bench.several([bench.mlops, "--help"], ["true"], cwd=bench.dir)
        bench.show("mlops --help", seconds, kib)
        bench.show("true, for comparison", nothing)
        bench.target("mlops --help", seconds * 1000, 10, "ms")
        bench.memory_target("mlops --help", kib)
        return bench.finish()


if __name__ == "__main__":
    sys.exit(main())
