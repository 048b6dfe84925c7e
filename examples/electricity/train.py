"""Fits boosted trees on the first weeks."""
import json
import os
import sys

import joblib
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

weeks, model_file, metrics_file = sys.argv[1:]
with open(os.environ["MLOPS_PARAMS"]) as f:
    params = json.load(f)["train"]

first = sorted(os.listdir(weeks))[:params["weeks"]]
table = np.vstack([np.loadtxt(f"{weeks}/{name}", delimiter=",", skiprows=1) for name in first])
rows, up = table[:, :-1], table[:, -1].astype(int)
model = HistGradientBoostingClassifier(
    learning_rate=params["learning_rate"], max_iter=params["trees"], max_leaf_nodes=params["leaves"],
    early_stopping=False, random_state=params["seed"])
model.fit(rows, up)

joblib.dump(model, model_file)
accuracy = round(float(model.score(rows, up)), 6)
with open(metrics_file, "w") as f:
    json.dump({"train": {"rows": len(up), "accuracy": accuracy}}, f, indent=2)
    f.write("\n")
print(f"{len(first)} weeks, {len(up)} half-hours: accuracy {accuracy:.3f} on what it was trained on")
