-- SPDX-License-Identifier: Apache-2.0
--
-- What the retraining policy decided on each window of a monitor, and how it stands.

CREATE TABLE policy_states (
	monitor INTEGER PRIMARY KEY REFERENCES monitors (id),
	state   TEXT NOT NULL, -- policy/retrain.h, canonical JSON
	paused  TEXT,          -- by whom and why, JSON
	ack     TEXT           -- who has seen that a person is asked, JSON
) STRICT;

CREATE TABLE decisions (
	id       INTEGER PRIMARY KEY,
	monitor  INTEGER NOT NULL REFERENCES monitors (id),
	number   INTEGER NOT NULL, -- of the window
	kind     TEXT NOT NULL CHECK (kind IN ('window', 'outcome', 'person')),
	time     INTEGER NOT NULL, -- policy time: of the window
	rule     TEXT NOT NULL,
	outcome  TEXT NOT NULL,
	body     TEXT NOT NULL,    -- canonical JSON: all that went into it
	digest   BLOB NOT NULL CHECK (length(digest) = 32), -- of the body
	firing   INTEGER REFERENCES firings (id),
	made     INTEGER NOT NULL, -- wall clock
	UNIQUE (monitor, number, kind, firing)
) STRICT;

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
