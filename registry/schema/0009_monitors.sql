-- SPDX-License-Identifier: Apache-2.0
--
-- Monitors: what they compare with, how far they have read, and what they found.

CREATE TABLE monitors (
	id        INTEGER PRIMARY KEY,
	name      TEXT NOT NULL UNIQUE,
	shape     TEXT NOT NULL,  -- what makes its windows, canonical JSON: another shape is another monitor
	reference TEXT,           -- what it compares with, canonical JSON; NULL: it has none yet
	profile   INTEGER REFERENCES contents (id), -- of the whole reference
	taken     INTEGER NOT NULL DEFAULT 0, -- rows in closed windows
	last      INTEGER,        -- number of the newest closed window
	late      INTEGER NOT NULL DEFAULT 0, -- rows that came when their window was closed
	state     TEXT NOT NULL DEFAULT 'WAITING',
	alarm     INTEGER NOT NULL DEFAULT 0 CHECK (alarm IN (0, 1)), -- see monitor_alarm of registry/monitors.h
	errors    TEXT            -- the detector of changes in the stream of errors, JSON
) STRICT;

-- The windows of a reference, in order of time.
CREATE TABLE monitor_reference (
	monitor INTEGER NOT NULL REFERENCES monitors (id),
	place   INTEGER NOT NULL, -- from 0
	phase   INTEGER NOT NULL, -- of its season: ms, or windows
	profile INTEGER NOT NULL REFERENCES contents (id),
	PRIMARY KEY (monitor, place)
) STRICT, WITHOUT ROWID;

-- How far a source was read.
CREATE TABLE monitor_sources (
	monitor INTEGER NOT NULL REFERENCES monitors (id),
	kind    TEXT NOT NULL CHECK (kind IN ('data', 'labels')),
	name    TEXT NOT NULL,
	dev     INTEGER NOT NULL, -- as the bits of an unsigned number
	ino     INTEGER NOT NULL,
	ctime   INTEGER NOT NULL, -- ns
	seen    INTEGER NOT NULL, -- bytes, all of whole rows
	digest  BLOB NOT NULL CHECK (length(digest) = 32), -- of them
	anchor  INTEGER NOT NULL, -- a byte at which a row begins; all rows before it are done with
	skipped INTEGER NOT NULL, -- rows before it
	taken   INTEGER NOT NULL, -- rows from the first on that are done with, or stand in open windows only
	PRIMARY KEY (monitor, kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE monitor_windows (
	monitor  INTEGER NOT NULL REFERENCES monitors (id),
	number   INTEGER NOT NULL,
	start    INTEGER NOT NULL, -- ms since 1970, or the number of its first row, or of its file
	stop     INTEGER NOT NULL, -- where the next one would start
	rows     INTEGER NOT NULL,
	state    TEXT NOT NULL,
	time     INTEGER,          -- of its last row, when rows have times
	digest   BLOB CHECK (length(digest) = 32), -- of its rows; NULL where it is judged with the next one
	profile  BLOB CHECK (length(profile) = 32), -- of its profile
	verdict  TEXT NOT NULL,    -- canonical JSON
	labelled INTEGER NOT NULL DEFAULT 0,
	wrong    INTEGER NOT NULL DEFAULT 0, -- of these
	judged   INTEGER NOT NULL, -- wall clock, for people
	PRIMARY KEY (monitor, number)
) STRICT, WITHOUT ROWID;

-- Predictions that wait for their label, and labels for their prediction.
CREATE TABLE monitor_pairs (
	monitor    INTEGER NOT NULL REFERENCES monitors (id),
	key        TEXT NOT NULL, -- the value of the column `id`
	number     INTEGER,       -- of the window of the prediction
	prediction TEXT,
	label      TEXT,
	PRIMARY KEY (monitor, key)
) STRICT, WITHOUT ROWID;
