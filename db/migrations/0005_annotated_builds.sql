-- What a build has of the list that it was made with: the records in its own images, and what the second pass could not do and why.

CREATE TABLE reheat_data.annotated_sites (
    site        bigint NOT NULL,
    target      text NOT NULL,
    build_id    bytea NOT NULL,
    address     bigint NOT NULL,
    end_address bigint NOT NULL,
    class       smallint NOT NULL CHECK (class IN (1, 2)),
    PRIMARY KEY (site, target)
);
CREATE INDEX annotated_sites_build_id ON reheat_data.annotated_sites (build_id);
COMMENT ON TABLE reheat_data.annotated_sites IS 'The records in an image''s sections .afterburn (class 1, target empty) and .afterburn.TARGET (class 2): the sites that can be rewritten in it.';
COMMENT ON COLUMN reheat_data.annotated_sites.site IS 'As in sites: XXH3-64 of build-id and address.';
COMMENT ON COLUMN reheat_data.annotated_sites.end_address IS 'First address after the padding.';

CREATE TABLE reheat_data.second_pass (
    build       bigint NOT NULL,
    unit        text NOT NULL,
    function    text NOT NULL,
    ordinal     integer NOT NULL,
    instruction text NOT NULL,
    state       text NOT NULL CHECK (state IN ('annotated', 'refused', 'lost')),
    refusal     text,
    detail      text NOT NULL DEFAULT '',
    confidence  real NOT NULL DEFAULT 1,
    PRIMARY KEY (build, unit, function, ordinal)
);
COMMENT ON TABLE reheat_data.second_pass IS 'What the second pass that made a build reported of each site of its list. Reference table.';
COMMENT ON COLUMN reheat_data.second_pass.refusal IS 'Name of the reason, where refused or lost.';

CREATE TABLE reheat_data.by_hand_lists (
    series      text PRIMARY KEY,
    body        text NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE reheat_data.by_hand_lists IS 'What people allow and deny in the lists of a series. Reference table.';

ALTER TABLE reheat_data.resolutions ADD COLUMN ordinal integer NOT NULL DEFAULT -1;
COMMENT ON COLUMN reheat_data.resolutions.ordinal IS 'Of the instruction in its function, as lists count; -1 if it has none.';

ALTER TABLE reheat_data.marks ADD COLUMN wedge_hits bigint NOT NULL DEFAULT 0;
ALTER TABLE reheat_data.marks ADD COLUMN ring_full_hits bigint NOT NULL DEFAULT 0;
ALTER TABLE reheat_data.drops ADD COLUMN hits bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN reheat_data.marks.wedge_hits IS 'The wedge''s own count of executions of annotated sites since the epoch began; in wedge_traps not.';

-- A hit told of a place that the image has no record of is bad data: nothing can have been rewritten there, so the execution trapped, or whoever tells
-- it is wrong. It is shown apart, and counts against coverage as a trap does: what cannot be true must not make coverage better.
CREATE OR REPLACE VIEW reheat.sites AS
SELECT b.series, b.build, i.name AS image, encode(s.build_id, 'hex') AS build_id, s.address,
       r.function, r.function_offset, r.unit, r.source, r.instruction,
       reheat.operation_name(t.operation) AS operation, g.name AS target, t.size,
       t.traps, t.hits, t.elements, reheat.distinct_wedges(t.wedges) AS wedges,
       CASE WHEN a.annotated THEN 'annotated'
            WHEN v.site IS NULL THEN 'pending'
            WHEN v.refusal IS NOT NULL THEN 'refused: ' || v.refusal
            WHEN p.state IN ('refused', 'lost') THEN p.state || ': ' || p.refusal
            ELSE 'listed' END AS state,
       coalesce(CASE WHEN v.refusal IS NULL AND NOT a.annotated THEN nullif(p.detail, '') END, v.detail, '') AS detail,
       a.annotated,
       CASE WHEN a.annotated THEN 0 ELSE t.hits END AS hits_without_record,
       CASE WHEN t.traps = 0 AND (a.annotated OR t.hits = 0) THEN NULL
            WHEN a.annotated THEN 'annotated, and trapped all the same: by a wedge that was not told of the site or could not rewrite it'
            WHEN v.site IS NULL THEN 'the recompiler has not judged it yet'
            WHEN v.refusal IS NOT NULL THEN 'not listed: ' || v.refusal
            WHEN p.state = 'refused' THEN 'refused by the second pass: ' || p.refusal
            WHEN p.state = 'lost' THEN 'lost by the second pass: ' || p.refusal
            WHEN p.state = 'annotated' THEN 'the second pass annotated it, but the image has no record of it'
            WHEN EXISTS (SELECT FROM reheat_data.annotated_sites x WHERE x.build_id = s.build_id) THEN 'listed, not yet in this build'
            ELSE 'listed; this image has no annotation at all' END AS reason
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
CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM reheat_data.annotated_sites x WHERE x.site = s.site) AS annotated) a
LEFT JOIN reheat_data.resolutions r ON r.site = s.site
LEFT JOIN reheat_data.verdicts v ON v.site = t.site AND v.operation = t.operation AND v.size = t.size AND v.target = t.target
LEFT JOIN reheat_data.second_pass p ON p.build = b.build AND p.unit = r.unit AND p.function = r.function AND p.ordinal = r.ordinal;
COMMENT ON COLUMN reheat.sites.hits IS 'Executions of the annotated site that did not trap. The QEMU wedge observes and does not rewrite: its hits are executions that a rewriting wedge would not trap.';
COMMENT ON COLUMN reheat.sites.state IS 'annotated: the image has a record of it. listed: the newest list has it, this image does not. refused: REASON, by the recompiler or by the second pass; lost: REASON, not found by the second pass. pending before the recompiler has looked at it.';
COMMENT ON COLUMN reheat.sites.annotated IS 'Whether the image''s own records name it.';
COMMENT ON COLUMN reheat.sites.hits_without_record IS 'Hits told of a site that the image has no record of: bad data, which counts against coverage.';
COMMENT ON COLUMN reheat.sites.reason IS 'Why it still traps; NULL if it does not.';

CREATE OR REPLACE VIEW reheat.residual_sites AS
SELECT * FROM reheat.sites WHERE traps > 0 OR hits_without_record > 0;
COMMENT ON VIEW reheat.residual_sites IS 'Sites with executions that had to be trapped, each with its reason.';

CREATE OR REPLACE VIEW reheat.coverage AS
SELECT b.series, b.build, i.name AS image, encode(i.build_id, 'hex') AS build_id,
       c.operation, c.target,
       coalesce(c.sites, 0) AS sites, coalesce(c.traps, 0) AS traps, coalesce(c.hits, 0) AS hits,
       CASE WHEN greatest(c.traps, c.hits, c.hits_without_record) > 0
            THEN c.hits::float8 / (c.traps::float8 + c.hits + c.hits_without_record) END AS coverage,
       coalesce(c.annotated, 0) AS annotated, coalesce(c.hits_without_record, 0) AS hits_without_record
FROM reheat_data.builds b
JOIN reheat_data.build_images bi USING (build)
JOIN reheat_data.images i USING (build_id)
LEFT JOIN (
    SELECT s.build_id, reheat.operation_name(t.operation) AS operation, g.name AS target,
           count(DISTINCT t.site) AS sites,
           count(DISTINCT t.site) FILTER (WHERE a.annotated) AS annotated,
           coalesce(reheat.saturated(sum(t.executions) FILTER (WHERE t.outcome = 1)), 0) AS traps,
           coalesce(reheat.saturated(sum(t.executions) FILTER (WHERE t.outcome = 2 AND a.annotated)), 0) AS hits,
           coalesce(reheat.saturated(sum(t.executions) FILTER (WHERE t.outcome = 2 AND NOT a.annotated)), 0) AS hits_without_record
    FROM reheat_data.site_totals t
    JOIN reheat_data.sites s USING (site)
    JOIN reheat_data.targets g USING (target)
    CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM reheat_data.annotated_sites x WHERE x.site = t.site) AS annotated) a
    GROUP BY s.build_id, t.operation, g.name
) c USING (build_id);
COMMENT ON VIEW reheat.coverage IS 'Hits of annotated sites ÷ (hits + residual traps), per build, image, operation and target; annotated is what the image''s own records name. The QEMU wedge observes and does not rewrite: its hits are executions of annotated sites that a rewriting wedge would not trap. An image with no observation has one row whose operation, target and coverage are NULL: nothing is known, which is not 100%.';
COMMENT ON COLUMN reheat.coverage.annotated IS 'How many of the sites the image''s own records name.';
COMMENT ON COLUMN reheat.coverage.hits_without_record IS 'Hits told of sites that the image has no record of: bad data, which counts as traps do.';

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
       max(m.updated_at) AS updated_at,
       reheat.saturated(sum(m.wedge_hits)) AS hits_recorded,
       reheat.saturated(sum(m.stored_hits)) AS hits_stored,
       reheat.saturated(sum(m.ring_full_hits) + coalesce(sum(d.dropped_hits), 0)) AS hits_dropped,
       reheat.saturated(sum(m.wedge_hits) - sum(m.stored_hits) - sum(m.ring_full_hits)
           - coalesce(sum(d.dropped_hits), 0) - coalesce(sum(d.outside_hits), 0)) AS hits_pending
FROM reheat_data.marks m
LEFT JOIN (
    SELECT wedge, epoch, ring,
           sum(traps) FILTER (WHERE reason <> 4) AS dropped,
           sum(traps) FILTER (WHERE reason = 4) AS outside,
           sum(hits) FILTER (WHERE reason <> 4) AS dropped_hits,
           sum(hits) FILTER (WHERE reason = 4) AS outside_hits
    FROM reheat_data.drops
    GROUP BY wedge, epoch, ring
) d USING (wedge, epoch, ring)
GROUP BY m.wedge, m.epoch;
COMMENT ON VIEW reheat.accounting IS 'Every trap is accounted for: recorded (the wedge''s own count) = stored + dropped + pending, once the executions outside every image that the agent found are taken off. The same holds of hits, in columns of their own.';

CREATE OR REPLACE VIEW reheat.drops AS
SELECT wedge, epoch, 'ring-full' AS reason, reheat.saturated(sum(ring_full_traps)) AS traps, reheat.saturated(sum(ring_full_records)) AS records,
       reheat.saturated(sum(ring_full_hits)) AS hits
FROM reheat_data.marks GROUP BY wedge, epoch HAVING sum(ring_full_records) > 0
UNION ALL
SELECT wedge, epoch,
       CASE reason WHEN 1 THEN 'ring-full' WHEN 2 THEN 'corrupt-record' WHEN 3 THEN 'unknown-operation' WHEN 4 THEN 'outside-images'
                   WHEN 5 THEN 'spool-full' WHEN 6 THEN 'site-limit'
                   WHEN 7 THEN 'mark-went-back' WHEN 8 THEN 'refused' ELSE 'reason-' || reason END,
       reheat.saturated(sum(traps)), reheat.saturated(sum(records)), reheat.saturated(sum(hits))
FROM reheat_data.drops GROUP BY wedge, epoch, reason;

CREATE VIEW reheat.annotated_sites AS
SELECT b.series, b.build, i.name AS image, encode(x.build_id, 'hex') AS build_id, x.address, x.end_address, x.target, x.class,
       coalesce(t.traps, 0) AS traps, coalesce(t.hits, 0) AS hits
FROM reheat_data.builds b
JOIN reheat_data.build_images bi USING (build)
JOIN reheat_data.images i USING (build_id)
JOIN reheat_data.annotated_sites x USING (build_id)
LEFT JOIN (
    SELECT site,
           coalesce(reheat.saturated(sum(executions) FILTER (WHERE outcome = 1)), 0) AS traps,
           coalesce(reheat.saturated(sum(executions) FILTER (WHERE outcome = 2)), 0) AS hits
    FROM reheat_data.site_totals GROUP BY site
) t USING (site);
COMMENT ON VIEW reheat.annotated_sites IS 'Every record in the images of every build, with the executions seen of its site, whatever it touched; a site of two targets is in two rows. One without traps and hits did not run under a wedge: unseen is not "not sensitive".';

CREATE VIEW reheat.second_pass AS
SELECT b.series, p.build, p.unit, p.function, p.ordinal, p.instruction, p.state, p.refusal, p.detail, p.confidence
FROM reheat_data.second_pass p JOIN reheat_data.builds b USING (build);
COMMENT ON VIEW reheat.second_pass IS 'What the second pass that made a build reported of each site of its list: annotated, refused or lost, with the reason.';

SELECT reheat_data.grant_reader();
