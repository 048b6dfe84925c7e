"""Writes the 1,797 handwritten digits that scikit-learn ships: 64 pixels and the digit, a line each."""
import csv
import sys

from sklearn.datasets import load_digits

digits = load_digits()
with open(sys.argv[1], "w", newline="") as f:
    writer = csv.writer(f, lineterminator="\n")
    for pixels, digit in zip(digits.data.astype(int).tolist(), digits.target.tolist()):
        writer.writerow(pixels + [digit])
