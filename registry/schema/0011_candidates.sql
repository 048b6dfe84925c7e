-- SPDX-License-Identifier: Apache-2.0
--
-- Versions that pipelines made of models with a [model.NAME], and what their gates said.

CREATE TABLE candidates (
	version   INTEGER PRIMARY KEY REFERENCES model_versions (id) ON DELETE CASCADE,
	content   INTEGER NOT NULL REFERENCES contents (id), -- its files
	reference INTEGER REFERENCES contents (id),          -- the table it was trained on
	spec      TEXT NOT NULL, -- [model.NAME] as it was, canonical JSON
	champion  INTEGER,       -- number of the version that it was judged against
	verdict   TEXT NOT NULL CHECK (verdict IN ('passed', 'failed')),
	lines     TEXT NOT NULL, -- of the gate, with what they found, canonical JSON
	metrics   TEXT NOT NULL, -- KEY of the step that made it, STEP.KEY of the others, canonical JSON
	author    TEXT NOT NULL, -- who started the run
	committer TEXT,          -- who made the commit: NAME <MAIL>; author and committer on two lines when they differ
	judged    INTEGER NOT NULL
) STRICT;

-- Files that are kept with it.
CREATE TABLE candidate_files (
	version INTEGER NOT NULL REFERENCES candidates ON DELETE CASCADE,
	role    TEXT NOT NULL CHECK (role IN ('example', 'signature', 'slices', 'limitations')),
	path    TEXT NOT NULL, -- in the project
	content INTEGER NOT NULL REFERENCES contents (id),
	PRIMARY KEY (version, role)
) STRICT, WITHOUT ROWID;
