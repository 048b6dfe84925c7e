# SPDX-License-Identifier: Apache-2.0
"""forget: one asks, another agrees, the bytes go from every place, and stay away."""
import hashlib
import json
import shutil
import sqlite3

import pytest
from agents import UnixConnection

SECONDS = 7
ANNA = b"anna,1984-05-06\n"
DIGEST = hashlib.sha256(ANNA).hexdigest()
PIPELINE = """[pipeline]
name = people

[step.copy]
cmd = cp -r data/raw clean
in  = data/raw
out = clean

[step.count]
cmd = sh -c 'cat clean/* | wc -l > count.txt; test ! -e fail'
in  = clean
out = count.txt
"""


@pytest.fixture
def people(project):
    """A directory with a person's file, the same bytes under another name, and an empty file."""
    (project / "data/raw").mkdir(parents=True)
    (project / "data/raw/anna.csv").write_bytes(ANNA)
    (project / "data/raw/ben.csv").write_text("ben,1979-01-02\n")
    (project / "data/raw/empty").write_text("")
    (project / "copy.csv").write_bytes(ANNA)
    (project / "pipeline.ini").write_text(PIPELINE)
    return project


@pytest.fixture
def types(mlops):
    """types("forget list") -> what --json says; `want` is the exit status."""

    def run(line, *more, want=0, **kw):
        done = mlops("--json", *line.split(), *more, **kw)
        assert done.status == want, done
        return json.loads(done.out.strip().split("\n")[-1])

    return run


@pytest.fixture
def forget(types):
    """forget(NAME) asks and agrees; what agreeing says."""

    def run(name, *more, **kw):
        asked = types("forget", name, "--reason", "ticket 7", *more, **kw)
        return types(f"forget agree {asked['id']} --alone", **kw)

    return run


def holding(top, data=ANNA):
    """Every file below with these bytes."""
    return [str(p.relative_to(top)) for p in top.rglob("*") if p.is_file() and not p.is_symlink() and p.read_bytes() == data]


def test_one_asks_and_another_agrees(people, types, mlops):
    types("add data/raw copy.csv")
    types("run")
    error = types("forget data/raw@v1/anna.csv", want=2)["error"]
    assert "--reason" in error["message"]
    dry = types("forget data/raw@v1/anna.csv --dry")
    assert "id" not in dry and dry["contents"] == 1 and dry["bytes"] == len(ANNA)
    names = dry["impact"]["names"]
    assert "copy.csv@v1" in names and "data/raw@v1: anna.csv" in names and "clean@v1: anna.csv" in names, names
    assert dry["impact"]["runs"] == 3 and "count.txt@v1" in dry["impact"]["versions"], dry
    assert not types("forget list")["requests"]

    asked = types("forget data/raw@v1/anna.csv --reason", "ticket 7")
    assert asked["impact"] == dry["impact"] and not asked["enforced"]
    waiting = types("forget list")["requests"]
    assert [(r["id"], r["state"], r["subject"]) for r in waiting] == [(1, "waiting", "data/raw@v1/anna.csv")]
    refused = types("forget agree 1", want=6)["error"]
    assert "somebody else" in refused["message"] and "--alone" in refused["help"]
    assert holding(people / ".mlops")  # nothing is removed so far

    done = types("forget agree 1 --alone")
    assert (done["state"], done["removed"], done["work_tree"]) == ("done", 1, ["clean/anna.csv", "copy.csv", "data/raw/anna.csv"])
    assert not holding(people / ".mlops")
    assert not types("forget list")["requests"] and types("forget list --all")["requests"][0]["state"] == "done"
    assert types("forget show 1")["impact"] == dry["impact"]
    assert "is done" in types("forget agree 1 --alone", want=4)["error"]["message"]
    assert types("forget agree 2", want=3)["error"]["help"] == "run: mlops forget list"
    told = [(e["operation"], e["subject"]) for e in types("events -n 3")["events"]]
    assert told == [("forget.done", "data/raw@v1/anna.csv"), ("forget.agree", "data/raw@v1/anna.csv"),
                    ("forget.ask", "data/raw@v1/anna.csv")]
    body = types("events -n 1")["events"][0]["body"]
    assert body == {"id": 1, "digests": [DIGEST], "reason": "ticket 7"}
    human = mlops("forget", "list", "--all").out
    assert "data/raw@v1/anna.csv" in human and "ticket 7" in human


def test_who_misses_the_bytes_learns_why_and_the_rest_is_there(people, types, forget, mlops):
    types("add data/raw copy.csv")
    types("run")
    forget("copy.csv")
    whole = types("fsck")
    assert not whole["problems"] and whole["forgotten"] >= 3
    assert "was recorded" not in mlops("fsck").out and "forgotten" in mlops("fsck").out
    why = "was forgotten on "
    for line in ["cat copy.csv@v1", "cat data/raw@v1/anna.csv", f"cat sha256:{DIGEST[:12]}"]:
        done = mlops(*line.split())
        assert done.status == 3 and why in done.err and ": ticket 7" in done.err and "forget list --all" in done.err, done
    # the same bytes are not taken again, wherever they come from
    refused = mlops("add", "copy.csv")
    assert refused.status == 6 and "not taken again" in refused.err and "ticket 7" in refused.err
    assert mlops("add", "data/raw").status == 6 and not holding(people / ".mlops")
    (people / "copy.csv").unlink()
    shutil.rmtree(people / "data/raw")
    shutil.rmtree(people / "clean")
    # a run does not go on as if the directory were whole
    missing = mlops("run")
    assert missing.status == 3 and why in missing.err and "mlops checkout data/raw" in missing.err, missing
    done = mlops("checkout")
    assert done.status == 3 and "copy.csv was forgotten" in done.err
    assert "data/raw: 1 file is left out, forgotten on" in done.out + done.err
    assert sorted(p.name for p in (people / "data/raw").iterdir()) == ["ben.csv", "empty"]
    types("add data/raw")
    types("run")
    assert (people / "count.txt").read_text().strip() == "1"


def test_copies_below_mlops_go_too(people, types, forget, mlops):
    types("add data/raw")
    (people / "fail").write_text("")
    assert mlops("run").status == 1
    for place in ("aside/x/anna.csv", "failed/x/deep/anna.csv", "work/x/anna.csv", "inflow/m/data-1.jsonl"):
        path = people / ".mlops" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(ANNA)
    (people / ".mlops/failed/x/deep").chmod(0o500)
    (people / ".mlops/quarantine" / DIGEST).write_bytes(ANNA + b"damaged")
    done = forget("data/raw@v1/anna.csv")
    assert done["copies"] == 4 and not holding(people / ".mlops") and not list((people / ".mlops/quarantine").iterdir())
    assert holding(people) == ["data/raw/anna.csv"] or "copy.csv" in holding(people)


def test_every_version_and_what_was_computed_of_it(people, types, forget):
    (people / "users.csv").write_text("name,age\n" + "".join(f"u{i},{i}\n" for i in range(50)))
    types("add users.csv")
    profile = types("profile users.csv@v1")
    (people / "users.csv").write_text("name,age\nanna,40\n")
    types("add users.csv")
    one = types("forget users.csv --dry")
    both = types("forget users.csv --versions --dry")
    assert (one["contents"], both["contents"] - both["impact"]["profiles"]) == (1, 2), (one, both, profile)
    forget("users.csv", "--versions")
    db = sqlite3.connect(people / ".mlops/registry.db")
    assert db.execute("SELECT count(*) FROM forgotten").fetchone()[0] == both["contents"]
    assert db.execute("SELECT count(*) FROM table_profiles").fetchone()[0] == 0
    db.close()


def test_what_has_no_bytes_cannot_be_forgotten(people, types):
    types("add data/raw")
    types("run")
    for line, status, text in [("forget last --reason x", 2, "a run"), ("forget data/raw@v1/empty --reason x", 2, "empty"),
                               ("forget nothing --reason x", 3, "nothing"), ("forget withdraw 9", 3, "no request"),
                               ("forget show 9", 3, "no request")]:
        error = types(line, want=status)["error"]
        assert text in error["message"], error
    assert "one line" in types("forget data/raw@v1 --reason", "a\nb", want=2)["error"]["message"]
    assert "at most 400" in types("forget data/raw@v1 --reason", "a" * 401, want=2)["error"]["message"]
    # an empty file is nobody's: it stays when its directory goes
    assert types("forget data/raw@v1 --reason x")["contents"] == 2
    assert types("forget withdraw 1")["state"] == "withdrawn"
    assert "is withdrawn" in types("forget agree 1 --alone", want=4)["error"]["message"]
    assert holding(people / ".mlops") and not types("fsck")["forgotten"]


# ---- remotes ----

def test_a_directory_remote_forgets_and_refuses(people, types, forget, mlops, tmp_path_factory):
    team, other = tmp_path_factory.mktemp("team"), tmp_path_factory.mktemp("other")
    (people / "pipeline.ini").write_text(PIPELINE + f"[remote.team]\nurl = {team}\n")
    types("add data/raw copy.csv")
    types("run")
    types("push --init")
    shutil.copytree(people, other, dirs_exist_ok=True)  # a clone that has it all
    away = team.with_name("away")
    team.rename(away)
    left = forget("copy.csv")["left"]
    assert [r["remote"] for r in left] == ["team"] and "is not there" in left[0]["why"] and holding(away)
    assert "not at a remote" in mlops("forget", "list").out
    away.rename(team)
    types("push")  # with which what was left is told
    assert not types("forget list")["requests"] and not holding(team) and (team / "forgotten" / DIGEST).read_text().endswith(" ticket 7\n")

    # who still has the bytes cannot bring them back
    (other / "more.txt").write_text("more\n")
    types("add more.txt", cwd=other)
    refused = mlops("push", cwd=other)
    assert refused.status == 6 and f"does not take {DIGEST} again" in refused.err and "ticket 7" in refused.err, refused
    assert f"mlops forget sha256:{DIGEST[:12]}" in refused.err
    assert not holding(team) and holding(team, b"more\n") and holding(other / ".mlops")
    forget(f"sha256:{DIGEST[:12]}", cwd=other)
    assert mlops("push", cwd=other).status == 0 and mlops("push", cwd=people).status == 0
    # a fresh clone brings the rest, and learns of the hole
    clone = tmp_path_factory.mktemp("clone")
    for name in ("pipeline.ini", "mlops.lock"):
        shutil.copy(people / name, clone / name)
    done = mlops("pull", cwd=clone)
    assert "was forgotten on" in done.out + done.err, done
    assert (clone / "count.txt").exists() and not holding(clone), done


def test_at_an_agent_two_admins_are_two(project, types, mlops, start_agent, tmp_path_factory):
    (project / "anna.csv").write_bytes(ANNA)
    types("add anna.csv")
    for name, role in {"eva": "admin", "max": "admin", "tom": "engineer"}.items():
        assert mlops("user", "add", name, "--role", role, input="open sesame\n").status == 0
    tokens = {n: types(f"token add {n} --user {n}")["token"] for n in ("eva", "max", "tom")}
    agent = start_agent(directory=project)

    def by(who, line, *more, want=0):
        return types(line, *more, "--agent", agent.url, env={"MLOPS_TOKEN": tokens[who]}, want=want)

    by("tom", "forget anna.csv --reason x", want=6)
    asked = by("eva", "forget anna.csv --reason", "ticket 7")
    assert asked["enforced"]
    for alone in ([], ["--alone"]):
        refused = by("eva", "forget agree 1", *alone, want=6)["error"]
        assert "somebody else" in refused["message"] and "another admin" in refused["help"]
    done = by("max", "forget agree 1")
    assert (done["asked_by"], done["agreed_by"], done["state"]) == ("eva", "max", "done")
    assert not holding(project / ".mlops")

    # as a remote it gives no hole for a loss, and takes nothing back
    a = tmp_path_factory.mktemp("a")
    (a / "pipeline.ini").write_text(f"[pipeline]\nname = a\n[remote.team]\nurl = unix:{project}/.mlops/agent.sock\n")
    assert mlops("init", cwd=a).status == 0
    (a / "anna.csv").write_bytes(ANNA)
    (a / "ben.csv").write_text("ben\n")
    types("add anna.csv ben.csv", cwd=a)
    refused = mlops("push", cwd=a)
    assert refused.status == 6 and "does not take" in refused.err and "ticket 7" in refused.err, refused
    assert not holding(project / ".mlops") and holding(project / ".mlops", b"ben\n")
    connection = UnixConnection(project / ".mlops/agent.sock")
    connection.request("PUT", f"/api/v1/objects/{DIGEST}", ANNA)
    answer = connection.getresponse()
    assert answer.status == 403 and b"not taken again" in answer.read()
    # it is told by its remotes' people, when they are admins
    ben = hashlib.sha256(b"ben\n").hexdigest()
    asked = types("forget ben.csv --reason", "ticket 8", cwd=a)
    told = types(f"forget agree {asked['id']} --alone", cwd=a)
    assert told["left"] == [] and not holding(project / ".mlops", b"ben\n") and not holding(a / ".mlops", b"ben\n")
    connection.request("POST", "/api/v1/objects/forgotten", json.dumps({"digests": [ben, "0" * 64]}),
                       {"Content-Type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    assert [(f["digest"], f["reason"]) for f in answer["forgotten"]] == [(ben, "ticket 8")]
    connection.close()


def test_an_agent_goes_on_with_what_one_was_killed_over(people, types, start_agent):
    types("add copy.csv")
    types("forget copy.csv --reason", "ticket 7")
    db = sqlite3.connect(people / ".mlops/registry.db", isolation_level=None)
    db.execute("UPDATE forget_requests SET state = 'agreed', actor = 'max', decided = 1")
    (people / ".mlops/forgetting").write_text("")
    agent = start_agent(directory=people)
    assert agent.get("/livez")[0] == 200
    assert db.execute("SELECT state FROM forget_requests").fetchone()[0] == "done"
    db.close()
    assert not holding(people / ".mlops") and not (people / ".mlops/forgetting").exists()
