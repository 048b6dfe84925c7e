-- SPDX-License-Identifier: Apache-2.0
--
-- Registered models and their versions, logged models.

SELECT 1;
