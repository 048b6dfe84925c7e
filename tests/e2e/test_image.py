# SPDX-License-Identifier: Apache-2.0
"""image list and image update: pins, who uses them, what the engine has. The engine is the tests' fake one."""
import json
import re

import pytest

SECONDS = 7

ONE, TWO = "1" * 64, "2" * 64
PIPELINE = """
[pipeline]
image = python:3.12
[step.prepare]
cmd = true
[step.train]
cmd = true
image = team/train:${params.version}
[step.local]
cmd = true
image = none
[step.exact]
cmd = true
image = python@sha256:%s
[params]
version = 7
""" % ONE


@pytest.fixture
def hub(fake):
    """An engine, and what its registry has."""
    fake.registry = {"python:3.12": {"digest": f"sha256:{TWO}"}, "team/train:7": {"digest": f"sha256:{ONE}"}}
    fake.env = {"DOCKER_HOST": fake.host}
    return fake


NO_ENGINE = {"DOCKER_HOST": "unix:///nonexistent/engine.sock"}


@pytest.fixture
def pinned(project):
    """A pipeline, and the pins of an earlier run."""
    (project / "pipeline.ini").write_text(PIPELINE)
    (project / "mlops.lock").write_text(
        f"data file:{ONE} raw.csv\n\nimage old@sha256:{TWO} old:1\n\nimage python@sha256:{ONE} python:3.12\n\n")
    return project


def listed(mlops, env):
    status, out, err = mlops("image", "list", "--json", env=env)
    assert status == 0, err
    result = json.loads(out)
    return result, {image["name"]: image for image in result["images"]}


def test_without_an_engine_the_pins_are_listed(mlops, pinned):
    result, images = listed(mlops, NO_ENGINE)
    assert "/nonexistent/engine.sock" in result["no_engine"]["message"] and "engine" not in result
    assert images["python:3.12"]["pin"] == f"python@sha256:{ONE}"
    assert images["python:3.12"]["steps"] == ["prepare"]
    assert images["team/train:7"].get("pin") is None and images["team/train:7"]["steps"] == ["train"]
    assert images["old:1"]["steps"] == []
    assert images[f"python@sha256:{ONE}"]["exact"] and images[f"python@sha256:{ONE}"]["pin"] == f"python@sha256:{ONE}"
    assert "none" not in images and all("here" not in image for image in images.values())
    text = mlops("image", "list", env=NO_ENGINE).out
    assert "engine: none" in text and re.search(r"python:3\.12 +sha256:111111111111 +\?", text)


def test_the_engine_tells_what_it_has(mlops, pinned, hub):
    hub.add_image("python:3.12", f"sha256:{ONE}")
    result, images = listed(mlops, hub.env)
    assert result["engine"]["product"] == "Docker" and result["engine"]["version"] == "20.10.24"
    assert images["python:3.12"]["here"] and images["python:3.12"]["size"] == 1 << 20
    assert images["python:3.12"]["platform"].startswith("linux/")
    assert images["team/train:7"]["here"] is False and images["old:1"]["here"] is False
    text = mlops("image", "list", env=hub.env).out
    assert "Docker 20.10.24" in text and re.search(r"python:3\.12 .* yes +1\.0 MiB +linux/[a-z0-9]+ +prepare", text)
    assert "gets it when it is first run" in text


def test_a_pin_counts_and_not_where_the_tag_moved(mlops, pinned, hub):
    hub.add_image("python:3.12", f"sha256:{TWO}")
    assert listed(mlops, hub.env)[1]["python:3.12"]["here"] is False


def test_no_image_at_all_is_said(mlops, project):
    (project / "pipeline.ini").write_text("[step.a]\ncmd = true\n")
    status, out, _ = mlops("image", "list", env=NO_ENGINE)
    assert status == 0 and "no step runs in a container" in out
    status, out, _ = mlops("image", "update", env=NO_ENGINE)
    assert status == 0 and "no step names an image" in out


def test_update_pins_what_names_stand_for_now(mlops, pinned, hub):
    hub.add_image("python:3.12", f"sha256:{ONE}")
    status, out, err = mlops("image", "update", env=hub.env)
    assert status == 0, err
    assert re.search(r"python:3\.12 +sha256:1{12} -> sha256:2{12}", out)
    assert re.search(r"team/train:7 +- -> sha256:1{12}", out) and "commit mlops.lock" in out
    lock = (pinned / "mlops.lock").read_text()
    assert f"image python@sha256:{TWO} python:3.12\n" in lock and f"image team/train@sha256:{ONE} team/train:7\n" in lock
    assert f"image old@sha256:{TWO} old:1\n" in lock and f"data file:{ONE} raw.csv\n" in lock
    status, out, _ = mlops("image", "update", env=hub.env)
    assert status == 0 and out.count("unchanged") == 2 and "next:" not in out
    assert (pinned / "mlops.lock").read_text() == lock


def test_update_of_one_name_leaves_the_others(mlops, pinned, hub):
    status, out, err = mlops("image", "update", "--json", "python:3.12", env=hub.env)
    assert status == 0, err
    assert json.loads(out)["images"] == [
        {"name": "python:3.12", "old": f"python@sha256:{ONE}", "new": f"python@sha256:{TWO}", "changed": True,
         "steps": ["prepare"]}]
    assert "team/train:7" not in (pinned / "mlops.lock").read_text()


@pytest.mark.parametrize("name,status,told", [
    ("python:3.21", 3, "did you mean 'python:3.12'?"),
    ("old:1", 3, "no step of pipeline.ini uses the image 'old:1'"),
    ("none", 3, "mlops image list"),
    (f"python@sha256:{ONE}", 2, "names exact bytes"),
])
def test_a_name_that_cannot_be_updated_is_refused(mlops, pinned, hub, name, status, told):
    lock = (pinned / "mlops.lock").read_text()
    got = mlops("image", "update", name, env=hub.env)
    assert got.status == status and told in got.err
    assert (pinned / "mlops.lock").read_text() == lock


def test_one_failure_changes_nothing(mlops, pinned, hub):
    lock = (pinned / "mlops.lock").read_text()
    del hub.registry["team/train:7"]
    got = mlops("image", "update", env=hub.env)
    assert got.status != 0 and "team/train:7" in got.err
    assert (pinned / "mlops.lock").read_text() == lock


def test_an_image_built_here_is_pinned_by_its_id(mlops, project, hub):
    (project / "pipeline.ini").write_text("[step.a]\ncmd = true\nimage = lab/mine\n")
    built = hub.add_image("lab/mine")["Id"]
    assert mlops("image", "update", env=hub.env).status == 0
    assert (project / "mlops.lock").read_text() == f"image {built} lab/mine\n\n"
    assert not hub.requests("POST", "/images/create"), "there is nothing to pull"


def test_an_image_that_no_registry_knows_is_the_one_that_is_here(mlops, project, hub):
    """Some engines make up a digest for what they built."""
    (project / "pipeline.ini").write_text("[step.a]\ncmd = true\nimage = mine\n")
    hub.add_image("mine", f"sha256:{ONE}")
    status, out, err = mlops("image", "update", env=hub.env)
    assert status == 0, err
    assert "note:" in out and "the image that is here" in out
    assert (project / "mlops.lock").read_text() == f"image mine@sha256:{ONE} mine\n\n"


def test_an_image_that_may_need_a_login_is_an_error(mlops, pinned, hub):
    hub.add_image("python:3.12", f"sha256:{TWO}")
    hub.add_image("team/train:7", f"sha256:{ONE}")
    del hub.registry["team/train:7"]
    got = mlops("image", "update", env=hub.env)
    assert got.status == 3 and "login" in got.err


def test_update_needs_an_engine(mlops, pinned):
    lock = (pinned / "mlops.lock").read_text()
    got = mlops("image", "update", env=NO_ENGINE)
    assert got.status == 5 and "no container engine answers" in got.err
    assert (pinned / "mlops.lock").read_text() == lock


def test_a_conflict_is_settled_first(mlops, pinned, hub):
    with open(pinned / "mlops.lock", "a") as lock:
        lock.write(f"image python@sha256:{TWO} python:3.12\n\n")
    got = mlops("image", "update", env=hub.env)
    assert got.status == 4 and "mlops lock take" in got.err


def test_another_pipeline_file(mlops, pinned, hub):
    (pinned / "night.ini").write_text("[step.n]\ncmd = true\nimage = python:3.12\n")
    status, out, err = mlops("image", "list", "--json", "--file", "night.ini", env=hub.env)
    assert status == 0, err
    assert {i["name"]: i["steps"] for i in json.loads(out)["images"]} == {"python:3.12": ["n"], "old:1": []}
    got = mlops("image", "list", "--file", "absent.ini")
    assert got.status == 3 and "absent.ini" in got.err


def test_completion_offers_what_is_pinned(mlops, pinned):
    out = mlops("__complete", "image", "update", "pyt").out
    assert [line.split("\t")[0] for line in out.splitlines()] == ["python:3.12"]


def test_doctor_tells_the_engine_and_needs_none(mlops, project, hub):
    def containers(env):
        status, out, _ = mlops("doctor", "--json", env=env)
        assert status == 0
        return next(c for c in json.loads(out)["checks"] if c["check"] == "containers")

    found = containers(hub.env)
    assert found["state"] == "pass"
    assert re.fullmatch(rf"Docker 20\.10\.24, API 1\.41, linux/[a-z0-9]+, at {hub.host}", found["text"])
    missing = containers(NO_ENGINE)
    assert missing["state"] == "warn" and "only steps with image=" in missing["text"] and missing["fix"]
