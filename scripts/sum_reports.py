"""Adds up the reports of scripts/test: JUnit files of ctest and pytest, and notes.tsv of the rest.

Prints each failure and each skip with its reason, then one line "N passed, N failed[, N skipped]".
Exits 1 when something failed or nothing passed.
"""
import pathlib
import sys
import xml.etree.ElementTree as ET

reports = pathlib.Path(sys.argv[1])
passed, failed, skipped = [], [], []

for report in sorted(reports.glob("*.xml")):
    suite = report.stem
    for case in ET.parse(report).iter("testcase"):
        place = case.get("classname", "")
        name = f"{suite}: {case.get('name')}" + (f" in {place}" if place != case.get("name") else "")
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append((name, ""))
        elif skip is not None or case.get("status") in ("notrun", "disabled"):
            skipped.append((name, skip.get("message", "") if skip is not None else "not run"))
        else:
            passed.append(name)

notes = reports / "notes.tsv"
for line in notes.read_text().splitlines() if notes.exists() else []:
    name, result = line.split("\t")
    if result == "passed":
        passed.append(name)
    elif result == "failed":
        failed.append((name, ""))
    else:  # "exit N" of a test runner
        of_suite = [case for case in passed + [f for f, _ in failed] if case.startswith(f"{name}: ")]
        told = any(f.startswith(f"{name}: ") for f, _ in failed)
        if not of_suite or (result != "exit 0" and not told):
            failed.append((name, f"{result}, {len(of_suite)} tests"))

print()
for name, reason in skipped:
    print(f"skipped  {name}" + (f" ({reason})" if reason else ""))
for name, reason in failed:
    print(f"FAILED   {name}" + (f" ({reason})" if reason else ""))
line = f"{len(passed)} passed, {len(failed)} failed"
print(line + (f", {len(skipped)} skipped" if skipped else ""))
sys.exit(1 if failed or not passed else 0)
