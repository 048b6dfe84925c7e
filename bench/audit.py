"""The audit log: what its tree costs a change, at a million events, and what it takes to verify them."""
import contextlib
import json
import pathlib
import sqlite3
import statistics
import subprocess
import sys

from common import Bench, mlops_project

EVENTS = 1_000_000


def fill(project):
    """Events as a version of before the tree left them."""
    with contextlib.closing(sqlite3.connect(project / ".mlops/registry.db", isolation_level=None)) as db:
        db.execute(f"""INSERT INTO events (time, actor, origin, operation, subject, after, body)
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {EVENTS})
            SELECT 1790000000000 + i, 'anna@host', 'cli', 'step.note', 'train-' || (i % 100), 'v' || i,
                   '{{"files":' || i || ',"size":123456,"version":1}}' FROM n""")


def promote(bench, project):
    """Median seconds of a promotion, as a person or a program asks for it."""
    with contextlib.closing(sqlite3.connect(project / ".mlops/registry.db", isolation_level=None)) as db:
        db.execute("INSERT INTO registered_models (id, name, creation_time, last_update_time, last_number)"
                   " VALUES (1, 'churn', 1, 1, 2)")
        for n in (1, 2):
            db.execute("INSERT INTO model_versions (id, model, number, creation_time, last_update_time, source, location)"
                       " VALUES (?, 1, ?, 1, 1, 's3://b/m', 's3://b/m')", (n, n))
    promotions = [[bench.mlops, "model", "promote", f"churn@v{n}", "--alias", "champion"] for n in (1, 2) * 10]
    return statistics.median(bench.run(argv, project)[0] for argv in promotions)


def main():
    with Bench(__doc__, times=1) as bench:
        build = pathlib.Path(bench.mlops).parent
        subprocess.run(["cmake", "--build", build, "--target", "bench-audit"], check=True, stdout=subprocess.DEVNULL)
        project = mlops_project(bench, bench.dir / "p", "[step.a]\ncmd = true\n")
        fill(project)
        found = json.loads(subprocess.run([build / "bench-audit", project], check=True, capture_output=True).stdout)
        bench.show(f"{EVENTS} events of before the tree taken in", found["catch_up_s"])
        bench.show("a change with its event, until durable", found["change_us"] / 1e6)
        bench.show("of it the tree", found["append_us"] / 1e6)
        bench.show("a checkpoint", found["checkpoint_ms"] / 1e3)
        seconds = promote(bench, mlops_project(bench, bench.dir / "q", "[step.a]\ncmd = true\n"))
        bench.show("a promotion", seconds)
        bench.target("the tree's part of it", found["append_us"] / 1e4 / seconds, 5, "%")
        seconds, kib = bench.run([bench.mlops, "audit", "verify"], project)
        bench.show(f"audit verify of {EVENTS}", seconds, kib)
        bench.target("audit verify", seconds, 5, "s")
        return bench.finish()


if __name__ == "__main__":
    sys.exit(main())
