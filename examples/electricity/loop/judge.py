"""Lets candidate and champion predict the same half-hours, a row each, for the gate to compare."""
import csv
import json
import os
import sys

import joblib

from train import labels, numbers, read, without_newest_week


def judge(rows, candidate, champion, path):
    """Writes label, candidate and champion of each row; how often the candidate is right."""
    truth, guess = labels(rows), candidate.predict(numbers(rows))
    held = champion.predict(numbers(rows)) if champion else [""] * len(rows)
    with open(path, "w", newline="") as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(["label", "candidate", "champion"])
        writer.writerows(zip(truth, guess, held))
    return round(float((guess == truth).mean()), 6)


candidate_file, champion_dir, data, out, metrics_file = sys.argv[1:]
champions = [os.path.join(champion_dir, name) for name in os.listdir(champion_dir)]
candidate = joblib.load(candidate_file)
champion = joblib.load(champions[0]) if champions else None
_, recent = without_newest_week(read(f"{data}/history.csv"))

os.makedirs(out, exist_ok=True)
metrics = {
    "accuracy": judge(recent, candidate, champion, f"{out}/recent.csv"),
    "accuracy_old": judge(read(f"{data}/old.csv"), candidate, champion, f"{out}/old.csv"),
}
with open(metrics_file, "w") as f:
    json.dump(metrics, f, indent=2)
    f.write("\n")
print(metrics)
