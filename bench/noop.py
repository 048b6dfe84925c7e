"""Nothing to do: 1,000 and 10,000 steps against ninja, and a chain of 100 against `dvc repro`.

DVC comes from PyPI into a virtual environment below $XDG_CACHE_HOME (--dvc PROGRAM takes another, --dvc none
leaves it out).
"""
import os
import pathlib
import subprocess
import sys

from common import Bench, mlops_project, need

CHAIN = 100


def flat_mlops(n):
    steps = (f"[step.s{i}]\ncmd = cp source out/{i}\nin = source\nout = out/{i}\n" for i in range(n))
    return "[pipeline]\nname = flat\n\n" + "\n".join(steps)


def flat_ninja(n):
    return "rule copy\n  command = cp $in $out\n" + "".join(f"build out/{i}: copy source\n" for i in range(n))


def chain_paths():
    return [("source" if i == 0 else f"out/{i - 1}", f"out/{i}") for i in range(CHAIN)]


def chain_mlops():
    return "[pipeline]\nname = chain\n\n" + "\n".join(
        f"[step.s{i}]\ncmd = cp {a} {b}\nin = {a}\nout = {b}\n" for i, (a, b) in enumerate(chain_paths()))


def chain_dvc():
    return "stages:\n" + "".join(
        f"  s{i}:\n    cmd: cp {a} {b}\n    deps: [{a}]\n    outs: [{b}]\n"
        for i, (a, b) in enumerate(chain_paths()))


def against_ninja(bench, n, limit_ms):
    project = mlops_project(bench, bench.dir / f"mlops{n}", flat_mlops(n))
    other = bench.dir / f"ninja{n}"
    other.mkdir()
    (other / "build.ninja").write_text(flat_ninja(n))
    for place in (project, other):
        (place / "source").write_text("bytes\n")
        (place / "out").mkdir(exist_ok=True)
    for argv, place in (([bench.mlops, "run"], project), (["ninja"], other)):
        bench.run(argv, place)
    # Stats younger than the racy margin are not trusted; a person's second run is seconds later too.
    bench.run(["sleep", "3"], project)
    bench.run([bench.mlops, "run"], project)

    (seconds, kib), (peer, peer_kib) = bench.several([bench.mlops, "run"], ["ninja"], cwd=[project, other])
    bench.show(f"mlops run, {n} steps, nothing to do", seconds, kib)
    bench.show(f"ninja, {n} edges, nothing to do", peer, peer_kib)
    print(f"  mlops / ninja: {seconds / peer:.2f}")
    bench.target(f"no-op of {n} steps", seconds * 1000, limit_ms, "ms")
    bench.memory_target(f"no-op of {n} steps", kib)


def find_dvc(choice):
    if choice != "auto":
        return choice
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    venv = cache / "mlops-bench-dvc"
    program = venv / "bin/dvc"
    if not program.exists():
        print(f"installing dvc into {venv}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin/pip", "install", "-q", "dvc==3.67.0"], check=True)
    return str(program)


def against_dvc(bench, dvc):
    project = mlops_project(bench, bench.dir / "mlops-chain", chain_mlops())
    other = bench.dir / "dvc-chain"
    other.mkdir()
    (other / "dvc.yaml").write_text(chain_dvc())
    for place in (project, other):
        (place / "source").write_text("bytes\n")
        (place / "out").mkdir(exist_ok=True)
    bench.run(["git", "init", "-q"], other)
    bench.run([dvc, "init", "-q"], other)
    bench.run([dvc, "config", "core.analytics", "false"], other)
    for argv, place in (([bench.mlops, "run"], project), ([dvc, "repro"], other)):
        seconds, kib = bench.run(argv, place)
        bench.show(f"{pathlib.Path(argv[0]).name} {argv[1]}, chain of {CHAIN}, first run", seconds, kib)
    bench.run(["sleep", "3"], project)
    bench.run([bench.mlops, "run"], project)

    (seconds, kib), (peer, peer_kib) = bench.several([bench.mlops, "run"], [dvc, "repro"], cwd=[project, other])
    bench.show(f"mlops run, chain of {CHAIN}, nothing to do", seconds, kib)
    bench.show(f"dvc repro, chain of {CHAIN}, nothing to do", peer, peer_kib)
    bench.target("dvc / mlops", peer / seconds, 60, "times", least=True)
    bench.memory_target(f"no-op of a chain of {CHAIN}", kib)


def main():
    dvc_option = {"default": "auto", "help": "a dvc program, auto, or none"}
    with Bench(__doc__, times=15, dvc=dvc_option) as bench:
        need("ninja", "ninja-build")
        against_ninja(bench, 1000, 20)
        against_ninja(bench, 10000, 150)
        if bench.args.dvc == "none":
            print("dvc left out")
        else:
            against_dvc(bench, find_dvc(bench.args.dvc))
        return bench.finish()


if __name__ == "__main__":
    sys.exit(main())
