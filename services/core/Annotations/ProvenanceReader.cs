using System.Globalization;
using System.Text.Json;
using Reheat.Core.X86;

namespace Reheat.Core.Annotations;

/// <summary>Reads provenance. Fields that it does not know are passed over: provenance only informs, a newer one may say more.</summary>
public static class ProvenanceReader
{
    /// <summary>Reads what <see cref="ProvenanceWriter"/> wrote; what cannot be read is a diagnostic, the rest is kept.</summary>
    public static (Provenance Provenance, IReadOnlyList<Diagnostic> Diagnostics) Read(string text, string place)
    {
        var diagnostics = new List<Diagnostic>();
        var sites = new List<SiteProvenance>();
        var seen = new HashSet<SiteIdentity>();
        Provenance? head = null;
        int? end = null;
        int line = 0;
        int count = 0;
        foreach (string raw in text.Split('\n'))
        {
            line++;
            if (string.IsNullOrWhiteSpace(raw))
                continue;
            void Add(DiagnosticId id, string message) => diagnostics.Add(new Diagnostic(id, $"{place}:{line}", message));
            using JsonDocument? document = Parse(raw);
            if (document is not { RootElement: { ValueKind: JsonValueKind.Object } json })
                Add(DiagnosticId.ListBadLine, $"\"{raw[..Math.Min(raw.Length, 80)]}\": no JSON object");
            else if (head is null)
            {
                head = Head(json);
                if (head is null)
                {
                    Add(DiagnosticId.ListFormat, "no provenance of version 1: expected {\"reheat-provenance\":1,…} in the first line");
                    return (Empty, diagnostics);
                }
            }
            else if (json.TryGetProperty("end", out JsonElement number) && number.ValueKind == JsonValueKind.Number)
                end = number.TryGetInt32(out int n) ? n : -1;
            else
            {
                count++;
                if (Site(json) is not { } site)
                    Add(DiagnosticId.ListBadLine, $"\"{raw[..Math.Min(raw.Length, 80)]}\": unit, function, fingerprint or ordinal is missing or malformed");
                else if (!seen.Add(site.Site))
                    Add(DiagnosticId.ListDuplicate, $"{site.Site}: stands twice, the first is kept");
                else
                    sites.Add(site);
            }
        }
        if (end != count)
        {
            diagnostics.Add(new Diagnostic(DiagnosticId.ListFormat, $"{place}:{line}",
                end is null ? $"cut off after {count} sites: no end line" : $"end {end}, but {count} sites stand before it"));
        }
        return ((head ?? Empty) with { Sites = [.. sites.OrderBy(site => site.Site)] }, diagnostics);
    }

    private static Provenance Empty { get; } = new("", "", [], []);

    private static JsonDocument? Parse(string line)
    {
        try
        {
            return JsonDocument.Parse(line);
        }
        catch (JsonException)
        {
            return null; // the caller reports the line
        }
    }

    private static Provenance? Head(JsonElement json)
    {
        if (!json.TryGetProperty("reheat-provenance", out JsonElement version) || !version.TryInt32(out long number) || number != 1)
            return null;
        var images = new List<BuildId>();
        if (json.TryGetProperty("images", out JsonElement array) && array.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement image in array.EnumerateArray())
            {
                if (image.ValueKind == JsonValueKind.String && BuildId.TryParse(image.GetString(), out BuildId id))
                    images.Add(id);
            }
        }
        return new Provenance(json.Text("body") ?? "", json.Text("tool") ?? "", [.. images], []);
    }

    private static SiteProvenance? Site(JsonElement json)
    {
        if (json.Text("unit") is not { } unit || json.Text("function") is not { } function ||
            !Fingerprint.TryParse(json.Text("fingerprint"), out Fingerprint fingerprint) ||
            !json.TryGetProperty("ordinal", out JsonElement ordinal) || !ordinal.TryInt32(out long number))
        {
            return null;
        }
        _ = BuildId.TryParse(json.Text("image"), out BuildId image);
        return new SiteProvenance(new SiteIdentity(unit, function, fingerprint, (int)number))
        {
            Image = image,
            Address = new ImageAddress(Hex(json.Text("address"))),
            Offset = (int)json.Number("offset"),
            Traps = json.Number("traps"),
            Hits = json.Number("hits"),
            Elements = json.Number("elements"),
            Wedges = json.Real("wedges", 0),
            Confidence = json.Real("confidence", 1),
            Age = (int)json.Number("age"),
            Source = json.Text("source"),
        };
    }

    private static ulong Hex(string? text) =>
        text is not null && text.StartsWith("0x", StringComparison.Ordinal) &&
        ulong.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong value) ? value : 0;

    private static string? Text(this JsonElement json, string name) =>
        json.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static long Number(this JsonElement json, string name) =>
        json.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) ? number : 0;

    private static double Real(this JsonElement json, string name, double otherwise) =>
        json.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : otherwise;

    private static bool TryInt32(this JsonElement value, out long number)
    {
        number = 0;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out number) && number is >= int.MinValue and <= int.MaxValue;
    }
}
