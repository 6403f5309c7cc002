using System.Text;

namespace Reheat.Core.X86;

/// <summary>What two normalised texts of an instruction say about the access that they make.</summary>
public static class AccessText
{
    /// <summary>
    /// True if both are the same operation of the same width at the same place of whatever the registers point at: compilers choose other registers
    /// and people other values from build to build, but another displacement is another field, and its access another access.
    /// </summary>
    /// <param name="before">As <see cref="FunctionCode.Text(in CodeInstruction)"/> gave it: <c>movl $0x55,0x10(%rdi)</c>.</param>
    /// <param name="now">Of the instruction that is taken for it.</param>
    public static bool IsSame(string before, string now) => before == now || Shape(before) == Shape(now);

    // movl $,0x10(%): registers and immediate operands are left open, segments are not.
    private static string Shape(string text)
    {
        var shape = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length;)
        {
            shape.Append(text[i]);
            if (text[i++] is not ('%' or '$'))
                continue;
            int end = i;
            while (end < text.Length && (char.IsAsciiLetterOrDigit(text[end]) || (text[i - 1] == '$' && text[end] == '-')))
                end++;
            if (end < text.Length && text[end] == ':')
                shape.Append(text, i, end - i);
            i = end;
        }
        return shape.ToString();
    }
}
