# SPDX-License-Identifier: Apache-2.0
"""lineage: from a name to all that made it, and to all that it touched."""
import json
import os
import sqlite3
import subprocess
import xml.dom.minidom

import pytest

SECONDS = 8
PIPELINE = """[pipeline]
name = churn
[params]
lr = 0.1
[step.prepare]
cmd = sh -c 'cat data/*.csv > clean.csv'
in  = data
out = clean.csv
[step.train]
cmd = sh -c 'cat clean.csv > best; echo "{\\"auc\\":0.9}" > m.json'
in      = clean.csv
params  = lr
out     = best
metrics = m.json
[step.side]
cmd = cp other report.txt
in  = other
out = report.txt
[model.churn]
from  = best
gate  = auc >= 0.5
alias = champion
[monitor.m]
model      = churn@champion
data       = logs/*.jsonl
reference  = ref.csv
window     = 500 rows
id         = id
"""


@pytest.fixture
def champion(mlops, project):
    """A model of two steps, beside a third one that has nothing to do with it, in git with a file changed."""
    (project / "data").mkdir()
    (project / "logs").mkdir()
    (project / "data/x.csv").write_text("1,2\n")
    (project / "data/y.csv").write_text("3,4\n")
    (project / "other").write_text("other\n")
    (project / "ref.csv").write_text("a\n" + "".join(f"{i % 97}\n" for i in range(1000)))
    (project / "pipeline.ini").write_text(PIPELINE)
    git = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-C", str(project)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "data", "pipeline.ini"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "first"], check=True)
    assert mlops("run").status == 0
    return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


def graph(mlops, *args):
    result = mlops("--json", "lineage", *args)
    assert result.status == 0, result.err
    return json.loads(result.out)


def names(found, kind):
    return {n["name"] for n in found["nodes"] if n["kind"] == kind}


def steps(found):
    return {n["step"] for n in found["nodes"] if "step" in n}


def test_all_that_made_the_champion_and_nothing_beside_it(mlops, project, champion):
    found = graph(mlops, "churn@champion")
    assert found["nodes"][0]["name"] == "churn@champion#1"
    assert steps(found) == {"prepare", "train"}
    assert names(found, "commit") == {champion}
    assert names(found, "model") == {"churn@v1"} and names(found, "gate") == {"churn@v1/gate"}
    assert {n.get("path") for n in found["nodes"]} >= {"data", "clean.csv"}
    train = next(n for n in found["nodes"] if n.get("step") == "train")
    assert train["params"] == {"lr": "0.1"} and train["metrics"] == {"auc": 0.9}
    assert found["holes"] == 0 and found["cut"] == 0 and not found["more"]
    for edge in found["edges"]:
        assert {edge["from"], edge["to"]} <= set(range(len(found["nodes"])))


def test_a_poisoned_file_leads_to_models_and_aliases(mlops, project, champion):
    found = graph(mlops, "data/y.csv", "--down")
    assert names(found, "model") == {"churn@v1"} and names(found, "alias") == {"churn@champion#1"}
    assert steps(found) == {"prepare", "train"}
    assert not names(graph(mlops, "other", "--down"), "model")
    # by its bytes, whatever it is called now
    (project / "data/y.csv").rename(project / "renamed")
    assert names(graph(mlops, "renamed", "--down"), "model") == {"churn@v1"}
    (project / "new").write_text("never seen\n")
    result = mlops("lineage", "new")
    assert result.status == 3 and "new" in result.err


def test_a_version_leads_to_what_read_its_bytes(mlops, project, champion):
    (project / "alone").write_text("1,2\n")  # what data/x.csv holds
    assert mlops("add", "data", "alone").status == 0
    for name in "data", "data@v1", "alone", "alone@v1":
        found = graph(mlops, name, "--down")
        assert found["nodes"][0]["kind"] == "version" and found["nodes"][0]["name"] == name.removesuffix("@v1") + "@v1"
        assert names(found, "model") == {"churn@v1"} and steps(found) == {"prepare", "train"}, name
        assert {n["depth"] >= 0 for n in found["nodes"]} == {True}
    found = graph(mlops, "data", "--up", "--down")
    assert names(found, "model") == {"churn@v1"} and {n["depth"] for n in found["nodes"]} >= {-1, 0, 1}
    assert graph(mlops, "clean.csv@v1", "--down", "--depth", "1")["more"] is False
    assert "prepare" in mlops("lineage", "data", "--down").out
    (project / "data/x.csv").write_text("changed\n")
    result = mlops("lineage", "data", "--down")
    assert result.status == 3 and "mlops lineage data@latest" in result.err
    (project / "side").write_text("never seen\n")
    assert "@latest" not in mlops("lineage", "side").err


def test_a_prediction_leads_back_to_the_bytes(mlops, project, champion):
    (project / "logs/1.jsonl").write_text("".join(json.dumps({"a": i % 97, "id": f"req-{i}"}) + "\n" for i in range(600)))
    mlops("monitor", "check", "m")
    for name in "req-77", "m/req-77":
        found = graph(mlops, name)
        assert found["nodes"][0] == {"kind": "prediction", "name": "m/req-77", "time": 0, "depth": 0}
        assert names(found, "window") == {"m#0"} and names(found, "alias") == {"churn@champion#1"}
        assert steps(found) == {"prepare", "train"}
    assert names(graph(mlops, "m#0"), "alias") == {"churn@champion#1"}
    assert mlops("lineage", "m/req-9999").status == 3


def test_what_is_missing_is_named(mlops, project, champion):
    found = graph(mlops, "churn@v1")
    clean = next(n["name"] for n in found["nodes"] if n.get("path") == "clean.csv")
    hexes = clean.removeprefix("file:")
    blob = project / ".mlops/objects" / hexes[:2] / hexes[2:]
    os.chmod(blob.parent, 0o755)
    blob.unlink()
    subprocess.run(["rm", "-rf", str(project / ".git")], check=True)
    subprocess.run(["git", "-C", str(project), "init", "-q"], check=True)
    found = graph(mlops, "churn@v1")
    holes = {n["name"]: n["hole"] for n in found["nodes"] if "hole" in n}
    assert holes == {clean: "its bytes are not here", champion: "it is not in this repository"}
    assert found["holes"] == 2
    assert "its bytes are not here" in mlops("lineage", "churn@v1").out


def test_an_alias_as_it_was(mlops, project, champion):
    (project / "other").write_text("x")
    (project / "data/x.csv").write_text("5,6\n")
    assert mlops("run").status == 0
    with sqlite3.connect(project / ".mlops/registry.db") as db:
        first, second = [t for t, in db.execute("SELECT time FROM promotions ORDER BY id")]
    then = subprocess.run(["date", "-u", "-d", f"@{(second - 1) / 1000:.3f}", "+%Y-%m-%dT%H:%M:%S.%3NZ"], check=True,
                          capture_output=True, text=True).stdout.strip()
    assert graph(mlops, "churn@champion")["nodes"][0]["name"] == "churn@champion#2"
    assert graph(mlops, "churn@champion", "--at", then)["nodes"][0]["name"] == "churn@champion#1"
    result = mlops("lineage", "churn@champion", "--at", "2001-01-01")
    assert result.status == 3 and "champion" in result.err
    # judged against the first, but not made of it
    found = graph(mlops, "churn@champion")
    assert names(found, "model") == {"churn@v1", "churn@v2"} and len(names(found, "alias")) == 1


def test_pictures(mlops, project, champion):
    page = mlops("lineage", "churn@v1", "--up", "--down", "--html").out
    xml.dom.minidom.parseString(page.replace("<!DOCTYPE html>", ""))
    assert "<script" not in page and "What made it" in page and "What it touched" in page
    dot = mlops("lineage", "churn@v1", "--dot").out
    assert dot.startswith("digraph") and 'label="model: churn@v1"' in dot
    assert mlops("lineage", "churn@v1", "--mermaid").out.startswith("flowchart LR\n")
    assert mlops("lineage", "churn@v1", "--dot", "--html").status == 2


def test_a_huge_graph_with_cycles_and_odd_names_is_cut_with_counts(mlops, project):
    with sqlite3.connect(project / ".mlops/registry.db") as db:
        db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)"
                   " INSERT INTO lineage (from_kind, from_name, to_kind, to_name, role, path, time)"
                   " SELECT 'run', '\"]<b>\\' || i, 'run', '\"]<b>\\' || ((i * 2) % 30000 + 1), 'odd \"role', '', 1 FROM n")
        db.execute("INSERT INTO lineage (from_kind, from_name, to_kind, to_name, role, path, time)"
                   " SELECT 'run', '\"]<b>\\' || i, 'run', '\"]<b>\\' || i, 'self', '', 1 FROM (SELECT 1 AS i)")
        for i in range(2000):
            db.execute("INSERT INTO lineage (from_kind, from_name, to_kind, to_name, role, path, time)"
                       " VALUES ('dataset', 'hub#1', 'run', ?, 'dataset', '', 1)", (f'"]<b>\\{i}',))
    found = graph(mlops, "hub#1", "--down", "-n", "100")
    assert len(found["nodes"]) == 100 and found["cut"] + 100 >= 2001 - 1000 and found["more"]
    for flag, mark in ("--dot", "nodes more"), ("--mermaid", "nodes more"), ("--html", "Left out"):
        result = mlops("lineage", "hub#1", "--down", flag)
        assert result.status == 0 and mark in result.out
    xml.dom.minidom.parseString(result.out.replace("<!DOCTYPE html>", ""))
    assert "<b>" not in result.out
    assert mlops("lineage", "hub#1", "--down").status == 0


def test_of_many_nodes_models_and_aliases_are_listed_at_the_end(mlops, project, champion):
    assert "models it touched" not in mlops("lineage", "data", "--down").out
    with sqlite3.connect(project / ".mlops/registry.db") as db:
        db.executemany("INSERT INTO lineage (from_kind, from_name, to_kind, to_name, role, path, time)"
                       " VALUES ('model', 'churn@v1', 'model', ?, 'data', '', 1)", [(f"other@v{i}",) for i in range(60)])
    lines = mlops("lineage", "data", "--down").out.splitlines()
    models, = [line for line in lines if line.startswith("models it touched: ")]
    assert models.startswith("models it touched: churn@v1, other@v0, ") and models.endswith(" and 41 more")
    assert "aliases it touched: churn@champion#1" in lines
