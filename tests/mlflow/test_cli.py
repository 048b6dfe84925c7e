# SPDX-License-Identifier: Apache-2.0
"""The program `mlflow` as a client: its commands print the same."""
import re

import pytest
from click.testing import CliRunner
from conftest import NEW_CLIENT

SECONDS = 20


@pytest.fixture
def command(both, monkeypatch):
    """command("runs", "list", ...): its output with each server, where {ID} stands for a pair."""
    from mlflow.cli import cli

    def run(*words, status=0, **pairs):
        def one(client, side):
            monkeypatch.setenv("MLFLOW_TRACKING_URI", both.uris[side])
            own = {k: getattr(v, side) if hasattr(v, side) else v for k, v in pairs.items()}
            done = CliRunner().invoke(cli, [w.format(**own) for w in words], catch_exceptions=True)
            text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?(?: UTC)?", "TIME", done.output)
            # tables are as wide as what they hold
            if side == "real":
                assert done.exit_code == status, (words, done.output)
            return [done.exit_code, [re.sub(r"[-\s]+", " ", line).strip() for line in text.splitlines()]]

        found = both.do(" ".join(words), one)
        assert not isinstance(found.real, Exception), found.real

    return run


def test_experiments(command, both):
    command("experiments", "create", "--experiment-name", "by command")
    id = both.client.get_experiment_by_name("by command").experiment_id
    command("experiments", "rename", "--experiment-id", "{id}", "--new-name", "by another command", id=id)
    command("experiments", "delete", "--experiment-id", "{id}", id=id)
    command("experiments", "restore", "--experiment-id", "{id}", id=id)
    command("experiments", "delete", "--experiment-id", "987654", status=1)
    if NEW_CLIENT:  # the other has neither the one nor pandas for the other
        command("experiments", "get", "--experiment-id", "{id}", id=id)
        command("experiments", "csv", "--experiment-id", "{id}", id=id)


def test_runs(command, both, fresh, tmp_path):
    run = both.client.create_run(fresh, run_name="listed", start_time=1_700_000_000_000).info.run_id
    command("runs", "list", "--experiment-id", "{id}", id=fresh)
    command("runs", "describe", "--run-id", "{id}", id=run)
    command("runs", "delete", "--run-id", "{id}", id=run)
    command("runs", "restore", "--run-id", "{id}", id=run)
    (tmp_path / "file").write_text("kept")
    command("artifacts", "log-artifact", "--local-file", str(tmp_path / "file"), "--run-id", "{id}", id=run)
    command("artifacts", "list", "--run-id", "{id}", id=run)
    command("artifacts", "download", "--run-id", "{id}", "--artifact-path", "file", "--dst-path", str(tmp_path / "out"), id=run)
    assert (tmp_path / "out/file").read_text() == "kept"
