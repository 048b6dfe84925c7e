# SPDX-License-Identifier: Apache-2.0
"""Images that are built here: contexts, keys, caches, failures, registries."""
import os
import shutil
import signal
import subprocess
import time

import pytest
from boxes import Box

SECONDS = 35

NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere"}
STEP = "[step.one]\nimage = ${image.train}\ncmd = sh step.sh\nin = step.sh\nout = out.txt\n"


class Builder(Box):
    def image(self, dockerfile, section="", script="cat /made > out.txt", more=""):
        """A pipeline of one step that runs in an image of the directory docker."""
        self.write("docker/Dockerfile", dockerfile)
        self.write("step.sh", script + "\n")
        self.write("pipeline.ini", f"[image.train]\ncontext = docker\n{section}\n{STEP}{more}")


@pytest.fixture
def box(engine, project, tmp_path_factory):
    made = Builder(project, engine.host, home=tmp_path_factory.mktemp("home"))
    yield made
    for image in ours(engine):
        engine.forget_image(image["Id"])


def ours(engine):
    return engine.get('/images/json?all=1&filters={"label":["mlops.image"]}')


def test_an_image_is_built_once_and_again_when_its_context_changes(box, engine):
    box.image("# base\nFROM busybox-test\nCOPY . /ctx\nCOPY made /made\nENV A=b\n",
              script="find /ctx | sort; cat /made > out.txt")
    box.write("docker/made", "first")
    box.write("docker/.dockerignore", "*.log\nsub\n!sub/k*\n")
    box.write("docker/noise.log", "1")
    box.write("docker/" + "deep-é/" * 20 + "file", "long")
    box.write("docker/sub/keep", "k").chmod(0o755)
    box.write("docker/sub/drop", "d")
    (box.project / "docker/link").symlink_to("/nowhere")
    why, = box.json("why", "one", env=NO_ENGINE)["steps"]
    assert why["state"] == "stale" and why["reasons"] == ["image train was never built here"], why
    assert not ours(engine)
    out, err = box.ok("run")
    assert box.read("out.txt") == "first" and "image train was built" in err, err
    assert "Step 2/" in err and "COPY" in err, "what the builder says is shown"
    names = box.log().decode().split()
    assert "/ctx/sub/keep" in names and "/ctx/link" in names and "/ctx/Dockerfile" in names
    assert any(n.endswith("deep-é/file") for n in names)
    assert not {"/ctx/noise.log", "/ctx/sub/drop", "/ctx/.dockerfile.mlops"} & set(names)
    image, = ours(engine)
    assert box.pins() == {"busybox-test": engine.image_id("busybox-test")}
    record = box.attempt()["record"]
    assert record["image"] == "build:" + image["Labels"]["mlops.image"]
    assert record["build"]["bases"] == box.pins()

    box.write("docker/noise.log", "2")
    box.write("docker/sub/drop", "2")
    os.utime(box.project / "docker/made", (1, 1))
    assert box.run(env=NO_ENGINE)["steps"] == [], "what is not sent does not count, nor do times"
    box.write("step.sh", "cat /made > out.txt # again\n")
    assert box.run()["ran"] == 1 and ours(engine) == [image], "the image stands"

    box.write("docker/made", "second")
    assert any(r.startswith("build context changed") for r in box.json("why", "one")["steps"][0]["reasons"])
    assert box.run()["ran"] == 1 and box.read("out.txt") == "second"
    assert len(ours(engine)) == 2
    listed = next(i for i in box.json("image", "list")["images"] if i["name"] == "image.train")
    assert listed["here"] and listed["steps"] == ["one"] and listed["pin"].startswith("build:")
    assert "image.train" in box.ok("image", "list")[0]
    shutil.rmtree(box.project / "docker/sub")
    assert box.run("--dry", env=NO_ENGINE)["steps"][0]["state"] == "stale" and len(ours(engine)) == 2, "a dry run builds nothing"


def test_only_steps_that_run_need_an_image(box, engine):
    """A step below one that changes nothing is known to be fresh before its image, which is gone, is wanted."""
    box.image("FROM busybox-test\nRUN echo one > /made\n", script="cat /made mid.txt > out.txt")
    box.write("pipeline.ini", box.read("pipeline.ini").replace("in = step.sh", "in = step.sh, mid.txt")
              + "[step.first]\nimage = busybox-test\ncmd = sh first.sh\nin = first.sh\nout = mid.txt\n")
    box.write("first.sh", "echo m > mid.txt\n")
    assert box.run()["ran"] == 2 and box.read("out.txt") == "one\nm\n"
    image, = ours(engine)
    engine.forget_image(image["Id"])
    box.write("first.sh", "echo m > mid.txt # the same\n")
    result = box.run()
    assert (result["ran"], result["fresh"]) == (1, 1) and not ours(engine)
    box.write("first.sh", "echo n > mid.txt\n")
    assert box.run()["ran"] == 2 and box.read("out.txt") == "one\nn\n" and len(ours(engine)) == 1


def test_args_files_and_stages(box, engine):
    box.image("", section="file = other/Dockerfile.train\nargs = BASE=busybox-test\n       WHAT=${params.what}\n",
              more="[params]\nwhat = a\n")
    box.write("other/Dockerfile.train", "ARG BASE=nowhere/at:all\nFROM ${BASE} AS tools\nARG WHAT\n"
              "RUN echo $WHAT \\\n  > /x\nFROM tools\nCOPY --from=tools /x /made\nCOPY . /ctx\n")
    box.run()
    assert box.read("out.txt") == "a\n"
    box.run("-p", "what=b")
    assert box.read("out.txt") == "b\n" and len(ours(engine)) == 2
    box.run()
    assert box.read("out.txt") == "a\n" and len(ours(engine)) == 2, "found again by its key"


def test_what_fails_says_where(box, engine):
    box.image("FROM busybox-test\n\nRUN echo before\nRUN echo it says this; \\\n    exit 3\n")
    got, out, err = box.mlops("run")
    assert got == 1 and "docker/Dockerfile:4" in err and "exit 3" in err and "| it says this" in out + err, (out, err)
    assert box.json("run", status=1)["failure"]["log"][-1] == "it says this"
    assert not engine.containers() and not ours(engine)
    box.image("FROM busybox-test\nRUN wget -T 3 -q http://10.213.255.254:9/\n", section="network = no")
    message, fix = box.fails(1, "run")
    assert "network = yes" in fix, (message, fix)
    box.image("FROM busybox-test\nRUN --mount=type=cache,target=/c true\n")
    message, fix = box.fails(1, "run")
    assert "BuildKit" in message and "image = NAME" in fix
    box.image("FROM busybox-test\nCOPY nothere /\n")
    message, fix = box.fails(1, "run")
    assert "nothere" in message and ".dockerignore" in fix
    box.image("FROM $UNKNOWN\n")
    message, fix = box.fails(2, "run")
    assert "UNKNOWN" in message and "ARG" in fix
    box.write("pipeline.ini", "[image.train]\ncontext = nowhere\n" + STEP)
    message, _ = box.fails(3, "run")
    assert "nowhere" in message


def test_a_step_below_shows_its_failed_build(box, engine):
    box.image("FROM busybox-test\nRUN echo on a worker; false\n")
    box.write("pipeline.ini", box.read("pipeline.ini").replace("in = step.sh", "in = step.sh, mid.txt")
              + "[step.first]\ncmd = cp step.sh mid.txt\nin = step.sh\nout = mid.txt\n")
    result = box.run(status=1)
    assert result["failure"]["log"][-1] == "on a worker" and (result["ran"], result["failed"]) == (1, 1)
    assert "docker/Dockerfile" in result["failure"]["message"] or "false" in result["failure"]["message"]


def test_a_build_that_hangs_is_stopped(box, engine):
    box.image("FROM busybox-test\nRUN echo begun; sleep 1000\n", section="timeout = 1s")
    message, fix = box.fails(1, "run")
    assert "1 s" in message and "timeout" in fix
    gone(engine)
    box.image("FROM busybox-test\nRUN echo begun; sleep 1000\n")
    with box.start("run") as running:
        for line in running.stderr:
            if "begun" in line and "echo" not in line:
                break
        running.send_signal(signal.SIGINT)
        err = running.stderr.read()
        assert running.wait(30) == 130 and "stopped while building" in err, err
    gone(engine)


def gone(engine):
    """The engine cancels a build soon after its connection ends."""
    for _ in range(200):
        if not engine.containers():
            return
        time.sleep(0.1)
    raise AssertionError(engine.containers())


def test_contexts_that_cannot_be_sent(box, engine):
    box.image("FROM busybox-test\n")
    for name, size in ("data/a.bin", 1 << 31), ("data/b.bin", 1 << 30), ("c.bin", 1 << 30), ("small", 1):
        with open(box.write("docker/" + name, ""), "wb") as out:
            out.truncate(size)
    message, fix = box.fails(2, "run")
    assert "data/ (3.0 GiB), c.bin (1.0 GiB)" in message and "docker/.dockerignore" in fix
    box.write("docker/.dockerignore", "*.bin\ndata\n")
    os.mkfifo(box.project / "docker/pipe")
    message, fix = box.fails(2, "run")
    assert "docker/pipe is a FIFO" in message and ".dockerignore" in fix
    box.write("docker/.dockerignore", "*.bin\ndata\npipe\n[")
    message, fix = box.fails(2, "run")
    assert "no pattern" in message
    (box.project / "docker/pipe").unlink()
    box.write(".dockerignore", "**/*.bin\n")
    (box.project / "docker/Dockerfile").rename(box.project / "Dockerfile")
    box.write("pipeline.ini", "[image.train]\ncontext = .\n" + STEP)
    message, fix = box.fails(2, "run")
    assert "out.txt" in message and ".dockerignore" in fix
    assert not ours(engine)


def test_a_pushed_image_is_pulled_by_its_pin(box, engine, registry, tmp_path_factory):
    where = registry().address
    box.image("FROM busybox-test\nRUN cat /proc/sys/kernel/random/uuid > /made\n", section=f"push = {where}/ml/train")
    box.run()
    made = box.read("out.txt")
    name, = [n for n in box.pins() if n.startswith(where)]
    key = box.attempt()["record"]["image"].split(":")[1]
    assert name == f"{where}/ml/train:mlops-{key[:32]}"
    clone = Builder(tmp_path_factory.mktemp("clone"), engine.host, home=box.env["HOME"])
    clone.ok("init")
    for file in "docker/Dockerfile", "step.sh", "pipeline.ini", "mlops.lock":
        clone.write(file, box.read(file))
    for image in ours(engine):
        engine.forget_image(image["Id"])
    assert not ours(engine)
    assert clone.run()["ran"] == 1 and clone.read("out.txt") == made, "what was pushed, not built again"
    assert clone.attempt()["record"]["image"] == f"build:{key}"
    box.write("docker/Dockerfile", box.read("docker/Dockerfile") + "ENV NEW=1\n")
    box.run()
    assert len([n for n in box.pins() if n.startswith(where)]) == 1 and name not in box.pins()
    listed = next(i for i in box.json("image", "list")["images"] if i["name"] == "image.train")
    assert listed["pushed"] == next(p for n, p in box.pins().items() if n.startswith(where))


def test_bases_move_when_asked(box, engine):
    engine.load("moving-base", marker="first")
    box.image("FROM moving-base\nCOPY --from=moving-base /etc/marker /made\n")
    box.run()
    assert box.read("out.txt") == "first"
    engine.load("moving-base", marker="second")
    assert box.run()["steps"] == []
    box.ok("image", "update")
    assert box.run()["ran"] == 1 and box.read("out.txt") == "second"
    engine.forget_image("moving-base")


def test_a_label_alone_makes_no_image_of_ours(box, engine):
    """Somebody's image may say what it likes: one that this project neither built nor pulled by a pin is not used."""
    box.image("FROM busybox-test\nRUN echo mine > /made\n")
    box.ok("run")
    mine, = ours(engine)
    key = mine["Labels"]["mlops.image"]
    engine.forget_image(mine["Id"])
    box.write("other/Dockerfile", f"FROM busybox-test\nLABEL mlops.image={key}\nRUN echo theirs > /made\n")
    subprocess.run(["docker", "build", "-q", "other"], cwd=box.project, env={**box.env, "DOCKER_BUILDKIT": "0"}, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    theirs = {image["Id"] for image in ours(engine)}
    assert theirs
    box.ok("run", "--force")
    assert box.read("out.txt") == "mine\n"
    assert {image["Id"] for image in ours(engine)} > theirs
