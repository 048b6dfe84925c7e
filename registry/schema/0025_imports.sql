-- SPDX-License-Identifier: Apache-2.0
-- Bundles that came from elsewhere: registry/evidence.h.

CREATE TABLE imports (
	digest   BLOB PRIMARY KEY CHECK (length(digest) = 32), -- of the file
	evidence INTEGER NOT NULL REFERENCES contents (id),    -- all of it but its trees and objects
	roots    TEXT NOT NULL,                                -- canonical JSON
	actor    TEXT NOT NULL,
	time     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What bundles said is missing in them, and was not here either: no damage.
CREATE TABLE import_holes (
	digest BLOB PRIMARY KEY CHECK (length(digest) = 32)
) STRICT, WITHOUT ROWID;
