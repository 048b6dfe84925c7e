#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Lineage: 1,000 nodes of a graph of a million runs and ten million edges, and what the edges cost a run of 1,000 steps."""
import contextlib
import sqlite3
import sys

from common import Bench, mlops_project

STEPS = 1000

# Each run reads nine outputs of runs before it and makes one.
FILL = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :runs)
INSERT INTO lineage_nodes (id, kind, name, time) SELECT i, 'run', printf('%032x', i), i FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :runs)
INSERT INTO lineage_nodes (id, kind, name, time) SELECT :runs + i, 'object', printf('file:%064x', i), i FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :runs)
INSERT INTO lineage_edges (origin, result, role, time) SELECT i, :runs + i, 'out', i FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :runs), k(k) AS (VALUES {spread})
INSERT INTO lineage_edges (origin, result, role, path, time)
SELECT :runs + max(1, i - 1 - abs((i * 7919 + k * 104729) % 5000)), i, 'data', 'in/' || k, i FROM n, k;
"""


def fill(project, runs):
    with contextlib.closing(sqlite3.connect(project / ".mlops/registry.db", isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA cache_size = -400000")
        db.execute("BEGIN")
        for statement in FILL.format(spread=", ".join(f"({k})" for k in range(9))).split(";")[:-1]:
            db.execute(statement, {"runs": runs})
        db.execute("COMMIT")


def queries(bench, runs):
    project = mlops_project(bench, bench.dir / "graph", "[step.a]\ncmd = true\n")
    fill(project, runs)
    up = [bench.mlops, "--json", "lineage", f"{runs:032x}"]
    down = [bench.mlops, "--json", "lineage", f"{runs // 2:032x}", "--down"]
    for what, (seconds, kib) in zip(("up", "down"), bench.several(up, down, cwd=project)):
        bench.show(f"1,000 nodes {what}, of {runs:,} runs", seconds, kib)
        bench.target(f"1,000 nodes {what}", seconds * 1000, 50, "ms")


def wide(bench, name, bare):
    """A project of STEPS steps that nothing has run; `bare`: facts write no edges."""
    steps = "".join(f"[step.s{i}]\ncmd = cp seed out/{i}\nin = seed\nout = out/{i}\n" for i in range(STEPS))
    project = mlops_project(bench, bench.dir / name, steps)
    (project / "seed").write_text("seed")
    with contextlib.closing(sqlite3.connect(project / ".mlops/registry.db", isolation_level=None)) as db:
        for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'lineage_%'"
                                     " AND tbl_name <> 'lineage'").fetchall() if bare else ():
            db.execute(f"DROP TRIGGER {trigger}")
    return project


def cost(bench):
    run = [bench.mlops, "run", "-j", "2", "--force"]
    places = [wide(bench, "with", False), wide(bench, "without", True)]
    (seconds, _), (bare, _) = bench.several(run, run, cwd=places)
    bench.show(f"{STEPS} steps, with edges", seconds)
    bench.show(f"{STEPS} steps, without", bare)
    bench.target("the part of edges", 100 * (seconds / bare - 1), 10, "%")


def main():
    with Bench(__doc__, runs={"type": int, "default": 1_000_000, "help": "of the graph"}) as bench:
        queries(bench, bench.args.runs)
        cost(bench)
        return bench.finish()


if __name__ == "__main__":
    sys.exit(main())
