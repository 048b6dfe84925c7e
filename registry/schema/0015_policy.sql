-- SPDX-License-Identifier: Apache-2.0
--
-- What the retraining policy decided on each window of a monitor, and how it stands.

CREATE TABLE policy_states (
	monitor INTEGER PRIMARY KEY REFERENCES monitors (id),
	state   TEXT NOT NULL, -- see policy/retrain.h, canonical JSON
	paused  TEXT,          -- by whom, since when and why, JSON
	firing  INTEGER REFERENCES firings (id) -- of the retrain that has not ended
) STRICT;

CREATE TABLE decisions (
	id      INTEGER PRIMARY KEY, -- their order
	monitor INTEGER NOT NULL REFERENCES monitors (id),
	number  INTEGER NOT NULL, -- of the window; of an outcome, of that which started it
	kind    TEXT NOT NULL CHECK (kind IN ('window', 'outcome', 'person')),
	time    INTEGER NOT NULL, -- policy time: where the window ends
	rule    TEXT NOT NULL,
	outcome TEXT NOT NULL,
	body    TEXT NOT NULL,    -- all that went into it, canonical JSON
	digest  BLOB NOT NULL CHECK (length(digest) = 32), -- of the body
	firing  INTEGER REFERENCES firings (id),
	made    INTEGER NOT NULL  -- wall clock
) STRICT;

CREATE UNIQUE INDEX decisions_by_window ON decisions (monitor, number) WHERE kind = 'window';
CREATE UNIQUE INDEX decisions_by_outcome ON decisions (firing) WHERE kind = 'outcome';
CREATE INDEX decisions_by_monitor ON decisions (monitor, id);

-- With what monitors that watch MODEL@ALIAS compare: the table on which the version that holds it was trained. The newest
-- row of an alias counts; its id tells which reference it is.
CREATE TABLE monitor_references (
	id      INTEGER PRIMARY KEY,
	model   INTEGER NOT NULL REFERENCES registered_models ON DELETE CASCADE,
	alias   TEXT NOT NULL,
	number  INTEGER NOT NULL,  -- of the version
	content INTEGER REFERENCES contents (id), -- NULL: as the monitor's own section says
	time    INTEGER NOT NULL
) STRICT;

CREATE INDEX monitor_references_by_alias ON monitor_references (model, alias, id);

-- References that monitors made of such tables, or of their first windows, before another took their place: they may come
-- back when the rows they were made of do not.
CREATE TABLE kept_references (
	id        INTEGER PRIMARY KEY,
	monitor   INTEGER NOT NULL REFERENCES monitors (id),
	key       TEXT NOT NULL, -- of the reference
	trained   INTEGER NOT NULL CHECK (trained IN (0, 1)), -- of a version: not the monitor's own
	reference TEXT NOT NULL, -- as monitors.reference
	profile   INTEGER NOT NULL REFERENCES contents (id),
	UNIQUE (monitor, key)
) STRICT;

CREATE TABLE kept_parts (
	kept    INTEGER NOT NULL REFERENCES kept_references (id),
	place   INTEGER NOT NULL,
	phase   INTEGER NOT NULL,
	profile INTEGER NOT NULL REFERENCES contents (id),
	PRIMARY KEY (kept, place)
) STRICT, WITHOUT ROWID;
