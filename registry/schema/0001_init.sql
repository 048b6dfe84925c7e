-- SPDX-License-Identifier: Apache-2.0
--
-- Facts, in MLflow's shape where MLflow has one. Runs and contents are referred to by
-- small integers; what users and MLflow's clients see is runs.run_id and digests.
-- Times are milliseconds since 1970 UTC.

CREATE TABLE experiments (
	experiment_id    INTEGER PRIMARY KEY AUTOINCREMENT,
	name             TEXT NOT NULL UNIQUE,
	lifecycle_stage  TEXT NOT NULL DEFAULT 'active' CHECK (lifecycle_stage IN ('active', 'deleted')),
	creation_time    INTEGER NOT NULL,
	last_update_time INTEGER NOT NULL
) STRICT;

INSERT INTO experiments (experiment_id, name, creation_time, last_update_time)
VALUES (0, 'Default', unixepoch() * 1000, unixepoch() * 1000);

CREATE TABLE experiment_tags (
	experiment INTEGER NOT NULL REFERENCES experiments,
	key        TEXT NOT NULL,
	value      TEXT NOT NULL,
	PRIMARY KEY (experiment, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
	id              INTEGER PRIMARY KEY, -- grows with each new run, whatever the clock says
	run_id          TEXT NOT NULL UNIQUE,
	name            TEXT NOT NULL,
	experiment      INTEGER NOT NULL REFERENCES experiments,
	user_id         TEXT NOT NULL,
	status          TEXT NOT NULL
	                CHECK (status IN ('RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED')),
	lifecycle_stage TEXT NOT NULL DEFAULT 'active' CHECK (lifecycle_stage IN ('active', 'deleted')),
	start_time      INTEGER NOT NULL,
	end_time        INTEGER,
	parent          INTEGER REFERENCES runs,
	step            TEXT -- step instance of a nested run
) STRICT;

-- The order of a page of runs, all of them or those at the top.
CREATE INDEX runs_by_start ON runs (start_time DESC, run_id);
CREATE INDEX runs_top_by_start ON runs (start_time DESC, run_id) WHERE parent IS NULL;
CREATE INDEX runs_by_parent ON runs (parent) WHERE parent IS NOT NULL;
CREATE INDEX runs_top_by_name ON runs (name) WHERE parent IS NULL;
CREATE INDEX runs_running ON runs (status) WHERE status = 'RUNNING';

CREATE TABLE params (
	run   INTEGER NOT NULL REFERENCES runs,
	key   TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

-- NaN is (0, is_nan = 1). The key is MLflow's, so an exact repeat is the same row; its
-- order is that of a history.
CREATE TABLE metrics (
	run       INTEGER NOT NULL REFERENCES runs,
	key       TEXT NOT NULL,
	timestamp INTEGER NOT NULL,
	step      INTEGER NOT NULL,
	value     REAL NOT NULL,
	is_nan    INTEGER NOT NULL CHECK (is_nan IN (0, 1)),
	PRIMARY KEY (run, key, timestamp, step, value, is_nan)
) STRICT, WITHOUT ROWID;

-- Per run and key the largest by (step, timestamp, value).
CREATE TABLE latest_metrics (
	run       INTEGER NOT NULL REFERENCES runs,
	key       TEXT NOT NULL,
	timestamp INTEGER NOT NULL,
	step      INTEGER NOT NULL,
	value     REAL NOT NULL,
	is_nan    INTEGER NOT NULL CHECK (is_nan IN (0, 1)),
	PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE tags (
	run   INTEGER NOT NULL REFERENCES runs,
	key   TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

-- Every content that some fact names, once. The unique key serves look-ups by a prefix of the digest.
CREATE TABLE contents (
	id     INTEGER PRIMARY KEY,
	digest BLOB NOT NULL CHECK (length(digest) = 32),
	kind   TEXT NOT NULL CHECK (kind IN ('file', 'exec', 'tree')),
	size   INTEGER NOT NULL,
	files  INTEGER NOT NULL,
	UNIQUE (digest, kind)
) STRICT;

-- What a run read ('in') and made ('out').
CREATE TABLE run_contents (
	run       INTEGER NOT NULL REFERENCES runs,
	direction TEXT NOT NULL CHECK (direction IN ('in', 'out')),
	path      TEXT NOT NULL,
	use       TEXT NOT NULL,
	content   INTEGER NOT NULL REFERENCES contents,
	PRIMARY KEY (run, direction, path)
) STRICT, WITHOUT ROWID;

CREATE TABLE artifacts (
	id          INTEGER PRIMARY KEY,
	name        TEXT NOT NULL UNIQUE,
	last_number INTEGER NOT NULL DEFAULT 0 -- ever given, so that no number is used twice
) STRICT;

CREATE TABLE artifact_versions (
	artifact   INTEGER NOT NULL REFERENCES artifacts,
	number     INTEGER NOT NULL,
	content    INTEGER NOT NULL REFERENCES contents,
	created    INTEGER NOT NULL,
	run        INTEGER REFERENCES runs, -- that made it; null when added by hand
	actor      TEXT NOT NULL,
	PRIMARY KEY (artifact, number)
) STRICT, WITHOUT ROWID;

-- One execution of a step instance, or the reason why there was none.
CREATE TABLE attempts (
	id         INTEGER PRIMARY KEY,
	parent     INTEGER NOT NULL REFERENCES runs, -- the pipeline run
	step       TEXT NOT NULL,
	number     INTEGER NOT NULL,
	run        INTEGER REFERENCES runs, -- the nested run; null when cached
	state      TEXT NOT NULL CHECK (state IN ('running', 'ok', 'failed', 'killed', 'timeout',
	                                          'cached', 'skipped', 'lost')),
	key        BLOB CHECK (length(key) = 32),
	exit_code  INTEGER,
	signal     INTEGER,
	start_time INTEGER NOT NULL,
	end_time   INTEGER,
	user_us    INTEGER NOT NULL,
	system_us  INTEGER NOT NULL,
	max_rss    INTEGER NOT NULL,
	source     TEXT, -- run_id that a cached result came from; may be another machine's
	reason     TEXT,
	record     TEXT,
	UNIQUE (parent, step, number)
) STRICT;

CREATE INDEX attempts_by_step ON attempts (step);
CREATE INDEX attempts_by_key ON attempts (key) WHERE state = 'ok';

-- Step key -> what the step made. Successes only.
CREATE TABLE cache (
	key     BLOB PRIMARY KEY CHECK (length(key) = 32),
	run     TEXT NOT NULL, -- run_id that made it; may be another machine's
	step    TEXT NOT NULL,
	created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE cache_outputs (
	key     BLOB NOT NULL REFERENCES cache ON DELETE CASCADE,
	path    TEXT NOT NULL,
	content INTEGER NOT NULL REFERENCES contents,
	PRIMARY KEY (key, path)
) STRICT, WITHOUT ROWID;

-- Who changed what. Append-only.
CREATE TABLE events (
	seq       INTEGER PRIMARY KEY,
	time      INTEGER NOT NULL,
	actor     TEXT NOT NULL,
	origin    TEXT NOT NULL,
	operation TEXT NOT NULL,
	subject   TEXT NOT NULL,
	before    TEXT,
	after     TEXT,
	body      TEXT -- canonical JSON
) STRICT;

CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
BEGIN
	SELECT RAISE(ABORT, 'events are never changed');
END;

CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events
BEGIN
	SELECT RAISE(ABORT, 'events are never deleted');
END;

CREATE TRIGGER events_are_not_replaced BEFORE INSERT ON events
WHEN EXISTS (SELECT 1 FROM events WHERE seq = NEW.seq)
BEGIN
	SELECT RAISE(ABORT, 'events are never changed');
END;
