# SPDX-License-Identifier: Apache-2.0
"""The examples: they run on Debian's python3-sklearn, then have nothing to do, and give the same bytes again."""
import json
import shutil

import pytest

from conftest import ROOT

SECONDS = 25

# name, a metric and the least it must reach, a param, the steps that must run when it changes
EXAMPLES = [
    ("quickstart", "auc", 0.95, "train.learning_rate=0.01", ["train", "evaluate"]),
    ("electricity", "accuracy", 0.7, "train.weeks=30", ["train", "evaluate"]),
]


@pytest.mark.parametrize("name,metric,least,param,ran", EXAMPLES, ids=[e[0] for e in EXAMPLES])
def test_example(tmp_path, mlops, name, metric, least, param, ran):
    place = tmp_path / name
    shutil.copytree(ROOT / "examples" / name, place)
    env = {"PATH": "/usr/bin:/bin"}

    def run(*args):
        status, out, err = mlops("run", "--json", *args, cwd=place, env=env)
        assert status == 0, out + err
        return json.loads(out.splitlines()[-1])

    assert mlops("init", cwd=place).status == 0
    first = run()
    assert first["ran"] == 3
    shown = json.loads(mlops("show", "--json", cwd=place).out)["run"]
    assert shown["metrics"][metric] >= least
    assert run()["fresh"] == 3

    changed = run("-p", param)
    assert [s["name"] for s in changed["steps"] if s["state"] == "ok"] == ran
    lock = (place / "mlops.lock").read_text()
    run("--force", "-p", param)
    assert (place / "mlops.lock").read_text() == lock
