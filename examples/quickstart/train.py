"""Fits a logistic regression, one pass over the data an epoch, and reports its loss while it runs."""
import csv
import json
import os
import sys

import joblib
import numpy as np
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

train_csv, model_file, loss_csv = sys.argv[1:]
with open(os.environ["MLOPS_PARAMS"]) as f:
    params = json.load(f)["train"]

table = np.loadtxt(train_csv, delimiter=",", skiprows=1)
rows, malignant = table[:, :-1], table[:, -1].astype(int)
scaler = StandardScaler().fit(rows)
scaled = scaler.transform(rows)
classifier = SGDClassifier(
    loss="log_loss", learning_rate="constant", eta0=params["learning_rate"],
    random_state=params["seed"])

with open(os.environ["MLOPS_METRICS"], "a") as live, open(loss_csv, "w", newline="") as plot:
    points = csv.writer(plot, lineterminator="\n")
    points.writerow(["epoch", "loss"])
    for epoch in range(1, params["epochs"] + 1):
        classifier.partial_fit(scaled, malignant, classes=[0, 1])
        loss = float(log_loss(malignant, classifier.predict_proba(scaled)))
        points.writerow([epoch, f"{loss:.6f}"])
        print(json.dumps({"key": "loss", "value": loss, "step": epoch}), file=live, flush=True)
        if epoch % 10 == 0:
            print(f"epoch {epoch}: loss {loss:.4f}", flush=True)

joblib.dump(make_pipeline(scaler, classifier), model_file)
