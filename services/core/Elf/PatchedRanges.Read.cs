using System.Buffers.Binary;

namespace Reheat.Core.Elf;

public sealed partial class PatchedRanges
{
    /// <summary>
    /// Reads the tables of a linked kernel or of a module or object file (through their relocations). What does not make sense is
    /// left out and reported in the image's diagnostics.
    /// </summary>
    public static PatchedRanges Read(ElfImage image)
    {
        var ranges = new List<PatchedRange>();
        long budget = image.Length;
        foreach (PatchTable table in PatchTables.All)
        {
            bool found = false;
            foreach (ElfSection section in image.FindSections(table.Section))
            {
                found = true;
                ReadOnlySpan<byte> bytes = image.RelocatedBytes(section);
                budget -= bytes.Length;
                if (section.IsAbsent)
                    image.Bag.Add(DiagnosticId.ElfBadSection, section.ToString(), "not part of the skeleton: its places are unknown");
                else if (budget < 0 && !image.IsRebuilt)
                    image.Bag.Add(DiagnosticId.ElfBadSection, section.ToString(), "overlaps other sections; left out");
                else
                    ReadTable(image, table, section.ToString(), section.Start.Value, bytes, ranges);
            }
            if (!found && TryFindBySymbols(image, table.First, table.End, out AddressRange range))
            {
                ReadOnlySpan<byte> bytes = image.BytesAt(range.Start, (int)Math.Min(range.Length, int.MaxValue));
                if (!range.IsEmpty && bytes.IsEmpty)
                    image.Bag.Add(DiagnosticId.ElfBadSection, table.First, $"no bytes at {range}: its places are unknown");
                ReadTable(image, table, table.First, range.Start.Value, bytes, ranges);
            }
        }
        AddNoinstr(image, ranges);
        return new PatchedRanges(ranges);
    }

    private static bool TryFindBySymbols(ElfImage image, string first, string end, out AddressRange range)
    {
        range = default;
        if (image.IsRelocatable || !image.Symbols.TryFind(first, out ElfSymbol from) || !image.Symbols.TryFind(end, out ElfSymbol to))
            return false;
        range = new AddressRange(new ImageAddress(from.Value), new ImageAddress(to.Value));
        return !range.IsEmpty;
    }

    private static void AddNoinstr(ElfImage image, List<PatchedRange> ranges)
    {
        foreach (ElfSection section in image.Sections)
        {
            if (section.IsExecutable && section.NameStartsWith(".noinstr.text"u8) && image.TryGetRange(section, out AddressRange range))
                ranges.Add(new PatchedRange(range.Start, range.Length, PatchKinds.Noinstr));
        }
        if (TryFindBySymbols(image, "__noinstr_text_start", "__noinstr_text_end", out AddressRange linked))
            ranges.Add(new PatchedRange(linked.Start, linked.Length, PatchKinds.Noinstr));
    }

    private static void ReadTable(
        ElfImage image, PatchTable table, string place, ulong start, ReadOnlySpan<byte> bytes, List<PatchedRange> ranges)
    {
        if (bytes.IsEmpty)
            return;
        PatchLayout layout = ChooseLayout(image, table, start, bytes);
        int stride = Stride(image, layout);
        if (bytes.Length % stride != 0)
        {
            image.Bag.Add(
                DiagnosticId.ElfBadSection, place, $"0x{bytes.Length:x} bytes are no whole number of entries of {stride}");
        }
        int bad = 0;
        ulong example = 0;
        for (int at = 0; at <= bytes.Length - stride; at += stride)
        {
            ReadOnlySpan<byte> entry = bytes.Slice(at, stride);
            ulong position = start + (ulong)at;
            // Zero ends a table early: .smp_locks is padded to a page, __mcount_loc has zeros for functions that were dropped.
            if (IsZero(image, entry, layout))
                continue;
            ulong code = Pointer(image, entry, 0, position, layout.IsRelative);
            if (!image.IsExecutable(new ImageAddress(code)))
            {
                if (bad++ == 0)
                    example = code;
                continue;
            }
            Add(image, table.Kind, layout, entry, position, code, ranges);
        }
        if (bad > 0)
        {
            image.Bag.Add(
                DiagnosticId.ElfBadSection, place, $"{bad} of {bytes.Length / stride} entries name no code, the first: 0x{example:x}");
        }
    }

    private static void Add(
        ElfImage image, PatchKinds kind, PatchLayout layout, ReadOnlySpan<byte> entry, ulong position, ulong code, List<PatchedRange> ranges)
    {
        int lengthField = layout.LengthField < 0 ? image.AddressSize + 1 : layout.LengthField;
        ulong length = lengthField > 0 ? entry[lengthField] : CodeLength(kind, image.BytesAt(new ImageAddress(code), 2));
        if (length > 0)
            ranges.Add(new PatchedRange(new ImageAddress(code), length, kind));
        if (kind is not (PatchKinds.Alternative or PatchKinds.ExceptionSite))
            return;
        ulong second = Pointer(image, entry, layout.SecondPointer, position, layout.IsRelative);
        ulong secondLength = kind == PatchKinds.Alternative ? entry[lengthField + 1] : 1u;
        if (secondLength > 0 && image.IsExecutable(new ImageAddress(second)))
        {
            PatchKinds secondKind = kind == PatchKinds.Alternative ? PatchKinds.AlternativeReplacement : PatchKinds.ExceptionFixup;
            ranges.Add(new PatchedRange(new ImageAddress(second), secondLength, secondKind));
        }
    }

    // What the entry does not tell follows from the instruction that stands there.
    private static ulong CodeLength(PatchKinds kind, ReadOnlySpan<byte> code)
    {
        byte first = code.IsEmpty ? (byte)0 : code[0];
        return kind switch
        {
            // jmp rel8, or the two-byte NOP 66 90.
            PatchKinds.JumpLabel => first == 0xeb || code.StartsWith([(byte)0x66, (byte)0x90]) ? 2u : 5u,
            // jcc rel32 begins with 0f.
            PatchKinds.StaticCall => first == 0x0f && code.Length > 1 && (code[1] & 0xf0) == 0x80 ? 6u : 5u,
            // cs call, cs jmp, jcc rel32.
            PatchKinds.Retpoline => first is 0x2e or 0x0f ? 6u : 5u,
            PatchKinds.Endbr => 4,
            PatchKinds.SmpLock or PatchKinds.ExceptionSite => 1,
            _ => 5,
        };
    }

    // The layout is nowhere declared: of those that divide the table, the one under which most entries name code.
    private static PatchLayout ChooseLayout(ElfImage image, PatchTable table, ulong start, ReadOnlySpan<byte> bytes)
    {
        PatchLayout best = table.Layouts[0];
        double bestScore = -1;
        for (int i = 0; table.Layouts.Length > 1 && i < table.Layouts.Length; i++)
        {
            int stride = Stride(image, table.Layouts[i]);
            int sane = 0, count = 0;
            for (int at = 0; at <= bytes.Length - stride; at += stride, count++)
            {
                if (IsSane(image, table.Layouts[i], bytes.Slice(at, stride), start + (ulong)at))
                    sane++;
            }
            double score = (count == 0 ? 0 : (double)sane / count) + (bytes.Length % stride == 0 ? 0.5 : 0);
            if (score > bestScore)
                (best, bestScore) = (table.Layouts[i], score);
        }
        return best;
    }

    private static bool IsSane(ElfImage image, PatchLayout layout, ReadOnlySpan<byte> entry, ulong position) =>
        image.IsExecutable(new ImageAddress(Pointer(image, entry, 0, position, layout.IsRelative)))
        && (layout.SecondPointer == 0
            || image.IsExecutable(new ImageAddress(Pointer(image, entry, layout.SecondPointer, position, layout.IsRelative))));

    private static ulong Pointer(ElfImage image, ReadOnlySpan<byte> entry, int at, ulong position, bool isRelative)
    {
        ulong value = isRelative
            ? unchecked(position + (ulong)at + (ulong)BinaryPrimitives.ReadInt32LittleEndian(entry[at..]))
            : image.Is64 ? BinaryPrimitives.ReadUInt64LittleEndian(entry[at..]) : BinaryPrimitives.ReadUInt32LittleEndian(entry[at..]);
        return image.Is64 ? value : (uint)value;
    }

    private static bool IsZero(ElfImage image, ReadOnlySpan<byte> entry, PatchLayout layout) =>
        !entry[..(layout.IsRelative ? 4 : image.AddressSize)].ContainsAnyExcept((byte)0);

    // 0 stands for the relative jump entry, which is two s32 and an address.
    private static int Stride(ElfImage image, PatchLayout layout) => layout.Stride switch
    {
        0 => 8 + image.AddressSize,
        < 0 => -layout.Stride * image.AddressSize,
        _ => layout.Stride,
    };
}
