using System.Text;

namespace Reheat.Core.Elf;

/// <summary>
/// Symbols by name: a chained hash table of indices, without a string for any symbol (8 bytes per symbol).
/// </summary>
internal sealed class SymbolNameIndex
{
    // Hashing looks at no more of a name, so that overlapping huge strings cannot make building quadratic.
    private const int Hashed = 256;

    private readonly ElfSymbolTable _table;
    private readonly int[] _heads;
    private readonly int[] _next;

    public SymbolNameIndex(ElfSymbolTable table)
    {
        _table = table;
        _heads = new int[(int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(table.Count, 1))];
        _next = new int[table.Count];
        _heads.AsSpan().Fill(-1);
        // Backwards, so that chains are in table order.
        for (int i = table.Count - 1; i > 0; i--)
        {
            ReadOnlySpan<byte> name = table[i].NameBytes;
            if (name.IsEmpty)
                continue;
            ref int head = ref _heads[Bucket(name)];
            _next[i] = head;
            head = i;
        }
    }

    public List<ElfSymbol> Find(string name)
    {
        var found = new List<ElfSymbol>();
        byte[] utf8 = Encoding.UTF8.GetBytes(name);
        if (utf8.Length is 0 or > ElfImage.LongestName)
            return found;
        for (int i = _heads[Bucket(utf8)]; i >= 0; i = _next[i])
        {
            ElfSymbol symbol = _table[i];
            if (symbol.NameBytes.SequenceEqual(utf8))
                found.Add(symbol);
        }
        return found;
    }

    private int Bucket(ReadOnlySpan<byte> name)
    {
        uint hash = 2166136261;
        foreach (byte b in name[..Math.Min(name.Length, Hashed)])
            hash = (hash ^ b) * 16777619;
        return (int)((hash ^ (hash >> 15)) & (uint)(_heads.Length - 1));
    }
}
