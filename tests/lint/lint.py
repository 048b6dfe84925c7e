# SPDX-License-Identifier: Apache-2.0
"""Rules of the house that no compiler holds.

    python3 tests/lint/lint.py [ROOT] [--mlops PROGRAM]     prints "file:line: message" and the line
    python3 tests/lint/lint.py --self-test                  proves that each check can fail

Exit status 1 when anything was found. Checks of the program's help run only with --mlops.
"""
import argparse
import ast
import fnmatch
import json
import os
import pathlib
import re
import subprocess
import sys

# What each floor may include besides itself.
FLOORS = {
    "base": (),
    "store": ("base",),
    "registry": ("store", "base"),
    "runners": ("base",),
    "pipeline": ("registry", "store", "runners", "base"),
    "monitor": ("registry", "store", "base"),
    "policy": ("pipeline", "monitor", "registry", "store", "runners", "base"),
    "api": ("policy", "pipeline", "monitor", "registry", "store", "runners", "base"),
    "agent": ("api", "registry", "store", "base"),
    "cli": ("api", "base"),
}
NOT_FLOORS = ("tests", "bench", "examples")  # C that no floor links

# Library header -> the files that may include it.
DOORS = {
    "microhttpd.h": ("agent/httpd.c",),
    "curl/curl.h": ("base/http_client.c",),
    "archive.h": ("base/archive.c",),
    "archive_entry.h": ("base/archive.c",),
    "sqlite3.h": ("base/db.c", "base/db_*.[ch]"),
    "jansson.h": ("base/json.c",),
    "ini.h": ("base/ini.c",),
    "zstd.h": ("base/compress.c",),
    "zstd_errors.h": ("base/compress.c",),
    "zlib.h": ("base/gunzip.c",),
    "openssl/*": ("base/digest.c", "base/secret.c", "base/sign.c"),
    "git2.h": ("registry/git*.[ch]",),
    "dlfcn.h": ("base/library.c",),
}
SYSTEM_HEADERS = """
    assert ctype dirent endian errno getopt fcntl fenv float fnmatch glob grp inttypes langinfo limits locale math poll
    pthread pwd regex sched semaphore signal spawn stdalign stdarg stdatomic stdbool stddef stdint stdio
    stdlib string strings syslog termios immintrin time unistd wchar wctype
    linux/* sys/* netinet/* arpa/inet netdb
""".split()

BANNED = """
    strcpy strcat sprintf vsprintf gets strtok atoi atol atof system popen alloca tmpnam mktemp signal
    setjmp longjmp
""".split()

SPDX_C = "/* SPDX-License-Identifier: Apache-2.0 */"
SECONDS_LIMIT = 2150
HELP_WIDTH = 80


class Project:
    """Files by path from the root, and the program if there is one."""

    def __init__(self, files, run=None):
        self.files = files
        self.run = run  # arguments -> (exit status, stdout, stderr)

    def matching(self, *patterns):
        for path, text in sorted(self.files.items()):
            if any(fnmatch.fnmatchcase(path, p) for p in patterns):
                yield path, text

    def c_files(self):
        return self.matching("*.c", "*.h")

    def floor_files(self):
        return ((p, t) for p, t in self.c_files() if p.split("/")[0] in FLOORS)

    def docs(self):
        return "\n".join(text for _, text in self.matching("README.md", "docs/*.md"))


def lines_matching(text, pattern):
    for number, line in enumerate(text.split("\n"), 1):
        for match in re.finditer(pattern, line):
            yield number, match


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def includes(text, quote):
    return lines_matching(text, r"^\s*#\s*include\s+%s([^\">]+)" % quote)


def code_only(text):
    """C with its comments and literals blanked; offsets stay."""
    literal = r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
    return re.sub(literal, lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.S)


# Checks: each yields (path, line, message) for what it finds; line 0 means the file as a whole.

def check_floors(project):
    for path, text in project.c_files():
        floor = path.split("/")[0]
        if floor in NOT_FLOORS:
            continue
        if floor not in FLOORS:
            yield path, 0, "C file outside of every floor"
            continue
        for line, match in includes(text, '"'):
            target = match[1].split("/")[0] if "/" in match[1] else None
            if target is None:
                yield path, line, "include from the root: \"%s/%s\"" % (floor, match[1])
            elif target != floor and target not in FLOORS[floor]:
                yield path, line, "%s may not include %s, only: %s" % (
                    floor, target, ", ".join((floor,) + FLOORS[floor]))


def check_doors(project):
    for path, text in project.floor_files():
        for line, match in includes(text, "<"):
            header = match[1]
            if any(fnmatch.fnmatchcase(header, name + ".h") for name in SYSTEM_HEADERS):
                continue
            door = next((d for h, d in DOORS.items() if fnmatch.fnmatchcase(header, h)), None)
            if door is None:
                yield path, line, "<%s> has no door: name the one file that may include it" % header
            elif not any(fnmatch.fnmatchcase(path, d) for d in door):
                yield path, line, "<%s> belongs behind %s" % (header, door[0])


def check_banned(project):
    call = r"(?<![\w.>])(%s)\s*\(" % "|".join(BANNED)
    for path, text in project.c_files():
        for line, match in lines_matching(code_only(text), call):
            yield path, line, "%s is banned" % match[1]


def check_spdx(project):
    for path, text in project.c_files():
        if text.split("\n")[0] != SPDX_C:
            yield path, 1, "the first line must be: " + SPDX_C


def check_pragma_once(project):
    for path, text in project.matching("*.h"):
        if "#pragma once" not in text.split("\n"):
            yield path, 0, "header without #pragma once"


def declared_seconds(project):
    """[(path, SECONDS or None)] of the test files that run for long."""
    found = []
    for path, text in project.matching("tests/e2e/test_*.py", "tests/crash/test_*.py"):
        value = None
        for node in ast.parse(text, path).body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                if [t.id for t in node.targets if isinstance(t, ast.Name)] == ["SECONDS"]:
                    value = node.value.value
        found.append((path, value if type(value) in (int, float) else None))
    return found


def check_seconds(project):
    found = declared_seconds(project)
    for path, seconds in found:
        if seconds is None:
            yield path, 0, "declare how long it takes: SECONDS = N"
    total = sum(s or 0 for _, s in found)
    if total > SECONDS_LIMIT:
        yield "tests", 0, "the tests declare %d seconds, the limit is %d" % (total, SECONDS_LIMIT)


def check_settings_documented(project):
    text, docs = project.files.get("base/settings.h", ""), project.docs()
    rows = list(re.finditer(r'\bX\(\s*[A-Z_0-9]+,\s*(?:\\\n\s*)?"([^"]+)"', text))
    if not rows:
        yield "base/settings.h", 0, "no settings found"
    for row in rows:
        if not re.search(r"(?<![\w.])%s(?!\w)" % re.escape(row[1]), docs):
            yield "base/settings.h", line_of(text, row.start(1)), \
                "setting %s is not in docs/ or README.md" % row[1]


def is_documented(doc, section, key):
    """`KEY` stands under a heading that names [SECTION, or on a line that does."""
    wanted = "`" + key.rstrip("*") if key != "*" else ""
    if wanted and not key.endswith("*"):
        wanted += "`"
    heading, fenced = "", False
    for line in doc.split("\n"):
        fenced ^= line.startswith("```")
        if line.startswith("#") and not fenced:
            heading = line
        if "[" + section in heading + line and wanted in line:
            return True
    return False


def check_grammar_documented(project):
    doc = project.files.get("docs/pipeline.md", "")
    count = 0
    for path, text in project.matching("pipeline/*.c"):
        for line, row in lines_matching(text, r'\{\s*"([^"]+)",\s*"([^"]+)",\s*G_[A-Z]+'):
            count += 1
            if not is_documented(doc, row[1], row[2]):
                yield path, line, "docs/pipeline.md has no `%s` under a heading with [%s" % (
                    row[2], row[1])
    if not count:
        yield "pipeline", 0, "no grammar keys found"


def check_machine_paths(project):
    """Homes of people and of build machines; examples use ~ or relative paths."""
    for path, text in project.matching("*"):
        for line, match in lines_matching(text, r"(?<![\w.})])/" r"(home|Users)/\w+"):
            yield path, line, "names a place of one machine: %s" % match[0]


def commands_of(project):
    status, out, _ = project.run(["help", "--json"])
    return [c["command"] for c in json.loads(out)["commands"]] if status == 0 else []


def check_help(project):
    commands = commands_of(project)
    if not commands:
        yield "mlops help --json", 0, "lists no commands"
    for command in [""] + commands:
        where = ("mlops help " + command).rstrip()
        status, out, errors = project.run(["help"] + command.split())
        if status != 0:
            yield where, 0, "exit status %d" % status
        if errors:
            yield where, 0, "writes to stderr: " + errors.split("\n")[0]
        if not out.strip():
            yield where, 0, "prints nothing"
        for number, line in enumerate(out.split("\n"), 1):
            if len(line) > HELP_WIDTH:
                yield where, number, "wider than %d columns: %s" % (HELP_WIDTH, line)


def check_commands_documented(project):
    docs = project.files.get("README.md", "") + "\n" + project.files.get("docs/commands.md", "")
    for command in commands_of(project):
        if not re.search(r"\bmlops %s(?![\w-])" % re.escape(command), docs):
            yield "docs/commands.md", 0, "neither here nor in README.md: mlops " + command


def fake_program(help_text, status=0, errors=""):
    listing = json.dumps({"commands": [{"command": "lock take"}]})
    return lambda args: (0, listing, "") if "--json" in args else (status, help_text, errors)


C = SPDX_C + "\n"
# name, function, needs the program, a project that passes, projects that must fail
CHECKS = [
    ("floors", check_floors, False,
     Project({"cli/a.c": '#include "api/ops.h"\n#include "cli/a.h"\n', "tests/a.c": '#include "x.h"\n'}),
     [Project({"base/a.c": '#include "store/store.h"\n'}),
      Project({"runners/a.c": '#include "registry/runs.h"\n'}),
      Project({"cli/a.c": '#include "pipeline/run.h"\n'}),
      Project({"base/a.c": '#include "mem.h"\n'}),
      Project({"odd/a.c": ""})]),
    ("doors", check_doors, False,
     Project({"base/json.c": "#include <jansson.h>\n#include <sys/stat.h>\n"}),
     [Project({"api/a.c": "#include <jansson.h>\n"}),
      Project({"registry/a.c": "#  include <openssl/evp.h>\n"}),
      Project({"base/a.c": "#include <zlib.h>\n"})]),
    ("banned functions", check_banned, False,
     Project({"a.c": 'my_strcpy(a); x->system(b); /* gets(c) */ f("atoi(d)"); sigaction(e);\n'}),
     [Project({"a.c": "\tn = %s (x);\n" % name}) for name in BANNED]),
    ("SPDX line", check_spdx, False, Project({"a.h": C}), [Project({"a.c": "\n" + C})]),
    ("#pragma once", check_pragma_once, False,
     Project({"a.h": C + "#pragma once\n"}), [Project({"a.h": C})]),
    ("seconds of tests", check_seconds, False,
     Project({"tests/e2e/test_a.py": "SECONDS = 480\n", "tests/e2e/conftest.py": ""}),
     [Project({"tests/crash/test_a.py": "import os\n"}),
      Project({"tests/e2e/test_a.py": "SECONDS = 'ten'\n"}),
      Project({"tests/e2e/test_a.py": "SECONDS = 1901\n"})]),
    ("settings documented", check_settings_documented, False,
     Project({"base/settings.h": 'X(RUN_JOBS, "run.jobs", T)', "docs/a.md": "`run.jobs`"}),
     [Project({"base/settings.h": 'X(RUN_JOBS, "run.jobs", T)', "docs/a.md": "run.jobs_x, x.run.jobs"}),
      Project({"base/settings.h": ""})]),
    ("grammar documented", check_grammar_documented, False,
     Project({"pipeline/g.c": '{ "step.", "cmd", G_COMMAND,\n{ "step.", "m.*", G_LIST,\n{ "p", "*", G_ANY,',
              "docs/pipeline.md": "## [step.NAME]\n```\n# ini\n```\n`cmd` `m.NAME`\n## `[p]`\n"}),
     [Project({"pipeline/g.c": '{ "step.", "cmd", G_COMMAND,',
               "docs/pipeline.md": "## [step.NAME]\ncmd\n## [other]\n`cmd`\n"}),
      Project({"pipeline/g.c": '{ "p", "*", G_ANY,'}),
      Project({})]),
    ("no machine paths", check_machine_paths, False,
     Project({"a.c": ".mlops/" "work/RUN %s/" "work/x"}),
     [Project({"a.md": 'see "/' 'home/ann/x"'})]),
    ("help", check_help, True,
     Project({}, fake_program("x" * HELP_WIDTH + "\n")),
     [Project({}, fake_program("x" * (HELP_WIDTH + 1))),
      Project({}, fake_program("")),
      Project({}, fake_program("x", status=2)),
      Project({}, fake_program("x", errors="oops")),
      Project({}, lambda args: (1, "", "no"))]),
    ("commands documented", check_commands_documented, True,
     Project({"README.md": "`mlops lock take ours`"}, fake_program("")),
     [Project({"docs/commands.md": "mlops lock takes"}, fake_program(""))]),
]


def self_test():
    failures = 0
    for name, check, _, good, bad in CHECKS:
        for finding in check(good):
            print("%s: finds fault with a good sample: %s" % (name, finding))
            failures += 1
        for number, sample in enumerate(bad, 1):
            if not list(check(sample)):
                print("%s: bad sample %d passes" % (name, number))
                failures += 1
    print("%d checks, %d failures" % (len(CHECKS), failures))
    return 1 if failures else 0


def list_files(root):
    git = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard", "-z"],
                         capture_output=True)
    if git.returncode == 0:
        return [name for name in git.stdout.decode().split("\0") if name]
    found = []
    for directory, names, files in os.walk(root):
        names[:] = [n for n in names if n not in (".git", "build", "__pycache__")]
        found += [os.path.relpath(os.path.join(directory, f), root) for f in files]
    return found


def read_project(root, program):
    files = {}
    for name in list_files(root):
        path = pathlib.Path(root, name)
        if path.is_file() and not path.is_symlink():
            files[name] = path.read_text(errors="replace")

    def run(args):
        done = subprocess.run([os.path.abspath(program)] + args, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr
    return Project(files, run if program else None)


def show(project, path, line, message):
    print("%s:%d: %s" % (path, line, message))
    lines = project.files.get(path, "").split("\n")
    if 0 < line <= len(lines):
        print("    " + lines[line - 1].strip()[:120])


def main():
    parser = argparse.ArgumentParser(description="Checks the rules of the house.")
    parser.add_argument("root", nargs="?", default=".", metavar="ROOT")
    parser.add_argument("--mlops", metavar="PROGRAM", help="check the help of this program too")
    parser.add_argument("--self-test", action="store_true", help="prove that each check can fail")
    args = parser.parse_args()
    if args.self_test:
        return self_test()
    project = read_project(args.root, args.mlops)
    checks = findings = 0
    for _, check, needs_program, _, _ in CHECKS:
        if needs_program and not project.run:
            continue
        checks += 1
        for finding in check(project):
            show(project, *finding)
            findings += 1
    print("tests declare %d of %d seconds" % (
        sum(s or 0 for _, s in declared_seconds(project)), SECONDS_LIMIT))
    print("%d checks, %d findings" % (checks, findings))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
