# SPDX-License-Identifier: Apache-2.0
"""
The OpenAPI description of /api/v1 is valid, and what is served keeps to it. This runs inside a virtual environment that
has schemathesis; `scripts/test` makes it.
"""
import json
import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))
from agents import Agent, ROOT  # noqa: E402

SECONDS = 90

PROGRAM = os.path.abspath(os.environ.get("MLOPS", ROOT / "build/release/mlops"))
SCHEMATHESIS = os.path.join(os.path.dirname(sys.executable), "schemathesis")
CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
          "negative_data_rejection", "ignored_auth")
VALIDATE = "import json, sys; from openapi_spec_validator import validate; validate(json.load(open(sys.argv[1])))"
PIPELINE = """[pipeline]
name = t

[step.a]
cmd = sh -c 'echo hello; echo 1 > a.txt'
out = a.txt
"""


@pytest.fixture
def served(tmp_path):
    """(agent, a file with its description)."""
    (tmp_path / "pipeline.ini").write_text(PIPELINE)
    for command in ("init", "run"):
        subprocess.run([PROGRAM, command], cwd=tmp_path, check=True, capture_output=True)
    agent = Agent(tmp_path, dict(os.environ))
    description = tmp_path / "openapi.json"
    description.write_text(json.dumps(agent.get("/api/v1/openapi.json")[1]))
    yield agent, description
    assert agent.stop() == 0


def test_the_description_is_valid(served):
    done = subprocess.run([sys.executable, "-c", VALIDATE, served[1]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_what_is_served_keeps_to_it(served):
    """event.list is left out: it may follow for ever."""
    agent, description = served
    status, made = agent.owner("POST", "/api/v1/tokens", {"name": "judge", "role": "admin"})
    assert status == 200, made
    done = subprocess.run([SCHEMATHESIS, "run", str(description), "--url", agent.url,
                           "-H", "Authorization: Bearer " + made["token"], "--phases", "coverage,fuzzing", "-n", "4",
                           "--seed", "1", "--continue-on-failure", "--request-timeout", "20",
                           "--checks", ",".join(CHECKS), "--exclude-operation-id", "event.list"],
                          cwd=description.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
    assert agent.process.poll() is None
