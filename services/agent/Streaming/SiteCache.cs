using System.Runtime.CompilerServices;

namespace Reheat.Agent.Streaming;

/// <summary>
/// Which dictionary index records had before. Millions of records a second come from some hundred instructions; asking <see cref="StreamSites"/> for each costs
/// more than all the rest of folding. Direct-mapped, and never wrong: an entry is compared whole, and what is in none is asked for again.
/// </summary>
internal sealed class SiteCache
{
    private const int Bits = 13;

    private struct Entry
    {
        public ulong Ip;
        public ulong What;
        public int Index;
    }

    private readonly Entry[] _entries = new Entry[1 << Bits];

    /// <summary>The index, or <paramref name="absent"/>.</summary>
    /// <param name="ip">The instruction.</param>
    /// <param name="what">What it did, in one word, which is not 0.</param>
    /// <param name="absent">The answer where there is none.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Find(ulong ip, ulong what, int absent)
    {
        ref Entry entry = ref _entries[Slot(ip, what)];
        return entry.Ip == ip && entry.What == what ? entry.Index : absent;
    }

    /// <summary>Remembers an index.</summary>
    public void Remember(ulong ip, ulong what, int index) => _entries[Slot(ip, what)] = new Entry { Ip = ip, What = what, Index = index };

    private static int Slot(ulong ip, ulong what) => (int)(((ip ^ (what << 20)) * 0x9e37_79b9_7f4a_7c15) >> (64 - Bits));
}
