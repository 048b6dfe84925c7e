-- SPDX-License-Identifier: Apache-2.0
--
-- Rows and labels that came to monitors over HTTP: registry/ingest.h.

-- Files .mlops/inflow/MONITOR/KIND-NUMBER.jsonl. What stands in one beyond `bytes` was never promised to anybody.
CREATE TABLE inflow_segments (
	monitor TEXT NOT NULL,
	kind    TEXT NOT NULL CHECK (kind IN ('data', 'labels')),
	number  INTEGER NOT NULL,
	bytes   INTEGER NOT NULL,
	rows    INTEGER NOT NULL,
	PRIMARY KEY (monitor, kind, number)
) STRICT, WITHOUT ROWID;

-- Requests that brought rows under a key of the client, so that a repeated one brings none.
CREATE TABLE inflow_keys (
	monitor TEXT NOT NULL,
	key     TEXT NOT NULL,
	digest  BLOB NOT NULL CHECK (length(digest) = 32), -- of the request
	rows    INTEGER NOT NULL,
	time    INTEGER NOT NULL,
	PRIMARY KEY (monitor, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX inflow_keys_by_time ON inflow_keys (time);

-- What a model was asked, or what it answered, while the other of the two is not here.
CREATE TABLE inflow_halves (
	monitor TEXT NOT NULL,
	id      TEXT NOT NULL,
	answer  INTEGER NOT NULL CHECK (answer IN (0, 1)),
	rows    TEXT NOT NULL, -- JSON array of objects
	time    INTEGER NOT NULL,
	PRIMARY KEY (monitor, id)
) STRICT;

CREATE INDEX inflow_halves_by_time ON inflow_halves (time);
