-- The history of option chains. Times are UTC; as_of is the scheduled cycle boundary.
-- {{timeseries}} becomes PARTITION BY RANGE (as_of), or nothing where TimescaleDB is there; make_timeseries does the rest.

CREATE FUNCTION make_timeseries(fact text, chunk interval) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
    EXECUTE format('SELECT create_hypertable(%L::regclass, by_range(%L, %L::interval), create_default_indexes => false)',
                   fact, 'as_of', chunk);
  ELSE
    -- Catches rows that no named partition takes; upkeep keeps it empty.
    EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', fact || '_default', fact);
  END IF;
END
$$;

CREATE TABLE underlyings (
  underlying_id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  symbol text NOT NULL UNIQUE,
  -- Units per 1.00 of every price of this underlying. Strikes have their own, see contracts.
  price_scale int4 NOT NULL DEFAULT 10000 CHECK (price_scale IN (1, 10, 100, 1000, 10000)),
  added_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE contracts (
  contract_id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  underlying_id int4 NOT NULL REFERENCES underlyings,
  trading_class text NOT NULL,
  expiry date NOT NULL,
  strike int4 NOT NULL,  -- thousandths
  "right" "char" NOT NULL CHECK ("right" IN ('C', 'P')),
  multiplier int4 NOT NULL CHECK (multiplier > 0),
  UNIQUE (underlying_id, expiry, strike, "right", trading_class, multiplier)
);

-- One row per scheduled cycle of an underlying, for ever: the index of snapshots and the commit mark of each.
CREATE TABLE collection_runs (
  underlying_id int4 NOT NULL REFERENCES underlyings,
  as_of timestamptz NOT NULL,
  status int2 NOT NULL CHECK (status IN (1, 2, 3)),  -- complete, partial, missed
  reason text NOT NULL DEFAULT '' CHECK (status = 1 OR reason <> ''),
  source text CHECK (source IN ('live', 'delayed', 'imported', 'simulated')),
  interval_seconds int4 CHECK (interval_seconds > 0),
  started_at timestamptz,
  finished_at timestamptz,
  expected int4,
  received int4 NOT NULL,
  refused int4 NOT NULL,
  underlying_price int8,
  schema_rev int4 NOT NULL,
  stored_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (underlying_id, as_of),
  CHECK (status = 3 OR source IS NOT NULL)
);
CREATE INDEX collection_runs_as_of ON collection_runs (as_of);

CREATE TABLE option_snapshots (
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
  implied_vol int4,         -- 1e-6
  delta int4,               -- 1e-6
  gamma int4,               -- 1e-8
  theta int4,               -- 1e-6
  vega int4,                -- 1e-5
  observed_offset_ms int4,  -- observed_at minus as_of
  PRIMARY KEY (as_of, underlying_id, contract_id)
) {{timeseries}};
SELECT make_timeseries('option_snapshots', '1 day');

CREATE TABLE option_changes (
  as_of timestamptz NOT NULL,
  underlying_id int4 NOT NULL,
  contract_id int4 NOT NULL,
  kind int2 NOT NULL CHECK (kind BETWEEN 1 AND 7),
  previous float8,
  current float8,
  PRIMARY KEY (as_of, underlying_id, contract_id, kind)
) {{timeseries}};
CREATE INDEX option_changes_by_kind ON option_changes (underlying_id, kind, as_of DESC);
SELECT make_timeseries('option_changes', '7 days');

CREATE TABLE market_conditions (
  underlying_id int4 NOT NULL REFERENCES underlyings,
  as_of timestamptz NOT NULL,
  implied_vol_30d float8,
  implied_vol_60d float8,
  historical_vol_20d float8,
  skew_25_delta float8,
  term_slope float8,
  put_call_volume_ratio float8,
  put_call_open_interest_ratio float8,
  breadth float8,
  regime int2,
  PRIMARY KEY (underlying_id, as_of)
);

-- For people with a SQL prompt. Only cycles that a ledger row vouches for.
CREATE VIEW v_option_snapshots AS
SELECT s.as_of, u.symbol AS underlying, c.trading_class, c.expiry, c.strike / 1000.0::float8 AS strike, c."right",
       c.multiplier, r.source, r.underlying_price / u.price_scale::float8 AS underlying_price,
       s.bid / u.price_scale::float8 AS bid, s.ask / u.price_scale::float8 AS ask, s.last / u.price_scale::float8 AS last,
       s.bid_size, s.ask_size, s.volume, s.open_interest,
       s.implied_vol / 1e6::float8 AS implied_vol, s.delta / 1e6::float8 AS delta, s.gamma / 1e8::float8 AS gamma,
       s.theta / 1e6::float8 AS theta, s.vega / 1e5::float8 AS vega,
       s.as_of + s.observed_offset_ms * interval '1 millisecond' AS observed_at
FROM option_snapshots s
JOIN collection_runs r ON r.underlying_id = s.underlying_id AND r.as_of = s.as_of AND r.status IN (1, 2)
JOIN underlyings u ON u.underlying_id = s.underlying_id
JOIN contracts c ON c.contract_id = s.contract_id;
