-- SPDX-License-Identifier: Apache-2.0
-- Signed statements: registry/attestations.h.

CREATE TABLE attestations (
	id        INTEGER PRIMARY KEY,
	subject   TEXT NOT NULL,
	predicate TEXT NOT NULL,
	key       TEXT NOT NULL,
	envelope  INTEGER NOT NULL REFERENCES contents (id),
	time      INTEGER NOT NULL,
	UNIQUE (subject, predicate, key, envelope)
) STRICT;
