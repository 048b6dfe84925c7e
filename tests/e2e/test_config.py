# SPDX-License-Identifier: Apache-2.0
"""config: every setting, its value and where it is from."""
import json

SECONDS = 5


def settings(mlops, *args, **more):
    status, out, err = mlops("config", "--json", *args, **more)
    assert status == 0, err
    return {s["key"]: s for s in json.loads(out)["settings"]}


def test_all_are_listed_with_default_and_origin(mlops, project):
    found = settings(mlops)
    assert found["run.jobs"]["value"] == found["run.jobs"]["default"] == "0"
    assert all(s["origin"] == "default" and s["help"] for s in found.values())
    heads, *lines = mlops("config").out.splitlines()
    assert heads.split() == ["KEY", "VALUE", "DEFAULT", "FROM", "MEANING"] and len(lines) == len(found)


def test_a_value_is_set_read_and_unset(mlops, project):
    assert mlops("config", "run.jobs", "3").out == "run.jobs = 3\n"
    assert mlops("config", "run.jobs").out == "3\n"
    assert settings(mlops)["run.jobs"]["origin"] == "file"
    assert mlops("config", "--unset", "run.jobs").status == 0
    assert mlops("config", "run.jobs").out == "0\n"


def test_the_environment_goes_first(mlops, project):
    assert mlops("config", "run.jobs", "3").status == 0
    found = settings(mlops, env={"MLOPS_RUN_JOBS": "7"})["run.jobs"]
    assert (found["value"], found["origin"]) == ("7", "MLOPS_RUN_JOBS")


def test_outside_a_project_settings_are_read_only(mlops):
    assert settings(mlops, env={"MLOPS_RUN_JOBS": "7"})["run.jobs"]["value"] == "7"
    status, _, err = mlops("config", "run.jobs", "3")
    assert status == 3 and "mlops init" in err


def test_what_does_not_fit_is_refused_and_changes_nothing(mlops, project):
    for words, says in ((["run.job", "3"], "did you mean run.jobs?"), (["run.jobs", "many"], "run.jobs"),
                        (["ui.color", "pink"], "auto"), (["ui.pager", "sh"], "MLOPS_UI_PAGER"),
                        (["--unset"], "--unset needs a KEY"), (["run.jobs", "3", "--unset"], "no VALUE")):
        status, out, err = mlops("config", *words)
        assert (status, out) == (2, "") and says in err
    assert all(s["origin"] == "default" for s in settings(mlops).values())


def test_a_broken_file_is_an_error_with_its_place(mlops, project):
    (project / ".mlops/config.ini").write_text("[run]\njob = 3\n")
    for command in (["config"], ["config", "run.jobs", "3"], ["runs"]):
        status, _, err = mlops(*command)
        assert status == 2 and "config.ini:2" in err
