# SPDX-License-Identifier: Apache-2.0
"""
Readers and writers of provenance that are not ours, on what we write. These tests run inside a virtual environment that
has them; `scripts/test` makes one.
"""
import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = os.path.abspath(os.environ.get("MLOPS", ROOT / "build/release/mlops"))


@pytest.fixture
def mlops(tmp_path):
    """Runs a command; gives its JSON, of a run the last line. Verdicts (7) and doubts (8) are answers, too."""
    def run(*argv, status=(0, 7, 8)):
        done = subprocess.run([PROGRAM, "--json", *map(str, argv)], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode in status, (argv, done.returncode, done.stderr[-2000:])
        return json.loads(done.stdout if argv[0] != "run" else done.stdout.splitlines()[-1])
    return run
