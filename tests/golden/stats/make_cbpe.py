#!/usr/bin/env python3
"""Prints the right values of tests/unit/monitor/test_cbpe.c: what nannyml 0.13.1 and its scikit-learn answer.

    python3 -m venv V && V/bin/pip install nannyml==0.13.1 && V/bin/python make_cbpe.py
"""
import numpy as np
import pandas as pd
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import StratifiedShuffleSplit

METRICS = ["accuracy", "precision", "recall", "f1", "roc_auc"]
LABELS = {
    "as_promised": lambda u, p: u < p,
    "too_sure": lambda u, p: u < p * p,
    "too_shy": lambda u, p: u < 1 - (1 - p) * (1 - p) * (1 - p),
    "nearly_apart": lambda u, p: (u < 0.0001) != (p > 0.5),
}


def uniforms(seed):
    while True:
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        yield (seed >> 11) * 2.0**-53


def table(seed, n, labels):
    u = uniforms(seed)
    rows = [(p, int(p >= 0.5), int(labels(next(u), p))) for p in (next(u) for _ in range(n))]
    return pd.DataFrame(rows, columns=["p", "predicted", "label"])


def estimates():
    import nannyml

    for name, labels in LABELS.items():
        for rows in (300, 4000):
            cbpe = nannyml.CBPE(y_pred_proba="p", y_pred="predicted", y_true="label", metrics=METRICS, chunk_size=500,
                                problem_type="classification_binary").fit(table(1, rows, labels))
            result = cbpe.estimate(table(2, 500, labels).drop(columns="label")).to_df()
            row = result[result[("chunk", "period")] == "analysis"].iloc[0]
            numbers = [row[(m, part)] for m in METRICS
                       for part in ("value", "lower_confidence_boundary", "upper_confidence_boundary")]
            print(name, rows, cbpe.needs_calibration, [float(x) for x in numbers])


def splits():
    y = np.array([i % 3 == 0 for i in range(45)])
    splitter = StratifiedShuffleSplit(n_splits=3, test_size=0.1, random_state=42)
    print([sorted(int(i) for i in test) for _, test in splitter.split(y, y)])
    even = np.array([i % 2 for i in range(15)])  # 6.93 and 6.07 of 13: the remainders decide, not the lot
    print([sorted(int(i) for i in test) for _, test in splitter.split(even, even)])
    lot = np.array([i % 2 for i in range(50)])  # 22.5 of each class: the lot decides
    print([sorted(int(i) for i in test) for _, test in splitter.split(lot, lot)])


def isotonic():
    x = [0.1, 0.2, 0.2, 0.3, 0.4, 0.4 + 1e-16, 0.5, 0.6, 0.7, 0.9]
    y = [0, 1, 0, 0, 1, 0, 1, 0, 1, 1]
    f = IsotonicRegression(out_of_bounds="clip").fit(x, y)
    print([float(v) for v in f.X_thresholds_], [float(v) for v in f.y_thresholds_])
    print([float(v) for v in f.predict([0, 0.1, 0.15, 0.35, 0.55, 0.65, 1])])


if __name__ == "__main__":
    splits()
    isotonic()
    estimates()
