-- Who may write what is collected, and since when what is to be collected.

-- One row a lease. A token is never given twice: a writer names the one it holds inside the transaction that writes, so
-- that whoever slept through the loss of its lease cannot write any more.
CREATE TABLE leases (
  name text PRIMARY KEY,
  token int8 NOT NULL,
  holder text NOT NULL,        -- for people: program, host, process
  instance text NOT NULL,      -- the same for every process of one installation; '' where there is no such thing
  released boolean NOT NULL,   -- given back: free for anybody
  acquired_at timestamptz NOT NULL,
  renewed_at timestamptz NOT NULL
);

-- Tells this history from any other behind the same URL.
CREATE TABLE history_identity (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  history_id uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO history_identity DEFAULT VALUES;

-- From which cycle on an underlying is collected, at which interval and in which hours (as core::to_string writes them),
-- or (no interval) no longer. With the trading calendar this says which cycles were scheduled; collection_runs says what became of each.
CREATE TABLE collection_schedule (
  underlying_id int4 NOT NULL REFERENCES underlyings,
  valid_from timestamptz NOT NULL,
  interval_seconds int4 CHECK (interval_seconds > 0),
  hours text NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (underlying_id, valid_from)
);

-- What collectors did before there was a schedule: an entry wherever the interval changed.
INSERT INTO collection_schedule (underlying_id, valid_from, interval_seconds, hours)
SELECT underlying_id, as_of, interval_seconds, 'equity'
FROM (SELECT underlying_id, as_of, interval_seconds,
             lag(interval_seconds) OVER (PARTITION BY underlying_id ORDER BY as_of) AS before
      FROM collection_runs WHERE source IS DISTINCT FROM 'imported' AND interval_seconds IS NOT NULL) r
WHERE before IS DISTINCT FROM interval_seconds;
