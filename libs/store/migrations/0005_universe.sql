-- What the broker lists, with its handles, so that it need not be asked again; and what was collected of it.

-- An underlying as the broker knows it.
CREATE TABLE broker_underlyings (
  underlying_id int4 PRIMARY KEY REFERENCES underlyings,
  simulated boolean NOT NULL,  -- whose handles these are: a simulated gateway's mean nothing to the broker
  con_id int8 NOT NULL,
  sec_type text NOT NULL,
  exchange text NOT NULL,
  currency text NOT NULL,
  long_name text NOT NULL,
  min_tick float8,
  offered_on date NOT NULL,         -- trading day of the newest look at what is offered
  offered_at timestamptz NOT NULL
);

-- A trading class and date under which contracts are filed. Those not in the newest offer are removed.
CREATE TABLE listed_series (
  underlying_id int4 NOT NULL REFERENCES underlyings,
  trading_class text NOT NULL,
  filed date NOT NULL,
  listed_on date,           -- trading day on which its contracts were last asked for; none: not yet
  listed_at timestamptz,
  strikes_hash int8,        -- of the strikes that the class offered then: another one now means new strikes
  PRIMARY KEY (underlying_id, trading_class, filed),
  CHECK ((listed_on IS NULL) = (listed_at IS NULL) AND (listed_on IS NULL) = (strikes_hash IS NULL))
);

-- Rows whose last_seen is the listed_at of their series are listed; older ones once were.
CREATE TABLE option_listings (
  underlying_id int4 NOT NULL REFERENCES underlyings,
  trading_class text NOT NULL,
  filed date NOT NULL,
  expiry date NOT NULL,
  strike int4 NOT NULL,  -- thousandths
  "right" "char" NOT NULL CHECK ("right" IN ('C', 'P')),
  multiplier int4 NOT NULL CHECK (multiplier > 0),
  con_id int8 NOT NULL,
  exchange text NOT NULL,
  currency text NOT NULL,
  last_trade_date text NOT NULL,  -- the broker's key
  first_seen timestamptz NOT NULL,
  last_seen timestamptz NOT NULL,
  unknown_on date,  -- trading day on which the broker said that there is no such contract
  PRIMARY KEY (underlying_id, filed, trading_class, expiry, strike, "right", multiplier)
);

-- What was collected of an underlying on a day, a row whenever that changed; the day's first is version 1.
CREATE TABLE universe_versions (
  underlying_id int4 NOT NULL REFERENCES underlyings,
  day date NOT NULL,
  version int4 NOT NULL CHECK (version > 0),
  as_of timestamptz NOT NULL,       -- the first cycle it held for
  recorded_at timestamptz NOT NULL DEFAULT now(),
  rule text NOT NULL,
  listed int4 NOT NULL,             -- contracts known
  chosen int4 NOT NULL,             -- of those, collected
  added int4 NOT NULL,              -- against the version before
  removed int4 NOT NULL,
  fell_back boolean NOT NULL,       -- the rule needs a volatility and none was known
  PRIMARY KEY (underlying_id, day, version)
);
