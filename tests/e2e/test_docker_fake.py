# SPDX-License-Identifier: Apache-2.0
"""Steps in containers of a scriptable engine: every reply lost, refused, wrong or cut, versions, words of Podman."""
import re

import pytest
from boxes import Box
from steps import wait_for

SECONDS = 75
SCRIPT = "for i in 1 2 3 4 5; do echo line $i; done; echo err >&2; printf 'no end'; cat in.txt > out.txt"
LOG = [b"err", b"line 1", b"line 2", b"line 3", b"line 4", b"line 5", b"no end"]


@pytest.fixture
def box(fake, project):
    made = Box(project, fake.host)
    made.write("in.txt", "in\n")
    made.step(SCRIPT, inputs=["in.txt"])
    return made


def check(box, fake, text="in\n"):
    """The step ran once, whatever happened on the way, and everything is there, once."""
    assert box.read("out.txt") == text
    assert sorted(box.log().splitlines()) == LOG
    for container, count in fake.starts.items():
        assert count == 1, f"{container} was started {count} times"
    wait_for(lambda: not fake.containers)
    box.check_whole()


def again(box, fake, text):
    """The same step anew, on an engine that remembers nothing of it."""
    box.write("in.txt", text)
    fake.starts.clear()
    fake.faults.clear()


def steps_started(fake):
    return sum(1 for name in fake.starts if "-one-" in name)


# What the run cannot do without, and asks for in good time: an error with a fix, and nothing has run.
BEFORE = [("GET", r"^/_ping"), ("GET", r"^/version"), ("GET", r"^/info"), ("GET", r"^/images/.*busybox")]
# What must work in the end.
DURING = [("POST", r"^/containers/create"), ("POST", r"^/containers/[^/]*-one-[^/]*/start"), ("GET", r"/logs"),
          ("POST", r"/wait"), ("GET", r"-one-[^/]*/json"), ("GET", r"/stats"), ("DELETE", r"^/containers/")]
BROKEN = [("lose", {}), ("refuse", {}), ("status", {"status": 500, "message": "server misbehaving"}),
          ("cut", {"bytes": 10}), ("delay", {"seconds": 0.3})]


@pytest.mark.parametrize("method, path", DURING, ids=lambda value: re.sub(r"\W+", "-", value).strip("-"))
def test_one_broken_reply_is_no_harm(box, fake, method, path):
    for number, (action, how) in enumerate(BROKEN):
        for times in (1, 3):
            text = f"{number} {times}\n"
            again(box, fake, text)
            fault = fake.fault(method, path, action, times=times, **how)
            status, out, err = box.mlops("run")
            where = f"{action} x{times} of {method} {path}"
            if action == "status" and (status or method == "POST" or path == "/logs"):
                # An engine that says no is believed, after a second look; what it said is told.
                assert status in (0, 1, 5) and (status == 0 or "server misbehaving" in err), (where, out, err)
                assert steps_started(fake) <= 1
                assert status or path != "/logs" or box.log() or "may lack its end" in err
                fake.faults.clear()
                box.ok("run")
                assert box.read("out.txt") == text
                continue
            assert status == 0, (where, out, err)
            assert fault.hits or path == "/stats", where
            check(box, fake, text)


@pytest.mark.parametrize("method, path", BEFORE, ids=lambda value: re.sub(r"\W+", "-", value).strip("-"))
def test_an_engine_that_cannot_be_asked_is_an_error_in_good_time(box, fake, method, path):
    for number, (action, how) in enumerate(BROKEN):
        again(box, fake, f"{number}\n")
        (box.project / "mlops.lock").unlink(missing_ok=True)
        fake.fault(method, path, action, times=1, **how)
        status, out, err = box.mlops("run")
        assert status in (0, 5), (action, out, err)
        if status:
            assert "help: " in err or "server misbehaving" in err, err
            assert steps_started(fake) == 0
            box.ok("run")
        check(box, fake, f"{number}\n")


def test_every_second_request_is_lost(box, fake):
    """Not those that find the engine: a fault of every kind after the other."""
    for number in range(3):
        again(box, fake, f"{number}\n")
        for after in range(number, 60, 2):
            fake.fault("*", r"^/containers/", "lose" if after % 4 < 2 else "refuse", after=after)
        box.ok("run")
        check(box, fake, f"{number}\n")


@pytest.mark.parametrize("newest, oldest, spoken", [
    ("1.41", "1.12", "1.41"), ("1.44", "1.44", "1.44"), ("1.51", "1.24", "1.51"), ("1.55", "1.40", "1.51")])
def test_versions_are_agreed_on(box, fake, newest, oldest, spoken):
    fake.api, fake.min_api = newest, oldest
    box.run()
    check(box, fake)
    out, _ = box.ok("doctor")
    assert spoken in out or "20.10" in out


@pytest.mark.parametrize("newest, oldest, words", [
    ("1.40", "1.12", "at least 1.41"), ("1.60", "1.52", "up to 1.51"), ("banana", "1.12", "no container engine")])
def test_versions_that_do_not_fit_are_told(box, fake, newest, oldest, words):
    fake.api, fake.min_api = newest, oldest
    message, fix = box.fails(5, "run")
    assert words in message and fix
    assert steps_started(fake) == 0


@pytest.mark.parametrize("path", [r"^/containers/create", r"/start", r"/logs", r"/wait", r"-one-[^/]*/json", r"^/info"])
def test_an_engine_that_is_replaced_by_another_version(box, fake, path):
    for newest, oldest in ("1.41", "1.12"), ("1.52", "1.48"), ("1.44", "1.44"):
        again(box, fake, newest)
        fake.fault("*", path, lambda n=newest, o=oldest: vars(fake).update(api=n, min_api=o))
        box.ok("run")
        check(box, fake, newest)


def test_the_words_of_podman(box, fake):
    fake.product, fake.log_drivers = "Podman", ["k8s-file", "none", "passthrough", "journald"]
    box.run()
    check(box, fake)


def test_memory_told_by_the_engine(box, fake):
    fake.oom = "-one-"
    box.step("exit 137", mem="1G")
    message, fix = box.fails(5, "run")
    assert "out of memory" in message and "mem=" in fix


def test_a_log_that_is_cut_again_and_again(box, fake):
    """Each reading breaks off a little later: no gap, no double."""
    box.step("seq 2000; printf end; cat in.txt > out.txt", inputs=["in.txt"])
    for number, size in enumerate((1, 7, 8, 9, 38, 39, 1000, 20000)):
        fake.fault("GET", "/logs", "cut", after=number, bytes=size)
    box.ok("run")
    assert box.log() == b"".join(b"%d\n" % n for n in range(1, 2001)) + b"end\n"


def test_lines_of_the_same_text_are_kept_apart(box, fake):
    box.step("for i in 1 2 3 4 5 6 7 8 9 10 11 12 13; do echo same; done; printf same; cat in.txt > out.txt",
             inputs=["in.txt"])
    fake.fault("GET", "/logs", "cut", bytes=200)
    box.ok("run")
    assert box.log() == b"same\n" * 14


def test_an_engine_that_hangs_is_waited_for_and_said_so(box, fake):
    told = []
    fake.fault("POST", "-one-.*/start", "hang", work=True, until=lambda: told)
    running = box.start("run")
    seen = ""
    while "waiting for the container engine" not in seen:
        line = running.stderr.readline()
        assert line, seen
        seen += line
    told.append(True)
    _, err = running.communicate(timeout=120)
    assert running.returncode == 0, seen + err
    check(box, fake)


def test_an_engine_that_forgets_a_running_container(box, fake):
    box.step("echo begun; sleep 60; echo o > out.txt")
    running = box.start("run")
    wait_for(lambda: b"begun" in (box.log() or b""))
    fake.drop_containers()
    _, err = running.communicate(timeout=120)
    assert running.returncode in (1, 5) and "removed" in err and "help: " in err, err
    assert not (box.project / "out.txt").exists()
    box.check_whole()


def test_an_engine_that_dies_and_comes_back(box, fake):
    """Its containers died with it: the step failed, and says why; the next run is as good as any."""
    box.step("echo begun; test -e in.txt && sleep 60; echo o > out.txt", inputs=["in.txt"])
    running = box.start("run")
    wait_for(lambda: b"begun" in (box.log() or b""))
    fake.die()
    fake.listen()
    _, err = running.communicate(timeout=120)
    assert running.returncode in (1, 5) and "error: step one" in err, err
    box.step(SCRIPT, inputs=["in.txt"])
    box.ok("run")
    assert box.read("out.txt") == "in\n"
    wait_for(lambda: not fake.containers)
    box.check_whole()


def test_what_is_asked_of_the_engine(box, fake):
    """The container, as it was asked for: everything that keeps a step in its box."""
    box.step(SCRIPT, inputs=["in.txt"], mem="1G", cpu="1.5", gpu="2", env="A=1")
    box.run(env={"MLOPS_RUN_GPU": "1,4", "MLOPS_RUN_MEM": "2G"})
    asked = next(r["body"] for r in fake.requests("POST", "^/containers/create") if "-one-" in r["query"]["name"])
    host = asked["HostConfig"]
    assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and host["Init"] and not host.get("Privileged")
    assert host["SecurityOpt"] == ["no-new-privileges"] and host["PidsLimit"] == 4096
    assert host["NetworkMode"].startswith("container:") and host["AutoRemove"] is False
    assert host["Memory"] == host["MemorySwap"] == 1 << 30 and host["NanoCpus"] == 1_500_000_000
    assert host["DeviceRequests"] == [{"DeviceIDs": ["1", "4"], "Capabilities": [["gpu"]]}]
    assert "/tmp" in host["Tmpfs"] and not asked["Tty"] and asked["StopSignal"] == "SIGTERM"
    assert asked["Labels"]["mlops.project"] == box.label() and asked["Labels"]["mlops.step"] == "one"
    assert asked["Image"].startswith("sha256:") and "A=1" in asked["Env"]
    mounts = {m["Target"]: m["ReadOnly"] for m in host["Mounts"]}
    assert mounts == {"/w": False, "/w/step.sh": True, "/w/in.txt": True, "/mlops": False}
    assert asked["User"] != "0:0" and not host.get("Binds")
    assert fake.requests("DELETE", "^/containers/")


def test_an_image_that_is_pulled_and_pinned(box, fake):
    digest = "sha256:" + "ab" * 32
    fake.registry["reg.example/ml/a:1"] = {"digest": digest}
    fake.registry[f"reg.example/ml/a@{digest}"] = {"digest": digest}
    box.step(SCRIPT, inputs=["in.txt"], image="reg.example/ml/a:1")
    box.ok("run")
    assert box.pins() == {"reg.example/ml/a:1": f"reg.example/ml/a@{digest}"}
    fake.images = [i for i in fake.images if "reg.example" not in i["RepoTags"][0]]
    again(box, fake, "other\n")
    box.ok("run")
    pull = fake.requests("POST", "^/images/create")[-1]
    assert pull["query"]["tag"] == digest, "what the lock says, not what the tag says now"


def test_a_pull_that_fails_in_its_stream(box, fake):
    fake.registry["reg.example/ml/a:1"] = {"digest": "", "error": "toomanyrequests: rate limit"}
    box.step(SCRIPT, inputs=["in.txt"], image="reg.example/ml/a:1")
    got, _, err = box.mlops("run")
    assert got == 5 and "toomanyrequests" in err and steps_started(fake) == 0, err
    fake.fault("POST", "^/images/create", "cut", bytes=60)
    fake.registry["reg.example/ml/a:1"] = {"digest": "sha256:" + "cd" * 32}
    got, _, err = box.mlops("run")
    assert got == 5 and "reg.example/ml/a:1" in err, err
    box.ok("run")


ID = b'{"aux":{"ID":"sha256:' + b"ab" * 32 + b'"}}\n'
BUILDS = [  # what an engine says of a build, the exit status, a word of the error
    ([b'{"stream":"Step 1/1 : FROM x\\n"}\n'], 5, "tells no id"),
    ([b'{"aux":{"ID":"../../containers/x?"}}\n'], 5, "tells no id"),
    ([b'{"aux":{"ID":7}}\n{"aux":[]}\n{"aux":"x"}\n[]\n7\n{"stream":{}}\n'], 5, "tells no id"),
    ([ID, b'{"errorDetail":{"message":"no space left on device"},"error":"x"}\n'], 1, "no space left"),
    ([b'{"stream":"Step 1/1 : RUN x\\n"}\n', ID, b'{"error":"it failed"}\n', ID], 1, "it failed"),
    ([b'{"error":"' + b"x" * 100000 + b'"}\n'], 1, "xxx"),
    ([b'{"stream":"' + b"y" * (1 << 20)] + [b"y" * (1 << 16)] * 4, 5, "more than 1 MiB"),
    ([b"\x00\xff\n"], 5, "what the engine says"),
    ([b'{"stream":"\\u001b]0;title\\u0007\\u0000"}\n' * 2000 + b'{"error":"\\u001b[31mred"}\n'], 1, "red"),
]


def test_an_engine_that_tells_odd_things_of_a_build(box, fake):
    box.write("docker/Dockerfile", "FROM busybox-test\n")
    box.step(SCRIPT, inputs=["in.txt"], image="${image.t}", more="[image.t]\ncontext = docker\n")
    for says, status, word in BUILDS:
        fake.build_says = [says]
        got, out, err = box.mlops("run")
        assert (got, word in err) == (status, True), (says[0][:80], got, err[-2000:])
        assert "\x1b" not in err, err[-200:].encode()
    assert not fake.starts
    box.ok("run")
    check(box, fake)
    # What it lists is looked through for an id that was noted, and nothing else.
    fake.found_says = [{"Id": "../x"}, {"Id": 7}, 7]
    box.ok("run", "--force")
    assert "image t was built" in box.ok("run", "--force")[1]
