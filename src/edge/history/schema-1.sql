-- Version 1. Numbers stand for the words in row.rs. Identifiers of 32 hexadecimal digits are blobs of 16 bytes,
-- any other is the text itself. Times are milliseconds since the epoch.
--
-- The checks are what PRAGMA integrity_check finds a damaged row by.

CREATE TABLE deaths (
    id INTEGER PRIMARY KEY,
    boot ANY NOT NULL,
    unit TEXT NOT NULL,
    invocation BLOB NOT NULL CHECK (length(invocation) = 16 AND invocation <> zeroblob(16)),
    name TEXT NOT NULL,
    severity INTEGER NOT NULL CHECK (severity BETWEEN 0 AND 1),
    pid INTEGER CHECK (pid BETWEEN 0 AND 4294967295),
    reason TEXT NOT NULL,
    at INTEGER NOT NULL CHECK (at >= 0),
    backtrace TEXT,
    witness INTEGER NOT NULL CHECK (witness BETWEEN 0 AND 2),
    -- 0 open, 1 held: nothing was decided yet.
    fate INTEGER NOT NULL CHECK (fate BETWEEN 0 AND 5),
    -- 1: nothing is to be done about it any more. It may go.
    done INTEGER NOT NULL CHECK (done BETWEEN 0 AND 1),
    UNIQUE (invocation, unit, boot)
) STRICT;

-- For the oldest that may go and the oldest that may not, for the age, and for the open and held ones.
CREATE INDEX deaths_done ON deaths (done);
CREATE INDEX deaths_at ON deaths (done, at);
CREATE INDEX deaths_undecided ON deaths (unit) WHERE fate < 2;

CREATE TABLE reports (
    seq INTEGER PRIMARY KEY CHECK (seq BETWEEN 1 AND 9007199254740991),
    id ANY NOT NULL UNIQUE,
    lane TEXT NOT NULL,
    channel INTEGER NOT NULL CHECK (channel BETWEEN 0 AND 1),
    death INTEGER NOT NULL REFERENCES deaths (id) ON DELETE CASCADE,
    -- 0 waiting, 1 sent, 2 refused.
    state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 2),
    settled INTEGER CHECK (settled >= 0),
    why TEXT
) STRICT;

CREATE INDEX reports_death ON reports (death);
CREATE INDEX reports_waiting ON reports (lane, seq) WHERE state = 0;

-- Payloads of waiting reports, in a table of their own so that their pages become free when the reports are sent. A
-- recovery's report has none here if it is the very text of the recovery.
CREATE TABLE payloads (
    seq INTEGER PRIMARY KEY REFERENCES reports (seq) ON DELETE CASCADE,
    payload BLOB NOT NULL
) STRICT;

CREATE TABLE recoveries (
    death INTEGER PRIMARY KEY REFERENCES deaths (id) ON DELETE CASCADE,
    ward TEXT NOT NULL,
    outcome TEXT NOT NULL,
    at INTEGER NOT NULL CHECK (at >= 0),
    record TEXT NOT NULL
) STRICT;

-- The invocations of deaths dropped last: whoever still knows them must not take them for new.
CREATE TABLE dropped (
    id INTEGER PRIMARY KEY,
    invocation BLOB NOT NULL UNIQUE CHECK (length(invocation) = 16)
) STRICT;

-- One row: how far the journal was read, and how many deaths were dropped for the bound, ever.
CREATE TABLE ledger (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    cursor TEXT,
    dropped_sent INTEGER NOT NULL CHECK (dropped_sent >= 0),
    dropped_unsent INTEGER NOT NULL CHECK (dropped_unsent >= 0)
) STRICT;

INSERT INTO ledger (one, dropped_sent, dropped_unsent) VALUES (1, 0, 0);
