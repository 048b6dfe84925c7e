"""A plan of 10,000 instances, and what a step prints: into its log, masked, against the same bytes through a pipe."""
import pathlib
import subprocess
import sys

from common import Bench, mlops_project

INSTANCES = 10000
LOG_BYTES = 1_000_000_000
LINE = "epoch 12 step 3456: loss 0.123456 accuracy 0.987654 lr 0.001\n"

CHAINED = "".join(
    f"[step.s{i}]\nmatrix.n = 1..1000\ncmd = cp {before} out/{i}-${{matrix.n}}\nin = {before}\nout = out/{i}-${{matrix.n}}\n"
    for i in range(10) for before in ["source" if i == 0 else f"out/{i - 1}-${{matrix.n}}"])
ONE = f"[step.s]\nmatrix.n = 1..{INSTANCES}\ncmd = cp source out/${{matrix.n}}\nin = source\nout = out/${{matrix.n}}\n"


def plan(bench, name, text):
    project = mlops_project(bench, bench.dir / name, f"[pipeline]\nname = {name}\n{text}")
    (project / "source").write_text("bytes\n")
    [(seconds, kib)] = bench.several([bench.mlops, "pipeline", "check"], cwd=project)
    bench.show(f"plan of {INSTANCES} instances, {name}", seconds, kib)
    bench.target(f"plan, {name}", seconds * 1000, 150, "ms")
    bench.target(f"plan, {name}, peak memory", kib / 1024, 100, "MiB")


def write_printer(directory):
    """A program that prints LOG_BYTES of lines and nothing else matters."""
    (directory / "printer.c").write_text(
        '#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n'
        'int main(int argc, char **argv) { static char buf[1 << 16]; long left = atol(argv[1]); size_t n = 0;\n'
        f'  const char *line = {LINE!r};\n'.replace("'", '"')
        + '  while (n + strlen(line) < sizeof(buf)) { memcpy(buf + n, line, strlen(line)); n += strlen(line); }\n'
        '  (void)argc;\n'
        '  while (left > 0) { ssize_t w = write(1, buf, n); if (w <= 0) return 1; left -= w; } return 0; }\n')
    subprocess.run(["cc", "-O2", "-o", directory / "printer", directory / "printer.c"], check=True)


def step_log(bench, name, extra, least, setting):
    project = mlops_project(bench, bench.dir / name, "")
    write_printer(project)
    (project / "pipeline.ini").write_text(
        f"[pipeline]\nname = {name}\n[step.print]\ncmd = ./printer {LOG_BYTES}\ncache = no\n{extra}")
    if extra:
        for secret in ("TOKEN", "KEY", "PASSWORD"):
            subprocess.run([bench.mlops, "secret", "add", secret], cwd=project, check=True, stdout=subprocess.DEVNULL,
                           input=f"{secret.lower()}-0123456789abcdef\n".encode())
    if setting:
        subprocess.run([bench.mlops, "config", *setting], cwd=project, check=True, stdout=subprocess.DEVNULL)
    pipe = ["sh", "-c", f"./printer {LOG_BYTES} | cat > copy && sync copy; rm copy"]
    logs = project / ".mlops/logs"

    def clear(_):
        subprocess.run(["rm", "-rf", *map(str, logs.glob("*"))], check=True)

    (seconds, kib), (peer, _) = bench.several([bench.mlops, "run"], pipe, cwd=project, before=clear)
    bench.show(f"a step that prints {LOG_BYTES / 1e6:.0f} MB, {name}", seconds, kib)
    bench.show("the same through cat into a file", peer)
    print(f"  mlops / cat: {seconds / peer:.2f}")
    bench.target(f"log, {name}", LOG_BYTES / 1e6 / seconds, least, "MB/s", least=True)
    bench.memory_target(f"log, {name}", kib)


def main():
    with Bench(__doc__, times=3) as bench:
        pathlib.Path(bench.dir).mkdir(exist_ok=True)
        plan(bench, "one-step", ONE)
        plan(bench, "chained", CHAINED)
        step_log(bench, "limited", "", 200, None)
        step_log(bench, "whole", "", 200, ["log.max", "0"])
        step_log(bench, "masked", "secrets = TOKEN, KEY, PASSWORD\n", 100, None)
        return bench.finish()


if __name__ == "__main__":
    sys.exit(main())
