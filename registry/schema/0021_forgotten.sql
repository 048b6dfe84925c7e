-- SPDX-License-Identifier: Apache-2.0
-- What had to be forgotten: registry/forgotten.h.

CREATE TABLE forget_requests (
	id      INTEGER PRIMARY KEY,
	subject TEXT NOT NULL, -- as it was asked
	reason  TEXT NOT NULL,
	asker   TEXT NOT NULL,
	asked   INTEGER NOT NULL,
	state   TEXT NOT NULL CHECK (state IN ('waiting', 'agreed', 'done', 'withdrawn')),
	actor   TEXT,          -- who agreed, or withdrew it
	decided INTEGER,
	impact  TEXT NOT NULL  -- what was shown when it was asked, canonical JSON
) STRICT;

-- What would go, as it was shown to both.
CREATE TABLE forget_contents (
	request INTEGER NOT NULL REFERENCES forget_requests,
	digest  BLOB NOT NULL CHECK (length(digest) = 32),
	size    INTEGER NOT NULL,
	PRIMARY KEY (request, digest)
) STRICT, WITHOUT ROWID;

-- Remotes that may still hold it, because they could not be asked.
CREATE TABLE forget_remotes (
	request INTEGER NOT NULL REFERENCES forget_requests,
	remote  TEXT NOT NULL, -- [remote.NAME]
	why     TEXT NOT NULL,
	time    INTEGER NOT NULL,
	PRIMARY KEY (request, remote)
) STRICT, WITHOUT ROWID;

CREATE TABLE forgotten (
	digest  BLOB PRIMARY KEY CHECK (length(digest) = 32),
	request INTEGER NOT NULL REFERENCES forget_requests (id),
	size    INTEGER NOT NULL,
	time    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
