using System.Globalization;
using System.Text;
using Reheat.Agent.Kvm;
using Xunit;

namespace Reheat.Loop.Tests.Kvm;

/// <summary>Numbers of every length, before every kind of byte and before the end of the text.</summary>
public sealed class HexTests
{
    private static readonly string[] Behind = ["", " ", ":", "g", "/", "@", "`", "G", "\u00ff", " val 0xffffffffffffffff", ":44 8b 60 60 (prot64)", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"];

    [Fact]
    public void A_hexadecimal_number_is_read_up_to_the_first_byte_that_is_no_digit()
    {
        var random = new Random(11);
        for (int digits = 1; digits <= 16; digits++)
        {
            foreach (string behind in Behind)
            {
                for (int i = 0; i < 200; i++)
                {
                    string number = string.Concat(Enumerable.Range(0, digits).Select(_ => "0123456789abcdefABCDEF"[random.Next(22)]));
                    foreach (string prefix in (string[])["", "0x"])
                    {
                        ReadOnlySpan<byte> text = Encoding.Latin1.GetBytes(prefix + number + behind);
                        Assert.True(Hex.TryRead(ref text, out ulong read), prefix + number + behind);
                        Assert.Equal(ulong.Parse(number, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture), read);
                        Assert.Equal(behind, Encoding.Latin1.GetString(text));
                    }
                }
            }
        }
    }

    [Theory]
    [InlineData("00000000000000001", true)]
    [InlineData("0000000000000000ffffffffffffffff gpa", true)]
    [InlineData("1ffffffffffffffff", false)]
    [InlineData("ffffffffffffffff0 and more behind it", false)]
    [InlineData("", false)]
    [InlineData("0x", true)] // a zero, and an x behind it
    [InlineData("0x                      ", false)]
    [InlineData("g0123456789abcdef0123", false)]
    public void At_most_64_bits(string number, bool fits)
    {
        ReadOnlySpan<byte> text = Encoding.ASCII.GetBytes(number);
        Assert.Equal(fits, Hex.TryRead(ref text, out _));
    }

    [Theory]
    [InlineData("0 ", 0UL)]
    [InlineData("18446744073709551615", ulong.MaxValue)]
    [InlineData("18446744073709551616", null)]
    [InlineData("99999999999999999999", null)]
    [InlineData("-1", null)]
    public void A_decimal_number_is_read(string number, ulong? expected)
    {
        ReadOnlySpan<byte> text = Encoding.ASCII.GetBytes(number);
        Assert.Equal(expected, Hex.TryReadDecimal(ref text, out ulong read) ? read : null);
    }
}
