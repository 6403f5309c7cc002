namespace Reheat.Core.X86;

public sealed partial class FunctionCode
{
    /// <summary>
    /// Makes the decoder's and the formatter's tables, which take longer than a function: for a short program that has to wait for another
    /// anyway.
    /// </summary>
    public static void WarmUp() => _ = Decode(new FunctionBytes { Name = "", Code = new byte[] { 0x89, 0x07, 0xc3 }, Address = 0, Bitness = 64 }).Fingerprint;
}
