"""Fits one model with one seed, and judges it on digits that it has not seen."""
import json
import os
import sys

import joblib
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

name, seed, table_csv, model_file, metrics_file = sys.argv[1:]
with open(os.environ["MLOPS_PARAMS"]) as f:
    params = json.load(f)["train"]

models = {
    "forest": RandomForestClassifier(n_estimators=params["trees"], random_state=int(seed)),
    "linear": LogisticRegression(max_iter=300, C=0.01),
    "neighbours": KNeighborsClassifier(n_neighbors=3),
}
table = np.loadtxt(table_csv, delimiter=",", dtype=int)
train, test = train_test_split(table, train_size=params["share"], random_state=int(seed))
model = models[name].fit(train[:, :-1], train[:, -1])
accuracy = float(model.score(test[:, :-1], test[:, -1]))

joblib.dump(model, model_file)
with open(metrics_file, "w") as f:
    json.dump({"accuracy": round(accuracy, 6)}, f)
print(f"{name} with seed {seed}: {accuracy:.4f}")
