-- SPDX-License-Identifier: Apache-2.0
--
-- What steps in containers need: their peak memory is sampled, and a run that takes one over
-- goes on reading its metrics where the last one stopped.

ALTER TABLE attempts ADD COLUMN sampled INTEGER NOT NULL DEFAULT 0 CHECK (sampled IN (0, 1));
ALTER TABLE attempts ADD COLUMN points_read INTEGER NOT NULL DEFAULT 0;  -- bytes of $MLOPS_METRICS
ALTER TABLE attempts ADD COLUMN points_lines INTEGER NOT NULL DEFAULT 0; -- lines of it
