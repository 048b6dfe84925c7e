-- SPDX-License-Identifier: Apache-2.0
--
-- Runs as others follow them: registry/openlineage.h.

-- A table's checks cannot be changed, so it is made again with one kind more.
CREATE TABLE outbox_new (
	id      INTEGER PRIMARY KEY, -- their order
	kind    TEXT NOT NULL CHECK (kind IN ('webhook', 'command', 'status', 'comment', 'openlineage')),
	target  TEXT NOT NULL,    -- who is told: PROJECT/NAME, PROJECT of a forge, '' of the operator's command, 'url' or 'file'
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
INSERT INTO outbox_new SELECT * FROM outbox;
DROP TABLE outbox;
ALTER TABLE outbox_new RENAME TO outbox;
CREATE INDEX outbox_waiting ON outbox (target, id) WHERE state = 'waiting';
CREATE INDEX outbox_ended ON outbox (ended) WHERE state <> 'waiting';

-- Where the settings say that runs are told.
CREATE TABLE openlineage (
	target TEXT PRIMARY KEY CHECK (target IN ('url', 'file'))
) STRICT, WITHOUT ROWID;

-- Letters are written with the change of a run's state, whoever makes it: its own process, who finds that this was killed,
-- an agent that lost it. Of pipelines' and steps' runs only; a pipeline's is known by this tag when it begins. (JSON is put together by hand: triggers may not call json_object.)
CREATE TRIGGER openlineage_step_starts AFTER INSERT ON runs
WHEN NEW.step IS NOT NULL AND NEW.status = 'RUNNING' AND EXISTS (SELECT 1 FROM openlineage)
BEGIN
	INSERT INTO outbox (kind, target, cause, body, state, due, created)
	SELECT 'openlineage', target, NEW.run_id || ':START',
	       '{"run":"' || NEW.run_id || '","time":' || NEW.start_time || ',"type":"START"}',
	       'waiting', NEW.start_time, NEW.start_time FROM openlineage WHERE true ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER openlineage_pipeline_starts AFTER INSERT ON tags
WHEN NEW.key = 'mlops.steps' AND EXISTS (SELECT 1 FROM openlineage)
BEGIN
	INSERT INTO outbox (kind, target, cause, body, state, due, created)
	SELECT 'openlineage', o.target, r.run_id || ':START',
	       '{"run":"' || r.run_id || '","time":' || r.start_time || ',"type":"START"}',
	       'waiting', r.start_time, r.start_time FROM openlineage o JOIN runs r ON r.id = NEW.run
	WHERE r.status = 'RUNNING' ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER openlineage_run_ends AFTER UPDATE OF status ON runs
WHEN OLD.status IN ('SCHEDULED', 'RUNNING') AND NEW.status IN ('FINISHED', 'FAILED', 'KILLED')
     AND EXISTS (SELECT 1 FROM openlineage)
     AND (NEW.step IS NOT NULL OR EXISTS (SELECT 1 FROM tags WHERE run = NEW.id AND key = 'mlops.steps'))
BEGIN
	INSERT INTO outbox (kind, target, cause, body, state, due, created)
	SELECT 'openlineage', target, NEW.run_id || ':' || type,
	       '{"run":"' || NEW.run_id || '","time":' || NEW.end_time || ',"type":"' || type || '"}',
	       'waiting', NEW.end_time, NEW.end_time
	FROM openlineage, (SELECT CASE NEW.status WHEN 'FINISHED' THEN 'COMPLETE' WHEN 'FAILED' THEN 'FAIL' ELSE 'ABORT' END AS type)
	WHERE true ON CONFLICT DO NOTHING;
END;
