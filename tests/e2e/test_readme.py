# SPDX-License-Identifier: Apache-2.0
"""The README's tour, typed into one shell: each line that it shows must appear, in its order."""
import pathlib
import re
import shutil
import subprocess

from conftest import PROGRAM, ROOT

SECONDS = 26


def tour(text):
    """[(typed, shown lines)] of the console blocks; a line that starts with "> " goes on with the one above."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.M | re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line.startswith("> "):
                typed, shown = found.pop()
                found.append((f"{typed}\n{line[2:]}", shown))
            else:
                found[-1][1].append(line)
    return found


def missing_line(shown, output):
    """The first shown line that is not in the output, after those before it; None."""
    rest = output.splitlines()
    for line in shown:
        pattern = re.compile(".*".join(re.escape(part.strip()) for part in line.split("...")))
        at = next((i for i, got in enumerate(rest) if pattern.search(got)), None)
        if at is None:
            return line
        rest = rest[at + 1:]
    return None


def test_a_line_that_does_not_appear_is_found():
    (typed, shown), (_, other) = tour("```console\n$ a <<E\n> x\n> E\none ... 1\ntwo\n$ b\n```\n")
    assert typed == "a <<E\nx\nE" and not other
    assert missing_line(shown, "zero\none is 1\ntwo\n") is None
    assert missing_line(shown, "two\none is 1\n") == "two"
    assert missing_line(shown, "one is 2\ntwo\n") == "one ... 1"


def test_the_tour_shows_what_the_readme_says(tmp_path, environment):
    clone = tmp_path / "clone"
    shutil.copytree(ROOT / "examples", clone / "examples")
    commands = tour((ROOT / "README.md").read_text())
    assert len(commands) >= 15 and sum(len(shown) for _, shown in commands) >= 30

    script = "exec 2>&1\n" + "".join(f"{typed}\nprintf '\\n@@@ %d\\n' $?\n" for typed, _ in commands)
    env = {**environment, "PATH": f"{pathlib.Path(PROGRAM).parent}:/usr/bin:/bin"}
    done = subprocess.run(["bash"], input=script, cwd=clone, env=env, stdout=subprocess.PIPE, check=False,
                          encoding="utf-8", timeout=300)
    parts = re.split(r"\n@@@ (\d+)\n", done.stdout)
    assert len(parts) == 2 * len(commands) + 1
    for (typed, shown), output, status in zip(commands, parts[::2], parts[1::2]):
        assert status == "0", f"$ {typed}\n{output}"
        line = missing_line(shown, output)
        assert line is None, f"$ {typed}\n{output}\ndoes not show: {line}"
