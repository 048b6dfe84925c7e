"""Fits boosted trees on all of the history but its newest week, which is kept to judge them."""
import csv
import datetime
import sys

import joblib
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

FEATURES = ["period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer"]


def read(path):
    with open(path, newline="") as f:
        return list(csv.DictReader(f))


def week(row):
    """The Monday of the row's week."""
    day = datetime.date.fromisoformat(row["time"][:10])
    return day - datetime.timedelta(days=day.weekday())


def numbers(rows):
    return np.array([[float(row[name]) for name in FEATURES] for row in rows])


def labels(rows):
    return np.array([int(row["label"]) for row in rows])


def fit(rows):
    model = HistGradientBoostingClassifier(learning_rate=0.1, max_iter=60, max_leaf_nodes=15, early_stopping=False,
                                           random_state=7)
    return model.fit(numbers(rows), labels(rows))


def without_newest_week(rows):
    newest = max(map(week, rows))
    return [row for row in rows if week(row) < newest], [row for row in rows if week(row) == newest]


def main(history, model_file, training_file):
    training, _ = without_newest_week(read(history))
    joblib.dump(fit(training), model_file)
    with open(training_file, "w", newline="") as f:
        writer = csv.DictWriter(f, ["time", *FEATURES, "label"], lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: row[name] for name in writer.fieldnames} for row in training)
    print(f"{len(training)} half-hours from {training[0]['time']} to {training[-1]['time']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
