# SPDX-License-Identifier: Apache-2.0
"""--agent URL: the same commands, done by an agent."""
import http.server
import json
import os
import shutil
import signal
import subprocess
import threading
import time

import pytest

from agents import Agent

SECONDS = 20

PIPELINE = """[pipeline]
name = t

[step.a]
cmd = sh -c 'echo hello; echo 1 > a.txt; echo {\\"auc\\":0.5} > m.json'
out = a.txt
metrics = m.json

[step.b]
cmd = sh -c 'cat a.txt; echo two'
in = a.txt
"""

# What is typed, once with a work tree and once with --agent on a copy of it. {run} is the last run.
SAME = [
    "runs", "runs --all", "runs --filter 'metrics.auc > 0.1' --order-by 'metrics.auc DESC' -n 5", "runs --active",
    "runs --filter 'nonsense'", "runs -n 0",
    "show", "show {run}", "show a.txt", "show nothing", "show {run} extra",
    "logs", "logs last a", "logs last 'b*' --tail 1", "logs last nothing", "logs -f",
    "cat a.txt", "cat a.txt@v1", "cat nothing",
    "diff last last", "diff {run} nothing",
    "cache list", "cache list a -n 1", "cache rm", "cache rm a", "cache rm --all", "cache list",
    "fsck",
    "events -n 3", "events --since yesterday", "events --after 0 -n 1",
    "config", "config run.jobs 3", "config run.jobs", "config run.jobs many", "config --unset run.jobs",
    "secret list", "secret add KEY", "secret add 1KEY", "secret list", "secret rm KEY", "secret rm KEY",
    "stop last", "stop nothing",
    "version", "pipeline keys image", "pipeline keys nothing",
    "notify list", "notify list -n 0", "notify retry 7",
    "model list", "model show nothing", "model promote nothing@v1", "model promote nothing", "model approve nothing@v1",
    "model reject nothing@v1", "model rollback nothing --reason x", "model release nothing", "model card nothing@v1",
    "forget nothing", "forget nothing --reason x", "forget a.txt --dry", "forget agree 9", "forget show 9", "forget withdraw 9",
    "project list", "project rm nothing", "trigger approve 4711",
    "trigger list", "trigger list nothing", "trigger show nothing x", "trigger fire nothing x", "trigger pause nothing x",
    "trigger resume nothing x", "trigger history", "trigger history nothing", "trigger next", "trigger next -n 0",
    "trigger next --cron '0 3 31 2 *'", "trigger next --cron @daily --tz Asia/Tokyo --after 2026-01-31T00:00Z",
    "monitor history nothing", "monitor ack nothing", "monitor pause nothing -m x", "monitor resume nothing",
    "lineage nothing", "lineage nothing --down --dot", "audit list -n 3", "audit list --subject nothing", "audit list -n 0", "audit list --since yesterday", "audit prove 4711",
    "key list", "key add --name others", "key revoke nothing --reason x", "key revoke nothing",
    "token list", "token rm nothing", "user list", "user rm nobody", "permission list",
]
# Operations whose answers differ by what they are for.
OTHER = {
    "access.whoami": "says who asks the agent",
    "audit.verify": "gives the root of a log in which stands who asked", "audit.checkpoint": "signs that root",
    "model.approvals": "says whether roles are enforced",
    "forget.list": "says whether persons are proven",
    "key.show": "looks at the private half, when it is here",
    "key.rotate": "makes another key each time",
    "token.add": "makes another token each time",
    "user.add": "asks for a password",
    "user.edit": "asks for a password",
    "permission.add": "is of a user", "permission.rm": "is of a user",
    "project.add": "looks at directories of the agent's machine",
}


@pytest.fixture
def twins(project, mlops, environment, tmp_path_factory):
    """A project with a run, and a copy of it that an agent serves: (directory, agent)."""
    (project / "pipeline.ini").write_text(PIPELINE)
    assert mlops("run").status == 0
    copy = tmp_path_factory.mktemp("copy") / "p"
    shutil.copytree(project, copy, symlinks=True)
    agent = Agent(copy, environment)
    yield project, agent
    assert agent.stop() == 0


def words(line, run):
    import shlex
    return [word.replace("{run}", run) for word in shlex.split(line)]


def normal(result, project, agent):
    """Status and JSON, with what follows from who asked and where left out."""
    text = result.out.replace(str(agent.directory), "DIR").replace(str(project), "DIR")
    lines = [json.loads(line) for line in text.splitlines()] if "\n{" in text.strip() else json.loads(text or "null")

    def clean(value):
        if isinstance(value, dict):
            return {k: clean(v) for k, v in value.items() if k not in ("time", "now", "changed", "actor", "origin")}
        return [clean(v) for v in value] if isinstance(value, list) else value

    return result.status, clean(lines)


def test_every_command_gives_the_same(twins, mlops):
    project, agent = twins
    run = json.loads(mlops("--json", "runs").out)["runs"][0]["run_id"][:8]
    remote = ["--agent", f"unix:{agent.socket}", "--json"]
    for line in SAME:
        typed = words(line, run)
        here = mlops("--json", *typed, input="value of it\n")
        there = mlops(*remote, *typed, input="value of it\n", cwd="/")
        assert normal(there, project, agent) == normal(here, project, agent), line
    text = [mlops(*options, "logs", "last").out for options in ((), remote[:2])]
    assert text[0] == text[1] == "a | hello\nb | 1\nb | two\n"


def test_no_command_is_forgotten(twins):
    _, agent = twins
    served = {o["operationId"] for path in agent.get("/api/v1/openapi.json")[1]["paths"].values()
              for o in path.values()}
    help_ = json.loads(subprocess.run([os.environ.get("MLOPS", "mlops"), "help", "--json"], check=True,
                                      capture_output=True).stdout)
    commands = {c["name"]: c["command"] for c in help_["commands"]}
    typed = {" ".join(line.split()[:n]) for line in SAME for n in (1, 2)}
    for name in served & set(commands):
        assert commands[name] in typed or name in OTHER, name


def test_what_needs_a_work_tree_says_so(twins, mlops):
    _, agent = twins
    url = f"unix:{agent.socket}"
    for command in ("status", "why a", "checkout", "dag", "push", "init", "doctor", "run", "completion bash"):
        status, out, err = mlops("--agent", url, *command.split())
        if command.startswith("completion"):
            assert status == 0 and out
            continue
        assert status == 2 and ("work tree" in err or "not done by an agent" in err), command
    # MLOPS_AGENT is a default: it leaves these where they are
    assert mlops("status", env={"MLOPS_AGENT": url}).status == 0
    assert mlops("version", env={"MLOPS_AGENT": "nonsense://"}).status == 0
    status, out, _ = mlops("runs", env={"MLOPS_AGENT": url}, cwd="/")
    assert status == 0 and "FINISHED" in out
    assert mlops("--agent", "", "runs", env={"MLOPS_AGENT": url}, cwd="/").status == 3


def test_agents_that_are_none(mlops, tmp_path):
    status, _, err = mlops("--agent", "http://127.0.0.1:1", "runs")
    assert status == 5 and "127.0.0.1:1" in err and "mlops agent" in err
    assert mlops("--agent", f"unix:{tmp_path}/none", "runs").status == 5
    for bad in ("ftp://x", "http://a:b@c", "http://h/?x"):
        assert mlops("--agent", bad, "runs").status == 2

    class Other(http.server.BaseHTTPRequestHandler):
        body, status = b"<html>welcome", 200

        def do_GET(self):
            self.send_response(self.status)
            self.send_header("Content-Length", str(len(self.body)))
            self.end_headers()
            self.wfile.write(self.body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    for status, body in ((200, b"<html>welcome"), (302, b""), (500, b"{}"), (200, b"[1]"), (404, b'{"error": 3}')):
        Other.status, Other.body = status, body
        for command in ("runs", "logs"):
            result = mlops("--agent", url, command)
            assert result.status == 5, (status, body, result)
    # an agent of another version
    Other.status = 404
    Other.body = json.dumps({"error": {"code": "NOT_FOUND", "message": "no", "where": "/api/v1/runs"}}).encode()
    status, _, err = mlops("--agent", url, "runs")
    assert status == 2 and "does not know run.list" in err and "version" in err
    Other.body = json.dumps({"error": {"code": "FROM_THE_FUTURE", "message": "m\x1b[31m", "help": "h"}}).encode()
    status, _, err = mlops("--agent", url, "runs")
    assert status == 5 and "error: m" in err and "help: h" in err and "\x1b" not in err
    # lines that break off, or are none
    Other.status = 200
    for body in (b'{"event":"x"}\n', b'{"bytes":"!"}\n', b'not json\n', b'{}\n{}\n'):
        Other.body = body
        assert mlops("--agent", url, "logs").status == 5, body
    server.shutdown()


def test_an_unknown_operation_is_told_by_a_real_agent(twins):
    _, agent = twins
    status, body = agent.owner("GET", "/api/v1/no/such/thing")
    assert status == 404 and body["error"]["where"] == "/api/v1/no/such/thing"


def test_login_keeps_a_token_for_its_user_alone(twins, mlops, environment):
    _, agent = twins
    made = mlops("--agent", f"unix:{agent.socket}", "--json", "token", "add", "laptop", "--role", "viewer")
    assert made.status == 0, made
    token = json.loads(made.out)["token"]
    status, _, err = mlops("--agent", agent.url, "secret", "list")
    assert status == 6 and f"mlops login {agent.url}" in err
    status, out, err = mlops("login", agent.url, input=f"  {token}\n")
    assert status == 0 and token not in out + err, err
    file = os.path.join(environment["HOME"], ".config/mlops/credentials.json")
    assert os.stat(file).st_mode & 0o777 == 0o600 and os.stat(os.path.dirname(file)).st_mode & 0o777 == 0o700
    assert mlops("--agent", agent.url, "runs").status == 0
    assert mlops("--agent", agent.url, "whoami").out.startswith("token laptop, role viewer")
    status, _, err = mlops("--agent", agent.url, "cache", "rm", "--all")
    assert status == 6 and "engineer" in err
    bad = [("x" * 2000, 2), ("a b", 2), ("", 2), ("wrong", 6)]
    for text, expected in bad:
        assert mlops("login", agent.url, input=text).status == expected, text
    assert mlops("login", "http://mlops.example", input=token).status == 6
    assert mlops("login", input=token).status == 2
    assert mlops("--agent", agent.url, "runs").status == 0, "a failed login takes nothing away"
    assert mlops("login", "--rm", agent.url).status == 0
    assert mlops("login", "--rm", agent.url).status == 3
    # from the environment, for the agent that it names
    env = {"MLOPS_TOKEN": token}
    assert mlops("--agent", agent.url, "runs", env=env).status == 0
    assert mlops("runs", env={**env, "MLOPS_AGENT": agent.url}, cwd="/").status == 0
    assert mlops("--agent", agent.url, "runs", env={**env, "MLOPS_AGENT": "http://127.0.0.1:1"}).status == 6


def test_interrupted_while_it_follows(twins, environment, program):
    project, agent = twins
    (project / "pipeline.ini").write_text(PIPELINE.replace("echo hello;", "echo hello; sleep 30;"))
    shutil.copy(project / "pipeline.ini", agent.directory)
    runner = subprocess.Popen([program, "run", "--force"], cwd=agent.directory, env=environment,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not agent.owner("GET", "/api/v1/runs", active="true")[1]["active"]:
        time.sleep(0.05)
    follower = subprocess.Popen([program, "--agent", f"unix:{agent.socket}", "logs", "-f"], env=environment, cwd="/",
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert follower.stdout.readline() == "hello\n"
    follower.send_signal(signal.SIGINT)
    _, err = follower.communicate(timeout=10)
    assert follower.returncode == 130 and "stop RUN" in err and runner.poll() is None
    stop = subprocess.run([program, "--agent", f"unix:{agent.socket}", "stop", "last", "--kill"], env=environment,
                          cwd="/", capture_output=True, text=True, check=False)
    assert stop.returncode == 0, stop
    runner.wait(20)


def test_completion_and_help_know_it(mlops):
    assert "--agent" in mlops("__complete", "--a").out
    assert "login" in mlops("__complete", "lo").out
    assert "--agent URL" in mlops("help", "runs").out
