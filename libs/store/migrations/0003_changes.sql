-- Changes judged against a baseline of the contract, and what that baseline was.

ALTER TABLE option_changes DROP CONSTRAINT option_changes_kind_check;
ALTER TABLE option_changes ADD CONSTRAINT option_changes_kind_check CHECK (kind BETWEEN 1 AND 15);
-- The probability of a move at least this large under the baseline in force; none: no baseline.
ALTER TABLE option_changes ADD COLUMN score float8;
-- The score at or below which this is an alert: how often such a test raises one by chance.
ALTER TABLE option_changes ADD COLUMN false_alarm_rate float8;
-- oi_confirmation: the cycle of the volume alert it answers, and the answer (none: cannot be told).
ALTER TABLE option_changes ADD COLUMN refers_to timestamptz;
ALTER TABLE option_changes ADD COLUMN confirmed boolean;

-- What one day of snapshots teaches about the sizes of changes: a function of the snapshots of `cycles` and of the sketches of the
-- days before in its window. Written once. The format of `sketch` is collector's.
CREATE TABLE change_sketches (
  underlying_id int4 NOT NULL REFERENCES underlyings,
  day date NOT NULL,
  interval_seconds int4 NOT NULL CHECK (interval_seconds > 0),
  cycles timestamptz[] NOT NULL,  -- the snapshots it rests on, oldest first
  earlier date[] NOT NULL,        -- days whose sketches gave the scale of its moves
  sketch bytea NOT NULL,
  stored_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (underlying_id, day, interval_seconds)
);

-- Which baseline the changes of a day were judged by. Written once, before the first cycle that used it.
CREATE TABLE change_baselines (
  underlying_id int4 NOT NULL REFERENCES underlyings,
  day date NOT NULL,
  interval_seconds int4 NOT NULL CHECK (interval_seconds > 0),
  in_force_from timestamptz NOT NULL,  -- cycles of the day before this one had none
  days date[] NOT NULL,                -- the sketches it was made of
  alerts_per_day float8 NOT NULL CHECK (alerts_per_day > 0),
  stored_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (underlying_id, day, interval_seconds)
);

ALTER TABLE market_conditions ADD COLUMN historical_vol_30d float8;
ALTER TABLE market_conditions ADD COLUMN historical_vol_source text CHECK (historical_vol_source IN ('snapshots', 'broker'));
ALTER TABLE market_conditions ADD COLUMN put_volume int8;
ALTER TABLE market_conditions ADD COLUMN call_volume int8;
ALTER TABLE market_conditions ADD COLUMN put_open_interest int8;
ALTER TABLE market_conditions ADD COLUMN call_open_interest int8;
-- Rank and percentile (0 to 1) of iv_rank_of among itself and the iv_rank_n daily closes before it, all of one origin.
ALTER TABLE market_conditions ADD COLUMN iv_rank float8;
ALTER TABLE market_conditions ADD COLUMN iv_percentile float8;
ALTER TABLE market_conditions ADD COLUMN iv_rank_n int4;
ALTER TABLE market_conditions ADD COLUMN iv_rank_source text CHECK (iv_rank_source IN ('snapshots', 'broker'));
ALTER TABLE market_conditions ADD COLUMN iv_rank_of float8;
ALTER TABLE market_conditions ADD COLUMN iv_rank_day date;

-- For people with a SQL prompt.
CREATE VIEW v_option_changes AS
SELECT h.as_of, u.symbol AS underlying, c.trading_class, c.expiry, c.strike / 1000.0::float8 AS strike, c."right", c.multiplier,
       (ARRAY['price_move', 'iv_move', 'volume', 'open_interest', 'spread', 'new_contract', 'expired', 'delta_move', 'gamma_move',
              'theta_move', 'vega_move', 'vanished', 'oi_confirmation', 'suspect_quote', 'suspect_greeks'])[h.kind] AS kind,
       h.previous, h.current, h.score, h.false_alarm_rate, COALESCE(h.score <= h.false_alarm_rate, false) AS alert,
       h.refers_to, h.confirmed
FROM option_changes h
JOIN collection_runs r ON r.underlying_id = h.underlying_id AND r.as_of = h.as_of AND r.status IN (1, 2)
JOIN underlyings u ON u.underlying_id = h.underlying_id
JOIN contracts c ON c.contract_id = h.contract_id;
