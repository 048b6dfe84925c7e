-- SPDX-License-Identifier: Apache-2.0
-- Lineage: registry/lineage.h.

CREATE TABLE lineage_nodes (
	id   INTEGER PRIMARY KEY,
	kind TEXT NOT NULL,
	name TEXT NOT NULL,
	time INTEGER NOT NULL,
	UNIQUE (kind, name)
) STRICT;

CREATE TABLE lineage_edges (
	origin INTEGER NOT NULL REFERENCES lineage_nodes (id),
	result INTEGER NOT NULL REFERENCES lineage_nodes (id),
	role   TEXT NOT NULL,
	time   INTEGER NOT NULL,
	PRIMARY KEY (origin, result, role)
) STRICT, WITHOUT ROWID;

CREATE INDEX lineage_edges_up ON lineage_edges (result, origin);
