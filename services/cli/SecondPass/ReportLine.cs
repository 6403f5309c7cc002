using System.Text.Json;

namespace Reheat.Cli.SecondPass;

/// <summary>What became of one site.</summary>
/// <param name="Path">The object, relative to the tree; empty if there is none.</param>
/// <param name="Unit">As the list names it.</param>
/// <param name="Function">Its symbol.</param>
/// <param name="Ordinal">Of the instruction.</param>
/// <param name="Instruction">Normalised.</param>
/// <param name="State"><c>annotated</c>, <c>refused</c> or <c>lost</c>.</param>
/// <param name="Match"><c>exact</c> or <c>drifted</c>; empty if not found.</param>
/// <param name="Confidence">0 to 1: how surely it was found.</param>
/// <param name="Reason">A refusal's name; of a lost site why.</param>
/// <param name="Detail">More for the reader; may be empty.</param>
internal sealed record SiteOutcome(
    string Path, string Unit, string Function, int Ordinal, string Instruction, string State, string Match, double Confidence, string Reason, string Detail);

/// <summary>One line of a report: one assembled file.</summary>
internal sealed record ReportLine(string Path, JsonElement Json)
{
    public int ClassOne => Number(Json, "class1");

    public IReadOnlyList<string> Diagnostics { get; } = Json.TryGetProperty("diagnostics", out JsonElement list) && list.ValueKind == JsonValueKind.Array
        ? [.. list.EnumerateArray().Select(item => item.ToString())]
        : [];

    /// <summary>Its sites.</summary>
    public IEnumerable<SiteOutcome> Sites(string relative) => Sites(Json, relative);

    /// <summary>The sites of a report.</summary>
    public static IEnumerable<SiteOutcome> Sites(JsonElement json, string relative)
    {
        if (!json.TryGetProperty("sites", out JsonElement sites) || sites.ValueKind != JsonValueKind.Array)
            yield break;
        foreach (JsonElement site in sites.EnumerateArray())
        {
            string state = Text(site, "state");
            // The state says what kind of number comes back; sites of class 1 are counted, and listed only where refused.
            yield return new SiteOutcome(
                relative, Text(site, "unit"), Text(site, "function"), Number(site, "ordinal"), Text(site, "instruction"), state,
                Text(site, "match"), site.TryGetProperty("confidence", out JsonElement c) && c.ValueKind == JsonValueKind.Number ? c.GetDouble() : 0,
                Text(site, "refusal") is { Length: > 0 } refusal ? refusal : state == "annotated" ? "" : Text(site, "detail"), Text(site, "detail"));
        }
    }

    /// <summary>All whole lines of a report, the last of each object; others were cut off by a crash and count for nothing.</summary>
    public static Dictionary<string, ReportLine> Read(string path, Func<string, string> relative)
    {
        var lines = new Dictionary<string, ReportLine>(StringComparer.Ordinal);
        if (!File.Exists(path))
            return lines;
        foreach (string text in File.ReadLines(path))
        {
            if (Parse(text) is not { ValueKind: JsonValueKind.Object } json || Text(json, "path") is not { Length: > 0 } full)
                continue;
            string name = relative(full);
            lines[name] = new ReportLine(name, json);
        }
        return lines;
    }

    private static JsonElement? Parse(string text)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string Text(JsonElement json, string name) =>
        json.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";

    private static int Number(JsonElement json, string name) =>
        json.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) ? number : 0;
}
