-- What was known when. A ledger row tells since when its cycle is known (stored_at); what a later row replaced stays readable
-- here for whoever asks what was known before. Readers as known at K take rows with stored_at <= K < superseded_at.

-- The moment of the statement, not of the transaction's start: a writer holds the lock of its underlying by then, so that a
-- reader who has passed that lock has seen everything that will ever carry an earlier stored_at.
ALTER TABLE collection_runs ALTER COLUMN stored_at SET DEFAULT clock_timestamp();

CREATE TABLE superseded_runs (
  underlying_id int4 NOT NULL,
  as_of timestamptz NOT NULL,
  status int2 NOT NULL,
  reason text NOT NULL,
  source text,
  interval_seconds int4,
  started_at timestamptz,
  finished_at timestamptz,
  expected int4,
  received int4 NOT NULL,
  refused int4 NOT NULL,
  underlying_price int8,
  schema_rev int4 NOT NULL,
  stored_at timestamptz NOT NULL,
  superseded_at timestamptz NOT NULL CHECK (superseded_at > stored_at),
  PRIMARY KEY (underlying_id, as_of, stored_at)
);

-- Facts of superseded snapshots, moved here when a cycle is corrected. Units as in option_snapshots.
CREATE TABLE superseded_option_snapshots (
  as_of timestamptz NOT NULL,
  underlying_id int4 NOT NULL,
  contract_id int4 NOT NULL,
  bid int4,
  ask int4,
  last int4,
  bid_size int4,
  ask_size int4,
  volume int4,
  open_interest int4,
  implied_vol int4,
  delta int4,
  gamma int4,
  theta int4,
  vega int4,
  observed_offset_ms int4,
  stored_at timestamptz NOT NULL,  -- of the ledger row they belonged to
  PRIMARY KEY (as_of, underlying_id, contract_id, stored_at)
);

-- Whoever replaces a ledger row, the row before it is kept, and time goes on.
CREATE FUNCTION keep_superseded_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.stored_at := greatest(clock_timestamp(), OLD.stored_at + interval '1 microsecond');
  INSERT INTO superseded_runs (underlying_id, as_of, status, reason, source, interval_seconds, started_at, finished_at,
                               expected, received, refused, underlying_price, schema_rev, stored_at, superseded_at)
  VALUES (OLD.underlying_id, OLD.as_of, OLD.status, OLD.reason, OLD.source, OLD.interval_seconds, OLD.started_at,
          OLD.finished_at, OLD.expected, OLD.received, OLD.refused, OLD.underlying_price, OLD.schema_rev, OLD.stored_at,
          NEW.stored_at);
  RETURN NEW;
END
$$;
CREATE TRIGGER keep_superseded_run BEFORE UPDATE ON collection_runs
  FOR EACH ROW EXECUTE FUNCTION keep_superseded_run();
