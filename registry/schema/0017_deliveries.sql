-- SPDX-License-Identifier: Apache-2.0
--
-- Webhooks that came, by the id that their sender gave them: each counts once.

CREATE TABLE deliveries (
	project  TEXT NOT NULL,
	id       TEXT NOT NULL,
	time     INTEGER NOT NULL,
	result   TEXT NOT NULL, -- what was answered, JSON
	PRIMARY KEY (project, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_by_time ON deliveries (time);
