-- SPDX-License-Identifier: Apache-2.0
--
-- What an MLflow client logs: experiments, runs, data sets.

SELECT 1;
