-- SPDX-License-Identifier: Apache-2.0
--
-- Projects that the agent runs, and the runs that were asked for.

SELECT 1;
