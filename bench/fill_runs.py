#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Fills a project's database with many runs of one experiment, as quickly as SQLite takes them: for measuring searches.

    bench/fill_runs.py DIRECTORY [RUNS]        DIRECTORY as `mlops init` left it, and nobody works there

Each run has the params model, lr and seed (its number), the metrics auc and loss, and four tags; one of a thousand
has the tag rare, too, and one of a hundred failed.
"""
import pathlib
import sqlite3
import sys
import time

EXPERIMENT = "many runs"
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :runs) "
# A permutation of small numbers, so that values do not follow the order of runs.
MIXED = "((i * 7919 + 13) % 1000003)"
PAIRS = {
    "params": {"model": "CASE i % 3 WHEN 0 THEN 'xgb' WHEN 1 THEN 'mlp' ELSE 'cat' END",
               "lr": "printf('0.%03d', " + MIXED + " % 1000)", "seed": "i"},
    "tags": {"mlflow.runName": "printf('run-%d', i)", "mlflow.user": "'ann'", "mlflow.source.name": "'train.py'",
             "team": "'team' || (" + MIXED + " % 10)"},
}
METRICS = {"auc": "0.5 + " + MIXED + " / 2000006.0", "loss": "1000003.0 / (1 + " + MIXED + ")"}


def fill(directory, runs):
    db = sqlite3.connect(pathlib.Path(directory) / ".mlops/registry.db")
    db.execute("PRAGMA journal_mode = OFF")
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA cache_size = -400000")
    now = int(time.time() * 1000)
    experiment = db.execute("INSERT INTO experiments (name, creation_time, last_update_time) VALUES (?, ?, ?)",
                            (EXPERIMENT, now, now)).lastrowid
    names = {"runs": runs, "experiment": experiment, "start": now - runs * 1000}
    db.execute(NUMBERS + "INSERT INTO runs (id, run_id, name, experiment, user_id, status, start_time, end_time) "
               "SELECT i, printf('%032x', i), printf('run-%d', i), :experiment, 'ann', "
               "CASE i % 100 WHEN 0 THEN 'FAILED' ELSE 'FINISHED' END, :start + i * 1000, :start + i * 1000 + 500 FROM n",
               names)
    for table, pairs in PAIRS.items():
        for key, value in pairs.items():
            db.execute(NUMBERS + f"INSERT INTO {table} (run, key, value) SELECT i, '{key}', {value} FROM n", names)
    db.execute(NUMBERS + "INSERT INTO tags (run, key, value) SELECT i, 'rare', 'yes' FROM n WHERE i % 1000 = 0", names)
    for key, value in METRICS.items():
        for table in ("metrics", "latest_metrics"):
            db.execute(NUMBERS + f"INSERT INTO {table} (run, key, timestamp, step, value, is_nan) "
                       f"SELECT i, '{key}', :start + i * 1000, 1, {value}, 0 FROM n", names)
    db.commit()
    db.execute("PRAGMA journal_mode = WAL")
    db.close()
    return experiment


if __name__ == "__main__":
    began = time.monotonic()
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    print("experiment %d has %d runs, after %.1f s" % (fill(sys.argv[1], count), count, time.monotonic() - began))
