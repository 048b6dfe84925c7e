-- SPDX-License-Identifier: Apache-2.0
-- Which version answered which request, where the logs of predictions carry ids.

CREATE TABLE predictions (
	key     INTEGER NOT NULL, -- the first 8 bytes of SHA-256 of the id
	monitor INTEGER NOT NULL REFERENCES monitors (id),
	number  INTEGER NOT NULL, -- of the window
	time    INTEGER NOT NULL,
	version INTEGER,          -- id in model_versions; NULL: not known
	PRIMARY KEY (key, monitor, number)
) STRICT, WITHOUT ROWID;
