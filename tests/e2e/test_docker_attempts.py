# SPDX-License-Identifier: Apache-2.0
"""Attempts, checkpoints, shares and secrets of steps in containers of a real engine."""
import pytest
from boxes import Box

SECONDS = 30


@pytest.fixture
def box(engine, project):
    return Box(project, engine.host)


def test_attempts_share_their_checkpoints(box, engine):
    box.step("n=$(cat ckpt/n 2>/dev/null || echo 0); echo $((n + 1)) > ckpt/n; echo attempt $MLOPS_ATTEMPT\n"
             "echo half > out.txt; [ $n -ge 1 ] || exit 75; cp ckpt/n out.txt",
             checkpoints="ckpt", retries=2, backoff="1ms", retry_on="75")
    result = box.run()
    assert (result["ran"], box.read("out.txt"), box.read("ckpt/n")) == (1, "2\n", "2\n")
    assert not engine.containers(), "those of failed attempts go, too"
    assert box.run()["run_id"] is None, "what they hold is part of no key"
    box.check_whole()


def test_out_of_memory_is_a_cause(box):
    box.step("echo $MLOPS_ATTEMPT > out.txt; [ $MLOPS_ATTEMPT -gt 1 ] || tail /dev/zero",
             mem="24M", retries=1, backoff="1ms", retry_on="oom")
    assert box.run()["ran"] == 1
    assert box.read("out.txt") == "2\n"


def test_shm_is_as_large_as_asked(box):
    box.step("df -k /dev/shm | tail -1 > out.txt", shm="16M")
    box.run()
    assert box.read("out.txt").split()[1] == "16384"


def test_a_secret_is_a_file_of_its_own_on_no_disk(box, program, environment):
    import subprocess
    subprocess.run([program, "secret", "add", "TOKEN"], cwd=box.project, env=environment, input=b"hush-hush-1234\n",
                   check=True, stdout=subprocess.DEVNULL)
    box.step("cat $TOKEN_FILE; stat -f -c %T $TOKEN_FILE; (echo x > $TOKEN_FILE) 2>/dev/null || echo read-only\n"
             "echo $TOKEN_FILE ${TOKEN-unset} > out.txt", secrets="TOKEN")
    result = box.run()
    log = subprocess.run([program, "logs"], cwd=box.project, env=environment, check=True, capture_output=True, text=True).stdout
    assert "***" in log and "hush" not in log and "read-only" in log
    assert box.read("out.txt") == "/run/secrets/TOKEN unset\n"
    assert "hush" not in str(result)
