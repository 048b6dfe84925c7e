# SPDX-License-Identifier: Apache-2.0
"""Images: which bytes a name stands for, pins in mlops.lock, registries and logins, odd images."""
import base64
import json
import os

import images
import pytest
from boxes import Box

SECONDS = 35


@pytest.fixture
def box(engine, project, tmp_path_factory):
    return Box(project, engine.host, home=tmp_path_factory.mktemp("home"))


def pushed(engine, target, marker):
    """An image in a registry and not in the engine: its digest there."""
    engine.load("made-for-push", marker=marker)
    digest = engine.push("made-for-push", target)
    engine.forget_image("made-for-push")
    engine.forget_image(target)
    return digest


MARKER = "cat /etc/marker > out.txt"


def test_an_image_that_was_built_here_is_pinned_by_its_id(box, engine):
    box.step(MARKER)
    box.run()
    assert box.pins() == {"busybox-test": engine.image_id("busybox-test")}
    listed = box.json("image", "list")
    row = next(i for i in listed["images"] if i["name"] == "busybox-test")
    assert row["pin"] == engine.image_id("busybox-test") and row["steps"] == ["one"] and row["here"]
    out, _ = box.ok("image", "list")
    assert "busybox-test" in out


def test_a_tag_that_moves_is_followed_only_when_asked(box, engine, registry):
    where = registry().address
    name = f"{where}/ml/train:1"
    first = pushed(engine, name, "first")
    box.step(MARKER, image=name)
    _, err = box.ok("run")
    assert box.read("out.txt") == "first"
    assert box.pins() == {name: f"{where}/ml/train@{first}"}
    second = pushed(engine, name, "second")
    assert second != first
    assert box.run()["steps"] == [], "the lock holds the old bytes"
    box.step(MARKER + " # changed", image=name)
    box.run()
    assert box.read("out.txt") == "first"
    box.ok("image", "update")
    assert box.pins() == {name: f"{where}/ml/train@{second}"}
    assert box.run()["ran"] == 1 and box.read("out.txt") == "second"
    engine.forget_image(f"{where}/ml/train@{second}")


def test_a_name_with_a_digest_is_no_pin(box, engine, registry):
    where = registry().address
    digest = pushed(engine, f"{where}/ml/exact:1", "exact")
    box.step(MARKER, image=f"{where}/ml/exact@{digest}")
    box.run()
    assert box.read("out.txt") == "exact" and box.pins() == {}
    box.step(MARKER, image=engine.image_id("busybox-test"))
    box.run()
    assert box.read("out.txt") == "" and box.pins() == {}


def test_a_registry_that_is_down(box, engine, registry):
    server = registry()
    name = f"{server.address}/ml/gone:1"
    pushed(engine, name, "gone")
    server.stop()
    box.step(MARKER, image=name)
    message, fix = box.fails(5, "run")
    assert name in message and fix
    assert not (box.project / "mlops.lock").exists() or not box.pins()
    server.start()
    box.run()
    server.stop()
    box.step(MARKER + " # the pin is here", image=name)
    box.run()
    message, _ = box.fails(5, "image", "update")
    assert server.address in message
    assert box.pins()


def test_an_unknown_tag_and_a_bad_name(box, engine, registry):
    where = registry().address
    pushed(engine, f"{where}/ml/known:1", "known")
    box.step(MARKER, image=f"{where}/ml/known:2")
    got, _, err = box.mlops("run")
    assert got == 3 and f"{where}/ml/known:2" in err and "help: " in err
    box.step(MARKER, image="127.0.0.1:1/none/there:1")
    message, fix = box.fails(5, "run")
    assert "127.0.0.1:1" in message and fix
    box.step(MARKER, image="Not A Name")
    message, _ = box.fails(2, "run")
    assert "Not A Name" in message


def login(box, config):
    where = box.env["HOME"] + "/.docker/config.json"
    os.makedirs(os.path.dirname(where), exist_ok=True)
    with open(where, "w", encoding="utf-8") as out:
        json.dump(config, out)


def basic(user, password):
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def test_logins_of_the_config_and_of_helpers(box, engine, registry, tmp_path_factory):
    server = registry(login=("ann", "secret"))
    repository = f"{server.address}/ml/private"
    auth = base64.urlsafe_b64encode(json.dumps({"username": "ann", "password": "secret"}).encode()).decode()
    engine.load("made-for-push", marker="private")
    engine.api("POST", f"/images/made-for-push/tag?repo={repository}&tag=1")
    engine.push_as(repository, "1", auth)

    def forget():
        engine.forget_image("made-for-push")
        for name in engine.get("/images/json"):
            if any(t.startswith(repository) for t in [*(name["RepoTags"] or []), *(name["RepoDigests"] or [])]):
                engine.forget_image(name["Id"])
        (box.project / "mlops.lock").unlink(missing_ok=True)

    forget()
    box.step(MARKER, image=f"{repository}:1")
    got, _, err = box.mlops("run")
    assert got == 5 and "login" in err, err
    login(box, {"auths": {server.address: {"auth": basic("ann", "wrong")}}})
    got, _, err = box.mlops("run")
    assert got == 5 and "help: " in err and "wrong" not in err, err
    login(box, {"auths": {server.address: {"auth": basic("ann", "secret")}}})
    box.run()
    assert box.read("out.txt") == "private"
    forget()
    helpers = tmp_path_factory.mktemp("helpers")
    helper = helpers / "docker-credential-test"
    helper.write_text('#!/bin/sh\nread -r server\n[ "$1" = get ] && printf \'{"ServerURL": "%s", "Username": "ann", '
                      '"Secret": "secret"}\' "$server"\n')
    helper.chmod(0o755)
    login(box, {"credHelpers": {server.address: "test"}})
    box.step(MARKER + " # helper", image=f"{repository}:1")
    box.run(env={"PATH": f"{helpers}:{box.env['PATH']}"})
    assert box.read("out.txt") == "private"
    forget()
    box.step(MARKER + " # no such helper", image=f"{repository}:1")
    login(box, {"credHelpers": {server.address: "missing"}})
    got, _, err = box.mlops("run")
    assert got == 5 and "docker-credential-missing" in err, err


# -- odd images --

def test_entry_points_users_and_checks_of_an_image_do_not_matter(box, engine):
    script = "echo $(id -u) $PWD > out.txt"
    for name in "busybox-entrypoint", "busybox-user", "busybox-health":
        box.step(script, image=engine.image(name))
        box.run()
        assert box.read("out.txt") == "65532 /w\n", name


def test_an_image_with_volumes(box, engine):
    """One of them is our own /w: what the step writes there must not go into a volume."""
    before = engine.get("/volumes")["Volumes"] or []
    box.step("echo o > out.txt; ls -d /data", image=engine.image("busybox-volume"))
    box.run()
    assert box.read("out.txt") == "o\n"
    assert (engine.get("/volumes")["Volumes"] or []) == before, "anonymous volumes go with their container"


def test_the_environment_of_the_image_stands(box, engine):
    box.step("echo $FROM_IMAGE $PWD > out.txt", image=engine.image("busybox-workdir"))
    box.run()
    assert box.read("out.txt") == "yes /w\n"


def test_an_image_without_a_shell(box, engine):
    engine.image("busybox-noshell")
    box.write("in.txt", "x")
    box.write("pipeline.ini", "[step.one]\nimage = busybox-noshell\ncmd = cp in.txt out.txt\n"
                              "in = in.txt\nout = out.txt\n")
    box.run()
    assert box.read("out.txt") == "x"
    box.step("true", image="busybox-noshell")
    got, _, err = box.mlops("run")
    assert got in (1, 5) and "sh" in err and "busybox-noshell" in err, err
    assert not engine.containers()


@pytest.mark.skipif(images.host() == "arm64", reason="the image is for this one")
def test_an_image_of_another_architecture(box, engine):
    box.step("true", image=engine.image("busybox-arm"))
    got, _, err = box.mlops("run")
    assert got in (1, 5) and ("arm64" in err or "exec format" in err), err
    assert "error: " in err
