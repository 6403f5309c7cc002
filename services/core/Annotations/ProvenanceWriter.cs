using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Reheat.Core.Annotations;

/// <summary>
/// Writes provenance as JSON lines: a head <c>{"reheat-provenance":1,…}</c>, a line a site in order of identity, and
/// <c>{"end":N}</c>, so that a file cut off is noticed.
/// </summary>
public static class ProvenanceWriter
{
    /// <summary>The text, lines ended by <c>\n</c>.</summary>
    public static string Write(Provenance provenance)
    {
        var text = new StringBuilder();
        Line(text, json =>
        {
            json.WriteNumber("reheat-provenance", 1);
            json.WriteString("body", provenance.BodyHash);
            json.WriteString("tool", provenance.Tool);
            json.WriteStartArray("images");
            foreach (BuildId image in provenance.Images)
                json.WriteStringValue(image.ToString());
            json.WriteEndArray();
        });
        foreach (SiteProvenance site in provenance.Sites.OrderBy(site => site.Site))
            Line(text, json => Site(json, site));
        Line(text, json => json.WriteNumber("end", provenance.Sites.Count));
        return text.ToString();
    }

    private static void Site(Utf8JsonWriter json, SiteProvenance site)
    {
        json.WriteString("unit", site.Site.Unit);
        json.WriteString("function", site.Site.Function);
        json.WriteString("fingerprint", site.Site.Fingerprint.ToString());
        json.WriteNumber("ordinal", site.Site.Ordinal);
        json.WriteString("image", site.Image.ToString());
        // A string: JSON numbers lose the low bits of kernel addresses in most readers.
        json.WriteString("address", site.Address.ToString());
        json.WriteNumber("offset", site.Offset);
        json.WriteNumber("traps", site.Traps);
        json.WriteNumber("hits", site.Hits);
        json.WriteNumber("elements", site.Elements);
        json.WriteNumber("wedges", site.Wedges);
        json.WriteNumber("confidence", site.Confidence);
        json.WriteNumber("age", site.Age);
        if (site.Source is not null)
            json.WriteString("source", site.Source);
    }

    private static void Line(StringBuilder text, Action<Utf8JsonWriter> write)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }
        text.Append(CultureInfo.InvariantCulture, $"{Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length)}\n");
    }
}
