using System.Buffers.Binary;
using Reheat.Core.Elf;
using Reheat.Core.X86;

namespace Reheat.Core.Records;

public sealed partial class AnnotatedSites
{
    /// <summary>The longest site that is believed, in bytes: the original's largest in-line budget, 38, and an instruction.</summary>
    public const int LongestSite = 64;

    private const string Prefix = ".afterburn", ObjectPrefix = ".debug_afterburn", Selftest = "_selftest";

    /// <summary>
    /// Reads an image's records. Never throws over them: a record that makes no sense is left out with a diagnostic. Relocations are applied
    /// in a relocatable object; in a linked image, also one with <c>--emit-relocs</c>, they are applied already.
    /// </summary>
    public static AnnotatedSites Read(ElfImage image)
    {
        var bag = new DiagnosticBag(image.Name);
        var found = new SortedDictionary<ulong, AnnotatedSite>();
        var counters = new List<SelftestCounter>();
        foreach (ElfSection section in image.Sections)
        {
            if (KindOf(section.Name) is not { } kind)
                continue;
            List<(ulong First, ulong Second, string Place)> pairs = Pairs(image, section, bag);
            if (kind == Selftest)
                counters.AddRange(pairs.Select(p => new SelftestCounter(new ImageAddress(p.First), new ImageAddress(p.Second))));
            else if (kind == AnnotatedSite.ClassOne || TargetName.IsValid(kind))
                Take(image, kind, pairs, found, bag);
            else
                bag.Add(DiagnosticId.RecordBadSection, section.ToString(), $"\"{kind}\" is no target's name: expected {TargetName.Expected}");
        }
        return new AnnotatedSites([.. Disjoint(found.Values, bag)], [.. Known(counters, found, bag)], bag.Snapshot());
    }

    /// <summary>True for a section of records, or of self-test counters.</summary>
    public static bool IsRecordSection(string name) => KindOf(name) is not null;

    // The target ("" for class 1), Selftest, or null for other sections.
    private static string? KindOf(string name)
    {
        string rest = name.StartsWith(Prefix, StringComparison.Ordinal) ? name[Prefix.Length..]
            : name.StartsWith(ObjectPrefix, StringComparison.Ordinal) ? name[ObjectPrefix.Length..]
            : "?";
        return rest is "" or Selftest ? rest : rest[0] == '.' ? rest[1..] : null;
    }

    private static List<(ulong, ulong, string)> Pairs(ElfImage image, ElfSection section, DiagnosticBag bag)
    {
        ReadOnlySpan<byte> bytes = image.RelocatedBytes(section);
        int word = image.AddressSize, discarded = 0;
        if (bytes.Length % (2 * word) != 0)
            bag.Add(DiagnosticId.RecordBadSection, section.ToString(), $"{bytes.Length} bytes are no whole number of records of {2 * word}; the rest is left out");
        var pairs = new List<(ulong, ulong, string)>(bytes.Length / (2 * word));
        for (int at = 0; at + (2 * word) <= bytes.Length; at += 2 * word)
        {
            (ulong first, ulong second) = (Word(bytes[at..], word), Word(bytes[(at + word)..], word));
            // What the linker writes for code that it threw away.
            if (first == 0 && second == 0)
                discarded++;
            else
                pairs.Add((first, second, $"{section}+0x{at:x}"));
        }
        if (discarded > 0)
            bag.Add(DiagnosticId.RecordDiscarded, section.ToString(), $"{discarded} records are of code that the link discarded");
        return pairs;
    }

    private static ulong Word(ReadOnlySpan<byte> bytes, int size) =>
        size == 8 ? BinaryPrimitives.ReadUInt64LittleEndian(bytes) : BinaryPrimitives.ReadUInt32LittleEndian(bytes);

    private static void Take(ElfImage image, string target, List<(ulong First, ulong Second, string Place)> pairs, SortedDictionary<ulong, AnnotatedSite> found, DiagnosticBag bag)
    {
        foreach ((ulong start, ulong end, string place) in pairs)
        {
            var range = new AddressRange(new ImageAddress(start), new ImageAddress(end));
            if (range.IsEmpty || range.Length > LongestSite)
            {
                bag.Add(DiagnosticId.RecordBadRange, place, $"{range}: expected an end after the start, by at most {LongestSite} bytes");
                continue;
            }
            if (!image.IsExecutable(range.Start) || !image.IsExecutable(new ImageAddress(end - 1)))
            {
                bag.Add(DiagnosticId.RecordOutsideCode, place, $"{range} is in no executable section");
                continue;
            }
            var first = SiteInstruction.Decode(SelftestThunk.CodeAt(image, range.Start, (int)range.Length), start, image.Is64 ? 64 : 32);
            if (!first.IsValid || first.Length > (int)range.Length)
            {
                bag.Add(DiagnosticId.RecordNotAnInstruction, place, $"{range}: no instruction begins at the start and ends in the range");
                continue;
            }
            if (found.TryGetValue(start, out AnnotatedSite? known))
            {
                if (known.End != range.End || known.Targets.Contains(target))
                    bag.Add(DiagnosticId.RecordDuplicate, place, $"{range}: {known.Range} stands in another record{(known.End == range.End ? " of this target" : "")} already; that one is kept");
                else
                    found[start] = known with { Targets = [.. known.Targets.Append(target).Order(StringComparer.Ordinal)] };
                continue;
            }
            var access = new AddressRange(range.Start, range.Start + (ulong)first.Length);
            var site = new AnnotatedSite(range, [target]) { Access = access };
            // No site of either class is a jump of its own.
            if (SelftestThunk.IsJump(first))
            {
                if (SelftestThunk.Follow(image, range, first) is not { } thunk)
                {
                    bag.Add(DiagnosticId.RecordNoThunk, place, $"{range}: begins with a jump to 0x{first.Decoded.NearBranchTarget:x}, which leads to no access and back");
                    continue;
                }
                site = site with { Thunk = thunk.Thunk, Access = thunk.Access };
            }
            found.Add(start, site);
        }
    }

    // Where two overlap the earlier one is kept: code that is rewritten must belong to one site.
    private static IEnumerable<AnnotatedSite> Disjoint(IEnumerable<AnnotatedSite> sites, DiagnosticBag bag)
    {
        ulong end = 0;
        foreach (AnnotatedSite site in sites)
        {
            if (site.Start.Value < end)
            {
                bag.Add(DiagnosticId.RecordBadRange, site.Range.ToString(), $"overlaps the record before, which ends at 0x{end:x}; left out");
                continue;
            }
            end = site.End.Value;
            yield return site;
        }
    }

    private static IEnumerable<SelftestCounter> Known(List<SelftestCounter> counters, SortedDictionary<ulong, AnnotatedSite> found, DiagnosticBag bag)
    {
        foreach (SelftestCounter counter in counters.DistinctBy(c => c.Site).OrderBy(c => c.Site))
        {
            if (found.ContainsKey(counter.Site.Value))
                yield return counter;
            else
                bag.Add(DiagnosticId.RecordOutsideCode, $"{counter.Site}", $"a self-test counter at {counter.Counter} of a site that has no record");
        }
    }
}
