# SPDX-License-Identifier: Apache-2.0
"""Which steps run, in which order and how many at a time; what is brought back instead."""
import json
import os
import shutil

import pytest
from steps import fails, one_step, ran, run_json, run_ok, states, write_chain

SECONDS = 30

# left and right need top; bottom needs both; aside needs nothing.
DIAMOND = """\
[step.top]
cmd = sh step.sh
in  = in.txt, step.sh
out = top.txt
[step.left]
cmd = sh step.sh
in  = top.txt, step.sh
out = left.txt
[step.right]
cmd = sh step.sh
in  = top.txt, step.sh
out = right.txt
[step.bottom]
cmd = sh step.sh
in  = left.txt, right.txt, step.sh
out = bottom.txt
[step.aside]
cmd = sh step.sh
in  = step.sh
out = aside.txt
"""
STEP = """\
echo $MLOPS_STEP >> ran
test ! -e fail.$MLOPS_STEP || exit 1
cat in.txt > $MLOPS_STEP.txt
"""


@pytest.fixture
def diamond(project):
    (project / "pipeline.ini").write_text(DIAMOND)
    (project / "step.sh").write_text(STEP)
    (project / "in.txt").write_text("1\n")
    return project


def test_what_needs_comes_after_what_is_needed(mlops, diamond):
    run_ok(mlops, diamond, "-j", "4")
    order = ran(diamond)
    assert sorted(order) == ["aside", "bottom", "left", "right", "top"]
    assert order.index("top") < order.index("left") < order.index("bottom")
    assert order.index("top") < order.index("right") < order.index("bottom")


def meeting(project, n):
    """n steps; each waits until `together` of them have come, and says how many were there at once."""
    steps = "".join(f"[step.s{i}]\ncmd = python3 meet.py\nin = meet.py\nout = s{i}\n" for i in range(n))
    (project / "pipeline.ini").write_text(steps)
    (project / "meet.py").write_text("""
import os, time
me = os.environ["MLOPS_STEP"]
os.makedirs("here", exist_ok=True)
open("here/" + me, "w").close()
most, end = 0, time.monotonic() + 0.5
while time.monotonic() < end:
    most = max(most, len(os.listdir("here")))
    time.sleep(0.01)
os.unlink("here/" + me)
open(me, "w").write(str(most))
""")


@pytest.mark.parametrize("args, most", [(("-j", "3"), 3), (("-j", "1"), 1), (("-j2",), 2)])
def test_as_many_at_a_time_as_asked(mlops, project, args, most):
    meeting(project, 3)
    run_ok(mlops, project, *args)
    assert max(int((project / f"s{i}").read_text()) for i in range(3)) == most


def test_cores_and_memory_admit(mlops, project):
    meeting(project, 3)
    text = (project / "pipeline.ini").read_text()
    (project / "pipeline.ini").write_text(text.replace("in = ", f"cpu = {os.cpu_count()}\nin = "))
    run_ok(mlops, project, "-j", "3")
    assert [(project / f"s{i}").read_text() for i in range(3)] == ["1", "1", "1"]
    (project / "pipeline.ini").write_text(text.replace("in = ", "mem = 600M\nin = "))
    run_ok(mlops, project, "-j", "3", "--force", env={"MLOPS_RUN_MEM": "1G"})
    assert [(project / f"s{i}").read_text() for i in range(3)] == ["1", "1", "1"]


def test_after_orders_without_data(mlops, project):
    (project / "pipeline.ini").write_text(
        "[step.a]\ncmd = sh -c 'echo a >> ran'\nafter = b\n[step.b]\ncmd = sh -c 'sleep 0.2; echo b >> ran'\n")
    run_ok(mlops, project, "-j", "2")
    assert ran(project) == ["b", "a"]


# -- failures --

def test_the_first_failure_stops_what_has_not_started(mlops, diamond):
    (diamond / "fail.top").touch()
    result = run_json(mlops, diamond, "-j", "1", status=1)
    assert ran(diamond) == ["top"]
    assert states(result)["top"] == "failed"
    assert {states(result)[name] for name in ("left", "right", "bottom", "aside")} == {"blocked"}
    reasons = {s["name"]: s["reason"] for s in result["steps"]}
    assert reasons["left"] == "top did not succeed" and reasons["aside"] == "the run stopped before it"


def test_keep_going_runs_what_does_not_depend_on_the_failure(mlops, diamond):
    (diamond / "fail.left").touch()
    result = run_json(mlops, diamond, "-j", "1", "--keep-going", status=1)
    assert sorted(ran(diamond)) == ["aside", "left", "right", "top"]
    assert states(result) == {"top": "ok", "left": "failed", "right": "ok", "bottom": "blocked", "aside": "ok"}
    (diamond / "fail.left").unlink()
    run_ok(mlops, diamond)
    assert sorted(ran(diamond)) == ["bottom", "left"], "what succeeded is not repeated"


def test_what_runs_beside_a_failure_ends_well(mlops, project):
    (project / "pipeline.ini").write_text(
        "[step.a]\ncmd = sh -c 'while [ ! -e begun ]; do sleep 0.02; done; exit 1'\n"
        "[step.b]\ncmd = sh -c 'touch begun; sleep 0.5; echo b > b.txt'\nout = b.txt\n")
    result = run_json(mlops, project, "-j", "2", status=1)
    assert states(result) == {"a": "failed", "b": "ok"}
    assert (project / "b.txt").read_text() == "b\n"


# -- selection --

def test_a_named_step_runs_with_what_it_needs(mlops, diamond):
    run_ok(mlops, diamond, "left")
    assert ran(diamond) == ["top", "left"]
    run_ok(mlops, diamond, "pipeline.ini", "right", "aside")
    assert sorted(ran(diamond)) == ["aside", "right"]


def test_only_runs_just_the_named(mlops, diamond):
    message, _, _ = fails(mlops, diamond, 3, "run", "--only", "left")
    assert "top.txt" in message and ran(diamond) == []
    run_ok(mlops, diamond)
    ran(diamond)
    (diamond / "in.txt").write_text("2\n")
    run_ok(mlops, diamond, "--only", "top")
    assert ran(diamond) == ["top"] and (diamond / "left.txt").read_text() == "1\n"
    result = run_json(mlops, diamond, "--only", "bottom")
    assert result["steps"] == [] and ran(diamond) == []


def test_downstream_runs_what_depends_on_the_named(mlops, diamond):
    run_ok(mlops, diamond)
    ran(diamond)
    run_ok(mlops, diamond, "--downstream", "--force", "left")
    assert ran(diamond) == ["left", "bottom"]


def test_force_runs_what_is_up_to_date(mlops, diamond):
    run_ok(mlops, diamond)
    ran(diamond)
    run_ok(mlops, diamond, "--force", "left")
    assert ran(diamond) == ["top", "left"]
    run_ok(mlops, diamond, "-f")
    assert len(ran(diamond)) == 5
    assert run_json(mlops, diamond)["steps"] == []


def test_a_step_that_is_none(mlops, diamond):
    message, _, fix = fails(mlops, diamond, 3, "run", "botom")
    assert "botom" in message and "bottom" in fix and ran(diamond) == []


def test_dry_tells_and_changes_nothing(mlops, diamond):
    def all_files():
        return {p: p.stat().st_mtime_ns for p in diamond.rglob("*") if ".mlops" not in p.parts and p.is_file()}

    before = all_files()
    status, out, err = mlops("run", "--dry", cwd=diamond)
    assert status == 0, err
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in out.splitlines()}
    assert lines["top"] == "would run never run here" and lines["bottom"].startswith("waits waits for")
    assert all_files() == before and json.loads(mlops("runs", "--json", cwd=diamond)[1])["runs"] == []
    run_ok(mlops, diamond)
    ran(diamond)
    (diamond / "left.txt").unlink()
    result = run_json(mlops, diamond, "--dry")
    assert states(result) == {"left": "restore"} and not (diamond / "left.txt").exists()
    assert mlops("run", "-n", "right", cwd=diamond)[1].startswith("up to date")


# -- what need not run --

def test_an_unchanged_output_stops_the_rerun(mlops, project):
    write_chain(project)
    run_ok(mlops, project)
    ran(project)
    text = (project / "pipeline.ini").read_text()
    (project / "pipeline.ini").write_text(text.replace("echo a >> ran;", "echo a >> ran; true;"))
    result = run_json(mlops, project)
    assert ran(project) == ["a"] and result["fresh"] == 2 and result["ran"] == 1


def test_deleted_and_changed_outputs_are_restored(mlops, project):
    write_chain(project)
    run_ok(mlops, project)
    ran(project)
    (project / "a.txt").unlink()
    (project / "m.json").unlink()
    result = run_json(mlops, project)
    assert states(result) == {"a": "restored", "c": "restored"} and ran(project) == []
    assert (project / "a.txt").read_text() == "data\n" and result["run_id"] is None


def test_what_is_in_the_way_goes_aside(mlops, project):
    write_chain(project)
    run_ok(mlops, project)
    (project / "b.txt").write_text("my own words")
    _, err = run_ok(mlops, project)
    assert (project / "b.txt").read_text() == "data\n0.01\n"
    assert ".mlops/aside/" in err
    kept = list(project.glob(".mlops/aside/*/b.txt"))
    assert len(kept) == 1 and kept[0].read_text() == "my own words"


def test_a_step_never_drops_what_no_version_holds(mlops, project):
    one_step(project, "echo made > out.txt; echo '{}' > m.json", metrics="m.json")
    (project / "out.txt").write_text("trained by hand for a week")
    _, err = run_ok(mlops, project)
    kept = list(project.glob(".mlops/aside/*/out.txt"))
    assert (project / "out.txt").read_text() == "made\n"
    assert [k.read_text() for k in kept] == ["trained by hand for a week"] and str(kept[0].relative_to(project)) in err
    _, err = run_ok(mlops, project, "--force")
    assert "aside" not in err and len(list(project.glob(".mlops/aside/*/*"))) == 1, "what a run made is in the store"


def test_a_failed_step_gives_back_what_no_version_holds(mlops, project):
    one_step(project, "echo half > out.txt; exit 1")
    (project / "out.txt").write_text("trained by hand for a week")
    assert mlops("run", cwd=project)[0] == 1
    assert (project / "out.txt").read_text() == "trained by hand for a week"


def test_a_directory_in_the_way_goes_aside(mlops, project):
    write_chain(project)
    run_ok(mlops, project)
    (project / "b.txt").unlink()
    (project / "b.txt").mkdir()
    (project / "b.txt/own").write_text("my own words")
    run_ok(mlops, project)
    assert (project / "b.txt").read_text() == "data\n0.01\n"
    assert [p.read_text() for p in project.glob(".mlops/aside/*/b.txt/own")] == ["my own words"]


def test_a_result_whose_bytes_are_lost_is_made_anew(mlops, project):
    write_chain(project)
    run_ok(mlops, project)
    ran(project)
    shutil.rmtree(project / ".mlops/objects")
    (project / ".mlops/objects").mkdir()
    (project / "b.txt").unlink()
    run_ok(mlops, project)
    assert ran(project) == ["b"] and (project / "b.txt").read_text() == "data\n0.01\n"
    (project / "b.txt").unlink()
    run_ok(mlops, project)
    assert ran(project) == [], "and is stored again"


def test_another_branch_brings_its_own_results(mlops, project, git):
    git("init", "-qb", "main")
    mlops("init", cwd=project)
    write_chain(project)
    run_ok(mlops, project)
    ran(project)
    git("add", "-A")
    git("commit", "-qm", "one")
    git("checkout", "-qb", "other")
    text = (project / "pipeline.ini").read_text()
    (project / "pipeline.ini").write_text(text.replace("lr = 0.01", "lr = 0.5"))
    run_ok(mlops, project)
    ran(project)
    git("add", "-A")
    git("commit", "-qm", "two")
    assert "b.txt" not in git("ls-files") and "mlops.lock" in git("ls-files") and "m.json" in git("ls-files")
    for branch, lr in ("main", "0.01"), ("other", "0.5"), ("main", "0.01"):
        git("checkout", "-q", branch)
        result = run_json(mlops, project)
        assert ran(project) == [] and result["run_id"] is None
        assert (project / "c.txt").read_text() == f"data\n{lr}\n"
        assert git("status", "--porcelain") == "", "mlops.lock says what it said"
    assert not (project / ".mlops/aside").exists() or not list((project / ".mlops/aside").iterdir()), \
        "what the store holds need not be kept twice"


def test_branches_merge_their_locks(mlops, project, git):
    git("init", "-qb", "main")
    mlops("init", cwd=project)
    (project / "pipeline.ini").write_text("[step.a]\ncmd = sh -c 'echo a > a.txt'\nout = a.txt\n")
    (project / ".gitignore").write_text("/?.txt\n")
    run_ok(mlops, project)
    git("add", "-A")
    git("commit", "-qm", "base")
    for name in "b", "c":
        git("checkout", "-qb", name, "main")
        with open(project / f"{name}.ini", "w") as f:
            f.write(f"[step.x{name}]\ncmd = sh -c 'echo {name} > {name}.txt'\nout = {name}.txt\n")
        run_ok(mlops, project, f"{name}.ini")
        git("add", "-A")
        git("commit", "-qm", name)
    git("merge", "-q", "b")
    for args in ["pipeline.ini"], ["b.ini"], ["c.ini"]:
        assert run_json(mlops, project, *args)["steps"] == []


def test_a_step_that_is_no_more_leaves_nothing_to_a_glob(mlops, project):
    step = "[step.{0}]\ncmd = sh -c 'echo {0} > m/{0}.txt'\nout = m/{0}.txt\n"
    pick = "[step.pick]\ncmd = sh -c 'ls m > list'\nin = m/*.txt\nout = list\n"
    (project / "pipeline.ini").write_text(step.format("one") + step.format("two") + pick)
    run_ok(mlops, project)
    (project / "pipeline.ini").write_text(step.format("one") + pick)
    status, out, err = mlops("run", cwd=project)
    assert status == 0 and "m/two.txt" in err and "is no more" in err


def test_a_renamed_step_takes_its_result_along(mlops, project):
    one_step(project, "echo x >> ran; echo x > out.txt")
    run_ok(mlops, project)
    ran(project)
    text = (project / "pipeline.ini").read_text()
    (project / "pipeline.ini").write_text(text.replace("[step.one]", "[step.uno]"))
    result = run_json(mlops, project)
    assert states(result) == {"uno": "cached"} and ran(project) == []
