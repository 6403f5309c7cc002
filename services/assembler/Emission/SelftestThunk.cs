using System.Globalization;
using System.Text;
using Reheat.Assembler.Gas;
using TextWriter = Reheat.Assembler.Gas.TextWriter;

namespace Reheat.Assembler.Emission;

/// <summary>
/// The thunk of a self-testing site: it counts, does the access with the registers, flags and stack that the site has, and goes back. It stands
/// inside of its function, before the <c>.size</c> directive, so that tools that follow the code find it there.
/// </summary>
internal static class SelftestThunk
{
    // Below the stack pointer user code may keep data (psABI x86-64, 3.2.2: the red zone).
    public const int RedZone = 128;

    /// <summary>Writes the thunks of one function at its end.</summary>
    public static void Write(TextWriter output, byte[] text, SourceScan scan, IReadOnlyList<SitePlan> plans, string prefix, int bitness)
    {
        // clang ends the frame after the code that the size takes in: then the last thunk's frame is ended in its place.
        bool isOpen = FrameReplay.At(text, scan.Frames, plans[0].End.Position).Closing.Length > 0;
        if (isOpen)
            output.Append(".cfi_endproc; ");
        string last = AnnotatedText.Label(plans[^1], prefix);
        if (plans[0].FallsThrough)
            output.Append($"{{disp32}} jmp {last}x; ");
        for (int i = 0; i < plans.Count; i++)
            Write(output, text, scan, plans[i], prefix, bitness, leaveOpen: isOpen && i == plans.Count - 1);
        if (plans[0].FallsThrough)
            output.Append($"{last}x: ");
    }

    private static void Write(TextWriter output, byte[] text, SourceScan scan, SitePlan plan, string prefix, int bitness, bool leaveOpen)
    {
        string label = AnnotatedText.Label(plan, prefix);
        FrameReplay frame = FrameReplay.At(text, scan.Frames, plan.Statement.Start);
        output.Append(frame.Opening);
        output.Append($"{label}t: ");
        if (bitness == 64)
        {
            output.Append(Invariant($"lea -{RedZone}(%rsp),%rsp; {frame.Moved(RedZone)}pushfq; {frame.Moved(8)}lock incq {label}c(%rip); "));
            output.Append(Invariant($"popfq; {frame.Moved(-8)}lea {RedZone}(%rsp),%rsp; {frame.Moved(-RedZone)}"));
        }
        else
        {
            output.Append($"pushfl; {frame.Moved(4)}lock addl $1,{label}c; lock adcl $0,{label}c+4; popfl; {frame.Moved(-4)}");
        }
        if (plan.Statement.HasPrefix)
        {
            output.Append(Prefix(text, plan.Statement));
            output.Append("; ");
        }
        output.Append(text.AsSpan(plan.Statement.Instruction, plan.Statement.End - plan.Statement.Instruction));
        output.Append($"; {(plan.StackGrowth == 0 ? "" : frame.Moved(plan.StackGrowth))}{{disp32}} jmp {label}e; {(leaveOpen ? "" : frame.Closing)}");
    }

    /// <summary>True if the statement means the same elsewhere: it names neither its own place nor the nearest numbered label.</summary>
    public static bool CanMove(ReadOnlySpan<byte> statement)
    {
        for (int i = 0; i < statement.Length; i++)
        {
            if (i > 0 && IsSymbol(statement[i - 1]))
                continue;
            if (statement[i] == '.' && (i + 1 == statement.Length || !IsSymbol(statement[i + 1])))
                return false;
            int end = i;
            while (end < statement.Length && char.IsAsciiDigit((char)statement[end]))
                end++;
            if (end > i && end < statement.Length && statement[end] is (byte)'b' or (byte)'f' && (end + 1 == statement.Length || !IsSymbol(statement[end + 1])))
                return false;
        }
        return true;
    }

    private static bool IsSymbol(byte c) => char.IsAsciiLetterOrDigit((char)c) || c is (byte)'_' or (byte)'.' or (byte)'$' or >= 0x80;

    // Prefixes on lines of their own, brought together.
    private static string Prefix(byte[] text, Statement statement)
    {
        var words = new List<string>();
        var lexer = new GasLexer(text.AsSpan(statement.Start, statement.PrefixEnd - statement.Start));
        while (lexer.Next(out Token token))
        {
            if (token.Kind == TokenKind.Instruction)
                words.Add(Encoding.UTF8.GetString(text.AsSpan(statement.Start + token.Start, token.End - token.Start)));
        }
        return string.Join("; ", words);
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
