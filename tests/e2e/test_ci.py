# SPDX-License-Identifier: Apache-2.0
"""mlops ci: metrics against the base, exit status, where the summary goes."""
import json
import shutil

SECONDS = 3
PIPELINE = ("[pipeline]\nname = churn\n[params]\nauc = 0.5\n[step.train]\n"
            "cmd = sh -c 'echo \"{\\\"auc\\\": $MLOPS_PARAM_AUC, \\\"who|@all\\\": 1}\" > m.json'\n"
            "params = auc\nmetrics = m.json\n")


def commit(git, top, auc):
    (top / "pipeline.ini").write_text(PIPELINE.replace("0.5", auc))
    git("add", "-A")
    git("commit", "-qm", auc)


def test_a_branch_is_compared_with_its_base(project, mlops, git):
    git("init", "-q", "-b", "main")
    commit(git, project, "0.5")
    assert mlops("run").status == 0
    git("add", "-A")
    git("commit", "-qm", "lock")
    main = git("rev-parse", "HEAD").strip()
    git("checkout", "-qb", "topic")
    commit(git, project, "0.75")
    done = mlops("ci", env={"GITHUB_BASE_REF": "main", "GITHUB_STEP_SUMMARY": str(project / "summary.md")})
    assert done.status == 0, done.err
    assert done.out == (project / "summary.md").read_text()
    assert "| `train` | `auc` | 0.5 | 0.75 | +0.25 |" in done.out
    assert f"compared with `main` at `{main[:12]}`" in done.out
    assert "| `who\\|@all` | 1 | 1 | = |" in done.out, "names are no markup"
    # all is fresh now: the same table
    again = json.loads(mlops("--json", "ci", "--base", "main").out.splitlines()[-1])
    assert again["report"]["metrics"] == {"train": {"auc": 0.75, "who|@all": 1.0}}
    assert again["report"]["base"] == {"name": "main", "commit": main}
    # of a remote branch, as CIs fetch it; what the base's bytes were is gone
    git("update-ref", "refs/remotes/origin/next", main)
    assert "`origin/next`" in mlops("ci", env={"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "next"}).out
    shutil.rmtree(project / ".mlops")
    assert mlops("init").status == 0
    lost = mlops("ci", "--base", "main").out
    assert "| `train` | `auc` | - | 0.75 | - |" in lost


def test_failures_have_their_status(project, mlops, git):
    git("init", "-q", "-b", "main")
    commit(git, project, "0.5")
    assert mlops("ci", "--base", "nowhere").status == 3
    assert mlops("ci", "no-such-step").status == 3
    assert mlops("ci", "--summary", "no/such/dir/x.md").status in (3, 5)
    (project / "pipeline.ini").write_text("[step.train]\ncmd = sh -c 'exit 7'\n")
    done = mlops("ci", "--summary", "report.md")
    assert done.status == 1
    assert "failed" in done.out and "step train failed with exit status 7" in (project / "report.md").read_text()
