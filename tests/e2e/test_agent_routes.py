# SPDX-License-Identifier: Apache-2.0
"""Which request is served by whom."""
import json
import os
import pathlib
import re
import subprocess

from agents import AGENT

SECONDS = 5

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs/mlflow.md"
TABLE = re.compile(r"(?<=<!-- endpoints -->\n).*(?=<!-- /endpoints -->)", re.DOTALL)
VERSIONS = ["/api/2.0", "/ajax-api/2.0", "/api/3.0", "/ajax-api/3.0"]
SHOWN = {0: "", 0b1111: "", 0b0011: "/[ajax-]api/2.0", 0b1100: "/[ajax-]api/3.0"}


def gathered(routes):
    """The table's rows: what is the same below several versions, or with several methods, is one."""
    versions, methods = {}, {}
    for r in routes:
        version = next((v for v in VERSIONS if r["path"].startswith(v + "/")), "")
        rest = r["path"][len(version):].replace("/{rest*}", "")
        at = (rest, r["state"], r.get("operation") or "", r["method"])
        versions[at] = versions.get(at, 0) | (1 << VERSIONS.index(version) if version else 0)
    for (rest, state, operation, method), found in versions.items():
        shown = [SHOWN[found]] if found in SHOWN else [v for i, v in enumerate(VERSIONS) if found >> i & 1]
        for prefix in shown:
            methods.setdefault((prefix + rest, state, operation), []).append(method)
    return ["| %s | `%s` | %s | %s |" % (", ".join(sorted(m)), path, state, operation and "`%s`" % operation)
            for (path, state, operation), m in sorted(methods.items(), key=lambda row: row[0])]


def test_the_document_lists_what_is_served():
    """`MLOPS_WRITE_DOCS=1 pytest tests/e2e/test_agent_routes.py` writes the table."""
    printed = subprocess.run([AGENT, "--routes"], capture_output=True, text=True, timeout=20, check=True).stdout
    rows = gathered(map(json.loads, printed.splitlines()))
    table = "\n".join(["| Method | Path | State | Operation |", "|---|---|---|---|"] + rows) + "\n"
    text = DOCUMENT.read_text()
    if os.environ.get("MLOPS_WRITE_DOCS"):
        DOCUMENT.write_text(TABLE.sub(lambda _: table, text))
    else:
        assert TABLE.search(text)[0] == table, "docs/mlflow.md is old: run this test with MLOPS_WRITE_DOCS=1"


def test_an_operation_answers_as_mlflow_does(agent):
    status, body = agent.get("/api/2.0/mlflow/experiments/get", experiment_id="0")
    assert status == 200 and body["experiment"]["name"] == "Default"
    status, body = agent.get("/ajax-api/3.0/mlflow/experiments/get", experiment_id="77")
    assert (status, body["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert "No Experiment with id=77 exists" in body["message"]


def test_a_path_that_nobody_serves(agent):
    assert agent.get("/nothing")[0] == 404
