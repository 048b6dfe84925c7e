-- SPDX-License-Identifier: Apache-2.0
-- Which version answered which request, where the logs of predictions carry ids: registry/predictions.h.

CREATE TABLE prediction_answers (
	id    INTEGER PRIMARY KEY,
	model TEXT NOT NULL,            -- "churn@v7"; where no such version is known, what the row says
	known INTEGER NOT NULL CHECK (known IN (0, 1)),
	alias TEXT NOT NULL DEFAULT '', -- that it had then, when it was found by it, and
	move  INTEGER NOT NULL DEFAULT 0, -- the id in promotions of how it got it; 0: it was not
	UNIQUE (model, known, alias, move)
) STRICT;

-- A window is written at once and in order; by key alone, each of its rows would fall on a page of its own. Who looks for
-- an id asks each window.
CREATE TABLE predictions (
	monitor INTEGER NOT NULL REFERENCES monitors (id),
	number  INTEGER NOT NULL, -- of the window
	key     INTEGER NOT NULL, -- the first 8 bytes of SHA-256 of the id
	time    INTEGER NOT NULL, -- of the row; of its check, where rows have no times
	answer  INTEGER REFERENCES prediction_answers (id), -- NULL: nobody can say
	PRIMARY KEY (monitor, number, key)
) STRICT, WITHOUT ROWID;
