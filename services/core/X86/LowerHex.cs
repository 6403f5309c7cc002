using System.Buffers;

namespace Reheat.Core.X86;

/// <summary>The digits that fingerprints and sketches are written with: one spelling for one value.</summary>
internal static class LowerHex
{
    public static readonly SearchValues<char> Digits = SearchValues.Create("0123456789abcdef");
}
