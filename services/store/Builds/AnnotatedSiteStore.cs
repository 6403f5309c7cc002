using Dapper;
using Npgsql;
using Reheat.Core;
using Reheat.Core.Records;

namespace Reheat.Store.Builds;

/// <summary>Table <c>annotated_sites</c>: the records of registered images, as rows that views join with.</summary>
internal static class AnnotatedSiteStore
{
    /// <summary>Makes the rows of an image those of its records, in key order.</summary>
    public static async Task ReplaceAsync(NpgsqlConnection connection, BuildId image, AnnotatedSites sites, CancellationToken cancel)
    {
        var rows = sites.All.SelectMany(site => site.Targets, (site, target) => (Id: SiteId.Of(image, site.Start).Value, site, target)).ToArray();
        var arguments = new
        {
            image = image.ToBytes(),
            ids = rows.Select(r => r.Id).ToArray(),
            targets = rows.Select(r => r.target).ToArray(),
            starts = rows.Select(r => unchecked((long)r.site.Start.Value)).ToArray(),
            ends = rows.Select(r => unchecked((long)r.site.End.Value)).ToArray(),
            classes = rows.Select(r => r.target == AnnotatedSite.ClassOne ? (short)1 : (short)2).ToArray(),
        };
        await connection.ExecuteAsync(new CommandDefinition(
            """
            DELETE FROM reheat_data.annotated_sites a WHERE a.build_id = @image
                AND NOT EXISTS (SELECT FROM unnest(@ids, @targets) AS u (site, target) WHERE u.site = a.site AND u.target = a.target);
            INSERT INTO reheat_data.annotated_sites AS a (site, target, build_id, address, end_address, class)
            SELECT u.site, u.target, @image, u.address, u.end_address, u.class
            FROM unnest(@ids, @targets, @starts, @ends, @classes) AS u (site, target, address, end_address, class)
            ORDER BY u.site, u.target
            ON CONFLICT (site, target) DO UPDATE SET end_address = excluded.end_address
            WHERE a.end_address <> excluded.end_address
            """, arguments, cancellationToken: cancel));
    }
}
