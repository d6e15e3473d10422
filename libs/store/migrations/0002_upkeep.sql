-- Daily roll-ups, and what upkeep has done. A day is a calendar day in New York.
-- {{timeseries day}} is as {{timeseries}}, for tables cut by day.

CREATE FUNCTION make_daily_timeseries(fact text, chunk interval) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
    EXECUTE format('SELECT create_hypertable(%L::regclass, by_range(%L, %L::interval), create_default_indexes => false)',
                   fact, 'day', chunk);
  ELSE
    EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', fact || '_default', fact);
  END IF;
END
$$;

-- One row per contract and day on which it was collected, from option_snapshots of cycles in the ledger.
CREATE TABLE option_daily (
  day date NOT NULL,
  underlying_id int4 NOT NULL,
  contract_id int4 NOT NULL,
  -- Middle of bid and ask, currency per share, over the cycles with a market: both sides there, ask positive, not crossed.
  mid_open float8,
  mid_high float8,
  mid_low float8,
  mid_close float8,
  average_spread float8,
  n int4 NOT NULL,              -- cycles with a market, on which the five values above rest
  close_as_of timestamptz NOT NULL,  -- the last cycle with a market, or the last one if there is none
  implied_vol_close int4,       -- 1e-6, of close_as_of
  volume int4,                  -- the day's last
  open_interest int4,           -- the day's last
  open_interest_change int8,    -- against the trading day before
  PRIMARY KEY (day, underlying_id, contract_id)
) {{timeseries day}};
SELECT make_daily_timeseries('option_daily', '30 days');

-- One row per underlying, day and origin. What we saw ourselves and what the broker's historical bars say never share a row.
CREATE TABLE underlying_daily (
  underlying_id int4 NOT NULL REFERENCES underlyings,
  day date NOT NULL,
  origin text NOT NULL CHECK (origin IN ('snapshots', 'broker')),
  source text NOT NULL,         -- live, delayed, imported, simulated; several with commas, simulated only alone
  open int8,
  high int8,
  low int8,
  close int8,
  close_as_of timestamptz,
  implied_vol_30d_open float8,
  implied_vol_30d_high float8,
  implied_vol_30d_low float8,
  implied_vol_30d_close float8,
  implied_vol_30d_close_as_of timestamptz,
  historical_vol_20d float8,
  historical_vol_30d float8,
  -- implied_vol_30d_close among those of the same origin in the 365 days before, n of them; 0 to 1.
  iv_rank float8,
  iv_percentile float8,
  iv_rank_n int4 NOT NULL DEFAULT 0,
  put_volume int8,
  call_volume int8,
  put_open_interest int8,
  call_open_interest int8,
  skew_25_delta float8,         -- of implied_vol_30d_close_as_of
  term_slope float8,            -- of implied_vol_30d_close_as_of
  n int4 NOT NULL DEFAULT 0,    -- cycles with a snapshot
  -- The ledger as it was when the day was rolled up; another one now means that it must be done again.
  received int8,
  ledger_stored_at timestamptz,
  stored_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (underlying_id, day, origin)
);
CREATE INDEX underlying_daily_day ON underlying_daily (day);

-- Upkeep asks for what was written since it last looked.
CREATE INDEX collection_runs_stored_at ON collection_runs (stored_at);

-- The last result of each task of upkeep.
CREATE TABLE maintenance_runs (
  task text PRIMARY KEY,
  started_at timestamptz NOT NULL,
  finished_at timestamptz NOT NULL,
  ok boolean NOT NULL,
  problem text NOT NULL DEFAULT '' CHECK (ok = (problem = '')),
  counts json NOT NULL DEFAULT '{}',
  last_ok_at timestamptz,
  through_day date,             -- the newest closed day that the last good run covered
  ledger_seen_until timestamptz -- stored_at up to which the ledger was looked through
);

-- What the database was when a program of ours last migrated or kept it, and how far retention has gone. One row.
CREATE TABLE db_info (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  tier text NOT NULL,
  server_version text NOT NULL,
  timescaledb_version text,
  quotes_kept_from timestamptz, -- quotes and changes before were dropped; none: nothing was
  recorded_at timestamptz NOT NULL DEFAULT now()
);

-- Rows in option_snapshots against `received` in the ledger, day by day.
CREATE TABLE row_checks (
  day date PRIMARY KEY,
  cycles int4 NOT NULL,
  rows int8 NOT NULL,
  mismatches int4 NOT NULL,
  checked_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE row_check_mismatches (
  underlying_id int4 NOT NULL,
  as_of timestamptz NOT NULL,
  day date NOT NULL,
  received int4,                -- none: the ledger has no snapshot of this cycle
  found int8 NOT NULL,
  checked_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (underlying_id, as_of)
);
CREATE INDEX row_check_mismatches_day ON row_check_mismatches (day);

-- For people with a SQL prompt.
CREATE VIEW v_option_daily AS
SELECT d.day, u.symbol AS underlying, c.trading_class, c.expiry, c.strike / 1000.0::float8 AS strike, c."right", c.multiplier,
       d.mid_open, d.mid_high, d.mid_low, d.mid_close, d.average_spread, d.n, d.close_as_of,
       d.implied_vol_close / 1e6::float8 AS implied_vol_close, d.volume, d.open_interest, d.open_interest_change
FROM option_daily d
JOIN underlyings u ON u.underlying_id = d.underlying_id
JOIN contracts c ON c.contract_id = d.contract_id;

CREATE VIEW v_underlying_daily AS
SELECT d.day, u.symbol AS underlying, d.origin, d.source, d.open / u.price_scale::float8 AS open,
       d.high / u.price_scale::float8 AS high, d.low / u.price_scale::float8 AS low,
       d.close / u.price_scale::float8 AS close, d.close_as_of, d.implied_vol_30d_open, d.implied_vol_30d_high,
       d.implied_vol_30d_low, d.implied_vol_30d_close, d.implied_vol_30d_close_as_of, d.historical_vol_20d,
       d.historical_vol_30d, d.iv_rank, d.iv_percentile, d.iv_rank_n, d.put_volume, d.call_volume,
       d.put_open_interest, d.call_open_interest, d.skew_25_delta, d.term_slope, d.n
FROM underlying_daily d
JOIN underlyings u ON u.underlying_id = d.underlying_id;
