"""Fits the model, one pass over the data an epoch, and reports its loss while it runs."""
import csv
import json
import os
import random
import sys

from model import learn, load_table, mean_loss, new_model, scale

train_csv, model_file, loss_csv = sys.argv[1:]
with open(os.environ["MLOPS_PARAMS"]) as f:
    params = json.load(f)["train"]

rows, labels = load_table(train_csv)
model = new_model(rows)
table = [scale(model, row) for row in rows]
order = list(range(len(table)))
chance = random.Random(params["seed"])

with open(os.environ["MLOPS_METRICS"], "a") as live, open(loss_csv, "w", newline="") as plot:
    points = csv.writer(plot, lineterminator="\n")
    points.writerow(["epoch", "loss"])
    for epoch in range(1, params["epochs"] + 1):
        chance.shuffle(order)
        for i in order:
            learn(model, table[i], labels[i], params["learning_rate"])
        loss = mean_loss(model, table, labels)
        points.writerow([epoch, f"{loss:.6f}"])
        print(json.dumps({"key": "loss", "value": loss, "step": epoch}), file=live, flush=True)
        if epoch % 10 == 0:
            print(f"epoch {epoch}: loss {loss:.4f}", flush=True)

with open(model_file, "w") as f:
    json.dump(model, f, indent=2)
    f.write("\n")
