using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Reheat.Core.Elf;

namespace Reheat.Core.Dwarf;

/// <summary>The debug sections of an image, relocated and inflated on first use.</summary>
internal sealed class DwarfSections(ElfImage image)
{
    private readonly Dictionary<string, byte[]> _gnuCompressed = [];
    private readonly Dictionary<(int Table, ulong Offset), string?> _texts = [];
    private long _textBudget = image.Length + (1 << 20);
    private readonly ElfSection? _abbrev = Find(image, "abbrev");
    private readonly ElfSection? _strings = Find(image, "str");
    private readonly ElfSection? _lineStrings = Find(image, "line_str");
    private readonly ElfSection? _stringOffsets = Find(image, "str_offsets");
    private readonly ElfSection? _addresses = Find(image, "addr");
    private readonly ElfSection? _ranges = Find(image, "ranges");
    private readonly ElfSection? _rangeLists = Find(image, "rnglists");
    private readonly ElfSection? _lines = Find(image, "line");

    public ElfImage Image => image;

    /// <summary>All <c>.debug_info</c>: an object file has one more per type unit.</summary>
    public IEnumerable<ElfSection> Info => image.FindSections(".debug_info").Concat(image.FindSections(".zdebug_info"));

    public ReadOnlySpan<byte> Abbrev => Bytes(_abbrev);

    public ReadOnlySpan<byte> Strings => Bytes(_strings);

    public ReadOnlySpan<byte> LineStrings => Bytes(_lineStrings);

    public ReadOnlySpan<byte> StringOffsets => Bytes(_stringOffsets);

    public ReadOnlySpan<byte> Addresses => Bytes(_addresses);

    public ReadOnlySpan<byte> Ranges => Bytes(_ranges);

    public ReadOnlySpan<byte> RangeLists => Bytes(_rangeLists);

    public ReadOnlySpan<byte> Lines => Bytes(_lines);

    /// <summary>A section's bytes; those that old tools compressed under the name <c>.zdebug_*</c> inflated.</summary>
    public ReadOnlySpan<byte> Bytes(ElfSection? section)
    {
        if (section is null)
            return [];
        if (!section.NameStartsWith(".zdebug_"u8))
            return image.RelocatedBytes(section);
        lock (_gnuCompressed)
        {
            if (!_gnuCompressed.TryGetValue(section.Name, out byte[]? bytes))
            {
                bytes = InflateOldKind(section);
                _gnuCompressed.Add(section.Name, bytes);
            }
            return bytes;
        }
    }

    // "ZLIB", the size as 64 bits big endian, the stream.
    private byte[] InflateOldKind(ElfSection section)
    {
        ReadOnlySpan<byte> stored = section.Bytes;
        if (image.IsRelocatable || stored.Length < 12 || !stored.StartsWith("ZLIB"u8))
        {
            image.Bag.Add(
                DiagnosticId.DwarfUnsupported, section.ToString(),
                "compressed the old way, which is read in linked images only: compile with `-gz=zlib`");
            return [];
        }
        return CompressedSection.InflateZlib(
            stored[12..], BinaryPrimitives.ReadUInt64BigEndian(stored[4..]), section.ToString(),
            CompressedSection.MostInflated(stored.Length), image.Bag);
    }

    /// <summary>A string of <c>.debug_str</c>.</summary>
    public string Text(ulong offset) => Cached(0, Strings, offset);

    /// <summary>A string of <c>.debug_line_str</c>.</summary>
    public string LineText(ulong offset) => Cached(1, LineStrings, offset);

    /// <summary>A string that stands among other data.</summary>
    public string InlineText(ReadOnlySpan<byte> data, ulong offset)
    {
        lock (_texts)
            return Decode(data, offset);
    }

    private string Cached(int table, ReadOnlySpan<byte> strings, ulong offset)
    {
        lock (_texts)
        {
            ref string? text = ref CollectionsMarshal.GetValueRefOrAddDefault(_texts, (table, offset), out _);
            return text ??= Decode(strings, offset);
        }
    }

    // The budget: real strings are shared or short, those of a hostile file overlap.
    private string Decode(ReadOnlySpan<byte> table, ulong offset)
    {
        if (offset > uint.MaxValue || _textBudget < 0)
            return "";
        string text = Encoding.UTF8.GetString(ElfImage.StringBytes(table, (uint)offset));
        _textBudget -= text.Length;
        if (_textBudget < 0)
            image.Bag.Add(DiagnosticId.DwarfMalformed, "debug strings", "overlapping strings: the rest of the names is left out");
        return text;
    }

    private static ElfSection? Find(ElfImage image, string name) =>
        image.FindSection(".debug_" + name) ?? image.FindSection(".zdebug_" + name);
}
