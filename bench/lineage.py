#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Lineage among a million runs: python3 bench/lineage.py MLOPS [RUNS]

Makes a graph of RUNS runs (default: 1,000,000) with ten edges each, by SQL, and times queries of 1,000 nodes; then what the
edges cost a run of 1,000 steps, against the same run in a database without their triggers. Prints one JSON object.
"""
import json
import pathlib
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

QUERIES = 15
STEPS = 1000

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


def mlops(binary, where, *args):
    return subprocess.run([binary, *args], cwd=where, check=True, capture_output=True, text=True).stdout


def fill(project, runs):
    with sqlite3.connect(project / ".mlops/registry.db") as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA cache_size = -400000")
        for statement in FILL.format(spread=", ".join(f"({k})" for k in range(9))).split(";")[:-1]:
            db.execute(statement, {"runs": runs})


def timed(binary, project, *args):
    times = []
    for _ in range(QUERIES):
        begun = time.perf_counter()
        mlops(binary, project, *args)
        times.append(1000 * (time.perf_counter() - begun))
    return round(statistics.median(times), 1)


def queries(binary, project, runs):
    top, middle = f"{runs:032x}", f"{runs // 2:032x}"
    shown = json.loads(mlops(binary, project, "--json", "lineage", top))
    return {
        "up, 1,000 nodes": timed(binary, project, "--json", "lineage", top),
        "down, 1,000 nodes": timed(binary, project, "--json", "lineage", middle, "--down"),
        "as text": timed(binary, project, "lineage", top),
        "start of the program": timed(binary, project, "--version"),
        "nodes": len(shown["nodes"]), "edges": len(shown["edges"]),
    }


def steps(binary, where, bare):
    """Seconds of a run of STEPS steps."""
    where.mkdir()
    mlops(binary, where, "init")
    lines = ["[pipeline]", "name = wide"]
    for i in range(STEPS):
        lines += [f"[step.s{i}]", f"cmd = cp seed out/{i}", "in = seed", f"out = out/{i}"]
    (where / "pipeline.ini").write_text("\n".join(lines) + "\n")
    (where / "seed").write_text("seed")
    if bare:
        with sqlite3.connect(where / ".mlops/registry.db") as db:
            for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'lineage_%'"
                                      " AND tbl_name <> 'lineage'").fetchall():
                db.execute(f"DROP TRIGGER {name}")
    begun = time.perf_counter()
    mlops(binary, where, "run", "-j", "2")
    return time.perf_counter() - begun


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 1000000
    with tempfile.TemporaryDirectory() as base:
        project = pathlib.Path(base, "graph")
        project.mkdir()
        mlops(binary, project, "init")
        fill(project, runs)
        result = {"runs": runs, "ms": queries(binary, project, runs)}
        pairs = [(steps(binary, pathlib.Path(base, f"with{i}"), False), steps(binary, pathlib.Path(base, f"bare{i}"), True))
                 for i in range(3)]
    result["steps"] = {"with": round(min(a for a, _ in pairs), 2), "without": round(min(b for _, b in pairs), 2)}
    print(json.dumps(result, indent=1))


main()
