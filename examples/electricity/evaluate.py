"""Judges the model on each week after those it was trained on: does it keep what it promised?"""
import csv
import json
import os
import sys

import joblib
import numpy as np

weeks, model_file, metrics_file, plot_file = sys.argv[1:]
with open(os.environ["MLOPS_PARAMS"]) as f:
    trained = json.load(f)["train"]["weeks"]

model = joblib.load(model_file)
hits, baseline_hits, sizes = [], [], []
with open(os.environ["MLOPS_METRICS"], "a") as live, open(plot_file, "w", newline="") as plot:
    writer = csv.writer(plot, lineterminator="\n")
    writer.writerow(["week", "accuracy", "always_down"])
    for name in sorted(os.listdir(weeks))[trained:]:
        week = int(name.removesuffix(".csv"))
        table = np.loadtxt(f"{weeks}/{name}", delimiter=",", skiprows=1)
        up = table[:, -1].astype(int)
        hits.append(int((model.predict(table[:, :-1]) == up).sum()))
        baseline_hits.append(int((up == 0).sum()))
        sizes.append(len(up))
        accuracy = hits[-1] / sizes[-1]
        writer.writerow([week, f"{accuracy:.6f}", f"{baseline_hits[-1] / sizes[-1]:.6f}"])
        print(json.dumps({"key": "week_accuracy", "value": accuracy, "step": week}), file=live, flush=True)

by_week = [h / n for h, n in zip(hits, sizes)]
metrics = {
    "accuracy": round(sum(hits) / sum(sizes), 6),
    "always_down": round(sum(baseline_hits) / sum(sizes), 6),
    "first_quarter": round(float(np.mean(by_week[:13])), 6),
    "last_quarter": round(float(np.mean(by_week[-13:])), 6),
    "worst_week": round(min(by_week), 6),
    "weeks": len(by_week),
}
with open(metrics_file, "w") as f:
    json.dump(metrics, f, indent=2)
    f.write("\n")
with open(os.environ["MLOPS_SUMMARY"], "a") as f:
    f.write(f"""## {len(by_week)} weeks after {trained} weeks of training

| | accuracy |
|---|---|
| all weeks | {metrics['accuracy']:.3f} |
| the first 13 | {metrics['first_quarter']:.3f} |
| the last 13 | {metrics['last_quarter']:.3f} |
| the worst | {metrics['worst_week']:.3f} |
| saying "down" always | {metrics['always_down']:.3f} |
""")
print(f"accuracy {metrics['accuracy']:.3f} over {len(by_week)} weeks, "
      f"{metrics['first_quarter']:.3f} in the first quarter, {metrics['last_quarter']:.3f} in the last")
