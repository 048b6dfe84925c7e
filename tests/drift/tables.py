# SPDX-License-Identifier: Apache-2.0
"""Columns of every shape, by name: a function of (dice, rows, current?) that gives an array or a list."""
import numpy as np


def words(dice, rows, k, weights=None):
    return dice.choice(np.array(["w%d" % i for i in range(k)], dtype=object), rows, p=weights)


def holes(dice, values, share):
    """The same with missing values."""
    values = np.array(values, dtype=object)
    values[dice.random(len(values)) < share] = None
    return values


def unseen(dice, rows, current):
    found = words(dice, rows, 5)
    if current and rows > 1:
        found[: rows // 20 + 1] = "new"
    return found


SHAPES = {
    "normal": lambda d, n, c: d.normal(size=n),
    "shifted": lambda d, n, c: d.normal(0.3 if c else 0, 1, n),
    "far": lambda d, n, c: d.normal(50 if c else 0, 1, n),
    "tiny": lambda d, n, c: d.normal(0, 1e-9, n),
    "huge": lambda d, n, c: d.normal(1e15, 1e12, n),
    "skewed": lambda d, n, c: d.lognormal(0, 2, n),
    "rounded": lambda d, n, c: np.round(d.normal(10, 1, n), 1),
    "ties": lambda d, n, c: d.integers(0, 30, n).astype(float) / 4,
    "int_few": lambda d, n, c: d.integers(0, 4, n),
    "int_two": lambda d, n, c: d.integers(0, 2, n) * 7,
    "int_eight": lambda d, n, c: d.integers(0, 8 + 3 * c, n),
    "int_many": lambda d, n, c: d.integers(-1000, 1000, n),
    "int_wide": lambda d, n, c: d.integers(0, 10**12, n),
    "float_two": lambda d, n, c: d.integers(0, 2, n) + 0.5,
    "float_four": lambda d, n, c: d.integers(0, 4, n) * 0.1,
    "constant": lambda d, n, c: np.full(n, 3),
    "constant_moved": lambda d, n, c: np.full(n, 4.5 if c else 3.5),
    "was_constant": lambda d, n, c: d.normal(size=n) if c else np.full(n, 1.25),
    "holed": lambda d, n, c: holes(d, d.normal(size=n), 0.2),
    "int_holed": lambda d, n, c: holes(d, d.integers(0, 50, n), 0.1),
    "infinite": lambda d, n, c: np.where(d.random(n) < 0.05, np.inf, d.normal(size=n)),
    "minus_infinite": lambda d, n, c: np.where(d.random(n) < 0.05, -np.inf, d.normal(size=n)),
    "flag": lambda d, n, c: d.random(n) < (0.6 if c else 0.5),
    "category": lambda d, n, c: words(d, n, 4),
    "category_two": lambda d, n, c: words(d, n, 2, [0.3, 0.7]),
    "category_one": lambda d, n, c: words(d, n, 1),
    "category_moved": lambda d, n, c: words(d, n, 3, [0.5, 0.3, 0.2] if c else [0.3, 0.3, 0.4]),
    "category_rare": lambda d, n, c: words(d, n, 40, np.arange(1, 41) ** 2.0 / np.sum(np.arange(1, 41) ** 2.0)),
    "category_holed": lambda d, n, c: holes(d, words(d, n, 3), 0.3),
    "category_unseen": unseen,
    "numbers_as_text": lambda d, n, c: ["%dx" % i for i in d.integers(0, 5, n)],
    "quoted": lambda d, n, c: ['a "b", c' if i else "d\ne" for i in d.integers(0, 2, n)],
}
