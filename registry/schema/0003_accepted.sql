-- SPDX-License-Identifier: Apache-2.0
--
-- Results that a person declared to be those of another key, too (step.accept).

ALTER TABLE cache ADD COLUMN accepted INTEGER NOT NULL DEFAULT 0 CHECK (accepted IN (0, 1));

-- By the key they were accepted for.
CREATE INDEX events_accepted ON events (after) WHERE operation = 'step.accept';
