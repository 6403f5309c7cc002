using System.Collections;

namespace Reheat.Core.Elf;

/// <summary>
/// The functions of an image by address and by name. One per start address, chosen among aliases so that the choice does not depend
/// on the order of the symbol table: STT_FUNC before labels, with a size before without, global before local before weak, the longer,
/// fewer leading underscores, the shorter name (<c>__x64_sys_…</c> before <c>__ia32_sys_…</c>), then by name. Where sized functions overlap, the one that starts last owns the address. Labels without
/// a size own what no sized function covers, up to the next symbol.
/// </summary>
public sealed class FunctionTable : IReadOnlyList<ElfFunction>
{
    private readonly ElfFunction[] _functions;
    private readonly IntervalMap _map;
    private readonly ElfSymbolTable _symbols;

    private FunctionTable(ElfFunction[] functions, IntervalMap map, ElfSymbolTable symbols)
    {
        _functions = functions;
        _map = map;
        _symbols = symbols;
    }

    /// <summary>Number of functions.</summary>
    public int Count => _functions.Length;

    /// <summary>The function at a position of the address order.</summary>
    public ElfFunction this[int index] => _functions[index];

    /// <summary>The function that holds an address, or null. O(log n), allocates nothing.</summary>
    public ElfFunction? Find(ImageAddress address) =>
        _map.Find(address.Value) is var index and not IntervalMap.None ? _functions[index] : null;

    /// <summary>The functions of that name (static ones may share it), aliases included, by address.</summary>
    public IReadOnlyList<ElfFunction> FindByName(string name)
    {
        var found = new List<ElfFunction>();
        foreach (ElfSymbol symbol in _symbols.FindAll(name))
        {
            if (symbol.Address is { } address && AtStart(address) is { } function)
                found.Add(function);
        }
        return [.. found.Distinct().OrderBy(function => function.Start)];
    }

    /// <summary>The function that begins exactly at an address, or null.</summary>
    public ElfFunction? AtStart(ImageAddress start)
    {
        int low = 0, high = _functions.Length - 1;
        while (low <= high)
        {
            int middle = (low + high) >>> 1;
            int order = _functions[middle].Start.CompareTo(start);
            if (order == 0)
                return _functions[middle];
            if (order < 0)
                low = middle + 1;
            else
                high = middle - 1;
        }
        return null;
    }

    /// <inheritdoc/>
    public IEnumerator<ElfFunction> GetEnumerator() => ((IEnumerable<ElfFunction>)_functions).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    internal static FunctionTable Build(ElfImage image, ElfSymbolTable symbols)
    {
        Candidate[] candidates = Collect(image, symbols);
        Array.Sort(candidates);

        var sized = new List<Interval>();
        for (int i = 0; i < candidates.Length; i++)
        {
            if (IsFirstOfStart(candidates, i) && candidates[i].Size > 0)
                sized.Add(new Interval(candidates[i].Start, candidates[i].SizedEnd, i));
        }
        IntervalMap bySize = IntervalMap.Build(sized);

        var functions = new List<ElfFunction>();
        var result = new List<Interval>();
        for (int i = 0; i < candidates.Length;)
        {
            int next = i + 1;
            while (next < candidates.Length && candidates[next].Start == candidates[i].Start)
                next++;
            Candidate best = candidates[i];
            ulong end = best.SizedEnd;
            if (best.Size == 0)
            {
                end = Math.Min(best.SectionEnd, bySize.NextStart(best.Start));
                if (next < candidates.Length)
                    end = Math.Min(end, candidates[next].Start);
            }
            bool isHidden = best.Size == 0 && bySize.Find(best.Start) != IntervalMap.None;
            if (!isHidden && end > best.Start)
            {
                var range = new AddressRange(new ImageAddress(best.Start), new ImageAddress(end));
                var aliases = new ElfSymbol[next - i - 1];
                for (int k = 0; k < aliases.Length; k++)
                    aliases[k] = candidates[i + 1 + k].Symbol;
                result.Add(new Interval(best.Start, end, functions.Count));
                functions.Add(new ElfFunction(best.Symbol, range, image.Sections[best.Section], best.Size > 0, aliases));
            }
            i = next;
        }
        return new FunctionTable([.. functions], IntervalMap.Build(result), symbols);
    }

    private static bool IsFirstOfStart(Candidate[] candidates, int i) => i == 0 || candidates[i - 1].Start != candidates[i].Start;

    private static Candidate[] Collect(ElfImage image, ElfSymbolTable symbols)
    {
        var ranges = new AddressRange[image.Sections.Count];
        for (int i = 0; i < ranges.Length; i++)
        {
            if (image.Sections[i].IsExecutable && image.TryGetRange(image.Sections[i], out AddressRange range))
                ranges[i] = range;
        }

        var candidates = new List<Candidate>();
        int outside = 0;
        string example = "";
        for (int i = 1; i < symbols.Count; i++)
        {
            ElfSymbol symbol = symbols[i];
            if (symbol.Type is not (ElfSymbolType.Function or ElfSymbolType.None or ElfSymbolType.IndirectFunction))
                continue;
            int section = symbol.SectionIndex;
            if (ranges[section].IsEmpty || symbol.NameBytes.IsEmpty)
                continue;
            ulong start = symbol.Address!.Value.Value;
            // Labels such as _etext stand right after the section they belong to.
            if (!ranges[section].Contains(new ImageAddress(start)))
            {
                if (start != ranges[section].End.Value && symbol.Type == ElfSymbolType.Function && outside++ == 0)
                    example = symbol.ToString();
                continue;
            }
            candidates.Add(new Candidate(symbol, start, symbol.Size, section, ranges[section].End.Value));
        }
        if (outside > 0)
            image.Bag.Add(DiagnosticId.ElfBadSymbol, "symbols", $"{outside} functions outside of their sections, the first: {example}");
        return [.. candidates];
    }

    private readonly record struct Candidate(ElfSymbol Symbol, ulong Start, ulong Size, int Section, ulong SectionEnd)
        : IComparable<Candidate>
    {
        public ulong SizedEnd => Size > SectionEnd - Start ? SectionEnd : Start + Size;

        public int CompareTo(Candidate other)
        {
            int order = Start.CompareTo(other.Start);
            if (order == 0)
                order = IsLabel.CompareTo(other.IsLabel);
            if (order == 0)
                order = (Size == 0).CompareTo(other.Size == 0);
            if (order == 0)
                order = BindingRank.CompareTo(other.BindingRank);
            if (order == 0)
                order = other.Size.CompareTo(Size);
            if (order == 0)
                order = Underscores.CompareTo(other.Underscores);
            if (order == 0)
                order = Symbol.NameBytes.Length.CompareTo(other.Symbol.NameBytes.Length);
            if (order == 0)
                order = Symbol.NameBytes.SequenceCompareTo(other.Symbol.NameBytes);
            return order != 0 ? order : Symbol.Index.CompareTo(other.Symbol.Index);
        }

        private bool IsLabel => Symbol.Type == ElfSymbolType.None;

        private int BindingRank => Symbol.Binding switch
        {
            ElfSymbolBinding.Local => 1,
            ElfSymbolBinding.Weak => 2,
            _ => 0,
        };

        private int Underscores
        {
            get
            {
                int end = Symbol.NameBytes.IndexOfAnyExcept((byte)'_');
                return end < 0 ? int.MaxValue : end;
            }
        }
    }
}
