using System.Text;

namespace Reheat.Core.Annotations;

public sealed partial class AnnotationListReader
{
    /// <summary>
    /// Reads the header, the wanted units and the end; what stands between is passed over uncounted: an assembler that runs a thousand
    /// times in a build wants one unit of thousands.
    /// </summary>
    /// <param name="utf8">The whole list.</param>
    /// <param name="place">What diagnostics call it: a file name.</param>
    /// <param name="wanted">Whether a unit of that name is read.</param>
    public static AnnotationListResult ReadUnits(ReadOnlySpan<byte> utf8, string place, Predicate<string> wanted)
    {
        var reader = new AnnotationListReader(place);
        bool skipping = false;
        ReadOnlySpan<byte> rest = utf8.StartsWith("\uFEFF"u8) ? utf8[3..] : utf8;
        while (!rest.IsEmpty)
        {
            if (skipping)
                rest = reader.SkipUnit(rest);
            skipping = false;
            if (rest.IsEmpty)
                break;
            int end = rest.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = end < 0 ? rest : rest[..end];
            rest = end < 0 ? [] : rest[(end + 1)..];
            if (reader._headed && !reader._ended && line.StartsWith("unit "u8) && !wanted(ParseUnit(Encoding.UTF8.GetString(line[5..]).Trim())))
            {
                skipping = true;
                reader._line++;
            }
            else if (!reader.Next(Encoding.UTF8.GetString(line)))
                return new(reader._list, reader._diagnostics);
        }
        return reader.Finish();
    }

    /// <summary>The unit's name of what follows <c>unit</c> in a line; empty if it cannot be read.</summary>
    public static string ParseUnit(string word) => ListText.ParseName(word) ?? "";

    // To the next unit or the end; sites on the way are not counted.
    private ReadOnlySpan<byte> SkipUnit(ReadOnlySpan<byte> rest)
    {
        _isPartial = true;
        // "\nunit " would be looked for by its first and last byte, which nearly every line has.
        int unit = rest.IndexOf("\nunit"u8), end = (unit < 0 ? rest : rest[..unit]).IndexOf("\nend"u8);
        int skip = end >= 0 ? end + 1 : unit >= 0 ? unit + 1 : rest.Length;
        if (rest.StartsWith("unit "u8) || rest.StartsWith("end "u8))
            skip = 0;
        _line += rest[..skip].Count((byte)'\n');
        return rest[skip..];
    }
}
