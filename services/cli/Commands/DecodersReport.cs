using Reheat.Cli.Client;
using Reheat.Cli.Terminal;
using Reheat.V1;
using Spectre.Console;

namespace Reheat.Cli.Commands;

/// <summary>
/// What <c>reheat sites --tdx</c> shows: the functions that trap on devices, how often, and whether the guests of confidential machines could decode them.
/// </summary>
internal static class DecodersReport
{
    // As many rows as a collector answers with.
    private const uint MaxRows = 10_000;

    private sealed record Row(string Image, string Function, string Target, string Operation, string Instruction, string Source, ulong Executions, int Sites, bool? Tdx, bool? Sev);

    public static async Task<int> ShowAsync(Screen screen, Connection connection, BuildSelector build, string target, int limit, CancellationToken cancel)
    {
        ListSitesResponse response = await connection.Coverage.ListSitesAsync(
            new ListSitesRequest { Build = build, Limit = MaxRows, All = true, Target = target }, cancellationToken: cancel);
        Row[] rows =
        [
            .. response.Sites.Where(s => s.Operation is "read" or "write" or "exchange")
                .GroupBy(s => (s.Image, s.Function, s.Target, s.Operation, s.Instruction))
                .Select(g => new Row(g.Key.Image, NameOf(g.First()), g.Key.Target, g.Key.Operation, g.Key.Instruction, g.First().Source,
                    g.Aggregate(0UL, (sum, s) => sum + s.Traps + s.Hits), g.Select(s => s.Address).Distinct().Count(),
                    All(g.Select(s => s.HasTdxDecodable ? s.TdxDecodable : (bool?)null)), All(g.Select(s => s.HasSevDecodable ? s.SevDecodable : (bool?)null))))
                .OrderBy(r => r.Tdx ?? false).ThenByDescending(r => r.Executions).ThenBy(r => r.Function, StringComparer.Ordinal).ThenBy(r => r.Instruction, StringComparer.Ordinal),
        ];
        Row[] shown = limit > 0 ? rows[..Math.Min(limit, rows.Length)] : rows;
        int functions = rows.Select(r => (r.Image, r.Function)).Distinct().Count();
        ulong executions = Sum(rows), refused = Sum(rows.Where(r => r.Tdx == false)), refusedBySev = Sum(rows.Where(r => r.Sev == false));
        screen.Show(
            new
            {
                response.Build,
                response.Series,
                Functions = functions,
                Executions = executions,
                NotDecodableByTdx = refused,
                NotDecodableBySev = refusedBySev,
                NotKnown = Sum(rows.Where(r => r.Tdx is null)),
                Accesses = shown.Select(r => new { r.Image, r.Function, r.Target, r.Operation, r.Instruction, r.Source, r.Executions, r.Sites, TdxDecodable = r.Tdx, SevDecodable = r.Sev }),
            },
            console => Draw(console, response, shown, functions, executions, refused, refusedBySev));
        if (rows.Length == 0)
            screen.Say($"no site of build {response.Build} was seen to access {(target.Length > 0 ? target : "a device")}");
        if (response.Total > (ulong)response.Sites.Count)
            screen.Say($"warning: only the {Format.Count(response.Sites.Count)} hottest of {Format.Count(response.Total)} rows are looked at: name a --target");
        UnregisteredHint.Say(screen, response.Unregistered);
        return rows.Length > 0 ? ExitCode.Success : ExitCode.NoObservations;
    }

    private static void Draw(IAnsiConsole console, ListSitesResponse response, Row[] rows, int functions, ulong executions, ulong refused, ulong refusedBySev)
    {
        console.WriteLine($"build {response.Build} of series {response.Series}: {Format.Count(functions, "function")} accessed devices in {Format.Count(executions, "execution")}; " +
            $"of these {Format.Count(refused)} by instructions that a TDX guest cannot decode, {Format.Count(refusedBySev)} that a SEV guest cannot");
        Table table = Screen.Table(("executions", true), ("TDX", false), ("SEV", false), ("target", false), ("operation", false), ("function", false), ("instruction", false), ("source", false))
            .Flexible("source", "instruction", "function");
        foreach (Row row in rows)
        {
            table.AddRow(Format.Count(row.Executions), Word(row.Tdx), Word(row.Sev), Format.Cell(row.Target), row.Operation, Format.Cell(row.Function),
                Format.Cell(row.Instruction), Format.Cell(row.Source));
        }
        console.Write(table);
    }

    private static string Word(bool? decodable) => decodable switch { true => "yes", false => "no", _ => "not known" };

    private static string NameOf(Site site) => site.Function.Length > 0 ? site.Function : $"{site.Image}+0x{site.Address:x}";

    private static bool? All(IEnumerable<bool?> verdicts) => verdicts.Aggregate((bool?)true, (all, one) => all == false || one == false ? false : all is null || one is null ? null : true);

    private static ulong Sum(IEnumerable<Row> rows) => rows.Aggregate(0UL, (sum, row) => sum + row.Executions);
}
