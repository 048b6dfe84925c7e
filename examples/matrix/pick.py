"""Keeps the model with the best accuracy; of equal ones the first by name."""
import json
import pathlib
import shutil
import sys

best, report = sys.argv[1:]
found = [(-json.loads(path.read_text())["accuracy"], path.stem) for path in pathlib.Path("metrics").glob("*.json")]
accuracy, name = min(found)
shutil.copyfile(f"models/{name}", best)
with open(report, "w") as f:
    json.dump({"accuracy": -accuracy, "tried": len(found)}, f)
print(f"the best of {len(found)} is {name}: {-accuracy:.4f}")
