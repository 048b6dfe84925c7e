# SPDX-License-Identifier: Apache-2.0
"""A run whose mlops was killed: what it leaves behind does not reach into the next one."""
import signal

from steps import alive, one_step, start, wait_for

SECONDS = 30

# The first one to run writes for 1.5 s more when it is asked to end; the next one gives it the time to do harm.
SLOW_TO_DIE = """
if [ -e first ]; then
    echo fresh > out.txt
    while kill -0 $(cat first); do sleep 0.05; done
    exit 0
fi
trap '' PIPE
trap 'for i in $(seq 15); do echo dying >> out.txt; sleep 0.1; done; exit 1' TERM
echo begun > out.txt
echo $$ > first
while :; do sleep 0.02; done
"""


def first(project):
    path = project / "first"
    return int(path.read_text() or 0) if path.exists() else 0


def test_a_run_waits_for_the_dying_steps_of_a_killed_one(mlops, project):
    one_step(project, SLOW_TO_DIE)
    killed = start(project, "run")
    pid = wait_for(lambda: first(project))
    killed.send_signal(signal.SIGKILL)
    killed.wait(20)
    status, out, err = mlops("run", cwd=project)
    assert status == 0, (out, err)
    assert f"waiting for process {killed.pid} " in out + err
    assert not alive(pid)
    assert (project / "out.txt").read_text() == "fresh\n"
    assert mlops("cat", "out.txt@v1", cwd=project)[1] == "fresh\n"
