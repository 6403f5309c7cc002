using System.IO.Hashing;
using System.Text;

namespace Reheat.Collector.Ingest;

/// <summary>The bit of a wedge in 256-bit sketches of distinct wedges.</summary>
internal static class WedgeSketch
{
    /// <summary>0 to 255, fixed for ever by the wedge's name: all collectors must agree.</summary>
    public static int BitOf(string wedge) => (int)(XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(wedge)) >> 56);
}
