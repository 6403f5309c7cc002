-- What dashboards, the command line and the demo read. Names and columns are stable; new columns may be added at the end.

CREATE FUNCTION reheat.operation_name(operation smallint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE operation
        WHEN 1 THEN 'read' WHEN 2 THEN 'write' WHEN 3 THEN 'exchange'
        WHEN 4 THEN 'pt-read' WHEN 5 THEN 'pt-write' WHEN 6 THEN 'pt-exchange'
        WHEN 7 THEN 'sensitive' ELSE 'operation-' || operation END
$$;

CREATE FUNCTION reheat.distinct_wedges(sketch bit) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    -- Linear counting (Whang et al. 1990) with 256 bits; a full sketch says "about 1,420 or more".
    SELECT round(-256 * ln(greatest(256 - bit_count(sketch), 1) / 256.0::float8))::integer
$$;
COMMENT ON FUNCTION reheat.distinct_wedges(bit) IS 'Estimated number of distinct wedges in a sketch; exact while they are few.';

CREATE VIEW reheat.builds AS
SELECT b.series, b.build, b.label, b.registered_at,
       encode(i.build_id, 'hex') AS build_id, i.name AS image, i.machine, i.file_size
FROM reheat_data.builds b
JOIN reheat_data.build_images bi USING (build)
JOIN reheat_data.images i USING (build_id);
COMMENT ON VIEW reheat.builds IS 'Images of each registered build.';

CREATE VIEW reheat.sites AS
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
           coalesce(sum(executions) FILTER (WHERE outcome = 1), 0)::bigint AS traps,
           coalesce(sum(executions) FILTER (WHERE outcome = 2), 0)::bigint AS hits,
           sum(elements)::bigint AS elements,
           bit_or(wedges) AS wedges
    FROM reheat_data.site_totals
    GROUP BY site, operation, size, target
) t USING (site)
JOIN reheat_data.targets g USING (target)
LEFT JOIN reheat_data.resolutions r ON r.site = s.site
LEFT JOIN reheat_data.verdicts v ON v.site = t.site AND v.operation = t.operation AND v.size = t.size AND v.target = t.target;
COMMENT ON VIEW reheat.sites IS 'Every observed site of every build: where it stands, what it did, how often. An instruction that never ran under a wedge is in no row; unseen is not "not sensitive".';
COMMENT ON COLUMN reheat.sites.address IS 'Image address, free of load bias; unsigned 64 bit in two''s complement.';
COMMENT ON COLUMN reheat.sites.traps IS 'Executions that had to be trapped.';
COMMENT ON COLUMN reheat.sites.hits IS 'Executions of the annotated site that did not trap.';
COMMENT ON COLUMN reheat.sites.elements IS 'As executions, but a rep string instruction counts each of its elements.';
COMMENT ON COLUMN reheat.sites.wedges IS 'Estimated number of distinct wedges that saw it; exact while they are few.';
COMMENT ON COLUMN reheat.sites.state IS 'annotated, refused: REASON, or pending before the recompiler has looked at it.';

CREATE VIEW reheat.residual_sites AS
SELECT * FROM reheat.sites WHERE traps > 0;
COMMENT ON VIEW reheat.residual_sites IS 'Sites with executions that had to be trapped, with the reason if no list can annotate them.';

CREATE VIEW reheat.coverage AS
SELECT b.series, b.build, i.name AS image, encode(i.build_id, 'hex') AS build_id,
       c.operation, c.target,
       coalesce(c.sites, 0) AS sites, coalesce(c.traps, 0) AS traps, coalesce(c.hits, 0) AS hits,
       CASE WHEN c.traps + c.hits > 0 THEN c.hits::float8 / (c.traps + c.hits) END AS coverage
FROM reheat_data.builds b
JOIN reheat_data.build_images bi USING (build)
JOIN reheat_data.images i USING (build_id)
LEFT JOIN (
    SELECT s.build_id, reheat.operation_name(t.operation) AS operation, g.name AS target,
           count(DISTINCT t.site) AS sites,
           coalesce(sum(t.executions) FILTER (WHERE t.outcome = 1), 0)::bigint AS traps,
           coalesce(sum(t.executions) FILTER (WHERE t.outcome = 2), 0)::bigint AS hits
    FROM reheat_data.site_totals t
    JOIN reheat_data.sites s USING (site)
    JOIN reheat_data.targets g USING (target)
    GROUP BY s.build_id, t.operation, g.name
) c USING (build_id);
COMMENT ON VIEW reheat.coverage IS 'Hits of annotated sites ÷ (hits + residual traps), per build, image, operation and target. An image with no observation has one row whose operation, target and coverage are NULL: nothing is known, which is not 100%.';

CREATE VIEW reheat.trap_rate AS
SELECT b.series, b.build, c.bucket,
       sum(c.executions) FILTER (WHERE c.outcome = 1) / 60.0 AS traps_per_second,
       sum(c.executions) FILTER (WHERE c.outcome = 2) / 60.0 AS hits_per_second
FROM reheat_data.counts c
JOIN reheat_data.sites s USING (site)
JOIN reheat_data.build_images bi USING (build_id)
JOIN reheat_data.builds b USING (build)
GROUP BY b.series, b.build, c.bucket;
COMMENT ON VIEW reheat.trap_rate IS 'Executions a second in each minute, per build; NULL where none of that outcome was seen.';

CREATE VIEW reheat.accounting AS
SELECT m.wedge, m.epoch, min(m.epoch_began) AS epoch_began,
       sum(m.wedge_traps)::bigint AS recorded,
       sum(m.stored_traps)::bigint AS stored,
       (sum(m.ring_full_traps) + coalesce(sum(d.dropped), 0))::bigint AS dropped,
       (sum(m.outside_traps) + coalesce(sum(d.outside), 0))::bigint AS outside_images,
       (sum(m.wedge_traps) - sum(m.stored_traps) - sum(m.ring_full_traps)
           - coalesce(sum(d.dropped), 0) - coalesce(sum(d.outside), 0))::bigint AS pending,
       sum(m.clamped_traps)::bigint AS clamped,
       sum(m.spurious)::bigint AS spurious,
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
COMMENT ON VIEW reheat.accounting IS 'Every trap is accounted for: recorded (the wedge''s own count) = stored + dropped + pending, once the executions outside every image that the agent found are taken off.';

CREATE VIEW reheat.drops AS
SELECT wedge, epoch, 'ring-full' AS reason, sum(ring_full_traps)::bigint AS traps, sum(ring_full_records)::bigint AS records
FROM reheat_data.marks GROUP BY wedge, epoch HAVING sum(ring_full_records) > 0
UNION ALL
SELECT wedge, epoch,
       CASE reason WHEN 1 THEN 'ring-full' WHEN 2 THEN 'corrupt-record' WHEN 3 THEN 'unknown-operation' WHEN 4 THEN 'outside-images'
                   WHEN 5 THEN 'spool-full' WHEN 6 THEN 'site-limit'
                   WHEN 7 THEN 'mark-went-back' ELSE 'reason-' || reason END,
       sum(traps)::bigint, sum(records)::bigint
FROM reheat_data.drops GROUP BY wedge, epoch, reason;
COMMENT ON VIEW reheat.drops IS 'What was not stored and why.';

-- Dashboards connect through this role (or one granted to it): it can read the views and nothing else. Making a role takes CREATEROLE,
-- which the owner of a database need not have: the schema stands without the role, and an administrator can add it later.
CREATE FUNCTION reheat_data.grant_reader() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'reheat_reader') THEN
        RETURN false;
    END IF;
    GRANT USAGE ON SCHEMA reheat TO reheat_reader;
    GRANT SELECT ON ALL TABLES IN SCHEMA reheat TO reheat_reader;
    RETURN true;
END $$;
COMMENT ON FUNCTION reheat_data.grant_reader() IS 'Lets reheat_reader read every view of schema reheat; false if there is no such role. Migrations that add views call it.';

DO $$ BEGIN
    CREATE ROLE reheat_reader NOLOGIN;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL; -- roles belong to the cluster; another database has made it
    WHEN insufficient_privilege THEN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'reheat_reader') THEN
            RAISE NOTICE 'role reheat_reader was not made, as % may not create roles: dashboards have no role of their own. An administrator can add it: CREATE ROLE reheat_reader NOLOGIN; SELECT reheat_data.grant_reader();', current_user;
        END IF;
END $$;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON SCHEMA reheat_data FROM PUBLIC;
SELECT reheat_data.grant_reader();
