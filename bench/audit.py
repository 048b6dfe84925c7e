"""The audit log: what its tree costs a change, at a million events, and what it takes to verify them."""
import json
import pathlib
import sqlite3
import subprocess
import sys

from common import Bench, mlops_project

EVENTS = 1_000_000


def fill(project):
    """Events as a version of before the tree left them."""
    with sqlite3.connect(project / ".mlops/registry.db") as db:
        db.execute(f"""INSERT INTO events (time, actor, origin, operation, subject, after, body)
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {EVENTS})
            SELECT 1790000000000 + i, 'anna@host', 'cli', 'data.add', 'data/raw' || i % 100, 'v' || i,
                   '{{"files":' || i || ',"size":123456,"version":1}}' FROM n""")


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
        bench.target("the tree's part", 100 * found["append_us"] / found["change_us"], 5, "%")
        seconds, kib = bench.run([bench.mlops, "audit", "verify"], project)
        bench.show(f"audit verify of {EVENTS}", seconds, kib)
        bench.target("audit verify", seconds, 5, "s")
        return bench.finish()


if __name__ == "__main__":
    sys.exit(main())
