-- SPDX-License-Identifier: Apache-2.0
--
-- Requests that brought rows to a monitor under a key of the client, so that a repeated one brings none.

CREATE TABLE ingested (
	monitor TEXT NOT NULL,
	key     TEXT NOT NULL,
	rows    INTEGER NOT NULL,
	time    INTEGER NOT NULL,
	PRIMARY KEY (monitor, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX ingested_by_time ON ingested (time);
