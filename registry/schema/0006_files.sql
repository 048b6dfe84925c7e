-- SPDX-License-Identifier: Apache-2.0
--
-- Files of runs and models, as the artifact proxy keeps them.

SELECT 1;
