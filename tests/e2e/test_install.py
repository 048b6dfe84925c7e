# SPDX-License-Identifier: Apache-2.0
"""What cmake --install puts where: the program, completions and documents, and nothing else."""
import pathlib
import subprocess

import pytest

from conftest import PROGRAM

SECONDS = 5


@pytest.fixture(scope="module")
def build():
    """The build directory of the program, with all that is installed from it."""
    path = pathlib.Path(PROGRAM).parent
    subprocess.run(["cmake", "--build", path, "--target", "completions"], check=True, capture_output=True)
    return path


def install(build, *args, **env):
    subprocess.run(["cmake", "--install", build, *args], check=True, capture_output=True,
                   env={"PATH": "/usr/bin:/bin", **env})


def test_a_package_gets_program_completions_and_documents(build, tmp_path):
    install(build, "--prefix", "/usr", DESTDIR=str(tmp_path))
    files = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert files == {"usr/bin/mlops", "usr/bin/mlops-agent", "usr/lib/systemd/system/mlops-agent.service",
                     "usr/lib/sysusers.d/mlops.conf", "usr/share/bash-completion/completions/mlops",
                     "usr/share/zsh/vendor-completions/_mlops", "usr/share/fish/vendor_completions.d/mlops.fish",
                     *(f"usr/share/doc/mlops/{name}"
                       for name in ("README.md", "CHANGELOG.md", "format.md", "pipeline.md"))}
    assert "mlops" in (tmp_path / "usr/share/bash-completion/completions/mlops").read_text()


def test_without_root_the_program_runs_from_a_prefix(build, tmp_path):
    install(build, "--prefix", str(tmp_path / "local"))
    done = subprocess.run([tmp_path / "local/bin/mlops", "version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("mlops 0.")
