-- SPDX-License-Identifier: Apache-2.0
-- Signed statements: registry/attestations.h.

CREATE TABLE attestations (
	id        INTEGER PRIMARY KEY,
	subject   TEXT NOT NULL,
	predicate TEXT NOT NULL,
	key       TEXT NOT NULL,
	envelope  INTEGER NOT NULL REFERENCES contents (id),
	seq       INTEGER NOT NULL, -- of its event
	time      INTEGER NOT NULL,
	UNIQUE (subject, predicate, key, envelope)
) STRICT;

-- What they are about.
CREATE TABLE attested (
	digest      BLOB NOT NULL CHECK (length(digest) = 32),
	attestation INTEGER NOT NULL REFERENCES attestations (id),
	PRIMARY KEY (digest, attestation)
) STRICT, WITHOUT ROWID;

-- The policy of trust that a version was made with, which goes before its alias moves.
CREATE TABLE candidate_policies (
	version INTEGER PRIMARY KEY REFERENCES candidates ON DELETE CASCADE,
	path    TEXT NOT NULL, -- in the project
	content INTEGER NOT NULL REFERENCES contents (id)
) STRICT;

CREATE INDEX events_of_ends ON events (subject) WHERE operation IN ('run.start', 'run.end', 'job.end');
