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
	ended   INTEGER
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX signing_key_active ON signing_keys (state) WHERE state = 'active';
