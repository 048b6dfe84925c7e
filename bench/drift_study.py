#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
How often drift is cried without any, and how often it is missed: `mlops drift` on many streams of 20 columns, and
Evidently's default on the same ones. Needs numpy; with --evidently, a python that has it.

    bench/drift_study.py --mlops build/release/mlops [--evidently PYTHON] [--streams 300]

False alarms: a reference of 10,000 rows (seasonal: 20,000), then windows of 500 to 2,000 rows of the same distribution. Seasonal streams
are judged with --calibrate, as a monitor would. Power: windows of
1,000 rows in which 3 of the 20 columns have moved by 0.3 deviations; found is a stream of which one of the first three
windows alarms.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

COLUMNS = 20
REFERENCE = {"seasonal": 20_000}  # ten windows of the largest size, to calibrate by
SIZES = (500, 1000, 2000)


def normal(dice, rows, start):
    return dice.normal(size=(rows, COLUMNS))


def skewed(dice, rows, start):
    return dice.lognormal(0, 1, (rows, COLUMNS))


def categorical(dice, rows, start):
    """From two even values to fifty of which most are rare."""
    table = np.empty((rows, COLUMNS), dtype=object)
    for i in range(COLUMNS):
        k = (2, 5, 12, 50)[i % 4]
        weights = 1 / np.arange(1, k + 1) ** (i % 3)
        table[:, i] = np.array([f"v{v}" for v in range(k)], dtype=object)[dice.choice(k, rows, p=weights / weights.sum())]
    return table


def seasonal(dice, rows, start):
    """A period of 1,250 rows, which windows of 500 see less than half of; each column has its own phase."""
    at = (start + np.arange(rows))[:, None] / 1250 + np.arange(COLUMNS)[None, :] / COLUMNS
    return np.sin(2 * np.pi * at) + dice.normal(0, 0.5, (rows, COLUMNS))


SHAPES = {"normal": normal, "skewed": skewed, "categorical": categorical, "seasonal": seasonal}


def write(path, table):
    with open(path, "w") as out:
        out.write(",".join(f"c{i}" for i in range(COLUMNS)) + "\n")
        out.writelines(",".join(map(str, row)) + "\n" for row in table.tolist())


class Ours:
    name = "mlops"

    def __init__(self, program):
        self.program = program

    def judge(self, reference, current, options):
        done = subprocess.run([self.program, "--json", "drift", reference, current, *options], capture_output=True, text=True)
        assert done.returncode in (0, 7, 8), done.stderr
        verdict = json.loads(done.stdout)
        return verdict["state"], verdict["drifted"]


class Evidently:
    """One process for all: importing it takes seconds."""
    name = "Evidently"
    SOURCE = r"""
import sys, warnings, logging
warnings.filterwarnings("ignore"); logging.disable(logging.CRITICAL)
import pandas
from evidently.core.datasets import infer_column_type
from evidently.legacy.calculations.stattests import get_stattest
for line in sys.stdin:
    *new, path = line.split()
    if new:
        ref = pandas.read_csv(new[0])
    cur = pandas.read_csv(path)
    drifted = 0
    for name in cur.columns:
        kind = infer_column_type(cur[name])
        drifted += bool(get_stattest(ref[name], cur[name], kind, None)(ref[name], cur[name], kind, None).drifted)
    print("DRIFT" if drifted / len(cur.columns) >= 0.5 else "OK", drifted, flush=True)
"""

    def __init__(self, python):
        self.process = subprocess.Popen([python, "-c", self.SOURCE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def judge(self, reference, current, options):
        self.process.stdin.write(f"{current}\n" if reference is None else f"{reference} {current}\n")
        self.process.stdin.flush()
        state, drifted = self.process.stdout.readline().split()
        return state, int(drifted)


def windows_of(make, dice, at, shift):
    """Three windows after the reference, of each size or of 1,000 rows."""
    for rows in (1000, 1000, 1000) if shift else SIZES:
        table = make(dice, rows, at)
        if shift:
            table[:, :3] += shift
        yield table
        at += rows


class Tally:
    def __init__(self):
        self.judged = self.alarms = self.unjudged = self.found = self.columns = 0

    def add(self, answers):
        states = [state for state, _ in answers]
        self.columns += sum(drifted for _, drifted in answers)
        self.unjudged += sum(state in ("INSUFFICIENT", "UNDECIDED") for state in states)
        self.judged += sum(state not in ("INSUFFICIENT", "UNDECIDED") for state in states)
        self.alarms += states.count("DRIFT")
        self.found += "DRIFT" in states


def study(judges, shape, streams, folder, shift=0.0):
    """{judge: Tally}, of the same tables."""
    found = {judge: Tally() for judge in judges}
    options = ("--calibrate",) if shape == "seasonal" else ()
    for stream in range(streams):
        dice = np.random.default_rng([stream, list(SHAPES).index(shape)])
        reference, current = folder / "reference.csv", folder / "current.csv"
        rows = REFERENCE.get(shape, 10_000)
        write(reference, SHAPES[shape](dice, rows, 0))
        answers = {judge: [] for judge in judges}
        for table in windows_of(SHAPES[shape], dice, rows, shift):
            write(current, table)
            for judge in judges:
                again = answers[judge] and isinstance(judge, Evidently)
                answers[judge].append(judge.judge(None if again else str(reference), str(current), options))
        for judge in judges:
            found[judge].add(answers[judge])
    return found


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--mlops", default="build/release/mlops")
    options.add_argument("--evidently", metavar="PYTHON")
    options.add_argument("--streams", type=int, default=300)
    args = options.parse_args()
    judges = [Ours(args.mlops)] + ([Evidently(args.evidently)] if args.evidently else [])
    missed = False
    print("| streams | judge | windows judged | alarms | columns that drift | not judged |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for shape in SHAPES:
            for judge, tally in study(judges, shape, args.streams, folder).items():
                print(f"| no drift, {shape} | {judge.name} | {tally.judged} | {tally.alarms} "
                      f"({100 * tally.alarms / max(tally.judged, 1):.2f} %) | "
                      f"{100 * tally.columns / max(tally.judged * COLUMNS, 1):.2f} % | {tally.unjudged} |", flush=True)
                missed |= judge is judges[0] and (tally.alarms > 0.01 * tally.judged or not tally.judged)
        for judge, tally in study(judges, "normal", args.streams, folder, shift=0.3).items():
            print(f"| 0.3 deviations in 3 of 20 columns | {judge.name} | {tally.judged} | {tally.alarms}; found in "
                  f"{100 * tally.found / args.streams:.1f} % of the streams | "
                  f"{100 * tally.columns / max(tally.judged * COLUMNS, 1):.2f} % | {tally.unjudged} |", flush=True)
            missed |= judge is judges[0] and tally.found < 0.95 * args.streams
    return missed


if __name__ == "__main__":
    sys.exit(main())
