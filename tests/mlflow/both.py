# SPDX-License-Identifier: Apache-2.0
"""
Two servers, one script: every call goes to a real MLflow server and to ours, and what comes back must be the same.

Values that one call returned and another takes are pairs: `run = both.client.create_run(...)`, then
`both.client.log_metric(run.info.run_id, ...)`. What must differ (ids, times, random names, addresses) is matched, and
an id that stood for another once must do so for ever. What else may differ stands in one table, DIFFERENCES.
"""
import re

import mlflow
from mlflow.exceptions import MlflowException

# Of models and runs; of experiments where they stand alone or in the address of artifacts.
ID = re.compile(r"m-[0-9a-f]{32}|[0-9a-f]{32}|(?<=^experiment )\d+$|(?<=mlflow-artifacts:/)\d+")
NAME = re.compile(r"[a-z]+-[a-z]+-\d{1,4}")
TIME_MS = 1_500_000_000_000
CLOCK = re.compile(r"\d{13}|\d{4}/\d\d/\d\d \d\d:\d\d:\d\d")  # a time in a text; the second kind is of log lines

# What may differ: a pattern of the difference as it is told, and why. One that no call meets is an error of its own.
DIFFERENCES = [
    (r"^rename_experiment\(.* real 'BAD_REQUEST', ours 'RESOURCE_ALREADY_EXISTS'",
     "MLflow tells what its database says; 400 in both, and the code that creating has"),
    (r"runs/create \{\}\[1\]: real 'BAD_REQUEST', ours 'INVALID_PARAMETER_VALUE'",
     "MLflow asks its database for an experiment without an id; 400 in both, and the code of all that is missing"),
    (r"logged-models/search .*status = 'READY'", "MLflow compares the word with the number that it keeps: nothing is ever found"),
    (r"runs/search .*\['metrics\.a', 'metrics\.a'\]", "MLflow fails with 500, which clients repeat for minutes; ours says 400"),
    (r"experiments/create b'(\[\]|\"text\")'", "MLflow fails with 500 at JSON that is no object; ours says 400"),
    (r"^GET /api/2\.0/mlflow/(nothing|runs/create) .* real '', ours 'ENDPOINT_NOT_FOUND'",
     "the statuses are the same; MLflow says it in HTML, ours in JSON as all other errors"),
    (r"^search_runs\(.*params\.p = 'x'( AND| params\.q = 'y')", "MLflow takes what is no whole filter for the part that it understood"),
    (r"^search_runs\(.*metrics\.n\.1 >", "MLflow's lexer takes .1 for a number; a key with dots needs no quotes here"),
]


class Pair:
    """One value of each server."""

    def __init__(self, real, ours):
        self.real, self.ours = real, ours

    def __getattr__(self, name):
        return Pair(getattr(self.real, name), getattr(self.ours, name))

    def __getitem__(self, key):
        return Pair(self.real[key], self.ours[key])

    def __len__(self):
        return len(self.real)

    def __repr__(self):
        return "Pair(%r, %r)" % (self.real, self.ours)


def one(value, side):
    """The side's part of whatever holds pairs."""
    if isinstance(value, Pair):
        return getattr(value, side)
    if isinstance(value, (list, tuple)):
        return type(value)(one(v, side) for v in value)
    if isinstance(value, dict):
        return {k: one(v, side) for k, v in value.items()}
    if callable(getattr(value, "for_side", None)):
        return value.for_side(side)
    return value


def plain(value, seen=0):
    """Entities as dicts, so that they can be compared."""
    if seen > 20:
        return repr(value)
    if isinstance(value, dict):
        return {str(k): plain(v, seen + 1) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        items = [plain(v, seen + 1) for v in value]
        return {"items": items, "more": value.token is not None} if hasattr(value, "token") else items
    if value is None or isinstance(value, (str, int, float, bool, bytes)):
        return value
    if hasattr(value, "to_dict") and type(value).__module__.startswith("pandas"):
        return plain(value.to_dict("records"), seen + 1)
    if hasattr(value, "__iter__") and type(value).__module__.startswith("mlflow."):
        return {k: plain(v, seen + 1) for k, v in value}
    if type(value).__module__.startswith("mlflow."):
        return {k.lstrip("_"): plain(v, seen + 1) for k, v in vars(value).items()}
    return str(value)


class Both:
    def __init__(self, real_uri, our_uri):
        self.uris = {"real": real_uri, "ours": our_uri}
        self.clients = {side: mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri) for side, uri in self.uris.items()}
        self.ids = {}
        self.called = set()
        self.differences = []
        self.met = set()  # patterns of DIFFERENCES

    # -- calling --

    @property
    def client(self):
        return _Methods(self)

    def do(self, label, function):
        """function(client, side) for both; a Pair of what they returned, after it was compared."""
        real, ours = (self._outcome(function, side) for side in ("real", "ours"))
        self._compare(label, real, ours)
        return Pair(real, ours)

    def _outcome(self, function, side):
        mlflow.set_tracking_uri(self.uris[side])  # some of the client's methods ask the module, not the client
        mlflow.set_registry_uri(self.uris[side])
        try:
            return function(self.clients[side], side)
        except Exception as err:  # a client that cannot read an answer is a difference, too
            return err

    def unmet(self):
        """Of DIFFERENCES: those that no call has had."""
        return [pattern for pattern, _ in DIFFERENCES if pattern not in self.met]

    def settle(self):
        """Fails with all differences since the last call."""
        found, self.differences = self.differences, []
        assert not found, "%d differences:\n%s" % (len(found), "\n".join(found))

    # -- comparing --

    def _differs(self, path, text, *values):
        text = "%s: %s" % (path, text % values)
        met = {pattern for pattern, _ in DIFFERENCES if re.search(pattern, text, re.DOTALL)}
        self.met |= met
        if not met:
            self.differences.append(text)

    def _compare(self, label, real, ours):
        if isinstance(real, Exception) or isinstance(ours, Exception):
            if type(real) is not type(ours):
                self._differs(label, "real %r, ours %r", real, ours)
            elif isinstance(real, MlflowException):
                self._same(label + ": %s, ours %s" % (real, ours), real.error_code, ours.error_code)
            return
        self._same(label, plain(real), plain(ours))

    def _same(self, path, real, ours):
        if isinstance(real, dict) and isinstance(ours, dict):
            lacks, extra = real.keys() - ours.keys(), ours.keys() - real.keys()
            known = {k for k in lacks if ID.fullmatch(k) and self.ids.get(k) in extra}
            if lacks - known or extra - {self.ids[k] for k in known}:
                self._differs(path, "ours lacks %s and has %s", sorted(lacks - known), sorted(extra))
            for k in [k for k in real if k not in lacks - known]:
                self._same("%s.%s" % (path, k), real[k], ours[self.ids[k] if k in known else k])
        elif isinstance(real, list) and isinstance(ours, list):
            if len(real) != len(ours):
                self._differs(path, "real has %d items, ours %d: %r, %r", len(real), len(ours), real, ours)
            for i, (a, b) in enumerate(zip(real, ours)):
                self._same("%s[%d]" % (path, i), a, b)
        elif isinstance(real, str) and isinstance(ours, str):
            if path.endswith("experiment_id") or (path.startswith("create_experiment(") and real.isdigit()):
                real, ours = "experiment " + real, "experiment " + ours
            self._same_text(path, real, ours)
        elif isinstance(real, (int, float)) and isinstance(ours, (int, float)):
            if type(real) is not type(ours) or not (real == ours or (real != real and ours != ours) or
                                                    (isinstance(real, int) and real > TIME_MS < ours)):
                self._differs(path, "real %r, ours %r", real, ours)
        elif real != ours:
            self._differs(path, "real %r, ours %r", real, ours)

    def _same_text(self, path, real, ours):
        if real == ours or (NAME.fullmatch(real) and NAME.fullmatch(ours)):
            return
        theirs, mine = ID.findall(real), ID.findall(ours)
        if len(theirs) == len(mine):
            for a, b in zip(theirs, mine):
                if self.ids.setdefault(a, b) != b:
                    self._differs(path, "%s stood for %s, now for %s", a, self.ids[a], b)
                    return
            expected = ID.sub(lambda m: self.ids[m[0]], real).replace(self.uris["real"], self.uris["ours"])
            if expected == ours or NAME.sub("name", expected) == NAME.sub("name", ours):
                return
            if CLOCK.sub("time", expected) == CLOCK.sub("time", ours):
                return
        self._differs(path, "real %r, ours %r", real, ours)


class _Methods:
    """both.client.NAME(...) calls the method of both clients."""

    def __init__(self, both):
        self._both = both

    def __getattr__(self, name):
        def call(*args, **named):
            self._both.called.add(name)
            shown = "%s(%s)" % (name, ", ".join([repr(a)[:60] for a in args] + ["%s=%.60r" % n for n in named.items()]))
            return self._both.do(shown, lambda client, side: getattr(client, name)(*one(list(args), side),
                                                                                  **one(named, side)))
        return call
