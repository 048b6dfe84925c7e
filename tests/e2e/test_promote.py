# SPDX-License-Identifier: Apache-2.0
"""Who gets an alias: promotions by people, approvals, protection, rollback, and the card that tells of it."""
import base64
import concurrent.futures
import hashlib
import json
import sqlite3

import pytest
from steps import wait_for

SECONDS = 12

MODELS = "/api/2.0/mlflow/registered-models"
VERSIONS = "/api/2.0/mlflow/model-versions"


@pytest.fixture
def candidates(project):
    """candidates(SPEC...): v1, v2, ... of churn as pipelines made them, anna the author of each and ben its committer."""

    def make(*specs, verdict="passed", reference=None):
        db = sqlite3.connect(project / ".mlops/registry.db", isolation_level=None)
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT OR IGNORE INTO registered_models (id, name, creation_time, last_update_time) VALUES (1, 'churn', 1, 1)")
        for spec in specs:
            number, = db.execute("UPDATE registered_models SET last_number = last_number + 1 RETURNING last_number").fetchone()
            content = db.execute("INSERT INTO contents (digest, kind, size, files) VALUES (?, 'file', 1, 1)",
                                 (hashlib.sha256(b"%d" % number).digest(),)).lastrowid
            version = db.execute("INSERT INTO model_versions (model, number, creation_time, last_update_time, source, location)"
                                 " VALUES (1, ?, 1, 1, 's3://b/m', 's3://b/m')", (number,)).lastrowid
            db.execute("INSERT INTO candidates (version, content, reference, spec, champion, verdict, lines, metrics, author,"
                       " committer, judged) VALUES (?, ?, ?, ?, ?, ?, '[]', '{}', 'anna@host', 'Ben <ben@example.org>', 1)",
                       (version, content, content, json.dumps({"alias": "champion", **spec}), number - 1 or None, verdict))
        db.execute("COMMIT")
        db.close()

    return make


@pytest.fixture
def model(mlops):
    """model("promote churn@v1", ...) -> (status, JSON or error text)"""

    def run(line, *more):
        status, out, err = mlops("--json", "model", *line.split(), *more)
        if status == 0:
            return 0, json.loads(out)
        error = json.loads(out)["error"]
        return status, error["message"] + "\n" + error.get("help", "")

    return run


def holder(project):
    db = sqlite3.connect(f"file:{project}/.mlops/registry.db?mode=ro", uri=True)
    row = db.execute("SELECT number FROM model_aliases WHERE alias = 'champion'").fetchone()
    return row and row[0]


def events(project, like):
    db = sqlite3.connect(f"file:{project}/.mlops/registry.db?mode=ro", uri=True)
    return db.execute("SELECT operation, subject, before, after FROM events WHERE operation GLOB ? ORDER BY seq",
                      (like,)).fetchall()


ASKS = {"approve": ["approver"]}
PROTECTED = {"protect": True, "gate": ["auc >= 0.9"]}


def test_a_person_promotes_and_rolls_back(project, candidates, model):
    candidates({}, {}, {})
    assert model("promote churn@v1")[1]["outcome"] == "promoted"
    assert model("promote churn@v2")[1]["before"] == 1
    assert model("promote churn@v2")[1]["outcome"] == "unchanged"
    status, answer = model("rollback churn")
    assert status == 2 and "reason" in answer
    status, answer = model("rollback churn", "--reason", "errors since noon")
    assert (status, answer["outcome"], answer["number"], answer["before"]) == (0, "rolled back", 1, 2)
    status, answer = model("promote churn@v2")
    assert status == 2 and "was rejected" in answer
    assert model("show churn@v2")[1]["rejected"] == "errors since noon" and "rejected" not in model("show churn@v1")[1]
    assert model("show churn")[1]["held"] == ["champion"]
    status, answer = model("rollback churn", "--reason", "again")
    assert status == 3 and "no former churn@champion" in answer
    assert holder(project) == 1
    assert model("release churn")[1]["outcome"] == "released" and model("release churn")[1]["outcome"] == "unchanged"
    assert model("promote churn@v2", "--reason", "it was the network")[1]["outcome"] == "promoted"
    assert [e[0] for e in events(project, "model.*")] == ["model.promote", "model.promote", "model.rollback", "model.hold",
                                                         "model.release", "model.promote"]
    assert events(project, "model.rollback") == [("model.rollback", "churn@champion", "v2", "v1")]


def test_what_cannot_be_promoted(project, candidates, model, mlops):
    candidates({}, {})
    candidates({}, verdict="failed")
    for line, status, part in [("promote churn", 2, "names no version"), ("promote churn@v9", 3, "not found"),
                               ("promote nope@v1", 3, "not found"), ("promote churn@champion", 2, "alias champion not found"),
                               ("promote churn@v1 --alias latest", 2, "latest"), ("promote churn@v3", 2, "did not pass its gate"),
                               ("promote churn@v01", 2, "alias v01 not found"), ("rollback churn@v1 --reason x", 2, "names no alias"),
                               ("approve churn@v1", 3, "nobody was asked"), ("reject churn@v1", 2, "--reason"),
                               ("rollback churn --reason x", 2, "alias champion not found"), ("card churn@v9", 3, "not found")]:
        got, answer = model(line)
        assert got == status and part in answer, (line, got, answer)
    assert model("promote churn@v3", "--reason", "the gate is too strict")[0] == 0
    model("promote churn@v2")
    assert model("rollback churn --to v1 --reason x")[0] == 3
    assert model("reject churn@v2 --reason x")[0] == 4
    assert mlops("model", "promote", "churn@v1").out.startswith("promoted churn@champion: v2 -> v1\n")


def test_nobody_agrees_to_his_own(project, candidates, model, mlops):
    candidates(ASKS)
    status, answer = model("promote churn@v1")
    assert (status, answer["outcome"], answer["who"], answer["enforced"]) == (0, "pending", ["approver"], False)
    assert "not enforced" in mlops("model", "approvals").out
    status, answer = model("approve churn@v1")
    assert status == 6 and "asked for it" in answer and "somebody else" in answer and "user add NAME --role approver" in answer
    assert holder(project) is None
    assert model("promote churn@v1", "--reason", "nobody else is here")[1]["outcome"] == "promoted"
    status, answer = model("approve churn@v1")
    assert status == 4 and "superseded" in answer


# ---- with an agent, roles are enforced ----


@pytest.fixture
def people(agent, mlops):
    """people(NAME, METHOD, PATH, BODY) -> (status, JSON): of users with the roles below."""
    tokens = {}
    for name, role in {"anna": "approver", "ben": "approver", "eva": "approver", "tom": "engineer", "root": "admin",
                       "max": "engineer", "vic": "viewer"}.items():
        assert mlops("user", "add", name, "--role", role, "--no-password", input="").status == 0
        tokens[name] = json.loads(mlops("--json", "token", "add", "of-" + name, "--user", name).out)["token"]

    def ask(name, method, path, body=None):
        status, _, data = agent.request(method, path, body, {"Authorization": "Bearer " + tokens[name]})
        return status, json.loads(data)

    ask.tokens = tokens
    return ask


def act(people, name, what, version="churn@v1", **body):
    status, answer = people(name, "POST", f"/api/v1/models/{version}/{what}", body)
    return status, answer.get("outcome") or answer["error"]["message"]


def test_roles_decide_over_http(project, candidates, people):
    candidates(ASKS, ASKS)
    assert act(people, "vic", "promote")[0] == 403
    assert act(people, "tom", "promote") == (200, "pending")
    waiting = people("vic", "GET", "/api/v1/approvals")[1]
    assert waiting["enforced"] and [(a["name"], a["number"], a["who"]) for a in waiting["approvals"]] == [("churn", 1, ["approver"])]
    for name, part in [("anna", "started the run"), ("ben", "made the commit"), ("tom", "approver has to")]:
        status, text = act(people, name, "approve")
        assert status == 403 and part in text, (name, text)
    assert act(people, "vic", "approve")[0] == 403 and holder(project) is None
    assert act(people, "eva", "approve") == (200, "promoted")
    status, text = act(people, "eva", "approve")
    assert status == 409 and "approved by eva" in text
    assert act(people, "tom", "promote", "churn@v2") == (200, "pending")
    assert act(people, "vic", "reject", "churn@v2", reason="no")[0] == 403
    # another alias is no way round those who are asked
    status, text = act(people, "max", "reject", "churn@v2", reason="no", alias="staging")
    assert status == 403 and "approver is asked" in text
    assert act(people, "eva", "reject", "churn@v2", reason="slow") == (200, "rejected")
    assert act(people, "tom", "promote", "churn@v2")[0] == 400
    assert act(people, "tom", "rollback", "churn", reason="x")[0] == 404
    assert [e[:2] for e in events(project, "approval.*")] == [
        ("approval.ask", "churn@v1"), ("approval.approve", "churn@v1"), ("approval.ask", "churn@v2"),
        ("approval.reject", "churn@v2")]


def test_users_may_be_asked_by_name(project, candidates, people):
    candidates({"approve": ["tom", "vic"]})
    assert act(people, "root", "promote") == (200, "pending")
    assert act(people, "eva", "approve")[0] == 403
    assert act(people, "tom", "approve") == (200, "promoted")


def test_a_protected_alias_is_moved_by_nobody_else(project, candidates, people, agent):
    candidates(PROTECTED, PROTECTED)
    db = sqlite3.connect(project / ".mlops/registry.db", isolation_level=None)
    db.execute("INSERT INTO model_aliases VALUES (1, 'champion', 1)")
    db.close()

    def mlflow(who, method, path, **body):
        return people(who, method, path, body)

    for name in ("tom", "eva"):
        status, text = act(people, name, "promote", "churn@v2", reason="x")
        assert status == 403 and "protected" in text
        for answer in (mlflow(name, "POST", MODELS + "/alias", name="churn", alias="champion", version="2", reason="x"),
                       mlflow(name, "DELETE", MODELS + "/alias", name="churn", alias="champion", reason="x"),
                       mlflow(name, "DELETE", VERSIONS + "/delete", name="churn", version="1"),
                       mlflow(name, "DELETE", MODELS + "/delete", name="churn"),
                       mlflow(name, "POST", MODELS + "/rename", name="churn", new_name="other")):
            assert answer[0] == 403 and answer[1]["error_code"] == "PERMISSION_DENIED", answer
            assert "protected" in answer[1]["message"]
    # tokenless, as MLflow's clients on this machine come
    assert agent.post(MODELS + "/alias", name="churn", alias="champion", version="2")[0] == 403
    assert holder(project) == 1
    assert act(people, "root", "promote", "churn@v2")[0] == 400
    assert act(people, "root", "promote", "churn@v2", reason="I looked") == (200, "promoted")
    assert act(people, "tom", "rollback", "churn@champion", reason="errors") == (200, "rolled back")
    assert mlflow("root", "POST", MODELS + "/alias", name="churn", alias="champion", version="2")[0] == 403
    assert mlflow("root", "POST", MODELS + "/alias", name="churn", alias="champion", version="2", reason="again")[0] == 200
    assert mlflow("root", "POST", MODELS + "/alias", name="churn", alias="champion", version="1", reason="back")[0] == 200
    # other aliases, and versions without one, are as ever
    assert mlflow("tom", "POST", MODELS + "/alias", name="churn", alias="staging", version="2")[0] == 200
    assert mlflow("tom", "DELETE", VERSIONS + "/delete", name="churn", version="2")[0] == 200
    status, text = act(people, "root", "promote", "churn@v2", reason="it was good")
    assert status == 404 and "not found" in text


def test_aliases_with_approval_are_not_set_by_clients(candidates, people, agent):
    candidates(ASKS)
    status, answer = agent.post(MODELS + "/alias", name="churn", alias="champion", version="1")
    assert status == 403 and "people agree" in answer["message"]


def test_permissions_of_a_model_count(candidates, people, mlops):
    candidates({}, {})
    assert mlops("permission", "add", "tom", "--model", "churn", "--level", "read").status == 0
    assert mlops("permission", "add", "vic", "--model", "churn", "--level", "edit").status == 0
    assert act(people, "tom", "promote")[0] == 403
    assert act(people, "vic", "promote") == (200, "promoted")
    assert mlops("permission", "add", "eva", "--model", "churn", "--level", "none").status == 0
    assert people("eva", "GET", "/api/v1/models/churn@v1/card")[0] == 403
    assert people("eva", "GET", "/api/v1/approvals")[1]["approvals"] == []


def test_of_two_at_once_one_follows_the_other(project, candidates, people):
    candidates(*[{}] * 8)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: act(people, "tom", "promote", f"churn@v{n}"), range(1, 9)))
    assert answers == [(200, "promoted")] * 8
    moves = events(project, "model.promote")
    assert len(moves) == 8 and moves[0][2] is None and f"v{holder(project)}" == moves[-1][3]
    assert [m[2] for m in moves[1:]] == [m[3] for m in moves[:-1]]


def test_two_who_agree_are_one_approval(project, candidates, people):
    candidates(ASKS)
    act(people, "tom", "promote")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(lambda name: act(people, name, "approve")[0], ("eva", "root")))
    assert answers == [200, 409]
    assert len(events(project, "model.promote")) == len(events(project, "approval.approve")) == 1


def test_a_question_that_nobody_answers_is_over(project, candidates, people):
    candidates({**ASKS, "approve_within": 1})
    assert act(people, "tom", "promote") == (200, "pending")
    wait_for(lambda: events(project, "approval.expire"))
    assert people("tom", "GET", "/api/v1/approvals?all=true")[1]["approvals"][0]["state"] == "expired"
    status, text = act(people, "eva", "approve")
    assert status == 409 and "expired" in text
    assert act(people, "tom", "promote") == (200, "pending")


# ---- cards ----


def test_a_card_tells_what_is_known(project, candidates, model, mlops):
    (project / "pipeline.ini").write_text("[monitor.serving]\nmodel = churn@champion\ndata = rows/*.csv\n"
                                          "reference = train.csv\nwindow = 1000 rows\n")
    candidates({}, {"approve": ["approver"]})
    model("promote churn@v1")
    model("promote churn@v2")
    status, answer = model("card churn@champion")
    card = answer["card"]
    assert status == 0 and (card["model"], card["number"], card["aliases"]) == ("churn", 1, ["champion"])
    assert card["gate"] == {"verdict": "passed", "lines": []}
    assert [(h["after"], h["how"]) for h in card["history"]] == [(1, "person")]
    assert card["monitors"] == [{"name": "serving", "watches": "churn@champion", "state": "WAITING", "alarm": False,
                                 "windows": 0, "drifted": 0}]
    text = mlops("model", "card", "churn@v1").out
    assert text == answer["markdown"] and text.startswith("# churn v1\n\n- registered: 1970-01-01 00:00 UTC\n- alias: champion\n")
    assert "\n## Gate: passed\n" in text and "| serving | churn@champion | WAITING |" in text
    assert "## Approvals" in mlops("model", "card", "churn@v2").out


def test_texts_of_a_card_are_no_markup(project, agent, mlops):
    agent.post(MODELS + "/create", name="a|b <script>")
    agent.post(VERSIONS + "/create", name="a|b <script>", source="s3://b/m", description="x\n# `y`")
    text = mlops("model", "card", "a|b <script>@v1").out
    assert text.startswith("# a\\|b \\<script\\> v1\n\nx \\# \\`y\\`\n")
