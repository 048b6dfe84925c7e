-- SPDX-License-Identifier: Apache-2.0
--
-- What is to be told to other programs, until it was.

CREATE TABLE outbox (
	id      INTEGER PRIMARY KEY, -- their order
	kind    TEXT NOT NULL CHECK (kind IN ('webhook', 'command', 'status', 'comment')),
	target  TEXT NOT NULL,    -- who is told: PROJECT/NAME, PROJECT of a forge, '' of the operator's command
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

CREATE INDEX outbox_waiting ON outbox (target, id) WHERE state = 'waiting';
CREATE INDEX outbox_ended ON outbox (ended) WHERE state <> 'waiting';

-- How far each reader of the events has come.
CREATE TABLE event_readers (
	name TEXT PRIMARY KEY,
	seq  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Where a project's commits and pull requests live, as JSON: kind, url, repo, secret (a name).
ALTER TABLE projects ADD COLUMN forge TEXT;
