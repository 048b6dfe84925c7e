# SPDX-License-Identifier: Apache-2.0
"""
What we tell of runs, read by OpenLineage's own client and held to the published schemas. The client comes from PyPI
(`scripts/test` makes its virtual environment). The schemas come from where each event says that they are, or, where that
cannot be reached, from a directory that has them: MLOPS_OPENLINEAGE_SPEC, the folder `spec` of the OpenLineage repository.
"""
import importlib
import json
import os
import pathlib
import re
import subprocess
import urllib.request
import uuid

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = os.path.abspath(os.environ.get("MLOPS", ROOT / "build/release/mlops"))
SPEC = os.environ.get("MLOPS_OPENLINEAGE_SPEC")
CACHE = pathlib.Path(os.environ.get("MLOPS_TEST_CACHE", pathlib.Path.home() / ".cache/mlops-tests")) / "openlineage-spec"
PIPELINE = """[pipeline]
name = churn
[params]
lr   = 0.1
note = "ü \\" <&> {}"
[step.prepare]
cmd = sh -c 'mkdir -p clean && cp raw.csv clean/'
in  = raw.csv
out = clean
[step.train]
cmd = python3 -c 'import sys; open("model", "w").write("m"); sys.exit({status})'
in  = clean
out = model
params = lr, note
"""
REMOTES = {
    None: r"swh:1:rev:{commit}",
    "https://user:secret@example.org/team/churn.git": r"git\+https://example\.org/team/churn\.git@{commit}#pipeline\.ini",
    "git@example.org:team/my churn.git": r"git\+ssh://git@example\.org/team/my%20churn\.git@{commit}#pipeline\.ini",
    "/srv/git/churn": r"git\+file:///srv/git/churn@{commit}#pipeline\.ini",
}
# facet -> (module, class) of the client's generated code
CLASSES = {
    "parent": ("parent_run", "ParentRunFacet"),
    "executionParameters": ("execution_parameters_run", "ExecutionParametersRunFacet"),
    "processing_engine": ("processing_engine_run", "ProcessingEngineRunFacet"),
    "errorMessage": ("error_message_run", "ErrorMessageRunFacet"),
    "jobType": ("job_type_job", "JobTypeJobFacet"),
    "sourceCodeLocation": ("source_code_location_job", "SourceCodeLocationJobFacet"),
    "version": ("dataset_version_dataset", "DatasetVersionDatasetFacet"),
    "inputStatistics": ("input_statistics_input_dataset", "InputStatisticsInputDatasetFacet"),
    "outputStatistics": ("output_statistics_output_dataset", "OutputStatisticsOutputDatasetFacet"),
}


def run(*words, cwd, env=None, check=True):
    done = subprocess.run([str(w) for w in words], cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True)
    assert not check or done.returncode == 0, (words, done.stderr[-2000:])
    return done.stdout


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    """All events of runs that end well and badly, of commits from everywhere."""
    top = tmp_path_factory.mktemp("project")
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org")
    run("git", "init", "-q", "-b", "main", cwd=top)
    run(PROGRAM, "init", cwd=top)
    run(PROGRAM, "config", "openlineage.file", "told.jsonl", cwd=top)
    for i, remote in enumerate(REMOTES):
        (top / "raw.csv").write_text(f"a\n{i}\n")
        (top / "pipeline.ini").write_text(PIPELINE.replace("{status}", str(i % 2)))
        run(*git, "add", "-A", cwd=top)
        run(*git, "commit", "-qm", "next", cwd=top)
        if remote:
            run("git", "config", "remote.origin.url", remote, cwd=top)
        run(PROGRAM, "run", cwd=top, check=False)
    lines = (top / "told.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    assert len(events) == 4 * 6
    return events


def facets(event):
    """(name, facet) of an event, wherever they are."""
    yield from event["run"]["facets"].items()
    yield from event["job"]["facets"].items()
    for dataset in event["inputs"] + event["outputs"]:
        for kind in ("facets", "inputFacets", "outputFacets"):
            yield from dataset.get(kind, {}).items()


def test_all_facets_are_told(events):
    assert {name for event in events for name, _ in facets(event)} == set(CLASSES)


def make(kind, value):
    """An object of a class that the client generated of the schemas; what it does not know it refuses."""
    hints = {a.name: str(a.type) for a in kind.__attrs_attrs__}
    assert set(value) <= set(hints), (kind, value)
    return kind(**value)


def test_the_official_client_reads_each_event(events):
    from openlineage.client import event_v2
    from openlineage.client.serde import Serde

    base = importlib.import_module("openlineage.client.generated.base")
    for event in events:
        def read(found):
            made = {}
            for name, facet in found.items():
                module = importlib.import_module(f"openlineage.client.generated.{CLASSES[name][0]}")
                kind = getattr(module, CLASSES[name][1])
                assert facet["_schemaURL"] == kind._get_schema(), name
                plain = {k: v for k, v in facet.items() if not k.startswith("_")}
                if name == "executionParameters":
                    plain["parameters"] = [make(module.ExecutionParameter, p) for p in plain["parameters"]]
                made[name] = make(kind, plain)
            return made

        run_ = event_v2.Run(event["run"]["runId"], read(event["run"]["facets"]))
        job = event_v2.Job(event["job"]["namespace"], event["job"]["name"], read(event["job"]["facets"]))
        inputs = [event_v2.InputDataset(d["namespace"], d["name"], facets=read(d["facets"]),
                                        inputFacets=read(d["inputFacets"]))
                  for d in event["inputs"]]
        outputs = [event_v2.OutputDataset(d["namespace"], d["name"], facets=read(d["facets"]),
                                          outputFacets=read(d["outputFacets"]))
                   for d in event["outputs"]]
        theirs = event_v2.RunEvent(eventTime=event["eventTime"], producer=event["producer"], run=run_, job=job,
                                   eventType=event_v2.RunState[event["eventType"]], inputs=inputs, outputs=outputs)
        assert event["schemaURL"] == base.RunEvent._get_schema()
        again = json.loads(Serde.to_json(theirs))
        for at in (again["run"], again["job"], *again["inputs"], *again["outputs"]):
            for kind in ("facets", "inputFacets", "outputFacets"):
                for facet in at.get(kind, {}).values():
                    facet["_producer"] = event["producer"]  # theirs names itself
        assert again == event


@pytest.fixture(scope="module")
def schemas(events):
    """{URL: schema} of all that the events name."""
    found = {}
    for event in events:
        for url in [event["schemaURL"], *(facet["_schemaURL"] for _, facet in facets(event))]:
            url = url.partition("#")[0]
            if url in found:
                continue
            short = url.rpartition("/")[2]
            kept = CACHE / re.sub(r"\W", "_", url)
            if SPEC:
                text = (pathlib.Path(SPEC) / ("" if short == "OpenLineage.json" else "facets") / short).read_text()
            elif kept.exists():
                text = kept.read_text()
            else:
                try:
                    with urllib.request.urlopen(url, timeout=10) as answer:
                        text = answer.read().decode()
                except OSError as why:
                    pytest.skip(f"{url} cannot be reached: {why}")
                CACHE.mkdir(parents=True, exist_ok=True)
                kept.write_text(text)
            found[url] = json.loads(text)
            assert found[url]["$id"] == url, "another version of it was published"
    return found


def test_each_event_and_facet_is_valid_by_its_schema(events, schemas):
    import jsonschema
    from referencing import Registry, Resource

    registry = Registry().with_resources((url, Resource.from_contents(schema)) for url, schema in schemas.items())

    def check(schema, value):
        validator = jsonschema.Draft202012Validator(schema, registry=registry, format_checker=jsonschema.FormatChecker())
        validator.validate(value)

    for event in events:
        check({"$ref": event["schemaURL"]}, event)
        check(schemas[event["schemaURL"].partition("#")[0]], event)
        for name, facet in facets(event):
            check({"$ref": facet["_schemaURL"]}, facet)
            check(schemas[facet["_schemaURL"].partition("#")[0]], {name: facet})
    broken = json.loads(json.dumps(events[0]))
    del broken["run"]["runId"]
    with pytest.raises(jsonschema.ValidationError):
        check({"$ref": broken["schemaURL"]}, broken)


def test_where_the_code_is(events):
    whole = [e for e in events if e["job"]["name"] == "churn" and e["eventType"] in ("COMPLETE", "FAIL")]
    for event, (remote, pattern) in zip(whole, REMOTES.items(), strict=True):
        code = event["job"]["facets"]["sourceCodeLocation"]
        assert re.fullmatch("[0-9a-f]{40}", code["version"]) and code["branch"] == "main" and code["type"] == "git"
        assert re.fullmatch(pattern.format(commit=code["version"]), code["url"]), code["url"]
        assert "secret" not in json.dumps(event)
        assert all(32 < ord(c) < 127 for c in code["url"])


def test_runs_and_steps_are_told_apart_and_together(events):
    failed = [e for e in events if e["eventType"] == "FAIL"]
    assert {e["job"]["name"] for e in failed} == {"churn", "churn.train"}
    for event in failed:
        error = event["run"]["facets"]["errorMessage"]
        assert error["message"] == "step train failed with exit status 1" and error["programmingLanguage"] == "PYTHON"
    for event in events:
        uuid.UUID(event["run"]["runId"])
        parent = event["run"]["facets"].get("parent")
        assert (parent is None) == (event["job"]["name"] == "churn")
        if parent:
            assert parent["job"] == {"namespace": "churn", "name": "churn"} and parent["root"]["run"] == parent["run"]
    params = next(e for e in events if e["job"]["name"] == "churn.train")["run"]["facets"]["executionParameters"]["parameters"]
    assert {p["key"]: p["value"] for p in params}["lr"] == "0.1"
    ended = next(e for e in events if e["job"]["name"] == "churn.prepare" and e["eventType"] == "COMPLETE")
    assert [d["name"] for d in ended["inputs"]] == ["raw.csv"] and [d["name"] for d in ended["outputs"]] == ["clean"]
    assert ended["inputs"][0]["facets"]["version"]["datasetVersion"].startswith("sha256:")
    assert ended["outputs"][0]["facets"]["version"]["datasetVersion"].startswith("tree:")
    assert ended["outputs"][0]["outputFacets"]["outputStatistics"] | {"size": 4, "fileCount": 1} == \
        ended["outputs"][0]["outputFacets"]["outputStatistics"]
