"""Judges the model on biopsies it has never seen: metrics, a ROC curve and a short report."""
import csv
import json
import os
import sys

import joblib
import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, recall_score, roc_auc_score, roc_curve

test_csv, model_file, metrics_file, roc_csv = sys.argv[1:]
with open(os.environ["MLOPS_PARAMS"]) as f:
    threshold = json.load(f)["evaluate"]["threshold"]

table = np.loadtxt(test_csv, delimiter=",", skiprows=1)
rows, malignant = table[:, :-1], table[:, -1].astype(int)
score = joblib.load(model_file).predict_proba(rows)[:, 1]
verdict = (score >= threshold).astype(int)
healthy_ok, false_alarm, missed, found = (int(n) for n in confusion_matrix(malignant, verdict).ravel())

metrics = {
    "accuracy": round(float(accuracy_score(malignant, verdict)), 6),
    "auc": round(float(roc_auc_score(malignant, score)), 6),
    "recall": round(float(recall_score(malignant, verdict)), 6),
    "missed": missed,
    "false_alarms": false_alarm,
}
with open(metrics_file, "w") as f:
    json.dump(metrics, f, indent=2)
    f.write("\n")

with open(roc_csv, "w", newline="") as f:
    writer = csv.writer(f, lineterminator="\n")
    writer.writerow(["false_positive_rate", "true_positive_rate"])
    for x, y, _ in zip(*roc_curve(malignant, score)):
        writer.writerow([f"{x:.6f}", f"{y:.6f}"])

with open(os.environ["MLOPS_SUMMARY"], "a") as f:
    f.write(f"""## {len(malignant)} biopsies never seen in training

| | said benign | said malignant |
|---|---|---|
| benign | {healthy_ok} | {false_alarm} |
| malignant | {missed} | {found} |

Accuracy {metrics['accuracy']:.3f}, area under the ROC curve {metrics['auc']:.4f}, at threshold {threshold}.
""")
print(f"accuracy {metrics['accuracy']:.3f}, auc {metrics['auc']:.4f}, {missed} tumours missed")
