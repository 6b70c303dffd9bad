-- Version 2: full restarts of a stack. Each is a row of deaths as well, whose unit is the stack's; its invocation is the
-- restart's id.

CREATE TABLE restarts (
    death INTEGER PRIMARY KEY REFERENCES deaths (id) ON DELETE CASCADE,
    stack TEXT NOT NULL,
    caller TEXT NOT NULL,
    -- The run of the stack's unit that it ended.
    ended BLOB CHECK (length(ended) = 16),
    -- The death that led to it, of the same boot.
    cause_unit TEXT,
    cause_invocation BLOB CHECK (length(cause_invocation) = 16),
    -- When it was over, and how it went: 0 restarted, 1 failed. NULL: it is under way, or nobody lived to tell.
    over INTEGER CHECK (over >= 0),
    outcome INTEGER CHECK (outcome BETWEEN 0 AND 1),
    trouble TEXT
) STRICT;

CREATE INDEX restarts_ended ON restarts (ended) WHERE ended IS NOT NULL;
CREATE INDEX restarts_cause ON restarts (cause_invocation) WHERE cause_invocation IS NOT NULL;
