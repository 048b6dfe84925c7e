-- SPDX-License-Identifier: Apache-2.0
--
-- What is to be told to other programs, until it was.

CREATE TABLE outbox (
	id      INTEGER PRIMARY KEY,
	kind    TEXT NOT NULL CHECK (kind IN ('webhook', 'command', 'status', 'comment')),
	target  TEXT NOT NULL,    -- PROJECT/NAME of who is told
	cause   TEXT NOT NULL,    -- so that nothing is told twice
	body    TEXT NOT NULL,    -- JSON
	state   TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'failed')),
	tries   INTEGER NOT NULL DEFAULT 0,
	due     INTEGER NOT NULL, -- not before
	error   TEXT,
	created INTEGER NOT NULL,
	ended   INTEGER,
	UNIQUE (kind, target, cause)
) STRICT;

CREATE INDEX outbox_due ON outbox (due) WHERE state = 'waiting';

-- How far each reader of the events has come.
CREATE TABLE event_readers (
	name TEXT PRIMARY KEY,
	seq  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
