# SPDX-License-Identifier: Apache-2.0
"""A kill while a bundle is imported or written: all of it counts, or nothing, and the next command goes on."""
import shutil
import sqlite3

import pytest
from sweep import run, run_json, sweep

SECONDS = 5

PIPELINE = """\
[pipeline]
name = churn
[step.one]
cmd = sh -c 'cat in.txt > model.bin; echo {\\"auc\\": 1} > m.json'
in  = in.txt
out = model.bin
metrics = m.json
[model.churn]
from = model.bin
gate = auc >= 0
"""
FACTS = ("runs", "registered_models", "model_versions", "model_aliases", "attestations", "cache", "imports")


@pytest.fixture
def made(tmp_path):
    top = tmp_path / "made"
    top.mkdir()
    run(top, "init")
    (top / "pipeline.ini").write_text(PIPELINE)
    (top / "in.txt").write_text("in\n")
    run(top, "run")
    run(top, "bundle", "create", ".", "all.bundle")
    return top


def facts(top):
    db = sqlite3.connect(f"file:{top}/.mlops/registry.db?mode=ro", uri=True)
    try:
        return [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in FACTS]
    finally:
        db.close()


def test_import_is_all_or_nothing(made, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    run(empty, "init")
    shutil.copy(made / "all.bundle", empty / "all.bundle")
    nothing = facts(empty)
    whole = tmp_path / "whole"
    shutil.copytree(empty, whole)
    run(whole, "bundle", "import", "all.bundle")
    everything = facts(whole)
    assert not any(nothing) and all(everything)

    def check(work):
        assert facts(work) in (nothing, everything)
        run(work, "fsck")
        run(work, "bundle", "import", "all.bundle")
        assert facts(work) == everything
        run(work, "fsck")
        run(work, "audit", "verify")
        assert run_json(work, "bundle", "import", "all.bundle")["repeated"]

    assert sweep(empty, tmp_path, ["bundle", "import", "all.bundle"], check, 23) > 6


def test_a_bundle_has_its_name_when_it_is_whole(made, tmp_path):
    whole = (made / "all.bundle").read_bytes()

    def check(work):
        if (work / "new.bundle").exists():
            assert (work / "new.bundle").read_bytes() == whole
        run(work, "bundle", "create", ".", "new.bundle", "--force")
        assert (work / "new.bundle").read_bytes() == whole and not (work / "new.bundle.part").exists()

    assert sweep(made, tmp_path, ["bundle", "create", ".", "new.bundle"], check, 23) > 6
