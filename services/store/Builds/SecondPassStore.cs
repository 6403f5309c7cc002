using Dapper;
using Npgsql;

namespace Reheat.Store.Builds;

/// <summary>What became of a site of the list in the second pass.</summary>
public enum SecondPassState
{
    /// <summary>The object has it as a record.</summary>
    Annotated = 1,

    /// <summary>Found, and left as it was.</summary>
    Refused = 2,

    /// <summary>Not found.</summary>
    Lost = 3,
}

/// <summary>A row of the table <c>second_pass</c>; unit, function and ordinal are the list's.</summary>
public sealed record SecondPassRow(
    string Unit, string Function, int Ordinal, string Instruction, SecondPassState State, string? Refusal, string Detail, float Confidence);

/// <summary>Table <c>second_pass</c>.</summary>
internal static class SecondPassStore
{
    /// <summary>
    /// Keeps a report for a build. Units that it does not name keep the rows they have, or get those of the series' build before: a second
    /// pass assembles anew only what changed, and the rest of its objects are the ones that were reported then.
    /// </summary>
    public static async Task AddAsync(NpgsqlConnection connection, long build, IReadOnlyList<SecondPassRow> rows, CancellationToken cancel)
    {
        if (rows.Count == 0)
            return;
        // A unit may be assembled into several objects: annotated in one of them is annotated, and refused says more than lost.
        SecondPassRow[] sites = [.. rows
            .GroupBy(r => (r.Unit, r.Function, r.Ordinal))
            .Select(g => g.MinBy(r => r.State)!)
            .OrderBy(r => r.Unit, StringComparer.Ordinal).ThenBy(r => r.Function, StringComparer.Ordinal).ThenBy(r => r.Ordinal)];
        await connection.ExecuteAsync(new CommandDefinition(
            """
            INSERT INTO reheat_data.second_pass (build, unit, function, ordinal, instruction, state, refusal, detail, confidence)
            SELECT @build, p.unit, p.function, p.ordinal, p.instruction, p.state, p.refusal, p.detail, p.confidence
            FROM reheat_data.second_pass p
            WHERE NOT EXISTS (SELECT FROM reheat_data.second_pass mine WHERE mine.build = @build)
              AND p.build = (SELECT max(e.build) FROM reheat_data.builds e JOIN reheat_data.builds b USING (series)
                             WHERE b.build = @build AND e.build < @build AND EXISTS (SELECT FROM reheat_data.second_pass x WHERE x.build = e.build));
            DELETE FROM reheat_data.second_pass WHERE build = @build AND unit = ANY(@named);
            INSERT INTO reheat_data.second_pass (build, unit, function, ordinal, instruction, state, refusal, detail, confidence)
            SELECT @build, u.* FROM unnest(@units, @functions, @ordinals, @instructions, @states, @refusals, @details, @confidences)
                AS u (unit, function, ordinal, instruction, state, refusal, detail, confidence)
            """,
            new
            {
                build,
                named = sites.Select(s => s.Unit).Distinct().ToArray(),
                units = sites.Select(s => s.Unit).ToArray(),
                functions = sites.Select(s => s.Function).ToArray(),
                ordinals = sites.Select(s => s.Ordinal).ToArray(),
                instructions = sites.Select(s => s.Instruction).ToArray(),
                states = sites.Select(s => NameOf(s.State)).ToArray(),
                refusals = sites.Select(s => s.State == SecondPassState.Annotated ? null : s.Refusal).ToArray(),
                details = sites.Select(s => s.Detail).ToArray(),
                confidences = sites.Select(s => s.Confidence).ToArray(),
            }, cancellationToken: cancel));
    }

    private static string NameOf(SecondPassState state) => state switch
    {
        SecondPassState.Annotated => "annotated",
        SecondPassState.Refused => "refused",
        _ => "lost",
    };
}
