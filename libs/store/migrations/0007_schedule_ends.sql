-- The schedule that 0004 made up for the time before it had no ends: an underlying that had been taken out long before would
-- have missed every cycle since. Those whose last cycle was more than a week before the newest of all get one just after it.
INSERT INTO collection_schedule (underlying_id, valid_from, interval_seconds, hours)
SELECT s.underlying_id, r.last + interval '1 microsecond', NULL, s.hours
FROM (SELECT DISTINCT ON (underlying_id) * FROM collection_schedule ORDER BY underlying_id, valid_from DESC) s
JOIN (SELECT underlying_id, max(as_of) AS last, max(max(as_of)) OVER () AS newest
      FROM collection_runs WHERE source IS DISTINCT FROM 'imported' AND interval_seconds IS NOT NULL
      GROUP BY underlying_id) r ON r.underlying_id = s.underlying_id
WHERE s.interval_seconds IS NOT NULL AND r.last < r.newest - interval '7 days' AND r.last >= s.valid_from
  -- Of that moment: what a collector has recorded since is its own.
  AND s.recorded_at = (SELECT applied_at FROM schema_migrations WHERE revision = 4);
