-- SPDX-License-Identifier: Apache-2.0
--
-- Who holds an alias, who held it, and who has to agree before it moves.

-- Every move of an alias, by gate, person, rollback or a client. Who holds it now stands in model_aliases.
CREATE TABLE promotions (
	id     INTEGER PRIMARY KEY, -- their order
	model  INTEGER NOT NULL REFERENCES registered_models ON DELETE CASCADE,
	alias  TEXT NOT NULL,
	before INTEGER,             -- number of the version; NULL: nobody had it
	after  INTEGER NOT NULL,
	how    TEXT NOT NULL CHECK (how IN ('gate', 'approval', 'person', 'rollback')),
	actor  TEXT NOT NULL,
	reason TEXT,
	time   INTEGER NOT NULL
) STRICT;

CREATE INDEX promotions_by_alias ON promotions (model, alias, id);

-- A question for people: may this version have the alias?
CREATE TABLE approvals (
	id      INTEGER PRIMARY KEY,
	model   INTEGER NOT NULL REFERENCES registered_models ON DELETE CASCADE,
	number  INTEGER NOT NULL,
	alias   TEXT NOT NULL,
	who     TEXT NOT NULL, -- JSON: roles or users
	state   TEXT NOT NULL CHECK (state IN ('waiting', 'approved', 'rejected', 'expired', 'superseded')),
	asker   TEXT NOT NULL, -- who wants it
	asked   INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	decided INTEGER,
	actor   TEXT,
	reason  TEXT
) STRICT;

CREATE INDEX approvals_waiting ON approvals (expires) WHERE state = 'waiting';

-- Versions that may not have the alias again by itself, and aliases that move by people only.
CREATE TABLE rejected_versions (
	model  INTEGER NOT NULL REFERENCES registered_models ON DELETE CASCADE,
	number INTEGER NOT NULL,
	reason TEXT NOT NULL,
	PRIMARY KEY (model, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE held_aliases (
	model INTEGER NOT NULL REFERENCES registered_models ON DELETE CASCADE,
	alias TEXT NOT NULL,
	actor TEXT NOT NULL,
	since INTEGER NOT NULL,
	PRIMARY KEY (model, alias)
) STRICT, WITHOUT ROWID;

-- Cards of versions as they were when the version was made.
CREATE TABLE version_cards (
	version  INTEGER PRIMARY KEY REFERENCES model_versions (id) ON DELETE CASCADE,
	json     INTEGER NOT NULL REFERENCES contents (id),
	markdown INTEGER NOT NULL REFERENCES contents (id),
	time     INTEGER NOT NULL
) STRICT;
