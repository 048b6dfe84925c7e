# SPDX-License-Identifier: Apache-2.0
"""mlops accept: outputs stay after an edit that changes nothing, and who said so is known."""
import sqlite3

import pytest

from steps import fails, ran, result_of, run_json, run_ok, states, write_chain

SECONDS = 12


@pytest.fixture
def chain(mlops, project):
    """a -> b -> c, all of them up to date; b's script was edited since, without effect."""
    write_chain(project)
    text = (project / "pipeline.ini").read_text()
    (project / "b.sh").write_text("echo b >> ran\ncat a.txt > b.txt\n")
    text = text.replace("sh -c 'echo b >> ran; cat a.txt > b.txt; echo $MLOPS_PARAM_LR >> b.txt'", "sh b.sh")
    (project / "pipeline.ini").write_text(text.replace("in  = a.txt", "in  = a.txt, b.sh"))
    run_ok(mlops, project)
    ran(project)
    with open(project / "b.sh", "a") as script:
        script.write("# a comment\n")
    return project


def json_of(mlops, project, *args):
    status, out, err = mlops(*args, "--json", cwd=project)
    assert status == 0, err
    return result_of(out)


def why(mlops, project, step):
    return json_of(mlops, project, "why", step)["steps"][0]


def events(project, operation="step.accept"):
    with sqlite3.connect(f"file:{project}/.mlops/registry.db?mode=ro", uri=True) as db:
        rows = db.execute("SELECT subject, before, after, actor FROM events WHERE operation = ?", (operation,)).fetchall()
    db.close()
    return rows


def test_what_was_accepted_does_not_run_and_tells_by_whom(mlops, chain):
    old = why(mlops, chain, "b")
    lock = (chain / "mlops.lock").read_text()
    done = json_of(mlops, chain, "accept", "b")
    step, = done["accepted"]
    assert step["step"] == "b" and step["key"] == old["key"] and step["old"] in lock
    assert step["reasons"] == old["reasons"] and "input b.sh changed" in step["reasons"][0]
    assert f"step {step['key']} b" in (chain / "mlops.lock").read_text()
    assert run_json(mlops, chain)["steps"] == [] and ran(chain) == []
    (subject, before, after, actor), = events(chain)
    assert (subject, before, after) == ("b", step["old"], step["key"])
    told = why(mlops, chain, "b")
    assert told["state"] == "fresh" and told["source"]["accepted"]["by"] == actor
    assert told["source"]["accepted"]["changes"] == step["reasons"] and told["source"]["step"] == "b"
    out = mlops("why", "b", cwd=chain).out
    assert f"accepted by {actor}" in out and "b.sh" in out
    shown = json_of(mlops, chain, "show", told["source"]["run_id"])
    assert [a["by"] for a in shown["accepted"]] == [actor]
    assert "accepted without a run" in mlops("show", told["source"]["run_id"], cwd=chain).out


def test_the_next_change_is_told_against_what_was_accepted(mlops, chain):
    mlops("accept", "b", cwd=chain)
    (chain / "in.txt").write_text("other\n")
    result = run_json(mlops, chain)
    reason, = (s["reason"] for s in result["steps"] if s["name"] == "b")
    assert reason.startswith("input a.txt changed") and "b.sh" not in reason and ran(chain) == ["a", "b", "c"]


def test_an_accepted_result_is_found_again_after_an_edit_and_back(mlops, chain):
    mlops("accept", "b", cwd=chain)
    script = (chain / "b.sh").read_text()
    (chain / "b.sh").write_text("echo b >> ran\necho other > b.txt\n")
    run_ok(mlops, chain)
    assert ran(chain) == ["b", "c"]
    (chain / "b.sh").write_text(script)
    assert why(mlops, chain, "b")["state"] == "restore"
    assert states(run_json(mlops, chain)) == {"b": "cached", "c": "cached"}
    assert (chain / "b.txt").read_text() == "data\n" and ran(chain) == []
    assert "accepted" in why(mlops, chain, "b")["source"]


def test_a_step_below_may_be_accepted_with_the_one_above_and_not_alone(mlops, chain):
    text = (chain / "pipeline.ini").read_text()
    (chain / "pipeline.ini").write_text(text.replace("cat b.txt > c.txt", "cat  b.txt > c.txt"))
    message, _, fix = fails(mlops, chain, 4, "accept", "c")
    assert "step b is not up to date" in message and "mlops run b" in fix and events(chain) == []
    assert [s["step"] for s in json_of(mlops, chain, "accept", "c", "b")["accepted"]] == ["b", "c"]
    assert run_json(mlops, chain)["steps"] == [] and ran(chain) == []
    assert (chain / "m.json").exists()


def test_what_is_up_to_date_needs_no_acceptance(mlops, chain):
    assert json_of(mlops, chain, "accept", "a") == {"accepted": [], "fresh": ["a"], "notes": []}
    assert "nothing to accept" in mlops("accept", "a", cwd=chain).out and events(chain) == []


@pytest.mark.parametrize("spoil, told", [
    (lambda p: (p / "b.txt").write_text("by hand"), "output b.txt was changed"),
    (lambda p: (p / "b.txt").unlink(), "output b.txt is missing"),
    (lambda p: (p / "mlops.lock").unlink(), "step a"),
    (lambda p: (p / "pipeline.ini").write_text((p / "pipeline.ini").read_text().replace("out = b.txt", "out = b.txt, n.txt")),
     "output n.txt was never accepted here"),
    (lambda p: (p / "pipeline.ini").write_text((p / "pipeline.ini").read_text().replace("[step.b]", "[step.b]\ncache = no")),
     "always runs"),
    (lambda p: (p / "in.txt").write_text("other"), "step a is not up to date"),
], ids=["changed", "missing", "no-lock", "new-output", "cache-no", "upstream"])
def test_what_cannot_be_accepted_is_said_and_nothing_happens(mlops, chain, spoil, told):
    spoil(chain)
    lock = (chain / "mlops.lock").read_text() if (chain / "mlops.lock").exists() else None
    message, _, fix = fails(mlops, chain, 4, "accept", "b")
    assert told in message and "mlops" in fix
    assert events(chain) == []
    assert ((chain / "mlops.lock").read_text() if (chain / "mlops.lock").exists() else None) == lock


def test_a_result_that_a_run_made_goes_before_an_opinion(mlops, chain):
    (chain / "b.sh").write_text("echo b >> ran\necho other > b.txt\n")
    run_ok(mlops, chain)
    (chain / "b.sh").write_text("echo b >> ran\ncat a.txt > b.txt\n")
    message, _, fix = fails(mlops, chain, 4, "accept", "b")
    assert "has a result already" in message and "mlops run b" in fix and events(chain) == []


def test_instances_are_accepted_by_pattern(mlops, project):
    (project / "t.sh").write_text("echo t >> ran; echo $1 > $2\n")
    (project / "pipeline.ini").write_text(
        "[step.t]\nmatrix.n = 1..3\ncmd = sh t.sh ${matrix.n} ${out}\nin = t.sh\nout = o-${matrix.n}\n")
    run_ok(mlops, project)
    (project / "t.sh").write_text("echo t >> ran; echo $1 > $2 # same\n")
    assert [s["step"] for s in json_of(mlops, project, "accept", "t@[12]")["accepted"]] == ["t@1", "t@2"]
    ran(project)
    assert states(run_json(mlops, project)) == {"t@3": "ok"} and ran(project) == ["t"]


def test_an_accepted_result_is_not_for_remotes(mlops, chain):
    remote = chain.parent / f"{chain.name}-team"
    with open(chain / "pipeline.ini", "a") as file:
        file.write(f"[remote.team]\nurl = {remote}\n")
    accepted = json_of(mlops, chain, "accept", "b")["accepted"][0]
    status, _, err = mlops("push", "--init", cwd=chain)
    assert status == 0, err
    keys = {path.name for path in (remote / "refs/cache").iterdir()}
    assert accepted["old"] in keys and accepted["key"] not in keys
