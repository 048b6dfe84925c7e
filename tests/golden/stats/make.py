#!/usr/bin/env python3
"""Writes the tables of this directory: what scipy 1.17.1 answers, one call a line.

    python3 -m venv V && V/bin/pip install scipy==1.17.1 && V/bin/python make.py

A line is the function, its arguments, and the right value. Samples are made from a seed, as the test makes them. Where
scipy has lost more than 1e-12 itself (chi-square with thousands of degrees, Student's t with a million) the values are of
mpmath, with 50 digits: those are in exact.txt, and `make.py exact` writes them where mpmath is installed.
"""
import math
import sys


def line(*words):
    return " ".join(w if isinstance(w, str) else repr(int(w)) if isinstance(w, int) else repr(float(w)) for w in words)


def tails():
    import numpy as np
    from scipy import stats, special
    for df in (1, 2, 3, 5, 9, 11, 48, 255, 1000):
        for times in (0.01, 0.3, 0.9, 1, 1.1, 2, 5):
            yield line("chi2_sf", df * times, df, stats.chi2.sf(df * times, df))
    for x, df in ((11.07, 5), (200, 9), (1300, 10), (1400, 1), (0.5, 0.5)):
        yield line("chi2_sf", x, df, stats.chi2.sf(x, df))
    for z in (-9, -3, -1, 0, 1e-9, 0.5, 1.96, 5, 12, 25, 37):
        yield line("normal_sf", z, stats.norm.sf(z))
    for df in (1, 2, 5.5, 14, 100, 1000):
        for t in (-3, 0.1, 1, 1.7, 1.8, 5, 40):
            yield line("students_t_sf", t, df, stats.t.sf(t, df))
    for p in (1e-300, 1e-20, 0.001, 0.025, 0.3, 0.49, 0.51, 0.95, 0.999999):
        yield line("normal_quantile", p, special.ndtri(p))
    for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 50, 140, 141, 500, 5000, 50000, 100000, 100001, 1000000):
        at = [0.4 / n, 0.6 / n, 1 / n, 1.5 / n, 0.5, 0.9, 1 - 1 / n, 1]
        at += [math.sqrt(effect / n) for effect in (0.1, 0.3, 0.7, 0.76, 1, 2, 2.3, 3.5, 4.1, 10, 50, 200, 300, 371)]
        for d in sorted({d for d in at if d <= 1}):
            yield line("kstwo_sf", d, n, stats.kstwo.sf(d, n))


def two_samples():
    import numpy as np
    from scipy.stats._stats_py import _attempt_exact_2kssamp
    pairs = [(1, 1), (1, 2), (3, 5), (8, 8), (7, 21), (40, 39), (100, 101), (500, 400), (1000, 10), (997, 1009), (1000, 1000)]
    for n, m in pairs:
        lcm = n * m // math.gcd(n, m)
        for h in sorted({max(1, round(lcm * d)) for d in (0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.7, 1)}):
            fine, d, p = _attempt_exact_2kssamp(n, m, math.gcd(n, m), h / lcm, "two-sided")
            if fine:
                yield line("ks_p", h / lcm, n, m, p)


def uniforms(seed, n):
    state = seed
    for _ in range(n):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield (state >> 11) * 2.0**-53


def samples():
    """Values floor(u^power * levels) of seeds 1 and 2; levels 0: u^power."""
    import numpy as np
    from scipy import stats
    for n, m, power, levels in ((1, 1, 1, 0), (5, 7, 1, 0), (500, 400, 1.2, 0), (500, 400, 1, 0), (300, 1000, 2, 7), (64, 64, 1, 3),
                                (2000, 1999, 1.05, 50)):
        a = np.array(list(uniforms(1, n)))
        b = np.array(list(uniforms(2, m))) ** power
        if levels:
            a, b = np.floor(a * levels), np.floor(b * levels)
        ks = stats.ks_2samp(a, b)
        yield line("samples", n, m, power, levels, ks.statistic, ks.pvalue, stats.wasserstein_distance(a, b))


def shares():
    """Counts 1 + floor(u * most) of seeds 1 and 2; with holes, what is divisible by 3 or 5 is 0 on a side."""
    import numpy as np
    from scipy import stats
    from scipy.spatial.distance import jensenshannon
    for k, most, holes in ((2, 9, 0), (3, 9, 0), (6, 30, 1), (11, 500, 0), (20, 40, 1), (100, 100000, 0)):
        r = np.array([1 + math.floor(u * most) for u in uniforms(1, k)], dtype=float)
        c = np.array([1 + math.floor(u * most) for u in uniforms(2, k)], dtype=float)
        if holes:
            r[::3], c[::5] = 0, 0
        p, q = r / r.sum(), c / c.sum()
        seen = (r + c) > 0
        table = stats.chi2_contingency(np.array([r, c])[:, seen], correction=False)
        psi = 0 if holes else float(((p - q) * np.log(p / q)).sum())
        kl = math.inf if holes else stats.entropy(r, c)
        yield line("shares", k, most, holes, psi, kl, jensenshannon(r, c), jensenshannon(r, c, 2),
                   float(np.sqrt(((p**0.5 - q**0.5) ** 2).sum() / 2)), table.statistic, table.dof, table.pvalue)


def exact():
    import mpmath as mp
    mp.mp.dps = 50
    for x, df in ((8190, 4095), (15000, 10000), (1005000, 1000000), (1e6, 1e6), (1e-8, 0.5), (1400, 1)):
        yield line("chi2_sf", x, df, mp.gammainc(mp.mpf(df) / 2, mp.mpf(x) / 2, regularized=True))
    for t, df in ((0.5, 1e6), (1.5, 1e6), (3, 1e6), (37, 1e6), (1e-9, 1), (1e100, 2), (20, 100), (2, 1e4)):
        x = df / (df + mp.mpf(t) ** 2)
        yield line("students_t_sf", t, df, mp.betainc(mp.mpf(df) / 2, 0.5, 0, x, regularized=True) / 2)
    for z in (33.25, 37):
        yield line("normal_sf", z, mp.erfc(mp.mpf(z) / mp.sqrt(2)) / 2)


TABLES = {"tails": (tails, two_samples, samples, shares), "exact": (exact,)}

if __name__ == "__main__":
    name = sys.argv[1] if len(sys.argv) > 1 else "tails"
    with open(f"{sys.path[0]}/{name}.txt", "w") as out:
        for table in TABLES[name]:
            for text in table():
                print(text, file=out)
