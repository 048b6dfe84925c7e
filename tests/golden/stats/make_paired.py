#!/usr/bin/env python3
"""Writes paired.txt: two models on the same examples, by definition, with exact sums where there are some.

    python3 make_paired.py > paired.txt

mcnemar B C P             p of McNemar's exact test; the sum of binomials is exact
paired METRIC N BOUND SEED CANDIDATE CHAMPION GAIN SHARE
                          scores of both, and the bootstrap's share of gains up to the bound; the rows are those of rows()
"""
import math
from fractions import Fraction


def mcnemar(b, c):
    n, k = b + c, min(b, c)
    return min(Fraction(1), 2 * Fraction(sum(math.comb(n, i) for i in range(k + 1)), 2**n))


def uniforms(state):
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield (state >> 11) * 2.0**-53


def rows(metric, n):
    u = uniforms(n)
    for _ in range(n):
        label = float(next(u) < 0.4)
        said = [math.floor((0.2 * label + 0.8 * next(u)) * 64) / 64, math.floor((0.05 * label + 0.95 * next(u)) * 64) / 64]
        if metric in ("accuracy", "f1"):
            said = [float(s >= 0.5) for s in said]
        yield label, *said


def auc(pairs):
    ones = [s for y, s in pairs if y]
    zeros = [s for y, s in pairs if not y]
    if not ones or not zeros:
        return math.nan
    return sum((a > b) * 2 + (a == b) for a in ones for b in zeros) / (2 * len(ones) * len(zeros))


def f1(pairs):
    hits = sum(y and s for y, s in pairs)
    return 2 * hits / sum(y + s for y, s in pairs) if hits else 0


def mean(part):
    return lambda pairs: math.fsum(part(y, s) for y, s in pairs) / len(pairs)


def logloss(y, s):
    s = min(max(s, 2**-52), 1 - 2**-52)
    return -math.log(s) if y else -math.log1p(-s)


METRICS = {
    "accuracy": (mean(lambda y, s: y == s), 1), "auc": (auc, 1), "f1": (f1, 1), "logloss": (mean(logloss), -1),
    "brier": (mean(lambda y, s: (y - s)**2), -1), "mae": (mean(lambda y, s: abs(y - s)), -1),
    "rmse": (lambda pairs: math.sqrt(mean(lambda y, s: (y - s)**2)(pairs)), -1),
}


def splitmix(state):
    while True:
        state = (state + 0x9e3779b97f4a7c15) % 2**64
        z = (state ^ state >> 30) * 0xbf58476d1ce4e5b9 % 2**64
        z = (z ^ z >> 27) * 0x94d049bb133111eb % 2**64
        yield z ^ z >> 31


def gain(metric, data):
    score, sign = METRICS[metric]
    a, b = score([(y, s) for y, s, _ in data]), score([(y, s) for y, _, s in data])
    return float(a), float(b), float(sign * (a - b))


def share(metric, data, bound, seed):
    draws, n, count = splitmix(seed), len(data), 1
    for _ in range(2000):
        sample = [data[(next(draws) >> 32) * n >> 32] for _ in range(n)]
        count += not gain(metric, sample)[2] > bound
    return count / 2001


def main():
    for b, c in ((0, 0), (1, 1), (0, 1), (0, 6), (1, 9), (5, 20), (3, 4), (40, 61), (499, 601), (10, 900), (0, 1000),
                 (1900, 2000), (7, 100000)):
        print("mcnemar", b, c, repr(float(mcnemar(b, c))))
    for metric in METRICS:
        for n, bound, seed in ((1, 0, 1), (12, 0, 2), (40, 0.001, 2**64 - 1), (40, -0.05, 3)):
            data = list(rows(metric, n))
            print("paired", metric, n, bound, seed, *map(repr, gain(metric, data)), repr(share(metric, data, bound, seed)))


main()
