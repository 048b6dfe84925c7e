-- SPDX-License-Identifier: Apache-2.0
-- The audit log: registry/audit.h, registry/signing_keys.h.

CREATE TABLE audit_log (
	only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
	id       TEXT NOT NULL -- 32 hex digits: the origin of its checkpoints is mlops/ID
) STRICT;

INSERT INTO audit_log (only_one, id) VALUES (1, lower(hex(randomblob(16))));

CREATE TABLE audit_nodes (
	level INTEGER NOT NULL, -- 0: a leaf
	place INTEGER NOT NULL,
	hash  BLOB NOT NULL CHECK (length(hash) = 32),
	PRIMARY KEY (level, place)
) STRICT, WITHOUT ROWID;

CREATE INDEX events_by_subject ON events (subject);

CREATE TABLE checkpoints (
	size INTEGER PRIMARY KEY,
	root BLOB NOT NULL CHECK (length(root) = 32),
	key  TEXT NOT NULL,
	note TEXT NOT NULL, -- as it was signed
	time INTEGER NOT NULL
) STRICT;

CREATE TABLE signing_keys (
	id      TEXT PRIMARY KEY, -- base/sign.h
	name    TEXT NOT NULL,
	public  BLOB NOT NULL CHECK (length(public) = 32),
	state   TEXT NOT NULL CHECK (state IN ('active', 'retired', 'revoked', 'trusted')),
	reason  TEXT,
	created INTEGER NOT NULL,
	ended   INTEGER,
	last    INTEGER -- size of the log with the event that ended it: no larger one can be signed by it
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX signing_key_active ON signing_keys (state) WHERE state = 'active';

-- Against slips of the hand; who means it drops them, and is found by the checkpoints that others hold.
CREATE TRIGGER audit_nodes_are_not_changed BEFORE UPDATE ON audit_nodes
BEGIN
	SELECT RAISE(ABORT, 'the audit log only grows');
END;

CREATE TRIGGER audit_nodes_are_not_deleted BEFORE DELETE ON audit_nodes
BEGIN
	SELECT RAISE(ABORT, 'the audit log only grows');
END;

CREATE TRIGGER checkpoints_are_not_changed BEFORE UPDATE ON checkpoints
BEGIN
	SELECT RAISE(ABORT, 'checkpoints are never changed');
END;

CREATE TRIGGER checkpoints_are_not_deleted BEFORE DELETE ON checkpoints
BEGIN
	SELECT RAISE(ABORT, 'checkpoints are never deleted');
END;

CREATE TRIGGER signing_keys_are_not_deleted BEFORE DELETE ON signing_keys
BEGIN
	SELECT RAISE(ABORT, 'keys are never deleted');
END;
