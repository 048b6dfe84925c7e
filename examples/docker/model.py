"""A logistic regression in plain Python: each column scaled by its mean and deviation, then a weighted sum."""
import csv
import math
import statistics


def load_table(path):
    """(rows of numbers, labels 0 or 1)"""
    with open(path, newline="") as f:
        rows = [[float(cell) for cell in row] for row in list(csv.reader(f))[1:]]
    return [row[:-1] for row in rows], [int(row[-1]) for row in rows]


def new_model(rows):
    columns = list(zip(*rows))
    return {
        "mean": [statistics.fmean(column) for column in columns],
        "deviation": [statistics.pstdev(column) or 1.0 for column in columns],
        "weights": [0.0] * len(columns),
        "bias": 0.0,
    }


def scale(model, row):
    return [(x - mean) / deviation for x, mean, deviation in zip(row, model["mean"], model["deviation"])]


def probability(model, scaled):
    z = model["bias"] + sum(w * x for w, x in zip(model["weights"], scaled))
    z = max(-30.0, min(30.0, z))
    return 1 / (1 + math.exp(-z))


def learn(model, scaled, label, rate):
    """One step of gradient descent on one row."""
    error = label - probability(model, scaled)
    model["weights"] = [w + rate * error * x for w, x in zip(model["weights"], scaled)]
    model["bias"] += rate * error


def mean_loss(model, table, labels):
    """Of the whole table: the average of -log(probability of what was true)."""
    return -statistics.fmean(
        math.log(p if label else 1 - p)
        for label, p in zip(labels, (probability(model, scaled) for scaled in table)))
