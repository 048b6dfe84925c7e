"""Splits the breast-cancer data that scikit-learn ships into train.csv and test.csv."""
import csv
import json
import os
import sys

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

out = sys.argv[1]
with open(os.environ["MLOPS_PARAMS"]) as f:
    params = json.load(f)["prepare"]

data = load_breast_cancer()
columns = [name.replace(" ", "_") for name in data.feature_names]
malignant = 1 - data.target  # scikit-learn codes 0 = malignant; a positive should be the illness
parts = train_test_split(
    data.data, malignant,
    test_size=params["test_share"], random_state=params["seed"], stratify=malignant)

os.makedirs(out, exist_ok=True)
for name, rows, labels in (("train", parts[0], parts[2]), ("test", parts[1], parts[3])):
    with open(f"{out}/{name}.csv", "w", newline="") as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(columns + ["malignant"])
        for row, label in zip(rows.tolist(), labels.tolist()):
            writer.writerow(row + [label])
    print(f"{name}: {len(labels)} biopsies, {int(labels.sum())} malignant")
