-- Version 3: when what of a recovery happened, JSON of core/recovery/course. NULL: an older version stored it.

ALTER TABLE recoveries ADD COLUMN course TEXT;
