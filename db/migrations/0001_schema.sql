-- Tables live in reheat_data, the views that dashboards read in reheat. Every table's key begins with the column that Citus
-- would distribute it by (site, wedge or build); small tables that all shards join with are reference tables. No foreign key crosses shards.

CREATE SCHEMA IF NOT EXISTS reheat;
CREATE SCHEMA IF NOT EXISTS reheat_data;

COMMENT ON SCHEMA reheat IS 'Stable views over the traces of a fleet: what dashboards and people read.';
COMMENT ON SCHEMA reheat_data IS 'Tables behind the views; their shape may change with any version.';

-- Images and builds ------------------------------------------------------------------------------------------------

CREATE TABLE reheat_data.parts (
    sha256      bytea PRIMARY KEY CHECK (length(sha256) = 32),
    raw_size    bigint NOT NULL CHECK (raw_size >= 0),
    packed      bytea NOT NULL
);
ALTER TABLE reheat_data.parts ALTER COLUMN packed SET STORAGE EXTERNAL; -- packed with Brotli already
COMMENT ON TABLE reheat_data.parts IS 'Sections of images and what was derived from them, Brotli, named by the SHA-256 of the raw bytes.';

CREATE TABLE reheat_data.images (
    build_id    bytea PRIMARY KEY CHECK (length(build_id) BETWEEN 1 AND 64),
    name        text NOT NULL,
    machine     smallint NOT NULL,
    file_size   bigint NOT NULL,
    added_at    timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE reheat_data.images IS 'One ELF object, named by its GNU build-id. Reference table.';

CREATE TABLE reheat_data.image_parts (
    build_id    bytea NOT NULL,
    kind        smallint NOT NULL,
    part_index  integer NOT NULL,
    sha256      bytea NOT NULL,
    PRIMARY KEY (build_id, kind, part_index)
);
CREATE INDEX image_parts_sha256 ON reheat_data.image_parts (sha256);
COMMENT ON TABLE reheat_data.image_parts IS 'What resolving an image''s addresses needs. kind as in reheat.v1.PartKind. Reference table.';

CREATE TABLE reheat_data.builds (
    build           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    series          text NOT NULL,
    label           text NOT NULL,
    images_sha256   bytea NOT NULL,
    registered_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (series, images_sha256)
);
CREATE INDEX builds_series ON reheat_data.builds (series, build DESC);
COMMENT ON TABLE reheat_data.builds IS 'The images of one kernel compile; successive builds of one configuration form a series. Reference table.';
COMMENT ON COLUMN reheat_data.builds.images_sha256 IS 'Hash of the sorted build-ids: the same images in the same series are the same build.';

CREATE TABLE reheat_data.build_images (
    build       bigint NOT NULL,
    build_id    bytea NOT NULL,
    ordinal     integer NOT NULL,
    PRIMARY KEY (build, build_id)
);
CREATE INDEX build_images_build_id ON reheat_data.build_images (build_id);
COMMENT ON TABLE reheat_data.build_images IS 'Reference table.';

-- Wedges -----------------------------------------------------------------------------------------------------------

CREATE TABLE reheat_data.wedges (
    wedge       text PRIMARY KEY,
    kind        text NOT NULL,
    version     text NOT NULL,
    host        text NOT NULL,
    guest       text NOT NULL,
    agent       bigint NOT NULL,
    lease       bigint NOT NULL,
    lease_until timestamptz NOT NULL,
    first_seen  timestamptz NOT NULL DEFAULT now(),
    last_seen   timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);
COMMENT ON COLUMN reheat_data.wedges.agent IS 'Random id of the agent process that holds the lease.';
COMMENT ON COLUMN reheat_data.wedges.lease IS 'Fencing number: each new holder of the wedge gets a higher one.';

CREATE TABLE reheat_data.marks (
    wedge           text NOT NULL,
    epoch           bigint NOT NULL,
    ring            integer NOT NULL,
    lease           bigint NOT NULL,
    position        bigint NOT NULL CHECK (position >= 0),
    stored_traps    bigint NOT NULL DEFAULT 0,
    stored_hits     bigint NOT NULL DEFAULT 0,
    wedge_traps     bigint NOT NULL DEFAULT 0,
    ring_full_traps     bigint NOT NULL DEFAULT 0,
    ring_full_records   bigint NOT NULL DEFAULT 0,
    outside_traps   bigint NOT NULL DEFAULT 0,
    spurious        bigint NOT NULL DEFAULT 0,
    clamped_traps   bigint NOT NULL DEFAULT 0,
    epoch_began     timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (wedge, epoch, ring)
) WITH (fillfactor = 50); -- room for HOT updates: no indexed column ever changes
COMMENT ON TABLE reheat_data.marks IS 'High-water mark of each ring: all positions below it are counted, none above. Moves in the transaction that counts.';
COMMENT ON COLUMN reheat_data.marks.lease IS 'The fencing number of the stream that may move this mark; copied here so that one row lock checks both.';
COMMENT ON COLUMN reheat_data.marks.wedge_traps IS 'The wedge''s own count of executions since the epoch began.';
COMMENT ON COLUMN reheat_data.marks.clamped_traps IS 'Executions older than retention, counted in the oldest bucket that is kept.';

CREATE TABLE reheat_data.drops (
    wedge       text NOT NULL,
    epoch       bigint NOT NULL,
    ring        integer NOT NULL,
    reason      smallint NOT NULL,
    traps       bigint NOT NULL,
    records     bigint NOT NULL,
    PRIMARY KEY (wedge, epoch, ring, reason)
) WITH (fillfactor = 70);
COMMENT ON TABLE reheat_data.drops IS 'What was not stored and why, by reason (reheat.v1.DropReason), as far as the agent decided it. A full ring is in marks.';

-- Sites and counts -------------------------------------------------------------------------------------------------

CREATE TABLE reheat_data.targets (
    target      smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE
);
COMMENT ON TABLE reheat_data.targets IS 'Names of what instructions touch. Reference table.';

CREATE TABLE reheat_data.sites (
    site        bigint PRIMARY KEY,
    build_id    bytea NOT NULL,
    address     bigint NOT NULL,
    code        bytea CHECK (length(code) BETWEEN 1 AND 15),
    first_seen  timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 90);
CREATE INDEX sites_build_id ON reheat_data.sites (build_id);
COMMENT ON TABLE reheat_data.sites IS 'One instruction of an image. site = XXH3-64 of build-id and address (Reheat.Core.SiteId).';
COMMENT ON COLUMN reheat_data.sites.address IS 'Unsigned 64-bit image address in two''s complement.';
COMMENT ON COLUMN reheat_data.sites.code IS 'The bytes as a wedge saw them run; may be an alternative''s replacement.';

CREATE TABLE reheat_data.site_totals (
    site        bigint NOT NULL,
    operation   smallint NOT NULL,
    size        smallint NOT NULL,
    target      smallint NOT NULL,
    outcome     smallint NOT NULL,
    executions  bigint NOT NULL,
    elements    bigint NOT NULL,
    wedges      bit(256) NOT NULL,
    last_bucket timestamptz NOT NULL,
    PRIMARY KEY (site, operation, size, target, outcome)
) WITH (fillfactor = 70);
COMMENT ON TABLE reheat_data.site_totals IS 'Sums for ever, one row a site, operation, size, target and outcome.';
COMMENT ON COLUMN reheat_data.site_totals.wedges IS 'Linear-counting sketch of distinct wedges: one bit a wedge, merged with |.';

CREATE TABLE reheat_data.counts (
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
COMMENT ON TABLE reheat_data.counts IS 'Counts per minute, in partitions of a day (UTC).';

CREATE FUNCTION reheat_data.ensure_counts_partition(day date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text := 'counts_' || to_char(day, 'YYYYMMDD');
BEGIN
    IF to_regclass('reheat_data.' || name) IS NULL THEN
        -- Two collectors may both come here; the lock makes the second one wait and find it done.
        PERFORM pg_advisory_xact_lock(hashtext('reheat_data.counts'));
        EXECUTE format(
            'CREATE TABLE IF NOT EXISTS reheat_data.%I PARTITION OF reheat_data.counts FOR VALUES FROM (%L) TO (%L) WITH (fillfactor = 80)',
            name, day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00');
    END IF;
END $$;

-- What the recompiler found out ------------------------------------------------------------------------------------

CREATE TABLE reheat_data.resolutions (
    site            bigint PRIMARY KEY,
    function        text NOT NULL,
    function_offset bigint NOT NULL,
    unit            text NOT NULL,
    source          text NOT NULL,
    instruction     text NOT NULL
);
COMMENT ON TABLE reheat_data.resolutions IS 'Where a site stands, found in the image.';

CREATE TABLE reheat_data.verdicts (
    site        bigint NOT NULL,
    operation   smallint NOT NULL,
    size        smallint NOT NULL,
    target      smallint NOT NULL,
    refusal     text,
    detail      text NOT NULL DEFAULT '',
    PRIMARY KEY (site, operation, size, target)
);
COMMENT ON TABLE reheat_data.verdicts IS 'Whether the newest list annotates what trapped; refusal NULL: it does.';

CREATE TABLE reheat_data.jobs (
    job             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind            text NOT NULL,
    build           bigint NOT NULL,
    state           text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'failed')),
    run_after       timestamptz NOT NULL DEFAULT now(),
    attempts        integer NOT NULL DEFAULT 0,
    worker          text,
    worker_until    timestamptz,
    queued_at       timestamptz NOT NULL DEFAULT now(),
    finished_at     timestamptz,
    error           text
);
-- At most one job of a kind waits for a build: it will see all that was committed before it starts.
CREATE UNIQUE INDEX jobs_queued ON reheat_data.jobs (kind, build) WHERE state = 'queued';
CREATE INDEX jobs_open ON reheat_data.jobs (run_after) WHERE state IN ('queued', 'running');

CREATE TABLE reheat_data.annotation_lists (
    build       bigint NOT NULL,
    version     integer NOT NULL,
    body        text NOT NULL,
    body_sha256 bytea NOT NULL,
    provenance  text NOT NULL,
    annotations integer NOT NULL,
    refused     integer NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (build, version)
);
COMMENT ON TABLE reheat_data.annotation_lists IS 'A new version is made when the body changes; provenance is that of the newest run with this body.';
