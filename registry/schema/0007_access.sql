-- SPDX-License-Identifier: Apache-2.0
--
-- Who may do what: users, tokens, permissions.

CREATE TABLE users (
	id       INTEGER PRIMARY KEY,
	name     TEXT NOT NULL UNIQUE,
	password TEXT, -- base/secret.h; null: no login, tokens only
	role     TEXT NOT NULL CHECK (role IN ('viewer', 'engineer', 'approver', 'admin')),
	disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
	created  INTEGER NOT NULL
) STRICT;

CREATE TABLE tokens (
	id        TEXT PRIMARY KEY, -- its second part
	name      TEXT NOT NULL UNIQUE,
	hash      BLOB NOT NULL CHECK (length(hash) = 32), -- SHA-256 of the token
	user      INTEGER REFERENCES users ON DELETE CASCADE, -- whom it stands for; null: for itself
	role      TEXT NOT NULL CHECK (role IN ('viewer', 'engineer', 'approver', 'admin')),
	scopes    TEXT NOT NULL, -- words with a comma between them
	run       TEXT, -- run_id of the only run that it may write
	created   INTEGER NOT NULL,
	expires   INTEGER,
	last_used INTEGER -- to about a minute
) STRICT, WITHOUT ROWID;

CREATE INDEX tokens_by_user ON tokens (user) WHERE user IS NOT NULL;

-- What differs from what the role gives.
CREATE TABLE permissions (
	user   INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
	kind   TEXT NOT NULL CHECK (kind IN ('experiment', 'model')),
	object TEXT NOT NULL, -- an experiment's id, a model's name
	level  TEXT NOT NULL CHECK (level IN ('none', 'read', 'edit', 'manage')),
	PRIMARY KEY (user, kind, object)
) STRICT, WITHOUT ROWID;

-- A model keeps its permissions under a new name, and leaves none behind for the next one of its name.
CREATE TRIGGER permissions_follow AFTER UPDATE OF name ON registered_models WHEN NEW.name <> OLD.name
BEGIN
	DELETE FROM permissions WHERE kind = 'model' AND object = NEW.name;
	UPDATE permissions SET object = NEW.name WHERE kind = 'model' AND object = OLD.name;
END;

CREATE TRIGGER permissions_end AFTER DELETE ON registered_models
BEGIN
	DELETE FROM permissions WHERE kind = 'model' AND object = OLD.name;
END;
