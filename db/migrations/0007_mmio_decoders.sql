-- Whether confidential guests can decode a device access, and the reason for which a trace without instructions is dropped.
--
-- Views are put around themselves, as 0006 does it: whatever scripts before this one gave them stays as it was.

ALTER TABLE reheat_data.resolutions ADD COLUMN tdx_decodable boolean, ADD COLUMN sev_decodable boolean;
COMMENT ON COLUMN reheat_data.resolutions.tdx_decodable IS 'Whether the #VE handler of a Linux 6.1 TDX guest decodes the instruction; NULL if none was found.';
COMMENT ON COLUMN reheat_data.resolutions.sev_decodable IS 'Whether the #VC handler of a Linux 6.1 SEV-ES guest decodes the instruction; NULL if none was found.';

CREATE FUNCTION pg_temp.put_around_12(view text, wanted text, joined text DEFAULT '') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE OR REPLACE VIEW reheat.%I AS SELECT %s FROM (%s) v %s',
        view, wanted, rtrim(pg_get_viewdef(format('reheat.%I', view)::regclass), '; '), joined);
END $$;

-- Page tables of a confidential guest are its own: only accesses of devices end in these handlers.
SELECT pg_temp.put_around_12(view,
    $$v.*, CASE WHEN v.operation IN ('read', 'write', 'exchange') THEN d.tdx_decodable END AS tdx_decodable,
           CASE WHEN v.operation IN ('read', 'write', 'exchange') THEN d.sev_decodable END AS sev_decodable$$,
    $$LEFT JOIN (SELECT encode(s.build_id, 'hex') AS site_image, s.address AS site_address, r.tdx_decodable, r.sev_decodable
                 FROM reheat_data.sites s JOIN reheat_data.resolutions r USING (site)) d ON d.site_image = v.build_id AND d.site_address = v.address$$)
FROM (VALUES ('sites'), ('residual_sites')) u (view);

DO $$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT * FROM (VALUES
        ('tdx_decodable', 'Whether the #VE handler of a Linux 6.1 TDX guest can decode this device access (mov and widening loads; no string moves, no read-modify-writes). NULL: no device access, or the instruction is not known. Whether an access crosses a page or comes from user space, which it refuses too, only a run can tell.'),
        ('sev_decodable', 'The same for the #VC handler of an SEV-ES or SEV-SNP guest, which takes movs too.')) c (name, comment)
    LOOP
        EXECUTE format('COMMENT ON COLUMN reheat.sites.%I IS %L', found.name, found.comment);
        EXECUTE format('COMMENT ON COLUMN reheat.residual_sites.%I IS %L', found.name, found.comment);
    END LOOP;
END $$;

-- DROP_REASON_NO_INSTRUCTION.
SELECT pg_temp.put_around_12('drops', (
    SELECT string_agg(CASE attname WHEN 'reason' THEN $$CASE v.reason WHEN 'reason-9' THEN 'no-instruction' ELSE v.reason END AS reason$$
                      ELSE format('v.%I', attname) END, ', ' ORDER BY attnum)
    FROM pg_attribute WHERE attrelid = 'reheat.drops'::regclass AND attnum > 0 AND NOT attisdropped));

SELECT reheat_data.grant_reader();

-- Builds that were judged before are judged again, as nothing is known of their decoders yet.
INSERT INTO reheat_data.jobs (kind, build) SELECT DISTINCT 'annotate', build FROM reheat_data.annotation_lists ON CONFLICT DO NOTHING;
