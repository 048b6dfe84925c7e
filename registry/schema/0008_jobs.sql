-- SPDX-License-Identifier: Apache-2.0
--
-- Projects that the agent runs, and the runs that were asked for.

CREATE TABLE projects (
	name        TEXT PRIMARY KEY,
	kind        TEXT NOT NULL CHECK (kind IN ('git', 'dir', 'here')), -- registry/projects.h
	source      TEXT NOT NULL, -- a URL, or an absolute directory
	branch      TEXT,
	allow_local INTEGER NOT NULL CHECK (allow_local IN (0, 1)), -- steps may run outside of containers
	actor       TEXT NOT NULL,
	created     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A run that an agent executes. While it waits it is a run whose status is SCHEDULED.
CREATE TABLE jobs (
	id         INTEGER PRIMARY KEY, -- their order
	run_id     TEXT NOT NULL UNIQUE,
	project    TEXT NOT NULL, -- may be removed meanwhile
	args       TEXT NOT NULL, -- JSON, as run.submit takes them
	actor      TEXT NOT NULL,
	state      TEXT NOT NULL CHECK (state IN ('queued', 'starting', 'running', 'finished', 'failed',
	                                          'cancelled', 'lost')),
	created    INTEGER NOT NULL,
	started    INTEGER,
	ended      INTEGER,
	stopped_by TEXT,    -- who asked for its end
	commit_id  TEXT,    -- what it runs
	checkout   TEXT,    -- .mlops/scratch/ID, while it is there
	lock       BLOB CHECK (length(lock) = 32), -- mlops.lock as the run left it
	exit       INTEGER, -- status of its mlops run
	error      TEXT     -- JSON: code, message, help
) STRICT;

CREATE INDEX jobs_open ON jobs (id) WHERE state IN ('queued', 'starting', 'running');
CREATE INDEX jobs_kept ON jobs (project) WHERE checkout IS NOT NULL;
