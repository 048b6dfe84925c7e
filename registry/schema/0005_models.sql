-- SPDX-License-Identifier: Apache-2.0
--
-- Registered models, their versions and aliases; models as runs logged them.

CREATE TABLE registered_models (
	id               INTEGER PRIMARY KEY,
	name             TEXT NOT NULL UNIQUE,
	description      TEXT,
	creation_time    INTEGER NOT NULL,
	last_update_time INTEGER NOT NULL,
	last_number      INTEGER NOT NULL DEFAULT 0 -- ever given, so that no number is used twice
) STRICT;

CREATE INDEX registered_models_by_update ON registered_models (last_update_time);

CREATE TABLE model_tags (
	model INTEGER NOT NULL REFERENCES registered_models ON DELETE CASCADE,
	key   TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (model, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE model_versions (
	id               INTEGER PRIMARY KEY,
	model            INTEGER NOT NULL REFERENCES registered_models ON DELETE CASCADE,
	number           INTEGER NOT NULL,
	description      TEXT,
	creation_time    INTEGER NOT NULL,
	last_update_time INTEGER NOT NULL,
	stage            TEXT NOT NULL DEFAULT 'None'
	                 CHECK (stage IN ('None', 'Staging', 'Production', 'Archived')),
	source           TEXT NOT NULL, -- as it was registered
	location         TEXT NOT NULL, -- where its files are
	run_id           TEXT,          -- as it was said: it may be another server's
	run_link         TEXT,
	model_id         TEXT,          -- the logged model it was made from
	UNIQUE (model, number)
) STRICT;

CREATE INDEX model_versions_by_update ON model_versions (last_update_time);
CREATE INDEX model_versions_by_run ON model_versions (run_id);

CREATE TABLE version_tags (
	version INTEGER NOT NULL REFERENCES model_versions ON DELETE CASCADE,
	key     TEXT NOT NULL,
	value   TEXT NOT NULL,
	PRIMARY KEY (version, key)
) STRICT, WITHOUT ROWID;

-- A version that goes takes its aliases along.
CREATE TABLE model_aliases (
	model  INTEGER NOT NULL,
	alias  TEXT NOT NULL,
	number INTEGER NOT NULL,
	PRIMARY KEY (model, alias),
	FOREIGN KEY (model, number) REFERENCES model_versions (model, number) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX model_aliases_by_version ON model_aliases (model, number);

-- Prompts are models with this tag, and hidden from those who do not ask for them.
CREATE INDEX prompts ON model_tags (model) WHERE key = 'mlflow.prompt.is_prompt' AND value = 'true';
CREATE INDEX prompt_versions ON version_tags (version) WHERE key = 'mlflow.prompt.is_prompt' AND value = 'true';

CREATE TABLE logged_models (
	id               INTEGER PRIMARY KEY,
	model_id         TEXT NOT NULL UNIQUE, -- "m-" and 32 hex digits
	experiment       INTEGER NOT NULL REFERENCES experiments,
	name             TEXT NOT NULL,
	location         TEXT NOT NULL, -- where its files are
	model_type       TEXT,
	source_run_id    TEXT,
	status           TEXT NOT NULL DEFAULT 'PENDING' CHECK (status IN ('UNSPECIFIED', 'PENDING', 'READY', 'FAILED')),
	lifecycle_stage  TEXT NOT NULL DEFAULT 'active' CHECK (lifecycle_stage IN ('active', 'deleted')),
	creation_time    INTEGER NOT NULL,
	last_update_time INTEGER NOT NULL
) STRICT;

CREATE INDEX logged_models_by_creation ON logged_models (experiment, creation_time DESC, model_id);

CREATE TABLE logged_model_params (
	model INTEGER NOT NULL REFERENCES logged_models ON DELETE CASCADE,
	key   TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (model, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE logged_model_tags (
	model INTEGER NOT NULL REFERENCES logged_models ON DELETE CASCADE,
	key   TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (model, key)
) STRICT, WITHOUT ROWID;

-- Metrics that a run logged about a model, on a data set or on none. NaN is (0, is_nan = 1).
CREATE TABLE logged_model_metrics (
	model          INTEGER NOT NULL REFERENCES logged_models ON DELETE CASCADE,
	key            TEXT NOT NULL,
	timestamp      INTEGER NOT NULL,
	step           INTEGER NOT NULL,
	run            INTEGER NOT NULL REFERENCES runs,
	value          REAL NOT NULL,
	is_nan         INTEGER NOT NULL CHECK (is_nan IN (0, 1)),
	dataset_name   TEXT NOT NULL DEFAULT '',
	dataset_digest TEXT NOT NULL DEFAULT '',
	PRIMARY KEY (model, key, timestamp, step, run, value, is_nan, dataset_name, dataset_digest)
) STRICT, WITHOUT ROWID;
