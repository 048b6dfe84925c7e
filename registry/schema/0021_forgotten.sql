-- SPDX-License-Identifier: Apache-2.0
-- What had to be forgotten: registry/forgotten.h.

CREATE TABLE forget_requests (
	id      INTEGER PRIMARY KEY,
	subject TEXT NOT NULL, -- as it was asked
	reason  TEXT NOT NULL,
	asker   TEXT NOT NULL,
	asked   INTEGER NOT NULL,
	state   TEXT NOT NULL CHECK (state IN ('waiting', 'agreed', 'done', 'withdrawn')),
	actor   TEXT,          -- who agreed
	decided INTEGER
) STRICT;

CREATE TABLE forgotten (
	digest  BLOB PRIMARY KEY CHECK (length(digest) = 32),
	request INTEGER NOT NULL REFERENCES forget_requests (id),
	size    INTEGER NOT NULL,
	time    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
