-- SPDX-License-Identifier: Apache-2.0
--
-- What an MLflow client logs: experiments, runs, data sets.

ALTER TABLE experiments ADD COLUMN artifact_location TEXT; -- null: mlflow-artifacts:/ID
ALTER TABLE runs ADD COLUMN deleted_time INTEGER;

-- The same check as before, but each INSERT made a table of what stands in IN (...), which was a third of its time.
ALTER TABLE runs ADD COLUMN state TEXT NOT NULL DEFAULT 'RUNNING'
	CHECK (state = 'RUNNING' OR state = 'SCHEDULED' OR state = 'FINISHED' OR state = 'FAILED' OR state = 'KILLED');
UPDATE runs SET state = status;
DROP INDEX runs_running;
ALTER TABLE runs DROP COLUMN status;
ALTER TABLE runs RENAME COLUMN state TO status;
CREATE INDEX runs_running ON runs (status) WHERE status = 'RUNNING';

-- Answers to requests that must not happen twice, until their clients have them.
CREATE TABLE answers (
	id      INTEGER PRIMARY KEY,
	request BLOB NOT NULL CHECK (length(request) = 32), -- SHA-256 of who asked, and what
	time    INTEGER NOT NULL,
	body    TEXT NOT NULL
) STRICT;

-- Data sets that clients name as inputs of runs; the files of a pipeline's runs are in run_contents.
CREATE TABLE datasets (
	id          INTEGER PRIMARY KEY,
	experiment  INTEGER NOT NULL REFERENCES experiments,
	name        TEXT NOT NULL,
	digest      TEXT NOT NULL,
	source_type TEXT NOT NULL,
	source      TEXT NOT NULL,
	schema      TEXT,
	profile     TEXT,
	UNIQUE (experiment, name, digest)
) STRICT;

CREATE TABLE run_datasets (
	run     INTEGER NOT NULL REFERENCES runs,
	dataset INTEGER NOT NULL REFERENCES datasets,
	PRIMARY KEY (run, dataset)
) STRICT, WITHOUT ROWID;

CREATE INDEX run_datasets_by_dataset ON run_datasets (dataset);

CREATE TABLE run_dataset_tags (
	run     INTEGER NOT NULL,
	dataset INTEGER NOT NULL,
	key     TEXT NOT NULL,
	value   TEXT NOT NULL,
	PRIMARY KEY (run, dataset, key),
	FOREIGN KEY (run, dataset) REFERENCES run_datasets
) STRICT, WITHOUT ROWID;

-- Logged models that a run used ('in') or made ('out').
CREATE TABLE run_models (
	run       INTEGER NOT NULL REFERENCES runs,
	direction TEXT NOT NULL CHECK (direction IN ('in', 'out')),
	model_id  TEXT NOT NULL,
	step      INTEGER,
	PRIMARY KEY (run, direction, model_id)
) STRICT, WITHOUT ROWID;

-- For searches among many runs (registry/run_pages.c). Of long values the beginning will do; it is a column because
-- SQLite 3.40 does not see that an index of an expression covers a query.
ALTER TABLE params ADD COLUMN head TEXT AS (substr(value, 1, 40)) VIRTUAL;
ALTER TABLE tags ADD COLUMN head TEXT AS (substr(value, 1, 40)) VIRTUAL;
CREATE INDEX runs_by_experiment ON runs (experiment, start_time DESC, run_id);
CREATE INDEX runs_by_status ON runs (experiment, status, start_time DESC, run_id);
CREATE INDEX params_by_value ON params (key, head);
CREATE INDEX tags_by_value ON tags (key, head);
CREATE INDEX latest_metrics_by_value ON latest_metrics (key, is_nan, value);
