"""Steps in containers: what one costs, how many a second, how fast it may print; against `docker run` and `docker logs`."""
import shutil
import sys

from common import Bench, Engine, busybox_image

IMAGE = "mlops-bench-busybox"
CHAIN, FLAT = 20, 40
PRINTED = 200 * 1000 * 1000
LINE = "0123456789" * 8


def chain(steps):
    """Each step copies what the one before it made."""
    made = ["source", *(f"out/{n}" for n in range(steps))]
    return f"[pipeline]\nimage = {IMAGE}\n" + "".join(
        f"[step.s{n}]\ncmd = cp {made[n]} {made[n + 1]}\nin = {made[n]}\nout = {made[n + 1]}\n" for n in range(steps))


def flat(steps):
    return f"[pipeline]\nimage = {IMAGE}\n" + "".join(
        f"[step.s{n}]\ncmd = cp source out/{n}\nin = source\nout = out/{n}\n" for n in range(steps))


def printing():
    return (f"[pipeline]\nimage = {IMAGE}\n"
            f"[step.print]\ncmd = sh -c 'yes {LINE} | head -c {PRINTED}'\n")


def docker_run(command):
    return ["docker", "run", "--rm", "--network", "none", IMAGE, *command]


def loop(times):
    """A shell that runs a trivial container so many times."""
    return f"for i in $(seq {times}); do docker run --rm --network none {IMAGE} true || exit 1; done"


class Project:
    """Starts from nothing each time: no outputs, no facts, no containers."""

    def __init__(self, bench, name, pipeline):
        self.bench, self.place, self.pipeline = bench, bench.dir / name, pipeline

    def fresh(self):
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir()
        (self.place / "source").write_text("bytes\n")
        (self.place / "pipeline.ini").write_text(self.pipeline)
        self.bench.run([self.bench.mlops, "init"], self.place)


def overhead(bench):
    one, many = Project(bench, "one", chain(1)), Project(bench, "many", chain(CHAIN + 1))

    def fresh(_):
        one.fresh()
        many.fresh()

    (single, kib), (all_of_them, more), (peer, _) = bench.several(
        [bench.mlops, "run"], [bench.mlops, "run"], docker_run(["true"]),
        cwd=[one.place, many.place, bench.dir], before=fresh)
    step = (all_of_them - single) / CHAIN
    bench.show("mlops run, 1 step", single, kib)
    bench.show(f"mlops run, chain of {CHAIN + 1}", all_of_them, more)
    bench.show("one more step", step)
    bench.show("docker run --rm --network none true", peer)
    bench.target("one more step / docker run", step / peer, 0.65, "times")
    bench.memory_target("chain", max(kib, more))


def throughput(bench):
    project = Project(bench, "flat", flat(FLAT))
    two_shells = ["sh", "-c", f"({loop(FLAT // 2)}) & first=$!; ({loop(FLAT // 2)}); wait $first"]
    (seconds, kib), (peer, _) = bench.several(
        [bench.mlops, "run", "-j", "2"], two_shells, cwd=[project.place, bench.dir], before=lambda _: project.fresh())
    bench.show(f"mlops run -j 2, {FLAT} steps", seconds, kib)
    bench.show(f"two shells, {FLAT // 2} docker run each", peer)
    bench.target("steps a second / docker runs a second", peer / seconds, 1.3, "times", least=True)
    bench.memory_target(f"{FLAT} steps", kib)


def log_speed(bench):
    project = Project(bench, "log", printing())
    command = f"yes {LINE} | head -c {PRINTED}"
    # With the engine's defaults `docker logs -f` loses what is rotated away before it was read, half of it and more;
    # with these, at most the last line.
    whole = "--log-driver local --log-opt max-size=1000g --log-opt max-file=1 --log-opt compress=false"
    follow = (f"id=$(docker run -d --network none {whole} {IMAGE} sh -c '{command}') && "
              f"[ $(docker logs -f $id | wc -c) -gt {PRINTED - 1000} ] && docker rm -f $id")
    (seconds, kib), (logs, _), (attached, _) = bench.several(
        [bench.mlops, "run"], ["sh", "-c", follow], docker_run(["sh", "-c", command]),
        cwd=[project.place, bench.dir, bench.dir], before=lambda _: project.fresh())
    for what, value, memory in (("mlops run", seconds, kib), ("docker run -d, docker logs -f", logs, None),
                                ("docker run, which reads no log", attached, None)):
        bench.show(f"{what}, {PRINTED // 1000000} MB printed", value, memory)
    bench.target("mlops / docker logs -f", seconds / logs, 1.1, "times")
    bench.memory_target("printing", kib)


def main():
    with Bench(__doc__, times=5) as bench, Engine(bench):
        busybox_image(bench, IMAGE)
        overhead(bench)
        throughput(bench)
        log_speed(bench)
        return bench.finish()


if __name__ == "__main__":
    sys.exit(main())
