# SPDX-License-Identifier: Apache-2.0
"""Libraries that are loaded on first use: who needs none loads none, who needs one that is missing says so."""
import json
import os
import pathlib
import re

import pytest

from conftest import PROGRAM

SECONDS = 4

LOADED = r"lib(?:git2|curl|archive)\.so\.[0-9.]+"
STEP = "[step.a]\ncmd = sh -c 'echo 1 > out'\nout = out\n"


@pytest.fixture
def without(tmp_path_factory):
    """An environment in which none of the three can be loaded."""
    place = tmp_path_factory.mktemp("libraries")
    names = {m.decode() for m in re.findall(LOADED.encode(), pathlib.Path(PROGRAM).read_bytes())}
    assert len(names) == 3
    for name in names:
        (place / name).touch()
    return {"LD_LIBRARY_PATH": str(place)}


def test_a_start_loads_none_of_them(mlops, tmp_path):
    # glibc's loader tells each library that it loads, at the start or later
    mlops("--help", env={"LD_DEBUG": "files", "LD_DEBUG_OUTPUT": str(tmp_path / "loads")})
    told = "".join(p.read_text() for p in tmp_path.glob("loads.*"))
    assert "libc.so" in told
    assert not re.search(LOADED, told)


def test_without_libgit2_a_run_says_that_its_code_is_not_recorded(mlops, project, git, without):
    git("init", "-q")
    (project / "pipeline.ini").write_text(STEP)
    status, _, err = mlops("run", env=without)
    assert status == 0, err
    run = json.loads(mlops("--json", "runs", env=without).out)["runs"][0]["run_id"]
    shown = json.loads(mlops("--json", "show", run, env=without).out)
    assert "cannot load libgit2.so" in json.dumps(shown), shown
    assert mlops("status", env=without).status == 0
    found = {c["check"]: c for c in json.loads(mlops("doctor", "--json", env=without).out)["checks"]}
    assert found["git"]["state"] == "warn"
    assert "cannot load libgit2.so" in found["git"]["text"] and "apt-get install" in found["git"]["fix"]


def test_without_libgit2_no_repository_is_still_just_none(mlops, project, without):
    (project / "pipeline.ini").write_text(STEP)
    assert mlops("run", env=without).status == 0
    status, out, err = mlops("checkout", "HEAD", env=without)
    assert status != 0 and "cannot load" not in out + err
    assert not os.path.exists(project / ".gitignore")


def test_without_libcurl_a_container_step_says_so(mlops, project, without):
    (project / "pipeline.ini").write_text(STEP + "image = busybox:1\n")
    status, _, err = mlops("run", env={**without, "DOCKER_HOST": f"unix://{project}/engine"})
    assert status == 5
    assert "cannot load libcurl.so" in err
