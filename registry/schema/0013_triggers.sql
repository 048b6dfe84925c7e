-- SPDX-License-Identifier: Apache-2.0
--
-- Triggers of registered projects, and what each of their causes led to.

CREATE TABLE triggers (
	id       INTEGER PRIMARY KEY,
	project  TEXT NOT NULL,
	name     TEXT NOT NULL,
	spec     TEXT NOT NULL,    -- [trigger.NAME], canonical JSON
	present  INTEGER NOT NULL CHECK (present IN (0, 1)), -- the pipeline still has it
	paused   TEXT,             -- by whom and why, JSON
	since    INTEGER NOT NULL, -- times before that are no cause
	last     INTEGER,          -- the newest time of its cron that was decided
	seen     TEXT,             -- of data: what was there
	UNIQUE (project, name)
) STRICT;

CREATE TABLE firings (
	id       INTEGER PRIMARY KEY,
	trigger  INTEGER NOT NULL REFERENCES triggers (id),
	cause    TEXT NOT NULL,    -- names it for ever, such as cron:2026-11-22T03:00:00Z
	kind     TEXT NOT NULL CHECK (kind IN ('push', 'pull_request', 'tag', 'cron', 'data', 'drift', 'pipeline', 'manual')),
	time     INTEGER NOT NULL, -- logical: of the schedule, the window, the commit
	evidence TEXT NOT NULL,    -- canonical JSON
	args     TEXT NOT NULL,    -- of run.submit, JSON
	decision TEXT NOT NULL CHECK (decision IN ('run', 'waiting', 'skipped', 'nothing new')),
	reason   TEXT,             -- of the decision
	run_id   TEXT,
	outcome  TEXT,             -- of the run: finished, failed, cancelled, lost, promoted, rejected, pending; NULL: it goes on
	actor    TEXT NOT NULL,
	created  INTEGER NOT NULL, -- wall clock
	settled  INTEGER,
	UNIQUE (trigger, cause)
) STRICT;

CREATE INDEX firings_by_run ON firings (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX firings_waiting ON firings (id) WHERE decision = 'waiting';
CREATE INDEX firings_open ON firings (id) WHERE decision = 'run' AND outcome IS NULL;
CREATE INDEX firings_by_trigger ON firings (trigger);
CREATE INDEX firings_that_ran ON firings (trigger, time) WHERE decision = 'run';
