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

-- A table that took the place of a monitor's reference when a version was promoted; the newest counts.
CREATE TABLE monitor_references (
	id      INTEGER PRIMARY KEY,
	monitor TEXT NOT NULL,     -- its name
	model   TEXT NOT NULL,
	number  INTEGER NOT NULL,  -- of the version that was trained on it
	content INTEGER NOT NULL REFERENCES contents (id),
	time    INTEGER NOT NULL
) STRICT;

CREATE INDEX monitor_references_by_name ON monitor_references (monitor, id);
