-- SPDX-License-Identifier: Apache-2.0
--
-- Files of runs and models, as the artifact proxy keeps them. Their bytes are objects.

-- What files stand below: the artifacts of a run or of a logged model. The place with the empty root holds all else.
CREATE TABLE file_places (
	id      INTEGER PRIMARY KEY,
	root    TEXT NOT NULL UNIQUE,        -- "0/RUN/artifacts", "0/models/MODEL/artifacts"
	run     INTEGER UNIQUE REFERENCES runs, -- whose artifacts these are; null for others
	changes INTEGER NOT NULL DEFAULT 0,  -- puts and removals so far
	sealed  INTEGER NOT NULL DEFAULT 0   -- how many of them are in the tree that is recorded as the run's output
) STRICT;

INSERT INTO file_places (id, root) VALUES (0, '');

CREATE INDEX file_places_unsealed ON file_places (run) WHERE run IS NOT NULL AND changes <> sealed;

-- Directories are what paths of files imply.
CREATE TABLE files (
	place   INTEGER NOT NULL REFERENCES file_places,
	path    TEXT NOT NULL,
	content INTEGER NOT NULL REFERENCES contents,
	time    INTEGER NOT NULL,
	PRIMARY KEY (place, path)
) STRICT, WITHOUT ROWID;
