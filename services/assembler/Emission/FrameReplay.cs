using System.Globalization;
using System.Text;
using Reheat.Assembler.Gas;

namespace Reheat.Assembler.Emission;

/// <summary>
/// Unwinding data of a thunk: its own entry that says again what the function said up to the site.
/// </summary>
/// <param name="Opening">Before the thunk.</param>
/// <param name="Closing">After it.</param>
/// <param name="IsByStackPointer">The frame is found by the stack pointer, so that moving it must be said.</param>
internal sealed record FrameReplay(string Opening, string Closing, bool IsByStackPointer)
{
    private static readonly FrameReplay None = new("", "", false);

    /// <summary>The directive that says that the stack pointer moved down by that many bytes.</summary>
    public string Moved(int bytes) =>
        IsByStackPointer ? string.Create(CultureInfo.InvariantCulture, $".cfi_adjust_cfa_offset {bytes}; ") : "";

    /// <summary>What holds at a position of the text.</summary>
    public static FrameReplay At(byte[] text, IReadOnlyList<TextRange> directives, int position)
    {
        int first = -1, last = 0;
        for (; last < directives.Count && directives[last].Start < position; last++)
        {
            string name = Name(text, directives[last]);
            if (name == ".cfi_startproc")
                first = last;
            else if (name == ".cfi_endproc")
                first = -1;
        }
        if (first < 0)
            return None;
        var opening = new StringBuilder();
        bool byStack = true;
        var remembered = new Stack<bool>();
        for (int i = first; i < last; i++)
        {
            string directive = Encoding.UTF8.GetString(text.AsSpan(directives[i].Start, directives[i].End - directives[i].Start));
            string name = Name(text, directives[i]);
            switch (name)
            {
                // The language's tables are by the function's addresses; a thunk calls nothing that throws.
                case ".cfi_personality" or ".cfi_lsda" or ".cfi_personality_id" or ".cfi_inline_lsda" or ".cfi_sections":
                    continue;
                case ".cfi_def_cfa" or ".cfi_def_cfa_register":
                    byStack = IsStackPointer(directive[name.Length..].Split(',')[0].Trim());
                    break;
                case ".cfi_remember_state":
                    remembered.Push(byStack);
                    break;
                case ".cfi_restore_state" when remembered.Count > 0:
                    byStack = remembered.Pop();
                    break;
                case ".cfi_escape":
                    byStack = false; // an expression: it may be anything, and is none of ours to adjust
                    break;
            }
            opening.Append(directive).Append("; ");
        }
        return new FrameReplay(opening.ToString(), ".cfi_endproc; ", byStack);
    }

    // DWARF numbers: 7 is %rsp in 64-bit code, 4 %esp in 32-bit code, where 7 is %edi, by which no frame is found.
    private static bool IsStackPointer(string register) => register.TrimStart('%') is "7" or "4" or "rsp" or "esp";

    private static string Name(byte[] text, TextRange directive)
    {
        ReadOnlySpan<byte> bytes = text.AsSpan(directive.Start, directive.End - directive.Start);
        int end = bytes.IndexOfAny(" \t"u8);
        return Encoding.UTF8.GetString(end < 0 ? bytes : bytes[..end]);
    }
}
