"""Splits the biopsies into train.csv and test.csv, with the same share of malignant ones in both."""
import csv
import json
import os
import random
import sys

table, out = sys.argv[1:]
with open(os.environ["MLOPS_PARAMS"]) as f:
    params = json.load(f)["prepare"]

with open(table, newline="") as f:
    columns, *rows = csv.reader(f)
chance = random.Random(params["seed"])
parts = {"train": [], "test": []}
for label in ("0", "1"):
    alike = [row for row in rows if row[-1] == label]
    chance.shuffle(alike)
    tested = round(len(alike) * params["test_share"])
    parts["test"] += alike[:tested]
    parts["train"] += alike[tested:]

os.makedirs(out, exist_ok=True)
for name, part in parts.items():
    chance.shuffle(part)
    with open(f"{out}/{name}.csv", "w", newline="") as f:
        csv.writer(f, lineterminator="\n").writerows([columns, *part])
    print(f"{name}: {len(part)} biopsies, {sum(row[-1] == '1' for row in part)} malignant")
