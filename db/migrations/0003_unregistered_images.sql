-- Traces of an image that no build has are counted, but stand in none of the views by build. This one says so.

CREATE VIEW reheat.unregistered_images AS
SELECT encode(s.build_id, 'hex') AS build_id,
       count(DISTINCT t.site) AS sites,
       coalesce(sum(t.executions) FILTER (WHERE t.outcome = 1), 0)::bigint AS traps,
       coalesce(sum(t.executions) FILTER (WHERE t.outcome = 2), 0)::bigint AS hits,
       max(t.last_bucket) AS last_seen
FROM reheat_data.sites s
JOIN reheat_data.site_totals t USING (site)
WHERE NOT EXISTS (SELECT FROM reheat_data.build_images bi WHERE bi.build_id = s.build_id)
GROUP BY s.build_id;
COMMENT ON VIEW reheat.unregistered_images IS 'Images that traces came from and that no registered build has: their sites are in no view by build until `reheat builds add` registers the image that the guest runs.';
COMMENT ON COLUMN reheat.unregistered_images.last_seen IS 'The newest minute in which one of its sites was counted.';

SELECT reheat_data.grant_reader();
