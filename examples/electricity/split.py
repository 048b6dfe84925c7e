"""Cuts the table, which is in time order, into one file a week: weeks/000.csv, weeks/001.csv, ..."""
import os
import sys

HALF_HOURS = 7 * 48

source, out = sys.argv[1:]
with open(source) as f:
    header, *rows = f.readlines()

os.makedirs(out, exist_ok=True)
weeks = [rows[i:i + HALF_HOURS] for i in range(0, len(rows), HALF_HOURS)]
for number, week in enumerate(weeks):
    with open(f"{out}/{number:03}.csv", "w") as f:
        f.write(header)
        f.writelines(week)
print(f"{len(rows)} half-hours in {len(weeks)} weeks, the last with {len(weeks[-1])}")
