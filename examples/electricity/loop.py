"""
Two and a half years of a market in a few minutes: each week its half-hours go to an agent as a log of predictions, then
what came true, and the agent does the rest. At the end the model that it managed is compared with one that was never
trained again, and with one that was every week.

    python3 loop.py [--weeks N] [--keep DIR] [--image IMAGE]

Steps run on this machine, which needs python3-sklearn, or in containers of an image that has it.
"""
import argparse
import csv
import datetime
import hashlib
import http.client
import io
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "loop"))
import train  # noqa: E402

FIRST_WEEKS = 26   # known before the loop begins
SPAN_WEEKS = 13    # that a model is trained on
START = datetime.datetime(1996, 5, 7)
FEATURES = train.FEATURES


def read_weeks():
    """Rows by the Monday of their week, in order."""
    weeks = {}
    with open(HERE / "data/elec2.csv", newline="") as f:
        for number, row in enumerate(csv.DictReader(f)):
            row["id"] = str(number)
            row["time"] = (START + datetime.timedelta(minutes=30 * number)).isoformat() + "Z"
            row["label"] = row.pop("class")
            weeks.setdefault(train.week(row), []).append(row)
    return list(weeks.values())[1:]  # the first one is cut short


def table(rows, columns):
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def known(weeks, number):
    """What there is to train on when week `number` is over: the last weeks, as data/history.csv holds them."""
    return [row for week in weeks[max(0, number - SPAN_WEEKS):number + 1] for row in week]


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Loop:
    """A project with an agent of its own."""

    def __init__(self, directory, mlops, weeks, image):
        self.directory, self.mlops, self.weeks, self.image = directory, mlops, weeks, image
        self.agent, self.loaded = None, (None, None)
        shutil.copytree(HERE / "loop", directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        if image:
            pipeline = directory / "pipeline.ini"
            pipeline.write_text(pipeline.read_text().replace("[pipeline]\n", f"[pipeline]\nimage = {image}\n"))
        (directory / "data").mkdir()
        self.write("old.csv", weeks[1])
        self.write("history.csv", known(weeks, FIRST_WEEKS - 1))
        self.write("first.csv", [row for week in weeks[:FIRST_WEEKS] for row in week], ["time", *FEATURES, "label"])
        self.call("init")
        self.call("config", "agent.dirs", str(directory))
        self.call("add", "data/history.csv")

    def write(self, name, rows, columns=("id", "time", *FEATURES, "label")):
        (self.directory / "data" / name).write_text(table(rows, columns))

    def call(self, *words):
        done = subprocess.run([self.mlops, *words], cwd=self.directory, stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode:
            sys.exit(f"mlops {' '.join(words)}: {(done.stderr or done.stdout).decode()}")
        return done.stdout

    def ask(self, *words):
        return json.loads(self.call("--json", *words))

    def start(self):
        self.agent = subprocess.Popen([self.mlops, "agent", "--listen", "127.0.0.1:0"], cwd=self.directory,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=open(self.directory / "agent.log", "ab"))
        if not self.agent.stdout.readline().startswith(b"ready:"):
            sys.exit("the agent does not start: " + (self.directory / "agent.log").read_text())
        self.call("project", "add", "electricity", ".", "--no-checkout", *([] if self.image else ["--allow-local"]))

    def stop(self):
        if self.agent:
            self.agent.terminate()
            self.agent.wait()

    def post(self, path, rows):
        connection = UnixConnection(self.directory / ".mlops/agent.sock")
        body = "".join(json.dumps(row) + "\n" for row in rows)
        connection.request("POST", "/api/v1" + path, body, {"Content-Type": "application/x-ndjson"})
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        if answer.status not in (200, 202):
            sys.exit(f"{path}: {answer.status} {said.decode()}")

    def champion(self):
        """Its version, and the model."""
        version = self.ask("model", "show", "electricity@champion")["model_version"]["version"]
        if self.loaded[0] != version:
            data = self.call("cat", "electricity@champion/model.joblib")
            self.loaded = (version, train.joblib.load(io.BytesIO(data)))
        return self.loaded

    def first_model(self):
        run = self.ask("run", "--project", "electricity")["run_id"]
        self.wait(lambda: not any(one["queued"] or one["running"] for one in self.ask("project", "list")["projects"]))
        if next(one for one in self.ask("runs")["runs"] if one["run_id"] == run)["status"] != "FINISHED":
            sys.exit(self.call("logs", run).decode())

    def wait(self, condition, seconds=300):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end or self.agent.poll() is not None:
                sys.exit("the loop stands still; see " + str(self.directory / "agent.log"))
            time.sleep(0.02)

    def serve(self, rows):
        """The champion's predictions go to the monitor; which of them were right."""
        _, model = self.champion()
        guesses = model.predict(train.numbers(rows))
        self.post("/monitors/prices/rows",
                  [{"id": row["id"], "time": row["time"], "prediction": int(guess),
                    **{name: float(row[name]) for name in FEATURES}} for row, guess in zip(rows, guesses)])
        return list(guesses == train.labels(rows))

    def settled(self, windows):
        """So many windows are decided, and no retrain goes on."""
        try:
            self.history = self.ask("monitor", "history", "prices", "--limit", "1000")
        except SystemExit:
            return windows == 0  # nothing came so far
        return ("retrain_of_window" not in self.history
                and sum(one["kind"] == "window" for one in self.history["decisions"]) >= windows)

    def decision(self):
        """What the newest window led to, in a few words."""
        window = [one for one in self.history["decisions"] if one["kind"] == "window"][-1]
        ends = [one["outcome"] for one in self.history["decisions"]
                if one["kind"] == "outcome" and one["window"] == window["window"]]
        return window, f"{window['outcome']}: {window['rule']}" + "".join(f", {end}" for end in ends)


def share(hits):
    return sum(hits) / len(hits)


class Score:
    """Weeks of one way to keep a model: how often it was right, and what training cost."""

    def __init__(self):
        self.weeks, self.trainings, self.seconds = [], 0, 0.0

    def fit(self, rows):
        began = time.monotonic()
        model = train.fit(rows)
        self.trainings, self.seconds = self.trainings + 1, self.seconds + time.monotonic() - began
        return model

    def add(self, model, rows):
        self.weeks.append(share(list(model.predict(train.numbers(rows)) == train.labels(rows))))

    @property
    def mean(self):
        return sum(self.weeks) / len(self.weeks)


def one_week(loop, number, scores, frozen, weekly):
    """The week's first half-hour closes the one before; what follows meets the champion that came of it."""
    week = loop.weeks[number]
    hits = loop.serve(week[:1])
    loop.wait(lambda: loop.settled(number - FIRST_WEEKS))
    decision = loop.decision() if number > FIRST_WEEKS else None
    hits += loop.serve(week[1:])
    loop.post("/monitors/prices/labels", [{"id": row["id"], "label": int(row["label"])} for row in week])
    loop.write("history.csv", known(loop.weeks, number))
    loop.call("add", "data/history.csv")
    scores["managed"].weeks.append(share(hits))
    scores["frozen"].add(frozen, week)
    scores["weekly"].add(weekly, week)
    return decision


def tell_end(loop, scores):
    ends = [one["outcome"] for one in loop.history["decisions"] if one["kind"] == "outcome"]
    runs = loop.ask("runs", "-n", "1000")["runs"]
    scores["managed"].trainings = len(runs)
    scores["managed"].seconds = sum(run["end_time"] - run["start_time"] for run in runs) / 1000
    print(f"\n{len(ends)} retrains: {ends.count('promoted')} promoted, {ends.count('rejected')} rejected\n")
    print("                      mean score   trainings    seconds")
    for name, text in (("frozen", "never trained again"), ("managed", "managed by the agent"), ("weekly", "trained every week")):
        score = scores[name]
        print(f"{text:<21} {score.mean:>11.4f} {score.trainings:>11} {score.seconds:>10.1f}")
    digests = "".join(one["digest"] + "\n" for one in loop.history["decisions"])
    print(f"\ndecisions {hashlib.sha256(digests.encode()).hexdigest()}")


def play(loop, count):
    scores = {name: Score() for name in ("frozen", "managed", "weekly")}
    loop.start()
    loop.first_model()
    frozen = loop.champion()[1]
    weekly = scores["weekly"].fit(known(loop.weeks, FIRST_WEEKS - 1))
    print("WEEK OF     FROZEN  MANAGED  CHAMPION  STATE        DECISION")
    for number in range(FIRST_WEEKS, FIRST_WEEKS + count):
        decided = one_week(loop, number, scores, frozen, weekly)
        weekly = scores["weekly"].fit(known(loop.weeks, number))
        if decided:
            window, words = decided
            print(f"{train.week(loop.weeks[number - 1][0])}  {scores['frozen'].weeks[-2]:.4f}   "
                  f"{scores['managed'].weeks[-2]:.4f}  v{loop.champion()[0]:<8} {window['body']['state']:<12} {words}", flush=True)
    tell_end(loop, scores)


def main():
    weeks = read_weeks()
    most = len(weeks) - 1 - FIRST_WEEKS  # the last one is cut short
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--weeks", type=int, default=most, help=f"how many, at most {most}")
    parser.add_argument("--keep", type=pathlib.Path, help="a new directory for the project, to look at afterwards")
    parser.add_argument("--image", help="container image with python3-sklearn to run steps in")
    parser.add_argument("--mlops", default=os.environ.get("MLOPS", "mlops"))
    args = parser.parse_args()
    directory = args.keep or pathlib.Path(tempfile.mkdtemp(prefix="electricity-"))
    directory.mkdir(exist_ok=True)
    loop = Loop(directory, args.mlops, weeks, args.image)
    try:
        play(loop, min(args.weeks, most))
    finally:
        loop.stop()
        if not args.keep:
            shutil.rmtree(directory)


if __name__ == "__main__":
    main()
