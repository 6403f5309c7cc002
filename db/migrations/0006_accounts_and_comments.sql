-- Accounts that can be added up from their columns, numbers as people write them, and a comment on every column.
--
-- Every view is put around itself, with the columns that it has when this runs: whatever scripts before this one gave it stays as it was.

CREATE FUNCTION pg_temp.put_around(view text, wanted text, joined text DEFAULT '') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE OR REPLACE VIEW reheat.%I AS SELECT %s FROM (%s) v %s',
        view, wanted, rtrim(pg_get_viewdef(format('reheat.%I', view)::regclass), '; '), joined);
END $$;

-- Records that the wedge took and the agent then found outside every image are part of recorded; what the wedge itself saw outside is not.
SELECT pg_temp.put_around('accounting', 'v.*, coalesce(o.traps, 0) AS outside_recorded', $$
    LEFT JOIN (SELECT wedge, epoch, reheat.saturated(sum(traps)) AS traps FROM reheat_data.drops WHERE reason = 4 GROUP BY wedge, epoch) o USING (wedge, epoch)$$);
COMMENT ON VIEW reheat.accounting IS 'Every trap is accounted for: recorded = stored + dropped + outside_recorded + pending, for each epoch of each wedge.';

-- As addresses and epochs are read: hexadecimal, unsigned.
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT c.table_name::text AS view, c.column_name::text AS name
        FROM information_schema.columns c
        WHERE c.table_schema = 'reheat' AND c.column_name IN ('address', 'end_address', 'epoch') AND c.data_type = 'bigint'
        ORDER BY 1, c.ordinal_position
    LOOP
        PERFORM pg_temp.put_around(found.view,
            format(CASE found.name WHEN 'epoch' THEN $f$v.*, lpad(to_hex(v.%I), 16, '0') AS %I$f$ ELSE $f$v.*, '0x' || to_hex(v.%I) AS %I$f$ END,
                found.name, found.name || '_hex'));
    END LOOP;
END $$;

CREATE OR REPLACE VIEW reheat.trap_rate AS
SELECT series, build, bucket, trim_scale(round(traps_per_second, 4)) AS traps_per_second, trim_scale(round(hits_per_second, 4)) AS hits_per_second
FROM (
    SELECT b.series, b.build, c.bucket,
           sum(c.executions) FILTER (WHERE c.outcome = 1) / 60.0 AS traps_per_second,
           sum(c.executions) FILTER (WHERE c.outcome = 2) / 60.0 AS hits_per_second
    FROM reheat_data.counts c
    JOIN reheat_data.sites s USING (site)
    JOIN reheat_data.build_images bi USING (build_id)
    JOIN reheat_data.builds b USING (build)
    GROUP BY b.series, b.build, c.bucket
) v;

-- Comments of all columns that have none yet. A view named * means all that have the column.
DO $$
DECLARE
    missing record;
BEGIN
    FOR missing IN
        WITH said (view, name, comment) AS (VALUES
            ('*', 'series', 'Successive builds of one kernel configuration.'),
            ('*', 'build', 'Number of the build.'),
            ('*', 'image', 'File name of the image: vmlinux, a module.'),
            ('*', 'build_id', 'GNU build-id of the image, hexadecimal.'),
            ('*', 'address', 'Image address, free of load bias; unsigned 64 bit in two''s complement.'),
            ('*', 'address_hex', 'The address as objdump writes it.'),
            ('*', 'end_address', 'First address after it; as address.'),
            ('*', 'end_address_hex', 'The same in hexadecimal.'),
            ('*', 'function', 'Symbol that the instruction stands in; NULL before the recompiler has looked.'),
            ('*', 'function_offset', 'Bytes from the start of the function.'),
            ('*', 'unit', 'Compile unit: the source file that was compiled.'),
            ('*', 'source', 'file:line of the instruction.'),
            ('*', 'instruction', 'The instruction, normalised as in annotation lists.'),
            ('*', 'operation', 'What the instruction intended: read, write, exchange …'),
            ('*', 'target', 'What it touched: lapic, ioapic, hpet, e1000 …'),
            ('*', 'size', 'Bytes of one element.'),
            ('*', 'traps', 'Executions that had to be trapped.'),
            ('*', 'hits', 'Executions of annotated sites that did not trap.'),
            ('*', 'detail', 'More about the state; empty if there is nothing more.'),
            ('*', 'sites', 'Distinct instructions.'),
            ('*', 'wedge', 'Name of the wedge, as its agent was told.'),
            ('*', 'epoch', 'Random number of the wedge''s session; unsigned 64 bit in two''s complement.'),
            ('*', 'epoch_hex', 'The epoch as messages and wedge.info write it.'),
            ('builds', 'label', 'A text for people.'),
            ('builds', 'registered_at', 'When it was first registered.'),
            ('builds', 'machine', 'ELF e_machine: 62 is x86-64, 3 is i386.'),
            ('builds', 'file_size', 'Bytes of the file.'),
            ('coverage', 'operation', 'What the instructions intended; NULL if nothing was observed of the image.'),
            ('coverage', 'target', 'What they touched; NULL if nothing was observed of the image.'),
            ('coverage', 'coverage', 'hits ÷ (hits + residual traps), 0 to 1; NULL if nothing was observed.'),
            ('trap_rate', 'bucket', 'The minute.'),
            ('trap_rate', 'traps_per_second', 'Traps in this minute ÷ 60, to four places; NULL if there was none.'),
            ('trap_rate', 'hits_per_second', 'Hits in this minute ÷ 60, to four places; NULL if there was none.'),
            ('accounting', 'epoch_began', 'When the wedge''s session began.'),
            ('accounting', 'recorded', 'The wedge''s own count of executions by code inside the images, whether its rings had room or not.'),
            ('accounting', 'stored', 'Executions counted in the database.'),
            ('accounting', 'dropped', 'Executions lost: a full ring, a broken record. View drops says why.'),
            ('accounting', 'outside_images', 'Executions by code outside every image: outside_recorded, and those that the wedge saw outside and did not record (firmware), which are part of no sum.'),
            ('accounting', 'outside_recorded', 'Recorded executions that the agent found outside every image that it was told of.'),
            ('accounting', 'pending', 'Recorded and still on the way: recorded − stored − dropped − outside_recorded.'),
            ('accounting', 'clamped', 'Stored executions that were older than the retention and are counted in its oldest minute.'),
            ('accounting', 'spurious', 'Accesses that the wedge took for a device''s and found to be none; they are in no other number.'),
            ('accounting', 'updated_at', 'When the account last changed.'),
            ('accounting', 'hits_recorded', 'The wedge''s own count of executions of annotated sites; in recorded they are not.'),
            ('accounting', 'hits_stored', 'Of these, counted in the database.'),
            ('accounting', 'hits_dropped', 'Of these, lost.'),
            ('accounting', 'hits_pending', 'Of these, still on the way.'),
            ('drops', 'reason', 'Why: ring-full, corrupt-record, outside-images …'),
            ('drops', 'traps', 'Executions that were not stored.'),
            ('drops', 'hits', 'Executions of annotated sites that were not stored.'),
            ('drops', 'records', 'Ring records that held them.'),
            ('annotated_sites', 'class', '1: an instruction that is sensitive by itself; 2: a memory access.'),
            ('second_pass', 'function', 'Function, as the list names it.'),
            ('second_pass', 'ordinal', 'Of the instruction in its function, as lists count.'),
            ('second_pass', 'state', 'annotated, refused or lost.'),
            ('second_pass', 'refusal', 'Name of the reason, where refused or lost.'),
            ('second_pass', 'confidence', 'How sure the match is, 0 to 1; 1 is exact.'))
        SELECT DISTINCT ON (c.relname, a.attname) c.relname, a.attname, s.comment
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        JOIN said s ON s.name = a.attname AND s.view IN (c.relname, '*')
        WHERE c.relnamespace = 'reheat'::regnamespace AND c.relkind = 'v' AND col_description(c.oid, a.attnum) IS NULL
        ORDER BY c.relname, a.attname, s.view = '*'
    LOOP
        EXECUTE format('COMMENT ON COLUMN reheat.%I.%I IS %L', missing.relname, missing.attname, missing.comment);
    END LOOP;
END $$;

-- residual_sites is sites, filtered: what sites says of a column holds there too.
DO $$
DECLARE
    missing record;
BEGIN
    FOR missing IN
        SELECT a.attname, col_description('reheat.sites'::regclass, b.attnum) AS comment
        FROM pg_attribute a JOIN pg_attribute b ON b.attrelid = 'reheat.sites'::regclass AND b.attname = a.attname
        WHERE a.attrelid = 'reheat.residual_sites'::regclass AND a.attnum > 0 AND NOT a.attisdropped
          AND col_description(a.attrelid, a.attnum) IS NULL AND col_description('reheat.sites'::regclass, b.attnum) IS NOT NULL
    LOOP
        EXECUTE format('COMMENT ON COLUMN reheat.residual_sites.%I IS %L', missing.attname, missing.comment);
    END LOOP;
END $$;

SELECT reheat_data.grant_reader();
