"""Judges the model on biopsies it has never seen: metrics, a ROC curve and a short report."""
import csv
import json
import os
import sys

from model import load_table, probability, scale

test_csv, model_file, metrics_file, roc_csv = sys.argv[1:]
with open(os.environ["MLOPS_PARAMS"]) as f:
    threshold = json.load(f)["evaluate"]["threshold"]
with open(model_file) as f:
    model = json.load(f)

rows, malignant = load_table(test_csv)
score = [probability(model, scale(model, row)) for row in rows]
ill, well = sum(malignant), len(malignant) - sum(malignant)


def count(threshold, label):
    """Rows of the label that are called malignant at the threshold."""
    return sum(s >= threshold for s, truth in zip(score, malignant) if truth == label)


found, false_alarms = count(threshold, 1), count(threshold, 0)
curve = [(0.0, 0.0)] + [(count(t, 0) / well, count(t, 1) / ill) for t in sorted(set(score), reverse=True)]
auc = sum((x - before_x) * (y + before_y) / 2 for (before_x, before_y), (x, y) in zip(curve, curve[1:]))
metrics = {
    "accuracy": round((found + well - false_alarms) / len(malignant), 6),
    "auc": round(auc, 6),
    "recall": round(found / ill, 6),
    "missed": ill - found,
    "false_alarms": false_alarms,
}
with open(metrics_file, "w") as f:
    json.dump(metrics, f, indent=2)
    f.write("\n")

with open(roc_csv, "w", newline="") as f:
    writer = csv.writer(f, lineterminator="\n")
    writer.writerow(["false_positive_rate", "true_positive_rate"])
    writer.writerows([f"{x:.6f}", f"{y:.6f}"] for x, y in curve)

with open(os.environ["MLOPS_SUMMARY"], "a") as f:
    f.write(f"""## {len(malignant)} biopsies never seen in training

| | said benign | said malignant |
|---|---|---|
| benign | {well - false_alarms} | {false_alarms} |
| malignant | {ill - found} | {found} |

Accuracy {metrics['accuracy']:.3f}, area under the ROC curve {metrics['auc']:.4f}, at threshold {threshold}.
""")
print(f"accuracy {metrics['accuracy']:.3f}, auc {metrics['auc']:.4f}, {ill - found} tumours missed")
