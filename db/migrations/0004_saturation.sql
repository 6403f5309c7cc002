-- Counts that nobody believes and bytes that were wrong: neither may harm what honest wedges tell.

-- A sum that would leave 64 bits stays at the largest number. An agent may claim 2^48 executions a batch, and what it drives up is shared by all.
CREATE FUNCTION reheat.saturated(total numeric) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN total > 9223372036854775807 THEN 9223372036854775807
                WHEN total < -9223372036854775807 THEN -9223372036854775807
                ELSE total::bigint END
$$;
COMMENT ON FUNCTION reheat.saturated(numeric) IS 'A sum as bigint; one that does not fit is the largest number that does, with its sign.';

CREATE OR REPLACE VIEW reheat.sites AS
SELECT b.series, b.build, i.name AS image, encode(s.build_id, 'hex') AS build_id, s.address,
       r.function, r.function_offset, r.unit, r.source, r.instruction,
       reheat.operation_name(t.operation) AS operation, g.name AS target, t.size,
       t.traps, t.hits, t.elements, reheat.distinct_wedges(t.wedges) AS wedges,
       CASE WHEN v.site IS NULL THEN 'pending'
            WHEN v.refusal IS NULL THEN 'annotated'
            ELSE 'refused: ' || v.refusal END AS state,
       coalesce(v.detail, '') AS detail
FROM reheat_data.builds b
JOIN reheat_data.build_images bi USING (build)
JOIN reheat_data.images i USING (build_id)
JOIN reheat_data.sites s USING (build_id)
JOIN (
    SELECT site, operation, size, target,
           coalesce(reheat.saturated(sum(executions) FILTER (WHERE outcome = 1)), 0) AS traps,
           coalesce(reheat.saturated(sum(executions) FILTER (WHERE outcome = 2)), 0) AS hits,
           reheat.saturated(sum(elements)) AS elements,
           bit_or(wedges) AS wedges
    FROM reheat_data.site_totals
    GROUP BY site, operation, size, target
) t USING (site)
JOIN reheat_data.targets g USING (target)
LEFT JOIN reheat_data.resolutions r ON r.site = s.site
LEFT JOIN reheat_data.verdicts v ON v.site = t.site AND v.operation = t.operation AND v.size = t.size AND v.target = t.target;

CREATE OR REPLACE VIEW reheat.coverage AS
SELECT b.series, b.build, i.name AS image, encode(i.build_id, 'hex') AS build_id,
       c.operation, c.target,
       coalesce(c.sites, 0) AS sites, coalesce(c.traps, 0) AS traps, coalesce(c.hits, 0) AS hits,
       CASE WHEN greatest(c.traps, c.hits) > 0 THEN c.hits::float8 / (c.traps::float8 + c.hits) END AS coverage
FROM reheat_data.builds b
JOIN reheat_data.build_images bi USING (build)
JOIN reheat_data.images i USING (build_id)
LEFT JOIN (
    SELECT s.build_id, reheat.operation_name(t.operation) AS operation, g.name AS target,
           count(DISTINCT t.site) AS sites,
           coalesce(reheat.saturated(sum(t.executions) FILTER (WHERE t.outcome = 1)), 0) AS traps,
           coalesce(reheat.saturated(sum(t.executions) FILTER (WHERE t.outcome = 2)), 0) AS hits
    FROM reheat_data.site_totals t
    JOIN reheat_data.sites s USING (site)
    JOIN reheat_data.targets g USING (target)
    GROUP BY s.build_id, t.operation, g.name
) c USING (build_id);

CREATE OR REPLACE VIEW reheat.accounting AS
SELECT m.wedge, m.epoch, min(m.epoch_began) AS epoch_began,
       reheat.saturated(sum(m.wedge_traps)) AS recorded,
       reheat.saturated(sum(m.stored_traps)) AS stored,
       reheat.saturated(sum(m.ring_full_traps) + coalesce(sum(d.dropped), 0)) AS dropped,
       reheat.saturated(sum(m.outside_traps) + coalesce(sum(d.outside), 0)) AS outside_images,
       reheat.saturated(sum(m.wedge_traps) - sum(m.stored_traps) - sum(m.ring_full_traps)
           - coalesce(sum(d.dropped), 0) - coalesce(sum(d.outside), 0)) AS pending,
       reheat.saturated(sum(m.clamped_traps)) AS clamped,
       reheat.saturated(sum(m.spurious)) AS spurious,
       max(m.updated_at) AS updated_at
FROM reheat_data.marks m
LEFT JOIN (
    SELECT wedge, epoch, ring,
           sum(traps) FILTER (WHERE reason <> 4) AS dropped,
           sum(traps) FILTER (WHERE reason = 4) AS outside
    FROM reheat_data.drops
    GROUP BY wedge, epoch, ring
) d USING (wedge, epoch, ring)
GROUP BY m.wedge, m.epoch;

CREATE OR REPLACE VIEW reheat.drops AS
SELECT wedge, epoch, 'ring-full' AS reason, reheat.saturated(sum(ring_full_traps)) AS traps, reheat.saturated(sum(ring_full_records)) AS records
FROM reheat_data.marks GROUP BY wedge, epoch HAVING sum(ring_full_records) > 0
UNION ALL
SELECT wedge, epoch,
       CASE reason WHEN 1 THEN 'ring-full' WHEN 2 THEN 'corrupt-record' WHEN 3 THEN 'unknown-operation' WHEN 4 THEN 'outside-images'
                   WHEN 5 THEN 'spool-full' WHEN 6 THEN 'site-limit'
                   WHEN 7 THEN 'mark-went-back' WHEN 8 THEN 'refused' ELSE 'reason-' || reason END,
       reheat.saturated(sum(traps)), reheat.saturated(sum(records))
FROM reheat_data.drops GROUP BY wedge, epoch, reason;

CREATE OR REPLACE VIEW reheat.unregistered_images AS
SELECT encode(s.build_id, 'hex') AS build_id,
       count(DISTINCT t.site) AS sites,
       coalesce(reheat.saturated(sum(t.executions) FILTER (WHERE t.outcome = 1)), 0) AS traps,
       coalesce(reheat.saturated(sum(t.executions) FILTER (WHERE t.outcome = 2)), 0) AS hits,
       max(t.last_bucket) AS last_seen
FROM reheat_data.sites s
JOIN reheat_data.site_totals t USING (site)
WHERE NOT EXISTS (SELECT FROM reheat_data.build_images bi WHERE bi.build_id = s.build_id)
GROUP BY s.build_id;

-- Bytes of a site that the image does not bear out (a wrong load bias, another kernel) stay only until others come: the recompiler doubts them,
-- and streams that name the site are asked for its bytes again.
ALTER TABLE reheat_data.sites ADD COLUMN code_doubted boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN reheat_data.sites.code_doubted IS 'The recompiler found that code is not what the image has there: the next bytes that differ take its place. Bytes that fit are never doubted, so once told they stay.';

-- Which sites wait for their quorum is asked every now and then.
CREATE INDEX verdicts_quorum ON reheat_data.verdicts (site) WHERE refusal = 'quorum-not-met';

ALTER TABLE reheat_data.jobs ADD COLUMN superseded_by bigint;
COMMENT ON COLUMN reheat_data.jobs.superseded_by IS 'Set when the job was given up because another one of its kind waits for the build already: that one does its work.';
