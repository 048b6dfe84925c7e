# SPDX-License-Identifier: Apache-2.0
"""SIGKILL in a split: a part is there whole or not at all, and old parts never stand beside new ones."""
import pytest
from sweep import run, sweep

SECONDS = 15
PARTS = ["train.csv", "test.csv"]
TABLE = "id,x\n" + "".join(f"{i},{i * 7 % 31}\n" for i in range(300))


@pytest.fixture
def template(tmp_path):
    top = tmp_path / "template"
    top.mkdir()
    (top / "data.csv").write_text(TABLE)
    return top


def parts(top, *args):
    run(top, "split", "data.csv", *args)
    return {name: (top / "out" / name).read_text() for name in PARTS}


def read(work):
    out = work / "out"
    return {path.name: path.read_text() for path in out.iterdir() if not path.name.startswith(".")} if out.exists() else {}


def test_a_killed_split_leaves_all_parts_or_none(template, tmp_path):
    whole = tmp_path / "whole"
    whole.mkdir()
    (whole / "data.csv").write_text(TABLE)
    want = parts(whole, "-o", "out")

    def check(work):
        assert read(work) in ({}, want)
        assert parts(work, "-o", "out", "--force") == want

    assert sweep(template, tmp_path, ["split", "data.csv", "-o", "out"], check, 1) > 25


def test_a_killed_split_never_mixes_old_parts_with_new(template, tmp_path):
    old = parts(template, "-o", "out", "--seed", "1")
    new = parts(template, "-o", "out", "--seed", "2", "--force")
    assert parts(template, "-o", "out", "--seed", "1", "--force") == old

    def check(work):
        found = read(work)
        assert found.items() <= old.items() or found.items() <= new.items()
        assert parts(work, "-o", "out", "--seed", "2", "--force") == new

    again = ["split", "data.csv", "-o", "out", "--seed", "2", "--force"]
    assert sweep(template, tmp_path, again, check, 1) > 25
