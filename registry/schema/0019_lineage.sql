-- SPDX-License-Identifier: Apache-2.0
--
-- Lineage: registry/lineage.h. Whoever writes a fact writes its nodes and edges, too, because triggers do; each kind of fact
-- has a view of its edges, which serves its triggers and, below, the facts of before.

CREATE TABLE lineage_nodes (
	id   INTEGER PRIMARY KEY,
	kind TEXT NOT NULL,
	name TEXT NOT NULL,
	time INTEGER NOT NULL, -- since when it is known
	UNIQUE (kind, name)
) STRICT;

-- From what was there to what came of it.
CREATE TABLE lineage_edges (
	origin INTEGER NOT NULL REFERENCES lineage_nodes (id),
	result INTEGER NOT NULL REFERENCES lineage_nodes (id),
	role   TEXT NOT NULL,
	path   TEXT NOT NULL DEFAULT '', -- of an object, where it was read or made
	time   INTEGER NOT NULL,
	PRIMARY KEY (origin, result, role, path)
) STRICT, WITHOUT ROWID;

CREATE INDEX lineage_edges_up ON lineage_edges (result, origin);

-- Edges by the names of their ends. An insert makes what is missing of them; `to_name` NULL: there is no such edge.
-- ON CONFLICT, and not OR IGNORE: that would become OR REPLACE in the triggers of a statement that replaces.
CREATE VIEW lineage AS
SELECT f.kind AS from_kind, f.name AS from_name, t.kind AS to_kind, t.name AS to_name, e.role, e.path, e.time
FROM lineage_edges e JOIN lineage_nodes f ON f.id = e.origin JOIN lineage_nodes t ON t.id = e.result;

CREATE TRIGGER lineage_insert INSTEAD OF INSERT ON lineage WHEN NEW.from_name IS NOT NULL AND NEW.to_name IS NOT NULL
BEGIN
	INSERT INTO lineage_nodes (kind, name, time) VALUES (NEW.from_kind, NEW.from_name, NEW.time) ON CONFLICT DO NOTHING;
	INSERT INTO lineage_nodes (kind, name, time) VALUES (NEW.to_kind, NEW.to_name, NEW.time) ON CONFLICT DO NOTHING;
	INSERT INTO lineage_edges (origin, result, role, path, time)
		SELECT f.id, t.id, NEW.role, NEW.path, NEW.time FROM lineage_nodes f, lineage_nodes t
		WHERE f.kind = NEW.from_kind AND f.name = NEW.from_name AND t.kind = NEW.to_kind AND t.name = NEW.to_name
		ON CONFLICT DO NOTHING;
END;

-- A file is one object whether or not it may be executed.
CREATE VIEW lineage_objects AS
SELECT id, iif(kind = 'tree', 'tree:', 'file:') || lower(hex(digest)) AS name FROM contents;

CREATE VIEW lineage_versions AS
SELECT v.id, v.model, v.number, m.name || '@v' || v.number AS name, v.creation_time AS time
FROM model_versions v JOIN registered_models m ON m.id = v.model;

-- ---- runs ----

-- What a step or a client read and made. A pipeline's run only sums up what its steps did: an edge from its inputs to its
-- outputs would say that each of them made each of these.
CREATE VIEW lineage_of_contents AS
SELECT c.run, c.direction, c.path AS place,
	iif(c.direction = 'in', 'object', 'run') AS from_kind, iif(c.direction = 'in', o.name, r.run_id) AS from_name,
	iif(c.direction = 'in', 'run', 'object') AS to_kind, iif(c.direction = 'in', r.run_id, o.name) AS to_name,
	c.use AS role, c.path, r.start_time AS time
FROM run_contents c JOIN runs r ON r.id = c.run JOIN lineage_objects o ON o.id = c.content
WHERE c.use <> 'code' AND (r.step IS NOT NULL OR c.use = 'artifacts');

-- A run, and those that it is part of: what is known of the code and the trigger is known of the outermost.
CREATE VIEW lineage_parts AS
SELECT id AS run, id AS whole FROM runs
UNION ALL SELECT id, parent FROM runs WHERE parent IS NOT NULL
UNION ALL SELECT r.id, p.parent FROM runs r JOIN runs p ON p.id = r.parent WHERE p.parent IS NOT NULL;

CREATE VIEW lineage_of_code AS
SELECT p.run, p.whole, 'commit' AS from_kind, t.value AS from_name, 'run' AS to_kind, r.run_id AS to_name,
	'commit' AS role, '' AS path, r.start_time AS time
FROM lineage_parts p JOIN runs r ON r.id = p.run JOIN tags t ON t.run = p.whole AND t.key = 'mlflow.source.git.commit'
UNION ALL SELECT p.run, p.whole, 'object', o.name, 'run', r.run_id, 'code', c.path, r.start_time
FROM lineage_parts p JOIN runs r ON r.id = p.run JOIN run_contents c ON c.run = p.whole AND c.direction = 'in'
	AND c.use = 'code' JOIN lineage_objects o ON o.id = c.content;

CREATE VIEW lineage_of_firing AS
SELECT f.id AS firing, p.run, 'firing' AS from_kind, 'firing:' || f.id AS from_name, 'run' AS to_kind, r.run_id AS to_name,
	'started' AS role, '' AS path, f.created AS time
FROM firings f JOIN runs w ON w.run_id = f.run_id JOIN lineage_parts p ON p.whole = w.id JOIN runs r ON r.id = p.run;

-- A pipeline's run is made of its steps; any other is part of what its parent does.
CREATE VIEW lineage_of_parent AS
SELECT r.id AS run, 'run' AS from_kind, iif(r.step IS NULL, p.run_id, r.run_id) AS from_name, 'run' AS to_kind,
	iif(r.step IS NULL, r.run_id, p.run_id) AS to_name, iif(r.step IS NULL, 'within', 'step') AS role, '' AS path,
	r.start_time AS time
FROM runs r JOIN runs p ON p.id = r.parent;

-- A result that was taken from the cache. When its run is not known here, what that made is. What stands in records, as
-- images do, is for lineage_attempt of registry/lineage.h: no function of JSON may be used by a schema.
CREATE VIEW lineage_of_attempt AS
SELECT a.id AS attempt, 'run' AS from_kind, a.source AS from_name, 'run' AS to_kind, p.run_id AS to_name, 'cached' AS role,
	a.step AS path, a.start_time AS time
FROM attempts a JOIN runs p ON p.id = a.parent WHERE a.state = 'cached' AND a.source IS NOT NULL
UNION ALL SELECT a.id, 'run', a.source, 'object', o.name, 'out', c.path, a.start_time
FROM attempts a JOIN cache_outputs c ON c.key = a.key JOIN lineage_objects o ON o.id = c.content
WHERE a.state = 'cached' AND a.source IS NOT NULL AND NOT EXISTS (SELECT 1 FROM runs WHERE run_id = a.source);

CREATE TRIGGER lineage_run AFTER INSERT ON runs
BEGIN
	INSERT INTO lineage_nodes (kind, name, time) VALUES ('run', NEW.run_id, NEW.start_time) ON CONFLICT DO NOTHING;
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_parent
		WHERE run = NEW.id;
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_code
		WHERE run = NEW.id;
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_firing
		WHERE run = NEW.id;
END;

CREATE TRIGGER lineage_run_parent AFTER UPDATE OF parent ON runs WHEN NEW.parent IS NOT OLD.parent
BEGIN
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_parent
		WHERE run = NEW.id;
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_code
		WHERE run = NEW.id;
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_firing
		WHERE run = NEW.id;
END;

CREATE TRIGGER lineage_content AFTER INSERT ON run_contents WHEN NEW.use <> 'code'
BEGIN
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_contents
		WHERE run = NEW.run AND direction = NEW.direction AND place = NEW.path;
END;

CREATE TRIGGER lineage_content_changed AFTER UPDATE ON run_contents WHEN NEW.use <> 'code'
BEGIN
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_contents
		WHERE run = NEW.run AND direction = NEW.direction AND place = NEW.path;
END;

CREATE TRIGGER lineage_code AFTER INSERT ON run_contents WHEN NEW.use = 'code'
BEGIN
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_code
		WHERE whole = NEW.run;
END;

CREATE TRIGGER lineage_commit AFTER INSERT ON tags WHEN NEW.key = 'mlflow.source.git.commit'
BEGIN
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_code
		WHERE whole = NEW.run;
END;

CREATE TRIGGER lineage_commit_changed AFTER UPDATE ON tags WHEN NEW.key = 'mlflow.source.git.commit'
BEGIN
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_code
		WHERE whole = NEW.run;
END;

CREATE TRIGGER lineage_attempt AFTER INSERT ON attempts WHEN NEW.state = 'cached'
BEGIN
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_attempt
		WHERE attempt = NEW.id;
END;

CREATE TRIGGER lineage_attempt_changed AFTER UPDATE ON attempts WHEN NEW.state = 'cached'
BEGIN
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_attempt
		WHERE attempt = NEW.id;
END;

-- ---- versions of artifacts ----

CREATE VIEW lineage_of_artifact AS
SELECT v.artifact, v.number, 'object' AS from_kind, o.name AS from_name, 'version' AS to_kind,
	a.name || '@v' || v.number AS to_name, 'content' AS role, '' AS path, v.created AS time
FROM artifact_versions v JOIN artifacts a ON a.id = v.artifact JOIN lineage_objects o ON o.id = v.content
UNION ALL SELECT v.artifact, v.number, 'run', r.run_id, 'version', a.name || '@v' || v.number, 'made', '', v.created
FROM artifact_versions v JOIN artifacts a ON a.id = v.artifact JOIN runs r ON r.id = v.run;

CREATE TRIGGER lineage_artifact AFTER INSERT ON artifact_versions
BEGIN
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_artifact
		WHERE artifact = NEW.artifact AND number = NEW.number;
END;

-- ---- what clients of MLflow say ----

CREATE VIEW lineage_of_dataset AS
SELECT l.run, l.dataset, 'dataset' AS from_kind, d.name || '#' || d.digest AS from_name, 'run' AS to_kind, r.run_id AS to_name,
	'dataset' AS role, '' AS path, r.start_time AS time
FROM run_datasets l JOIN runs r ON r.id = l.run JOIN datasets d ON d.id = l.dataset;

CREATE VIEW lineage_of_logged_model AS
SELECT r.run_id, m.model_id, 'run' AS from_kind, r.run_id AS from_name, 'logged' AS to_kind, m.model_id AS to_name,
	'made' AS role, '' AS path, m.creation_time AS time
FROM logged_models m JOIN runs r ON r.run_id = m.source_run_id;

CREATE VIEW lineage_of_run_model AS
SELECT l.run, l.direction, l.model_id, iif(l.direction = 'in', 'logged', 'run') AS from_kind,
	iif(l.direction = 'in', l.model_id, r.run_id) AS from_name, iif(l.direction = 'in', 'run', 'logged') AS to_kind,
	iif(l.direction = 'in', r.run_id, l.model_id) AS to_name, iif(l.direction = 'in', 'used', 'made') AS role, '' AS path,
	r.start_time AS time
FROM run_models l JOIN runs r ON r.id = l.run;

CREATE TRIGGER lineage_dataset AFTER INSERT ON run_datasets
BEGIN
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_dataset
		WHERE run = NEW.run AND dataset = NEW.dataset;
END;

CREATE TRIGGER lineage_logged_model AFTER INSERT ON logged_models
BEGIN
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_logged_model
		WHERE model_id = NEW.model_id;
END;

CREATE TRIGGER lineage_run_model AFTER INSERT ON run_models
BEGIN
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_run_model
		WHERE run = NEW.run AND direction = NEW.direction AND model_id = NEW.model_id;
END;

-- ---- registered models ----

-- The run of a pipeline only registered it: the step that made its files is found by them.
CREATE VIEW lineage_of_version AS
SELECT v.id AS version, 'run' AS from_kind, m.run_id AS from_name, 'model' AS to_kind, v.name AS to_name,
	iif(EXISTS (SELECT 1 FROM runs r JOIN attempts a ON a.parent = r.id WHERE r.run_id = m.run_id), 'registered', 'made')
	AS role, '' AS path, v.time
FROM lineage_versions v JOIN model_versions m ON m.id = v.id WHERE m.run_id <> ''
UNION ALL SELECT v.id, 'logged', m.model_id, 'model', v.name, 'registered', '', v.time
FROM lineage_versions v JOIN model_versions m ON m.id = v.id WHERE m.model_id <> '';

CREATE VIEW lineage_of_candidate AS
SELECT c.version, 'object' AS from_kind, o.name AS from_name, 'model' AS to_kind, v.name AS to_name, 'files' AS role,
	'' AS path, v.time
FROM candidates c JOIN lineage_versions v ON v.id = c.version JOIN lineage_objects o ON o.id = c.content
UNION ALL SELECT c.version, 'object', o.name, 'model', v.name, 'reference', '', v.time
FROM candidates c JOIN lineage_versions v ON v.id = c.version JOIN lineage_objects o ON o.id = c.reference
UNION ALL SELECT c.version, 'model', v.name, 'gate', v.name || '/gate', 'judged', '', c.judged
FROM candidates c JOIN lineage_versions v ON v.id = c.version
UNION ALL SELECT c.version, 'model', h.name, 'gate', v.name || '/gate', 'champion', '', c.judged
FROM candidates c JOIN lineage_versions v ON v.id = c.version
	JOIN lineage_versions h ON h.model = v.model AND h.number = c.champion;

CREATE VIEW lineage_of_candidate_file AS
SELECT f.version, f.role AS file, 'object' AS from_kind, o.name AS from_name, 'model' AS to_kind, v.name AS to_name, f.role,
	f.path, v.time
FROM candidate_files f JOIN lineage_versions v ON v.id = f.version JOIN lineage_objects o ON o.id = f.content;

CREATE VIEW lineage_of_card AS
SELECT c.version, 'model' AS from_kind, v.name AS from_name, 'object' AS to_kind, o.name AS to_name, 'card' AS role, '' AS path,
	c.time
FROM version_cards c JOIN lineage_versions v ON v.id = c.version JOIN lineage_objects o ON o.id IN (c.json, c.markdown);

CREATE VIEW lineage_of_approval AS
SELECT a.id AS approval, 'model' AS from_kind, v.name AS from_name, 'approval' AS to_kind, 'approval:' || a.id AS to_name,
	'asked' AS role, '' AS path, a.asked AS time
FROM approvals a JOIN lineage_versions v ON v.model = a.model AND v.number = a.number;

-- The moves of an alias are counted from 1.
CREATE VIEW lineage_moves AS
SELECT p.id, p.model, p.alias, p.after, p.how, p.time, m.name || '@' || p.alias || '#' ||
	(SELECT count(*) FROM promotions b WHERE b.model = p.model AND b.alias = p.alias AND b.id <= p.id) AS name
FROM promotions p JOIN registered_models m ON m.id = p.model;

CREATE VIEW lineage_of_move AS
SELECT p.id AS move, 'model' AS from_kind, v.name AS from_name, 'alias' AS to_kind, p.name AS to_name, 'moved' AS role,
	'' AS path, p.time
FROM lineage_moves p JOIN lineage_versions v ON v.model = p.model AND v.number = p.after
UNION ALL SELECT p.id, 'gate', v.name || '/gate', 'alias', p.name, 'passed', '', p.time
FROM lineage_moves p JOIN lineage_versions v ON v.model = p.model AND v.number = p.after
	JOIN candidates c ON c.version = v.id WHERE p.how IN ('gate', 'approval')
UNION ALL SELECT p.id, 'approval', 'approval:' || (SELECT max(a.id) FROM approvals a WHERE a.model = p.model
		AND a.number = p.after AND a.alias = p.alias AND a.asked <= p.time), 'alias', p.name, 'approved', '', p.time
FROM lineage_moves p WHERE p.how = 'approval';

CREATE TRIGGER lineage_version AFTER INSERT ON model_versions
BEGIN
	INSERT INTO lineage_nodes (kind, name, time) SELECT 'model', name, time FROM lineage_versions WHERE id = NEW.id
		ON CONFLICT DO NOTHING;
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_version
		WHERE version = NEW.id;
END;

CREATE TRIGGER lineage_candidate AFTER INSERT ON candidates
BEGIN
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_candidate
		WHERE version = NEW.version;
END;

CREATE TRIGGER lineage_candidate_file AFTER INSERT ON candidate_files
BEGIN
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_candidate_file
		WHERE version = NEW.version AND file = NEW.role;
END;

CREATE TRIGGER lineage_card AFTER INSERT ON version_cards
BEGIN
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_card
		WHERE version = NEW.version;
END;

CREATE TRIGGER lineage_approval AFTER INSERT ON approvals
BEGIN
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_approval
		WHERE approval = NEW.id;
END;

CREATE TRIGGER lineage_move AFTER INSERT ON promotions
BEGIN
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_move
		WHERE move = NEW.id;
END;

-- A node is found by what its model is called now. One of a model that is gone gives its name to the next of that name.
CREATE TRIGGER lineage_model_renamed AFTER UPDATE OF name ON registered_models WHEN NEW.name <> OLD.name
BEGIN
	UPDATE lineage_nodes SET name = NEW.name || substr(name, length(OLD.name) + 1)
		WHERE kind IN ('model', 'gate', 'alias') AND name >= OLD.name || '@' AND name < OLD.name || 'A'
		AND instr(substr(name, length(OLD.name) + 1), '~') = 0;
END;

CREATE TRIGGER lineage_model_deleted AFTER DELETE ON registered_models
BEGIN
	UPDATE lineage_nodes SET name = name || '~' || id
		WHERE kind IN ('model', 'gate', 'alias') AND name >= OLD.name || '@' AND name < OLD.name || 'A'
		AND instr(substr(name, length(OLD.name) + 1), '~') = 0;
END;

-- ---- windows and triggers ----

CREATE VIEW lineage_of_window AS
SELECT w.monitor, w.number, 'object' AS from_kind, o.name AS from_name, 'window' AS to_kind, m.name || '#' || w.number AS to_name,
	'reference' AS role, '' AS path, w.judged AS time
FROM monitor_windows w JOIN monitors m ON m.id = w.monitor JOIN lineage_objects o ON o.id = m.profile;

-- Why it fired: a window that drifted, a new version of data, a commit, the end of another run. Causes are drift:MONITOR:N:...,
-- data:PATH:vN, push:REF:SHA, pipeline:RUN_ID.
CREATE VIEW lineage_of_cause AS
SELECT id AS firing, 'window' AS from_kind, substr(cause, 7, instr(substr(cause, 7), ':') - 1) || '#' ||
	CAST(substr(cause, 7 + instr(substr(cause, 7), ':')) AS INTEGER) AS from_name, 'firing' AS to_kind,
	'firing:' || id AS to_name, 'cause' AS role, '' AS path, created AS time
FROM firings WHERE kind = 'drift' AND cause LIKE 'drift:%:%'
UNION ALL SELECT id, 'version', substr(rtrim(cause, '0123456789'), 6, length(rtrim(cause, '0123456789')) - 7) || '@v' ||
	substr(cause, length(rtrim(cause, '0123456789')) + 1), 'firing', 'firing:' || id, 'cause', '', created
FROM firings WHERE kind = 'data' AND rtrim(cause, '0123456789') LIKE 'data:%:v'
UNION ALL SELECT id, 'commit', substr(cause, length(rtrim(cause, '0123456789abcdef')) + 1), 'firing', 'firing:' || id, 'cause',
	'', created
FROM firings WHERE kind IN ('push', 'pull_request', 'tag') AND rtrim(cause, '0123456789abcdef') LIKE '%:'
UNION ALL SELECT id, 'run', substr(cause, 10), 'firing', 'firing:' || id, 'cause', '', created
FROM firings WHERE kind = 'pipeline' AND cause LIKE 'pipeline:%';

CREATE TRIGGER lineage_window AFTER INSERT ON monitor_windows
BEGIN
	INSERT INTO lineage_nodes (kind, name, time) SELECT 'window', name || '#' || NEW.number, NEW.judged FROM monitors
		WHERE id = NEW.monitor ON CONFLICT DO NOTHING;
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_window
		WHERE monitor = NEW.monitor AND number = NEW.number;
END;

CREATE TRIGGER lineage_firing AFTER INSERT ON firings
BEGIN
	INSERT INTO lineage_nodes (kind, name, time) VALUES ('firing', 'firing:' || NEW.id, NEW.created) ON CONFLICT DO NOTHING;
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_cause
		WHERE firing = NEW.id;
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_firing
		WHERE firing = NEW.id;
END;

CREATE TRIGGER lineage_firing_runs AFTER UPDATE OF run_id ON firings WHEN NEW.run_id IS NOT OLD.run_id
BEGIN
	INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_firing
		WHERE firing = NEW.id;
END;

-- ---- facts of before ----

INSERT INTO lineage_nodes (kind, name, time) SELECT 'run', run_id, start_time FROM runs;
INSERT INTO lineage_nodes (kind, name, time) SELECT 'model', name, time FROM lineage_versions;
INSERT INTO lineage_nodes (kind, name, time) SELECT 'firing', 'firing:' || id, created FROM firings;
INSERT INTO lineage_nodes (kind, name, time)
	SELECT 'window', m.name || '#' || w.number, w.judged FROM monitor_windows w JOIN monitors m ON m.id = w.monitor;

INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_parent;
INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_code;
INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_contents;
INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_attempt;
INSERT INTO lineage
	SELECT 'image', substr(image, instr(image, 'sha256:')), 'run', run_id, 'image', iif(instr(image, '@'), image, ''), time
	FROM (SELECT r.run_id, iif(json_valid(a.record), a.record ->> '$.image', NULL) AS image, a.start_time AS time
		FROM attempts a JOIN runs r ON r.id = a.run) WHERE instr(image, 'sha256:');
INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_artifact;
INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_dataset;
INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_logged_model;
INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_run_model;
INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_version;
INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_candidate;
INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_candidate_file;
INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_card;
INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_approval;
INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_move;
INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_window;
INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_cause;
INSERT INTO lineage SELECT from_kind, from_name, to_kind, to_name, role, path, time FROM lineage_of_firing;
