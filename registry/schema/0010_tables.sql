-- SPDX-License-Identifier: Apache-2.0
--
-- What is known of tables by their bytes.

-- Files that fitted a schema. The newest row of a path tells how many rows its last version has.
CREATE TABLE table_checks (
	path    TEXT NOT NULL, -- in the project
	content BLOB NOT NULL CHECK (length(content) = 32), -- the file
	schema  BLOB NOT NULL CHECK (length(schema) = 32),  -- pipeline/tables.h says of what
	rows    INTEGER NOT NULL,
	time    INTEGER NOT NULL,
	PRIMARY KEY (path, content, schema)
) STRICT, WITHOUT ROWID;

-- The profile of a file or directory, read in this way.
CREATE TABLE table_profiles (
	content BLOB NOT NULL CHECK (length(content) = 32),
	format  TEXT NOT NULL,
	profile INTEGER NOT NULL REFERENCES contents,
	PRIMARY KEY (content, format)
) STRICT, WITHOUT ROWID;
