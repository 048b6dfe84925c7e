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
	author    TEXT NOT NULL, -- who started the run
	committer TEXT,          -- who made the commit
	judged    INTEGER NOT NULL
) STRICT;
