using Google.Protobuf;
using Reheat.V1;

namespace Reheat.IngestBench;

/// <summary>
/// Columns of batches, encoded once and sent again and again: the load must cost the machine little beside what is measured. Sites have indexes in the order in
/// which they come first, as an agent gives them, so that frequent ones have short ones.
/// </summary>
internal sealed class Payloads
{
    private const int Variants = 16;

    public Payloads(ulong[] sites, int records, bool folded, int seed)
    {
        var zipf = new Zipf(sites.Length, seed);
        var indexes = new Dictionary<int, uint>();
        var order = new List<int>();
        var batches = new List<Batch>();
        for (int v = 0; v < Variants; v++)
        {
            var batch = new Batch();
            var counts = new SortedDictionary<uint, ulong>();
            for (int i = 0; i < records; i++)
            {
                int site = zipf.Next();
                if (!indexes.TryGetValue(site, out uint index))
                {
                    indexes.Add(site, index = (uint)indexes.Count);
                    order.Add(site);
                }
                if (folded)
                    counts[index] = counts.GetValueOrDefault(index) + 1;
                else
                    batch.Site.Add(index);
            }
            batch.Site.Add(counts.Keys);
            batch.Traps.Add(counts.Values);
            batches.Add(batch);
            RowsPerBatch += (double)batch.Site.Count / Variants;
        }
        Columns = [.. batches.Select(b => b.ToByteArray())];
        var named = new SiteColumns { NewKinds = { new SiteKind { Operation = Operation.DeviceWrite, Size = 4, Target = "lapic", Outcome = Outcome.Trap } } };
        ulong last = 0;
        foreach (int site in order)
        {
            named.AddressDelta.Add(unchecked((long)(sites[site] - last)));
            named.Kind.Add(0);
            last = sites[site];
        }
        Distinct = order.Count;
        Dictionary = new Batch { NewSites = named }.ToByteArray();
    }

    /// <summary>Encoded row columns of some batches.</summary>
    public byte[][] Columns { get; }

    /// <summary>The encoded columns that name all sites, which a stream's first batch carries.</summary>
    public byte[] Dictionary { get; }

    /// <summary>Distinct sites.</summary>
    public int Distinct { get; }

    /// <summary>Rows of a batch, on average.</summary>
    public double RowsPerBatch { get; }
}
