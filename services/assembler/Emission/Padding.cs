using System.Globalization;
using System.Text;
using Reheat.Core.Annotations;
using Reheat.Core.X86;

namespace Reheat.Assembler.Emission;

/// <summary>How many NOP bytes an annotated instruction gets, and which.</summary>
internal static class Padding
{
    /// <summary>Bytes of <c>jmp rel32</c> or <c>call rel32</c>, which takes the place of instruction and padding.</summary>
    public const int Transfer = 5;

    /// <summary>As many as make <see cref="Transfer"/> with the instruction, whose length the assembler knows.</summary>
    public const int Measured = -1;

    // Intel SDM volume 2B, table 4-12 (NOP), as gas itself pads with.
    private static readonly byte[][] Nops =
    [
        [],
        [0x90],
        [0x66, 0x90],
        [0x0f, 0x1f, 0x00],
        [0x0f, 0x1f, 0x40, 0x00],
        [0x0f, 0x1f, 0x44, 0x00, 0x00],
        [0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
        [0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
        [0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
    ];

    /// <summary>Bytes after a class-2 instruction.</summary>
    public static int OfMemory(in SiteInstruction instruction, PaddingStyle style) => style == PaddingStyle.Inline
        ? instruction.Bitness == 64 ? InlineAmd64(instruction) : instruction.Writes ? 15 : 13
        : Math.Max(0, Transfer - instruction.Length);

    /// <summary>Bytes after a class-1 instruction.</summary>
    public static int OfSensitive(in SiteInstruction instruction, PaddingStyle style) => style == PaddingStyle.Inline
        ? instruction.SensitivePadding
        : Math.Max(0, Transfer - instruction.Length);

    /// <summary>
    /// NOPs of that length in all, the fewest. i386 before the Pentium Pro has no <c>0f 1f</c>: there each byte is its own.
    /// </summary>
    public static byte[] Bytes(int count, int bitness)
    {
        byte[] bytes = new byte[count];
        if (bitness != 64)
        {
            bytes.AsSpan().Fill(0x90);
            return bytes;
        }
        for (int at = 0; at < count;)
        {
            byte[] nop = Nops[Math.Min(count - at, Nops.Length - 1)];
            nop.CopyTo(bytes, at);
            at += nop.Length;
        }
        return bytes;
    }

    /// <summary>The statement that writes that many: <c>.byte 15,31,0</c>.</summary>
    public static string Statement(int count, int bitness) =>
        $".byte {string.Join(',', Bytes(count, bitness).Select(b => b.ToString(CultureInfo.InvariantCulture)))}";

    /// <summary>The statements that write <see cref="Measured"/> ones behind what begins at a label.</summary>
    public static string Statements(string label, int bitness)
    {
        var text = new StringBuilder(".if ");
        for (int length = 1; length < Transfer; length++)
            text.Append(CultureInfo.InvariantCulture, $"{(length > 1 ? ".elseif " : "")}.-{label}=={length}; {Statement(Transfer - length, bitness)}; ");
        return text.Append(".endif").ToString();
    }

    // Budgets for 64-bit code, which the original's sources do not give form by form (up to 38). In-line rewriting needs there: lea -128(%rsp),%rsp
    // over the red zone 5, a saved register 1, lea operand,%rdi 8, call rel32 5, the register back 1, lea 128(%rsp),%rsp 8, the result
    // moved 3: 31 for a read. A write brings its value in a second saved register instead (an immediate takes 7): 31 - 3 + 1 + 7 + 1 = 37. An
    // exchange does that and moves its result: 38, with the value in a register.
    private static int InlineAmd64(in SiteInstruction instruction) => instruction.IsReadModifyWrite ? 38 : instruction.Writes ? 37 : 31;
}
