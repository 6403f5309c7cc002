using System.Text;

namespace Reheat.Core.Annotations;

public sealed partial class AnnotationListReader
{
    /// <summary>
    /// Reads the header and the wanted units, and of the others no more than it takes to see whether the list is whole: an assembler that runs
    /// a thousand times in a build wants one unit of thousands.
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
            int end = rest.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = end < 0 ? rest : rest[..end];
            rest = end < 0 ? [] : rest[(end + 1)..];
            if (line.StartsWith("unit "u8))
                skipping = !wanted(ParseUnit(Encoding.UTF8.GetString(line[5..]).Trim()));
            else if (skipping && line.StartsWith("end "u8))
                skipping = false;
            if (skipping && reader._headed && !reader._ended)
                reader.Skip(line);
            else if (!reader.Next(Encoding.UTF8.GetString(line)))
                return new(reader._list, reader._diagnostics);
        }
        return reader.Finish();
    }

    /// <summary>The unit's name of what follows <c>unit</c> in a line; empty if it cannot be read.</summary>
    public static string ParseUnit(string word) => ListText.ParseName(word) ?? "";

    private void Skip(ReadOnlySpan<byte> line)
    {
        _line++;
        if (line.IsEmpty || line[0] is not ((byte)' ' or (byte)'\t'))
            return;
        line = line.TrimStart(" \t"u8);
        if (!line.IsEmpty && line[0] is not ((byte)'#' or (byte)'\r') && !line.StartsWith("sketch"u8))
            _sites++;
    }
}
