-- A wedge that rewrites counts hits by site and may end with some that its ring never took: dropped, and no record is missing.
CREATE OR REPLACE VIEW reheat.drops AS
SELECT v.*, lpad(to_hex(v.epoch), 16, '0') AS epoch_hex
FROM (
    SELECT wedge, epoch, 'ring-full' AS reason, reheat.saturated(sum(ring_full_traps)) AS traps, reheat.saturated(sum(ring_full_records)) AS records,
           reheat.saturated(sum(ring_full_hits)) AS hits
    FROM reheat_data.marks GROUP BY wedge, epoch HAVING sum(ring_full_records) > 0 OR sum(ring_full_hits) > 0
    UNION ALL
    SELECT wedge, epoch,
           CASE reason WHEN 1 THEN 'ring-full' WHEN 2 THEN 'corrupt-record' WHEN 3 THEN 'unknown-operation' WHEN 4 THEN 'outside-images'
                       WHEN 5 THEN 'spool-full' WHEN 6 THEN 'site-limit' WHEN 7 THEN 'mark-went-back' WHEN 8 THEN 'refused'
                       WHEN 9 THEN 'no-instruction' ELSE 'reason-' || reason END,
           reheat.saturated(sum(traps)), reheat.saturated(sum(records)), reheat.saturated(sum(hits))
    FROM reheat_data.drops GROUP BY wedge, epoch, reason
) v;
