# SPDX-License-Identifier: Apache-2.0
"""mlops cache list and rm: results that may be reused, and forgetting them."""
import pytest

from steps import fails, ran, result_of, run_json, run_ok, write_chain

SECONDS = 10


@pytest.fixture
def chain(mlops, project):
    """Two results of b, one of c beside the accepted one; lr = 0.01 again."""
    write_chain(project)
    run_ok(mlops, project)
    run_ok(mlops, project, "-p", "lr=0.5")
    run_ok(mlops, project)
    ran(project)
    return project


def listed(mlops, project, *args):
    status, out, err = mlops("cache", "list", *args, "--json", cwd=project)
    assert status == 0, err
    return result_of(out)


def forget(mlops, project, *args):
    status, out, err = mlops("cache", "rm", *args, "--json", cwd=project)
    assert status == 0, err
    return result_of(out)


def test_results_are_listed_newest_first_with_what_they_hold(mlops, chain):
    all_of = listed(mlops, chain)
    assert all_of["total"] == 5 and len(all_of["results"]) == 5
    times = [row["created"] for row in all_of["results"]]
    assert times == sorted(times, reverse=True)
    c = listed(mlops, chain, "c")["results"][0]
    assert [o["path"] for o in c["outputs"]] == ["c.txt", "m.json"]
    assert c["size"] == sum(o["size"] for o in c["outputs"]) == 18 and c["here"] and not c["accepted"]
    attempts = result_of(mlops("show", "last", "--json", cwd=chain).out)["attempts"]
    assert (c["key"], c["run"]) in [(a["key"], a.get("run")) for a in attempts]
    few = listed(mlops, chain, "-n", "2")
    assert few["total"] == 5 and len(few["results"]) == 2
    assert "3 more: mlops cache list -n 5" in mlops("cache", "list", "-n", "2", cwd=chain).out
    assert "1 more: mlops cache list '[b]' -n 2" in mlops("cache", "list", "[b]", "-n", "1", cwd=chain).out


def test_a_result_whose_bytes_are_gone_says_so(mlops, chain):
    for path in (chain / ".mlops/objects").rglob("*"):
        if path.is_file() and path.read_bytes() == b"data\n":
            path.unlink()
    here = {row["step"]: row["here"] for row in listed(mlops, chain)["results"]}
    assert not here["a"] and here["b"]


def test_what_was_forgotten_runs_again_when_it_is_asked_for(mlops, chain):
    gone = forget(mlops, chain, "b")
    assert [row["step"] for row in gone["forgotten"]] == ["b", "b"] and gone["locked"] == ["b"]
    assert "--force b" in gone["notes"][0]
    assert run_json(mlops, chain)["steps"] == [], "what is in place stays accepted"
    run_ok(mlops, chain, "-p", "lr=0.5")
    assert ran(chain) == ["b"], "its result was forgotten; that of c was not"
    assert listed(mlops, chain, "b")["total"] == 1


def test_one_result_is_forgotten_by_the_start_of_its_key(mlops, chain):
    key = next(row["key"] for row in listed(mlops, chain, "b")["results"])
    assert forget(mlops, chain, key[:12])["forgotten"] == [{"key": key, "step": "b"}]
    assert listed(mlops, chain, "b")["total"] == 1
    fails(mlops, chain, 3, "cache", "rm", key[:12])


def test_everything_is_forgotten_and_runs_and_bytes_stay(mlops, chain):
    objects = sum(path.is_file() for path in (chain / ".mlops/objects").rglob("*"))
    assert len(forget(mlops, chain, "--all")["forgotten"]) == 5
    assert listed(mlops, chain) == {"total": 0, "results": []}
    assert forget(mlops, chain, "--all")["forgotten"] == []
    assert sum(path.is_file() for path in (chain / ".mlops/objects").rglob("*")) == objects
    assert mlops("cat", "last/b.txt", cwd=chain).status == 0 and mlops("fsck", cwd=chain).status == 0
    why = result_of(mlops("why", "b", "--json", cwd=chain).out)["steps"][0]
    assert why["state"] == "fresh"


def test_names_that_are_none_forget_nothing(mlops, chain):
    before = listed(mlops, chain)
    message, _, fix = fails(mlops, chain, 3, "cache", "rm", "a", "bb")
    assert "'bb'" in message and "'b'" in fix
    fails(mlops, chain, 3, "cache", "rm", "0000")
    fails(mlops, chain, 3, "cache", "list", "nothing")
    fails(mlops, chain, 2, "cache", "rm")
    fails(mlops, chain, 2, "cache", "rm", "--all", "b")
    assert listed(mlops, chain) == before


def test_instances_are_named_by_their_step_or_a_pattern(mlops, project):
    (project / "pipeline.ini").write_text(
        "[step.t]\nmatrix.n = 1..3\ncmd = sh -c 'echo $1 > o-$1' sh ${matrix.n}\nout = o-${matrix.n}\n")
    run_ok(mlops, project)
    assert listed(mlops, project, "t")["total"] == 3 and listed(mlops, project, "t@[12]")["total"] == 2
    assert [row["step"] for row in forget(mlops, project, "t@3")["forgotten"]] == ["t@3"]
    assert len(forget(mlops, project, "t")["forgotten"]) == 2


def test_a_remote_that_has_a_result_is_mentioned(mlops, chain):
    remote = chain.parent / f"{chain.name}-team"
    with open(chain / "pipeline.ini", "a") as file:
        file.write(f"[remote.team]\nurl = {remote}\n")
    assert mlops("push", "--init", cwd=chain).status == 0
    notes = forget(mlops, chain, "--all")["notes"]
    assert any("remote" in note for note in notes)
    run_ok(mlops, chain, "-p", "lr=0.5")
    assert ran(chain) == [], "the remote's result is as good as ours"
