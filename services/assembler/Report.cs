using System.Globalization;
using System.Text.Json;
using Reheat.Assembler.Emission;
using Reheat.Assembler.Matching;
using Reheat.Core;
using Reheat.Core.Annotations;
using Reheat.Core.X86;

namespace Reheat.Assembler;

/// <summary>What became of one file: a line of JSON.</summary>
internal sealed class Report
{
    public required string Output { get; init; }

    public required string Unit { get; init; }

    public required string Slice { get; init; }

    public required AnnotationPolicy Policy { get; init; }

    public List<Site> Sites { get; } = [];

    public List<RefusedClassOne> RefusedClassOne { get; } = [];

    /// <summary>Sensitive instructions annotated, each instance of a macro's.</summary>
    public int ClassOne { get; set; }

    /// <summary>True if there is something to tell.</summary>
    public bool HasSites => Sites.Count + RefusedClassOne.Count + ClassOne > 0;

    /// <summary>The line, ended.</summary>
    public byte[] ToLine(TimeSpan taken)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteNumber("reheat", 1);
            json.WriteString("output", Output);
            json.WriteString("path", Path.GetFullPath(Output));
            json.WriteString("unit", Unit);
            json.WriteString("slice", Slice);
            json.WriteString("policy", Policy.ToString());
            json.WriteNumber("annotated", Sites.Count(s => s.State == SiteState.Annotated));
            json.WriteNumber("refused", Sites.Count(s => s.State == SiteState.Refused) + RefusedClassOne.Count);
            json.WriteNumber("lost", Sites.Count(s => s.State == SiteState.Lost));
            json.WriteNumber("class1", ClassOne);
            json.WriteStartArray("sites");
            foreach (Site site in Sites)
                Write(json, site);
            foreach (RefusedClassOne site in RefusedClassOne)
                Write(json, site);
            json.WriteEndArray();
            json.WriteStartArray("diagnostics");
            foreach (string message in Diagnose.All)
                json.WriteStringValue(message);
            json.WriteEndArray();
            json.WriteNumber("seconds", Math.Round(taken.TotalSeconds, 4));
            json.WriteEndObject();
        }
        stream.WriteByte((byte)'\n');
        return stream.ToArray();
    }

    private static void Write(Utf8JsonWriter json, Site site)
    {
        json.WriteStartObject();
        json.WriteString("unit", site.Unit);
        json.WriteString("function", site.Function.Name);
        json.WriteNumber("ordinal", site.Annotation.Ordinal);
        json.WriteString("instruction", site.Annotation.Instruction);
        json.WriteStartArray("operations");
        foreach (AnnotatedAccess access in site.Annotation.Accesses)
            json.WriteStringValue(string.Create(CultureInfo.InvariantCulture, $"{access.Operation.Name()}:{access.Size}:{access.Target}"));
        json.WriteEndArray();
        json.WriteString("state", site.State switch
        {
            SiteState.Annotated => "annotated",
            SiteState.Refused => "refused",
            _ => "lost",
        });
        if (site.Found is { } found)
        {
            json.WriteString("match", site.IsExact ? "exact" : "drifted");
            json.WriteNumber("confidence", site.Confidence);
            if (found.Name != site.Function.Name)
                json.WriteString("foundFunction", found.Name);
            if (site.Ordinal != site.Annotation.Ordinal)
                json.WriteNumber("foundOrdinal", site.Ordinal);
            if (site.Text != site.Annotation.Instruction)
                json.WriteString("foundInstruction", site.Text);
        }
        if (site.State != SiteState.Annotated)
            Reason(json, site.Refusal, site.Detail);
        if (site.IsAlternative)
        {
            json.WriteStartArray("flags");
            json.WriteStringValue("alternative");
            json.WriteEndArray();
        }
        json.WriteEndObject();
    }

    private void Write(Utf8JsonWriter json, RefusedClassOne site)
    {
        json.WriteStartObject();
        json.WriteString("unit", Unit);
        json.WriteString("function", site.Function);
        json.WriteNumber("ordinal", -1);
        json.WriteString("instruction", site.Instruction);
        json.WriteStartArray("operations");
        json.WriteStringValue($"sensitive:0:{site.Instruction}");
        json.WriteEndArray();
        json.WriteString("state", "refused");
        Reason(json, site.Refusal, site.Detail);
        json.WriteEndObject();
    }

    private static void Reason(Utf8JsonWriter json, Refusal refusal, string detail)
    {
        json.WriteString("refusal", refusal.Name());
        if (detail.Length > 0)
            json.WriteString("detail", detail);
    }
}
