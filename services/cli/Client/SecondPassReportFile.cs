using System.Text.Json;
using Reheat.Core;
using Reheat.V1;

namespace Reheat.Cli.Client;

/// <summary>
/// The report of a second pass: a JSON object a line, one for each assembled file with sites. Files are appended to from build to build,
/// so of several lines of one file the last one counts.
/// </summary>
internal static class SecondPassReportFile
{
    /// <summary>The sites of a report, and what could not be read of it.</summary>
    /// <exception cref="CommandException">The file cannot be read.</exception>
    public static (IReadOnlyList<SecondPassSite> Sites, IReadOnlyList<Diagnostic> Diagnostics) Read(string path)
    {
        try
        {
            return Read(File.ReadLines(path), path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.BadInput, $"cannot read the report {path}: {e.Message}");
        }
    }

    internal static (IReadOnlyList<SecondPassSite> Sites, IReadOnlyList<Diagnostic> Diagnostics) Read(IEnumerable<string> lines, string place)
    {
        var files = new Dictionary<string, List<SecondPassSite>>(StringComparer.Ordinal);
        var diagnostics = new List<Diagnostic>();
        int number = 0;
        foreach (string line in lines)
        {
            number++;
            if (line.AsSpan().Trim().IsEmpty)
                continue;
            Try(line, () =>
            {
                using JsonDocument document = JsonDocument.Parse(line);
                JsonElement root = document.RootElement;
                if (!root.TryGetProperty("reheat", out JsonElement version) || version.GetInt32() != 1)
                    throw new FormatException("no report of version 1");
                var sites = new List<SecondPassSite>();
                foreach (JsonElement site in root.GetProperty("sites").EnumerateArray().Where(site => !IsClassOne(site)))
                    Try(site.GetRawText(), () => sites.Add(Site(site, Text(root, "unit"))));
                files[Text(root, "path") is { Length: > 0 } file ? file : $"line {number}"] = sites;
            });
        }
        return ([.. files.Values.SelectMany(s => s)], diagnostics);

        // A site that cannot be read costs itself alone, a line that cannot be read its sites.
        void Try(string text, Action read)
        {
            try
            {
                read();
            }
            catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException or KeyNotFoundException)
            {
                diagnostics.Add(new Diagnostic(DiagnosticId.ReportBadLine, $"{place}:{number}", $"\"{(text.Length <= 80 ? text : text[..80] + "…")}\": {e.Message}"));
            }
        }
    }

    // Sensitive instructions are in no list, so they have no ordinal: the report names refused ones for the reader.
    private static bool IsClassOne(JsonElement site) =>
        site.ValueKind == JsonValueKind.Object && site.TryGetProperty("ordinal", out JsonElement ordinal) && ordinal.ValueKind == JsonValueKind.Number && ordinal.TryGetInt64(out long number) && number < 0;

    // A line that people wrote may stand for every unit; what was assembled was one of them.
    private static SecondPassSite Site(JsonElement site, string unit) => new()
    {
        Unit = Text(site, "unit") is not "*" and var named ? named : unit,
        Function = Text(site, "function"),
        Ordinal = site.GetProperty("ordinal").GetUInt32(),
        Instruction = Text(site, "instruction"),
        State = Text(site, "state") switch
        {
            "annotated" => SecondPassState.Annotated,
            "refused" => SecondPassState.Refused,
            "lost" => SecondPassState.Lost,
            var state => throw new FormatException($"state \"{state}\": expected annotated, refused or lost"),
        },
        Refusal = Text(site, "refusal"),
        Detail = Text(site, "detail"),
        Confidence = site.TryGetProperty("confidence", out JsonElement confidence) && confidence.ValueKind == JsonValueKind.Number ? confidence.GetDouble() : 1,
    };

    private static string Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
}
