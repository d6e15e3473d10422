-- All statements that need TimescaleDB's community licence as settings. Run at every upkeep where the licence is there,
-- so that installing it later is no migration. Settings are given once: older versions refuse to hear them again
-- when chunks are compressed already.
DO $$
BEGIN
  IF EXISTS (SELECT FROM timescaledb_information.hypertables WHERE hypertable_schema = current_schema()
             AND hypertable_name = 'option_snapshots' AND NOT compression_enabled) THEN
    ALTER TABLE option_snapshots SET (timescaledb.compress, timescaledb.compress_segmentby = 'underlying_id',
                                      timescaledb.compress_orderby = 'contract_id, as_of');
  END IF;
  IF EXISTS (SELECT FROM timescaledb_information.hypertables WHERE hypertable_schema = current_schema()
             AND hypertable_name = 'option_changes' AND NOT compression_enabled) THEN
    ALTER TABLE option_changes SET (timescaledb.compress, timescaledb.compress_segmentby = 'underlying_id',
                                    timescaledb.compress_orderby = 'as_of DESC, contract_id, kind');
  END IF;
END
$$;
