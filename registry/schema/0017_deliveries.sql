-- SPDX-License-Identifier: Apache-2.0
--
-- Webhooks that came: each counts once, by the id that its sender gave it and by the digest of its body, which is what
-- its signature covers.

CREATE TABLE deliveries (
	project TEXT NOT NULL,
	id      TEXT NOT NULL,
	digest  BLOB NOT NULL CHECK (length(digest) = 32),
	time    INTEGER NOT NULL,
	result  TEXT NOT NULL, -- what was answered, JSON
	PRIMARY KEY (project, digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_by_id ON deliveries (project, id);
CREATE INDEX deliveries_by_time ON deliveries (time);
