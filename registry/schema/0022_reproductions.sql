-- SPDX-License-Identifier: Apache-2.0
-- What came of making something again: registry/reproductions.h.

CREATE TABLE reproductions (
	id      INTEGER PRIMARY KEY,
	subject TEXT NOT NULL,
	run_id  TEXT NOT NULL,
	verdict TEXT NOT NULL CHECK (verdict IN ('IDENTICAL', 'EQUIVALENT', 'DIFFERENT', 'IMPOSSIBLE')),
	body    TEXT NOT NULL, -- canonical JSON
	actor   TEXT NOT NULL,
	time    INTEGER NOT NULL
) STRICT;

CREATE INDEX reproductions_by_subject ON reproductions (subject, id);
