-- Storage that stays small: minutes become hours, hours days, and days go. Totals of sites stay for ever.

CREATE TABLE reheat_data.counts_hour (
    site        bigint NOT NULL,
    operation   smallint NOT NULL,
    size        smallint NOT NULL,
    target      smallint NOT NULL,
    outcome     smallint NOT NULL,
    bucket      timestamptz NOT NULL,
    executions  bigint NOT NULL,
    elements    bigint NOT NULL,
    PRIMARY KEY (site, operation, size, target, outcome, bucket)
) PARTITION BY RANGE (bucket);
COMMENT ON TABLE reheat_data.counts_hour IS 'Counts per hour, in partitions of a day (UTC): of minutes that were rolled up, and of batches that came later than that.';

CREATE TABLE reheat_data.counts_day (LIKE reheat_data.counts_hour INCLUDING ALL) PARTITION BY RANGE (bucket);
COMMENT ON TABLE reheat_data.counts_day IS 'Counts per day (UTC), in partitions of a month: of hours that were rolled up.';

-- parent is counts or counts_hour, of which a partition is a day, or counts_day, of which it is a month.
CREATE FUNCTION reheat_data.ensure_partition(parent text, day date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    monthly boolean := parent = 'counts_day';
    first date := CASE WHEN monthly THEN date_trunc('month', day)::date ELSE day END;
    next date := CASE WHEN monthly THEN (first + interval '1 month')::date ELSE first + 1 END;
    name text := parent || to_char(first, CASE WHEN monthly THEN '_YYYYMM' ELSE '_YYYYMMDD' END);
BEGIN
    IF parent NOT IN ('counts', 'counts_hour', 'counts_day') THEN
        RAISE EXCEPTION 'reheat_data.% has no partitions', parent;
    END IF;
    IF to_regclass('reheat_data.' || name) IS NULL THEN
        -- Two collectors may both come here; the lock makes the second one wait and find it done.
        PERFORM pg_advisory_xact_lock(hashtext('reheat_data.' || parent));
        IF to_regclass('reheat_data.' || name) IS NULL THEN
            -- Attached, not made as a partition: that would wait for all who read the table, and all who write would wait behind it.
            EXECUTE format('CREATE TABLE reheat_data.%I (LIKE reheat_data.%I INCLUDING ALL) WITH (fillfactor = 80)', name, parent);
            EXECUTE format('ALTER TABLE reheat_data.%I ATTACH PARTITION reheat_data.%I FOR VALUES FROM (%L) TO (%L)',
                parent, name, first::text || ' 00:00:00+00', next::text || ' 00:00:00+00');
        END IF;
    END IF;
END $$;
COMMENT ON FUNCTION reheat_data.ensure_partition(text, date) IS 'Makes the partition of counts, counts_hour or counts_day that holds this day (UTC), unless it is there.';
DROP FUNCTION reheat_data.ensure_counts_partition(date);

-- What a wedge or a token was refused for a limit, by day.
CREATE TABLE reheat_data.refusals (
    day         date NOT NULL,
    subject     text NOT NULL,
    limit_name  text NOT NULL,
    limit_value bigint NOT NULL,
    refused     bigint NOT NULL,
    last_value  bigint NOT NULL,
    last_at     timestamptz NOT NULL,
    PRIMARY KEY (subject, limit_name, day)
);
COMMENT ON TABLE reheat_data.refusals IS 'What collectors refused for a limit. subject is wedge:NAME or token:NAME.';

-- Sites that a wedge was the first to name: what one wedge can add to the database has an end. It stands here and not in wedges, whose rows a stream that
-- opens locks before the marks.
ALTER TABLE reheat_data.marks ADD COLUMN new_sites bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN reheat_data.marks.new_sites IS 'Sites that this ring was the first to name.';

-- Housekeeping looks for both.
CREATE INDEX marks_epoch_began ON reheat_data.marks (epoch_began);
CREATE INDEX jobs_finished ON reheat_data.jobs (finished_at) WHERE state IN ('done', 'failed');

CREATE OR REPLACE VIEW reheat.trap_rate AS
SELECT b.series, b.build, c.bucket,
       trim_scale(round(sum(c.executions) FILTER (WHERE c.outcome = 1) / c.seconds::numeric, 4)) AS traps_per_second,
       trim_scale(round(sum(c.executions) FILTER (WHERE c.outcome = 2) / c.seconds::numeric, 4)) AS hits_per_second,
       c.seconds AS bucket_seconds
FROM (
    SELECT site, outcome, bucket, executions, 60 AS seconds FROM reheat_data.counts
    UNION ALL
    SELECT site, outcome, bucket, executions, 3600 FROM reheat_data.counts_hour
    UNION ALL
    SELECT site, outcome, bucket, executions, 86400 FROM reheat_data.counts_day
) c
JOIN reheat_data.sites s USING (site)
JOIN reheat_data.build_images bi USING (build_id)
JOIN reheat_data.builds b USING (build)
GROUP BY b.series, b.build, c.bucket, c.seconds;
COMMENT ON VIEW reheat.trap_rate IS 'Executions a second, per build, in each minute, further back in each hour and in each day; NULL where none of that outcome was seen.';
COMMENT ON COLUMN reheat.trap_rate.bucket IS 'Where the time begins.';
COMMENT ON COLUMN reheat.trap_rate.traps_per_second IS 'Traps in this time ÷ its seconds, to four places; NULL if there was none.';
COMMENT ON COLUMN reheat.trap_rate.hits_per_second IS 'Hits in this time ÷ its seconds, to four places; NULL if there was none.';
COMMENT ON COLUMN reheat.trap_rate.bucket_seconds IS 'How long the time is: 60, 3600 or 86400. A day may have an hour and minutes of its own beside it, of batches that came late: sum per time to get one number.';

CREATE VIEW reheat.refusals AS
SELECT day, subject, limit_name, limit_value, refused, last_value, last_at FROM reheat_data.refusals;
COMMENT ON VIEW reheat.refusals IS 'What collectors refused for a limit, by day and by who it was: wedge:NAME or token:NAME.';
COMMENT ON COLUMN reheat.refusals.limit_name IS 'The setting: MaxBatchRows, MaxStreams …';
COMMENT ON COLUMN reheat.refusals.limit_value IS 'What it allows.';
COMMENT ON COLUMN reheat.refusals.refused IS 'How often, this day (UTC).';
COMMENT ON COLUMN reheat.refusals.last_value IS 'What was asked for the last time.';

CREATE VIEW reheat.storage AS
SELECT p.relname AS relation, count(c.oid) AS partitions,
       coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint AS bytes,
       coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint AS rows_estimated
FROM pg_class p
LEFT JOIN pg_inherits i ON i.inhparent = p.oid
LEFT JOIN pg_class c ON c.oid = coalesce(i.inhrelid, p.oid) AND c.relkind = 'r'
WHERE p.relnamespace = 'reheat_data'::regnamespace AND p.relkind IN ('r', 'p') AND NOT p.relispartition
GROUP BY p.relname;
COMMENT ON VIEW reheat.storage IS 'What the tables take on disk, with indexes, partitions added up.';
COMMENT ON COLUMN reheat.storage.rows_estimated IS 'As of the last vacuum or analyze.';

COMMENT ON COLUMN reheat.refusals.day IS 'The day (UTC).';
COMMENT ON COLUMN reheat.refusals.subject IS 'wedge:NAME or token:NAME.';
COMMENT ON COLUMN reheat.refusals.last_at IS 'When that was.';
COMMENT ON COLUMN reheat.storage.relation IS 'Table of reheat_data.';
COMMENT ON COLUMN reheat.storage.partitions IS 'Partitions; 1 for a table without.';
COMMENT ON COLUMN reheat.storage.bytes IS 'Bytes on disk.';
SELECT reheat_data.grant_reader();
