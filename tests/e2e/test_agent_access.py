# SPDX-License-Identifier: Apache-2.0
"""Who may do what with an agent: tokens, passwords, roles, permissions, where requests come from."""
import base64
import itertools
import json
import os
import pathlib
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

import pytest
from steps import wait_for

SECONDS = 16

MLFLOW = "/api/2.0/mlflow"
STRANGER = {"X-Forwarded-For": "192.0.2.7"}  # a proxy on this machine speaks for him
# What everybody may see. Nothing may be added without thought.
OPEN = {("GET", "/"), ("GET", "/livez"), ("GET", "/readyz"), ("GET", "/health"), ("GET", "/version"),
        ("GET", "/api/v1/openapi.json"), ("GET", "/api/3.0/mlflow/server-info"),
        ("GET", "/ajax-api/3.0/mlflow/server-info")}


@pytest.fixture
def ask(agent):
    """ask(method, path, body, token= or user=, **headers) -> (status, JSON or bytes)"""

    def call(method, path, body=None, token=None, user=None, headers=(), **more):
        headers = {**dict(headers), **more}
        if token:
            headers["Authorization"] = "Bearer " + token
        if user:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(user).encode()).decode()
        status, answer, data = agent.request(method, path, body, headers)
        return status, json.loads(data) if answer.get("Content-Type", "").startswith("application/json") else data

    return call


@pytest.fixture
def add(mlops):
    """add("token", NAME, OPTION...) -> what it printed as JSON"""

    def run(*args, input=None):
        status, out, err = mlops("--json", *args[:1], "add", *args[1:], input=input)
        assert status == 0, err
        return json.loads(out)

    return run


def message(answer):
    return answer["error"]["message"] if "error" in answer else answer["message"]


def make_run(ask, experiment="0", times=itertools.count(1), **who):
    status, answer = ask("POST", MLFLOW + "/runs/create", {"experiment_id": experiment, "start_time": next(times)}, **who)
    assert status == 200, answer
    return answer["run"]["info"]["run_id"]


def make_experiment(ask, name, **who):
    status, answer = ask("POST", MLFLOW + "/experiments/create", {"name": name}, **who)
    assert status == 200, answer
    return answer["experiment_id"]


def test_tokens_have_roles_and_end_at_once(ask, add, mlops):
    tokens = {role: add("token", role, "--role", role)["token"] for role in ("viewer", "engineer", "approver", "admin")}
    get, create = ("GET", MLFLOW + "/experiments/get?experiment_id=0"), MLFLOW + "/runs/create"
    for role, token in tokens.items():
        assert ask(*get, token=token)[0] == 200
        status, answer = ask("POST", create, {"experiment_id": "0"}, token=token)
        assert status == (403 if role == "viewer" else 200), (role, answer)
        assert ask("GET", "/api/v1/tokens", token=token)[0] == (200 if role == "admin" else 403)
    # a slip of the hand is told from a token that is unknown; neither is shown
    wrong = tokens["admin"][:-1] + ("a" if tokens["admin"][-1] != "a" else "b")
    status, answer = ask(*get, token=wrong)
    assert status == 401 and "wrong character" in message(answer) and wrong not in json.dumps(answer)
    assert mlops("token", "rm", "admin").status == 0
    status, answer = ask(*get, token=tokens["admin"])
    assert status == 401 and "not known" in message(answer)
    # wrong credentials are refused where none would do
    assert ask(*get)[0] == 200
    brief = add("token", "brief", "--expires", "300ms")["token"]
    time.sleep(0.4)
    status, answer = ask(*get, token=brief)
    assert status == 401 and "expired" in message(answer)


def test_scopes_narrow_a_token(ask, add):
    tracking = add("token", "t", "--role", "admin", "--scope", "tracking")["token"]
    objects = add("token", "o", "--role", "admin", "--scope", "objects")["token"]
    assert ask("GET", MLFLOW + "/experiments/get?experiment_id=0", token=tracking)[0] == 200
    assert ask("GET", "/api/v1/tokens", token=tracking)[0] == 403
    status, answer = ask("GET", MLFLOW + "/experiments/get?experiment_id=0", token=objects)
    assert status == 403 and "scope" in message(answer)


def test_administrators_add_over_http_what_they_add_here(ask, add, project):
    admin = add("token", "root", "--role", "admin")["token"]
    status, made = ask("POST", "/api/v1/tokens", {"name": "far", "role": "viewer"}, token=admin)
    assert status in (200, 201), made
    assert ask("GET", MLFLOW + "/experiments/get?experiment_id=0", token=made["token"])[0] == 200
    assert ask("DELETE", "/api/v1/tokens/far", token=admin)[0] == 200
    assert ask("GET", MLFLOW + "/experiments/get?experiment_id=0", token=made["token"])[0] == 401
    status, made_user = ask("POST", "/api/v1/users?name=ben&role=viewer", b"long enough", token=admin)
    assert status == 200, made_user
    assert ask("GET", MLFLOW + "/experiments/get?experiment_id=0", user=("ben", "long enough"))[0] == 200
    with sqlite3.connect(project / ".mlops/registry.db") as db:
        events = db.execute("SELECT actor, origin, operation, subject, body FROM events").fetchall()
    assert ("token root", "http", "token.add", "far") in [e[:4] for e in events]
    assert not any(made["token"][16:40] in json.dumps(e) for e in events)


def test_a_token_is_shown_once_however_quietly(ask, mlops):
    status, out, err = mlops("-q", "token", "add", "quiet")
    assert (status, err) == (0, "") and ask("GET", "/api/v1/whoami", token=out.strip())[0] == 200, out


def test_passwords(ask, add, mlops, agent):
    add("user", "anna", "--role", "engineer", input="open sesame\n")
    get = ("GET", MLFLOW + "/experiments/get?experiment_id=0")
    anna = ("anna", "open sesame")
    assert ask(*get, user=anna)[0] == 200
    assert make_run(ask, user=anna)
    # an upload waits for the login, too, and keeps its body
    status, _ = ask("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/x/artifacts/a.txt", b"text" * 1000,
                    user=("anna", "other one"))
    assert status == 401
    # a token stands for a password, whatever the user is called
    token = add("token", "laptop", "--user", "anna")["token"]
    assert ask(*get, user=("anybody", token))[0] == 200
    # another password, and the end of a user, count at once
    assert mlops("user", "edit", "anna", "--password", input="close sesame\n").status == 0
    assert ask(*get, user=anna)[0] == 401
    anna = ("anna", "close sesame")
    assert ask(*get, user=anna)[0] == 200
    assert mlops("user", "edit", "anna", "--disable").status == 0
    assert ask(*get, user=anna)[0] == 401 and ask(*get, token=token)[0] == 401
    assert mlops("user", "edit", "anna", "--enable").status == 0
    assert ask(*get, user=anna)[0] == 200
    # who guesses has to wait; who is known goes on
    statuses = [ask(*get, user=("anna", f"guess {i}"))[0] for i in range(12)]
    assert statuses[0] == 401 and statuses[-1] == 429 and set(statuses) == {401, 429}
    assert ask(*get, user=("nobody", "guess"))[0] == 429
    assert ask(*get, user=anna)[0] == 200


def test_a_login_holds_up_nobody_else(ask, add, agent):
    add("user", "anna", "--role", "engineer", input="open sesame\n")
    users = [threading.Thread(target=ask, args=("GET", MLFLOW + "/experiments/get?experiment_id=0"),
                              kwargs={"user": ("anna", f"wrong {i}")}) for i in range(6)]
    for one in users:
        one.start()
    longest = 0
    while any(one.is_alive() for one in users):
        begun = time.monotonic()
        assert ask("GET", "/health")[0] == 200
        longest = max(longest, time.monotonic() - begun)
    assert longest < 0.5


def test_permissions_count_before_roles(ask, add, mlops):
    secret, open_ = make_experiment(ask, "secret"), make_experiment(ask, "open")
    hidden, seen = make_run(ask, secret), make_run(ask, open_)
    add("user", "eve", "--role", "engineer", "--no-password")
    add("user", "vic", "--role", "viewer", "--no-password")
    eve, vic = ({"token": add("token", name + "s", "--user", name)["token"]} for name in ("eve", "vic"))

    def get(run, who):
        return ask("GET", f"{MLFLOW}/runs/get?run_id={run}", **who)[0]

    def tag(run, who):
        return ask("POST", MLFLOW + "/runs/set-tag", {"run_id": run, "key": "k", "value": "v"}, **who)[0]

    def delete(run, who):
        return ask("POST", MLFLOW + "/runs/delete", {"run_id": run}, **who)[0]

    def permit(user, experiment, level):
        assert mlops("permission", "add", user, "--experiment", experiment, "--level", level).status == 0

    assert (get(hidden, eve), tag(hidden, eve), get(hidden, vic), tag(hidden, vic)) == (200, 200, 200, 403)
    permit("eve", "secret", "none")
    assert (get(hidden, eve), tag(hidden, eve), get(seen, eve), tag(seen, eve)) == (403, 403, 200, 200)
    # no other spelling of its number is another experiment
    for spelling in (secret, "0" + secret, "+" + secret, " " + secret, secret + ".0"):
        status, _ = ask("GET", f"{MLFLOW}/experiments/get?experiment_id=" + spelling.replace("+", "%2B").replace(" ", "%20"),
                        **eve)
        assert status in (400, 403, 404), spelling
        status, _ = ask("POST", MLFLOW + "/runs/create", {"experiment_id": spelling}, **eve)
        assert status in (400, 403, 404), spelling
    assert ask("GET", f"{MLFLOW}/experiments/get-by-name?experiment_name=secret", **eve)[0] == 403
    status, found = ask("POST", MLFLOW + "/experiments/search", {"max_results": 100}, **eve)
    assert status == 200 and {e["name"] for e in found["experiments"]} == {"Default", "open"}
    status, found = ask("POST", MLFLOW + "/runs/search", {"experiment_ids": [open_]}, **eve)
    assert status == 200 and len(found["runs"]) == 1
    status, found = ask("POST", MLFLOW + "/runs/search", {"experiment_ids": [open_, secret]}, **eve)
    assert status == 403 or all(r["info"]["run_id"] != hidden for r in found["runs"])
    # what tells of everything is not for who may see a part
    for path in ("/api/v1/runs", "/api/v1/events", "/api/v1/refs/runs", "/api/v1/objects/" + "0" * 64, "/metrics"):
        assert ask("GET", path, **eve)[0] == 403, path
    permit("eve", "secret", "read")
    assert (get(hidden, eve), tag(hidden, eve)) == (200, 403)
    permit("eve", "secret", "edit")
    assert (tag(hidden, eve), delete(hidden, eve)) == (200, 403)
    permit("eve", "secret", "manage")
    assert delete(hidden, eve) == 200
    permit("vic", "open", "edit")
    assert (tag(seen, vic), delete(seen, vic)) == (200, 403)
    assert tag(make_run(ask), vic) == 403
    assert mlops("permission", "rm", "vic", "--experiment", "open").status == 0
    assert mlops("permission", "list", "vik").status == 3
    assert tag(seen, vic) == 403


def test_pages_tell_nothing_of_what_is_hidden(ask, add, mlops):
    for name in ("m1", "m2", "hidden", "m3", "hidden2"):
        assert ask("POST", MLFLOW + "/registered-models/create", {"name": name, "tags": [{"key": "t", "value": name}]})[0] == 200
    add("user", "eve", "--role", "engineer", "--no-password")
    eve = {"token": add("token", "eves", "--user", "eve")["token"]}
    for name in ("hidden", "hidden2"):
        assert mlops("permission", "add", "eve", "--model", name, "--level", "none").status == 0

    def pages(size, condition="", **who):
        found, token = [], ""
        while True:
            query = urllib.parse.urlencode({"max_results": size, "filter": condition, "page_token": token})
            status, page = ask("GET", f"{MLFLOW}/registered-models/search?{query}", **who)
            assert status == 200, page
            found.append([m["name"] for m in page.get("registered_models", [])])
            token = page.get("next_page_token")
            if not token:
                return found

    assert pages(1, "tags.t LIKE 'hid%'", **eve) == [[]]
    assert pages(1, **eve) == [["m1"], ["m2"], ["m3"]]
    assert pages(2, **eve) == [["m1", "m2"], ["m3"]]
    assert pages(3, **eve) == [["m1", "m2", "m3"]]
    assert pages(2) == [["hidden", "hidden2"], ["m1", "m2"], ["m3"]]


def test_a_token_for_a_run_writes_that_run_only(ask, add):
    other_experiment = make_experiment(ask, "other")
    mine, other, far = make_run(ask), make_run(ask), make_run(ask, other_experiment)
    who = {"token": add("token", "step", "--run", mine, "--role", "admin")["token"]}
    log = {"key": "loss", "value": 1, "timestamp": 1, "step": 0}
    assert ask("POST", MLFLOW + "/runs/log-metric", {"run_id": mine, **log}, **who)[0] == 200
    assert ask("GET", f"{MLFLOW}/runs/get?run_id={mine}", **who)[0] == 200
    assert ask("GET", f"{MLFLOW}/experiments/get?experiment_id=0", **who)[0] == 200
    for method, path, body in (
            ("POST", "/runs/log-metric", {"run_id": other, **log}),
            ("POST", "/runs/delete", {"run_id": mine}),
            ("GET", f"/runs/get?run_id={far}", None),
            ("GET", f"/runs/get?run_id={other}", None),
            ("POST", "/runs/create", {"experiment_id": "0"}),
            ("POST", "/experiments/create", {"name": "new"}),
            ("POST", "/experiments/delete", {"experiment_id": "0"}),
            ("GET", f"/experiments/get?experiment_id={other_experiment}", None),
            ("POST", "/experiments/search", {"max_results": 10}),
            ("POST", "/registered-models/create", {"name": "m"}),
            ("GET", "/registered-models/get?name=m", None)):
        status, answer = ask(method, MLFLOW + path, body, **who)
        assert status == 403, (path, body, answer)
    files = "/api/2.0/mlflow-artifacts/artifacts/0/"
    assert ask("PUT", f"{files}{mine}/artifacts/a.txt", b"x", **who)[0] == 200
    assert ask("GET", f"{files}{mine}/artifacts/a.txt", **who)[0] == 200
    for path in (f"{other}/artifacts/a.txt", f"{mine}/../{other}/artifacts/a.txt", "a.txt", "f" * 32 + "/artifacts/a.txt",
                 "models/m-" + "f" * 32 + "/artifacts/a.txt"):
        assert ask("PUT", files + path, b"x", **who)[0] in (400, 403), path
    for path in ("/api/v1/tokens", "/api/v1/runs", "/api/v1/events"):
        assert ask("GET", path, **who)[0] == 403, path
    assert ask("GET", "/api/v1/whoami", **who)[1]["run"] == mine
    for experiment, source, wanted in (("0", mine, 200), ("0", other, 403), (other_experiment, mine, 403)):
        status, _ = ask("POST", MLFLOW + "/logged-models", {"experiment_id": experiment, "source_run_id": source,
                                                           "name": "m"}, **who)
        assert status == wanted


def test_what_is_written_or_copied_besides_needs_permission_too(ask, add, mlops):
    secret = make_experiment(ask, "secret")
    mine, hidden = make_run(ask), make_run(ask, secret)
    status, made = ask("POST", MLFLOW + "/logged-models", {"experiment_id": secret, "source_run_id": hidden, "name": "m"})
    assert status == 200, made
    model = made["model"]["info"]["model_id"]
    for name, source in (("shown", "s3://x/y"), ("closed", "s3://x/hidden")):
        assert ask("POST", MLFLOW + "/registered-models/create", {"name": name})[0] == 200
        assert ask("POST", MLFLOW + "/model-versions/create", {"name": name, "source": source})[0] == 200
    add("user", "eve", "--role", "engineer", "--no-password")
    assert mlops("permission", "add", "eve", "--experiment", "secret", "--level", "none").status == 0
    assert mlops("permission", "add", "eve", "--model", "closed", "--level", "none").status == 0
    eve, step = ({"token": add("token", *words)["token"]} for words in (("e", "--user", "eve"), ("s", "--run", mine)))
    point = {"key": "acc", "value": 9, "timestamp": 1, "step": 0}
    of_model = {**point, "model_id": model}
    for who in (eve, step):
        assert ask("POST", MLFLOW + "/runs/log-metric", {"run_id": mine, **of_model}, **who)[0] == 403
        assert ask("POST", MLFLOW + "/runs/log-batch", {"run_id": mine, "metrics": [point, of_model]}, **who)[0] == 403
        for nobody in ("", None):
            assert ask("POST", MLFLOW + "/runs/log-metric", {"run_id": mine, **point, "model_id": nobody}, **who)[0] == 200
    assert "metrics" not in ask("GET", f"{MLFLOW}/logged-models/{model}")[1]["model"].get("data", {})
    for body in ({"source": "models:/closed/1"}, {"source": "models:/" + model, "model_id": model},
                 {"source": f"runs:/{hidden}/m", "run_id": hidden}, {"source": "s3://x/y", "run_id": hidden},
                 {"source": "s3://x/y", "model_id": model}):
        status, answer = ask("POST", MLFLOW + "/model-versions/create", {"name": "shown", **body}, **eve)
        assert status == 403, (body, answer)
    assert ask("POST", MLFLOW + "/model-versions/create", {"name": "shown", "source": "models:/shown/1"}, **eve)[0] == 200
    assert mlops("permission", "add", "eve", "--experiment", "secret", "--level", "edit").status == 0
    assert ask("POST", MLFLOW + "/runs/log-metric", {"run_id": mine, **of_model}, **eve)[0] == 200


def test_strangers_get_what_is_open_and_nothing_else(ask, agent):
    _, api = ask("GET", "/api/v1/openapi.json")
    routes = [(method.upper(), ("/api/v1" if not path.startswith("/api/") else "") + path)
              for path, methods in api["paths"].items() for method in methods if method in ("get", "put", "post", "patch", "delete")]
    assert len(routes) > 30
    for method, path in routes:
        path = path.replace("{", "").replace("}", "")
        status, answer = ask(method, path, {} if method not in ("GET", "DELETE") else None, headers=STRANGER)
        assert status == 401 or (method, path) in OPEN, (method, path, status, answer)
    for method, path in (("GET", MLFLOW + "/experiments/get?experiment_id=0"), ("POST", MLFLOW + "/runs/create")):
        assert ask(method, path, {} if method == "POST" else None, headers=STRANGER)[0] == 401
    for method, path in OPEN:
        assert ask(method, path, headers=STRANGER)[0] == 200, path
    # from this machine, tracking is free, and the rest is not
    for method, path in routes:
        status, answer = ask(method, path.replace("{", "").replace("}", ""),
                             {} if method not in ("GET", "DELETE") else None, **{"Sec-Fetch-Site": "none"})
        if any(word in path for word in ("tokens", "users", "permissions", "secrets", "config", "projects", "events")):
            assert status == 401, (method, path, status, answer)


def test_names_that_others_own_are_not_ours(start_agent):
    agent = start_agent("--allow-host", "ml.example.org", "--allow-host", "*.example.net")
    for host in ("127.0.0.1", "127.0.0.1:1", "localhost:9999", "[::1]:5000", "LOCALHOST", "10.1.2.3:5000", "localhost:",
                 "ml.example.org", "ML.example.org.:443", "a.b.example.net"):
        assert agent.request("GET", "/health", headers={"Host": host})[0] == 200, host
    for host in ("evil.example.org", "evil.example.org:5000", "localhost.evil.org", "127.0.0.1.nip.io", "example.net",
                 "localhost@evil.org", "[::1", "", "0x7f000001", "2130706433", "evil.org:80:80", "localhost:5000x"):
        status, _, data = agent.request("GET", "/health", headers={"Host": host})
        assert status in (400, 403), host
        if status == 403:
            assert b"Host" in data


def test_other_sites_pages_change_nothing(ask, agent):
    create = ("POST", MLFLOW + "/runs/create", {"experiment_id": "0"})
    here = "%s:%d" % agent.address
    for headers, status in (({}, 200), ({"Origin": "http://" + here}, 200), ({"Sec-Fetch-Site": "same-origin"}, 200),
                            ({"Origin": "http://evil.example.org"}, 403), ({"Origin": "null"}, 403),
                            ({"Origin": "http://127.0.0.1:1"}, 403), ({"Sec-Fetch-Site": "cross-site"}, 403),
                            ({"Sec-Fetch-Site": "same-site"}, 403),
                            ({"Origin": "http://" + here, "Sec-Fetch-Site": "cross-site"}, 403)):
        assert ask(*create, headers=headers)[0] == status, headers
    # what a form can send is not taken for JSON
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert ask("POST", create[1], b'{"experiment_id": "0"}', **{"Content-Type": kind})[0] == 400, kind
    # nobody is asked about, and nobody is let in
    status, headers, _ = agent.request("OPTIONS", create[1], headers={
        "Origin": "http://evil.example.org", "Access-Control-Request-Method": "POST"})
    assert status in (403, 405)
    for path in ("/health", MLFLOW + "/experiments/get?experiment_id=0"):
        _, more, _ = agent.request("GET", path, headers={"Origin": "http://evil.example.org"})
        headers.update(more)
    assert not [name for name in headers if name.lower().startswith("access-control")]


def over_socket(path, request):
    """The answer's status; the request is over when the agent has answered."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(request)
        return int(connection.recv(100).split()[1])


def test_the_socket_knows_its_owner(start_agent, project, add):
    agent = start_agent(listen="unix:" + str(project / "s"))
    request = b"GET /api/v1/tokens HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    assert over_socket(project / "s", request + b"\r\n") == 200
    # a wrong token does not become the owner's right, and a small one does not grow
    token = add("token", "small", "--role", "viewer")["token"].encode()
    assert over_socket(project / "s", request + b"Authorization: Bearer x\r\n\r\n") == 401
    assert over_socket(project / "s", request + b"Authorization: Bearer " + token + b"\r\n\r\n") == 403
    if os.getuid():
        pytest.skip("another user needs root")
    shown = pathlib.Path(tempfile.mkdtemp(dir="/tmp"))
    shown.chmod(0o755)
    (project / "s").chmod(0o777)
    os.link(project / "s", shown / "s")
    other = subprocess.run(
        [sys.executable, "-c", "import os, sys, socket; os.setgid(65534); os.setuid(65534); s = socket.socket(socket.AF_UNIX);"
         " s.connect(sys.argv[1]); s.sendall(sys.argv[2].encode() + b'\\r\\n\\r\\n'); print(s.recv(999).split()[1].decode())",
         str(shown / "s"), request.decode().rstrip()], capture_output=True, text=True, check=True, timeout=20)
    shutil.rmtree(shown)
    assert other.stdout.strip() == "401"
    assert agent.process.poll() is None


def test_this_machine_may_be_told_to_log_in(start_agent, mlops):
    assert mlops("config", "agent.anonymous", "nothing").status == 0
    agent = start_agent()
    assert agent.get(MLFLOW + "/experiments/get", experiment_id=0)[0] == 401
    assert agent.get("/health")[0] == 200


def test_addresses_that_others_reach_need_a_login_and_tls(project, environment, mlops):
    from agents import AGENT

    def refused(*options):
        done = subprocess.run([AGENT, "--listen", "0.0.0.0:0", *options], cwd=project, env=environment, capture_output=True,
                              text=True, timeout=30)
        assert done.returncode, done
        return done.stderr

    assert "tls" in refused().lower()
    assert mlops("token", "add", "t").status == 0
    assert "tls" in refused().lower()


def test_secrets_are_written_nowhere(agent, ask, add, mlops, project):
    token = add("token", "t", "--role", "admin")["token"]
    password = "wirklich geheim"
    add("user", "anna", "--role", "admin", input=password)
    digest = base64.b64encode(f"anna:{password}".encode()).decode()
    for path in ("/api/v1/tokens", "/nowhere", MLFLOW + "/runs/get?run_id=x", "/metrics", "/api/v1/events"):
        assert ask("GET", path, token=token)[0] in (200, 404)
        assert ask("GET", path, user=("anna", password))[0] in (200, 404)
        assert ask("GET", path, token=token[:-1])[0] in (401, 404, 200)
        assert ask("GET", path, user=("anna", password + "!"))[0] in (401, 404, 429, 200)
    assert ask("POST", MLFLOW + "/runs/create", b'{"x": "' + b"y" * 100, token=token)[0] in (400, 415)
    status, metrics = ask("GET", "/metrics", token=token)
    assert status == 200
    used = wait_for(lambda: json.loads(mlops("--json", "token", "list").out)["tokens"][0].get("last_used"))
    assert used
    limits = pathlib.Path(f"/proc/{agent.process.pid}/limits").read_text()
    assert "Max core file size        0 " in limits
    agent.stop()
    kept = [agent.process.args, os.environ.get("x", ""), str(metrics)]
    for path in project.rglob("*"):
        if path.is_file():
            kept.append(path.read_bytes().decode("latin-1"))
    everything = "\n".join(map(str, kept))
    for secret in (token, token[15:58], password, digest, token[:-1]):
        assert secret not in everything
