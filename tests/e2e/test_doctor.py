# SPDX-License-Identifier: Apache-2.0
"""doctor: each check and the command that fixes it."""
import json
import os
import re
import subprocess
import time

from conftest import PROGRAM

SECONDS = 5


def checks(mlops, **more):
    status, out, err = mlops("doctor", "--json", **more)
    result = json.loads(out)
    assert result["fit"] == (status == 0) and (status in (0, 5)), err
    return {c["check"]: c for c in result["checks"]}


def test_a_fit_project_passes(mlops, project, git):
    git("init", "-q")
    (project / "pipeline.ini").write_text("[step.a]\ncmd = true\n")
    found = checks(mlops)
    for name in ("project", "permissions", "database", "pipeline", "lock file", "git", "python", "disk",
                 "inodes", "clock"):
        assert found[name]["state"] == "pass", found[name]
    assert all(c["state"] in ("pass", "note", "warn", "fail") and c["text"] for c in found.values())


def test_outside_a_project_the_machine_is_still_checked(mlops, tmp_path):
    found = checks(mlops)
    assert found["project"]["state"] == "warn" and "mlops init" in found["project"]["fix"]
    assert "python" in found and "database" not in found
    assert os.listdir(tmp_path) == []


def test_what_is_broken_fails_with_its_place_and_fix(mlops, project):
    (project / "pipeline.ini").write_text("[step.a]\ncmdd = true\n")
    (project / "mlops.lock").write_text("<<<<<<< ours\nnonsense\n")
    status, out, err = mlops("doctor")
    assert status == 5 and "2 checks failed" in err
    found = checks(mlops)
    assert found["pipeline"]["state"] == "fail" and "pipeline.ini:2" in found["pipeline"]["text"]
    assert found["lock file"]["state"] == "fail"
    assert "fail  pipeline" in out


def test_a_damaged_database_is_found(mlops, project):
    for name in ("registry.db-wal", "registry.db-shm"):
        (project / ".mlops" / name).unlink(missing_ok=True)
    (project / ".mlops/registry.db").write_bytes(b"not a database, not at all" * 100)
    assert checks(mlops)["database"]["state"] == "fail"


def test_missing_programs_are_named_with_their_package(mlops, project, tmp_path):
    (tmp_path / "empty").mkdir()
    found = checks(mlops, env={"PATH": str(tmp_path / "empty")})
    assert "apt install python3" in found["python"]["fix"]
    assert found["git"]["state"] == "warn" and "apt install git" in found["git"]["fix"]


def test_no_home_is_no_matter(mlops, project):
    assert checks(mlops, env={"HOME": ""})["project"]["state"] == "pass"


def test_a_clock_set_back_is_noticed(mlops, project):
    later = time.time() + 86400
    os.utime(project / ".mlops/registry.db", (later, later))
    assert checks(mlops)["clock"]["state"] == "warn"


def test_records_of_mlflow_are_named(mlops, project):
    (project / "mlruns").mkdir()
    assert "MLflow" in checks(mlops)["other tools"]["text"]


def test_what_cannot_be_written_is_named_and_the_fix_fixes_it(mlops, project, environment):
    """Root's own files, without root's power to write them all the same."""
    (project / "data.csv").write_text("1\n")
    powerless = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if os.geteuid() == 0 else []
    env = {**environment, "ASAN_OPTIONS": "detect_leaks=0"}

    def weak(*args):
        return subprocess.run([*powerless, PROGRAM, *args], cwd=project, env=env, capture_output=True, text=True,
                              check=False)

    subprocess.run(["chmod", "-R", "a-w", ".mlops"], cwd=project, check=True)
    refused = weak("add", "data.csv")
    assert refused.returncode == 5 and f"{project}/.mlops/locks/tree" in refused.stderr
    assert "mlops doctor" in refused.stderr
    told = weak("doctor").stdout
    assert "chown" not in told
    for fix in re.findall(r"run: (chmod .*)", told):
        subprocess.run(fix.split(), cwd=project, check=True)
    assert weak("doctor").returncode == 0
    done = weak("add", "data.csv")
    assert done.returncode == 0, done.stderr
