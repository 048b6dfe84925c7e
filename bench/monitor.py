"""Profiles and drift beside pandas and Evidently: 1,000,000 rows of 20 columns, and 1,000 profiles merged."""
import os
import pathlib
import subprocess
import sys

from common import Bench

JUDGES = pathlib.Path(os.environ.get("MLOPS_TEST_CACHE", pathlib.Path.home() / ".cache/mlops-tests")) / "judges"

# Numbers as measuring devices write them, whole ones, and words.
MAKE = """
import sys
import numpy as np, pandas as pd
path, seed, rows = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
dice = np.random.default_rng(seed)
columns = {"x%d" % i: np.round(dice.normal(i, 1 + i, rows), 2 + i % 4) for i in range(12)}
columns |= {"n%d" % i: dice.integers(0, 10 ** (i + 2), rows) for i in range(4)}
columns |= {"w%d" % i: dice.choice(["red", "green", "blue", "yellow"][: i + 1], rows) for i in range(1, 4)}
columns["skewed"] = np.round(dice.lognormal(0, 1, rows), 5)
pd.DataFrame(columns).to_csv(path, index=False)
"""
READ = "import sys, pandas; pandas.read_csv(sys.argv[1])"
DRIFT = """
import sys, warnings
warnings.filterwarnings("ignore")
import pandas
from evidently import Report
from evidently.presets import DataDriftPreset
Report([DataDriftPreset()]).run(pandas.read_csv(sys.argv[2]), pandas.read_csv(sys.argv[1])).dict()
"""


def one_core(argv):
    return ["taskset", "-c", "0", *argv]


def main():
    with Bench(__doc__, times=3,
               python={"default": JUDGES / "evidently/bin/python", "help": "one that has pandas and evidently"},
               rows={"type": int, "default": 1_000_000}, slow={"action": "store_true", "help": "run Evidently, too"}) as bench:
        python, rows = str(bench.args.python), str(bench.args.rows)
        for name, seed in (("ref.csv", "1"), ("cur.csv", "2")):
            subprocess.run([python, "-c", MAKE, name, seed, rows], cwd=bench.dir, check=True)
        size = (bench.dir / "ref.csv").stat().st_size / 1e6
        print(f"two tables of {rows} rows, 20 columns, {size:.0f} MB each")

        ours, pandas = bench.several(one_core([bench.mlops, "profile", "ref.csv", "--jobs", "1"]),
                                     one_core([python, "-c", READ, "ref.csv"]), cwd=bench.dir)
        bench.show("profile, one core", *ours)
        bench.show("pandas.read_csv, one core", *pandas)
        bench.target("profile", ours[0], 0.8, "s")
        bench.target("profile, peak memory", ours[1] / 1024, 64, "MiB")
        bench.target("pandas.read_csv / profile", pandas[0] / ours[0], 2.4, "times", least=True)

        (both,) = bench.several([bench.mlops, "profile", "ref.csv"], cwd=bench.dir)
        bench.show(f"profile, {os.cpu_count()} cores", *both)
        print(f"  {ours[0] / both[0]:.2f} times one core")

        (drift,) = bench.several(["sh", "-c", '"$0" drift ref.csv cur.csv || [ $? = 7 ]', bench.mlops], cwd=bench.dir)
        bench.show("drift verdict of the two", *drift)
        bench.target("drift", drift[0], 1.8, "s")
        if bench.args.slow:
            evidently = bench.run([python, "-c", DRIFT, "ref.csv", "cur.csv"], bench.dir)
            bench.show("Evidently's DataDriftPreset", *evidently)
            bench.target("Evidently / drift", evidently[0] / drift[0], 35, "times", least=True)
            bench.target("Evidently / drift, memory", evidently[1] / drift[1], 20, "times", least=True)

        build = pathlib.Path(bench.mlops).parent
        subprocess.run(["cmake", "--build", build, "--target", "bench-merge"], check=True, stdout=subprocess.DEVNULL)
        merged = min(float(subprocess.check_output([build / "bench-merge"])) for _ in range(bench.args.times))
        bench.show("1,000 profiles of 50 columns merged", merged / 1000)
        bench.target("merge", merged, 50, "ms")
        return bench.finish()


if __name__ == "__main__":
    sys.exit(main())
