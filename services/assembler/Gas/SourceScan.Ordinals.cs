using System.Text;

namespace Reheat.Assembler.Gas;

/// <summary>A wanted function as the text has it, with a guess at what its ordinals are.</summary>
/// <param name="name">Its label.</param>
/// <param name="section">Name of the section that the label stands in.</param>
internal sealed class FunctionText(string name, string section)
{
    /// <summary>What stands for an instruction that no statement makes.</summary>
    public const int Raw = -1;

    public string Name => name;

    public string Section => section;

    /// <summary>
    /// The statement of each ordinal (<see cref="Reheat.Core.X86.CodeInstruction.Ordinal"/>) by the look of the text. Whoever uses it must check it
    /// in the object.
    /// </summary>
    public List<int> Ordinals { get; } = [];
}

internal sealed partial class SourceScan
{
    private readonly List<FunctionText> _functions = [];
    private FunctionText? _open;

    /// <summary>The functions that were wanted, in order of their labels.</summary>
    public IReadOnlyList<FunctionText> Functions => _functions;

    private void Open(string name) => _functions.Add(_open = new FunctionText(name, _sections[_section].Name));

    private bool IsOpen => _open is not null && _macroDepth == 0 && _sections[_section].Name == _open.Section;

    // Of the last statement, which has just been added.
    private void Count(ReadOnlySpan<byte> name, in Token token)
    {
        // rep; nop is pause.
        if (IsOpen && (_prefix.Start >= 0 || !IsUncounted(name, _text.AsSpan(token.NameEnd, token.End - token.NameEnd).TrimStart(" \t"u8))))
            _open!.Ordinals.Add(_statements.Count - 1);
    }

    // ud2 as Linux writes it, for assemblers that did not know it.
    private void CountBytes(in Token token)
    {
        if (IsOpen && _text.AsSpan(token.NameEnd, token.End - token.NameEnd).IndexOf("0x0f"u8) >= 0 &&
            Encoding.UTF8.GetString(Arguments(token)).Replace(" ", "", StringComparison.Ordinal) == "0x0f,0x0b")
        {
            _open!.Ordinals.Add(FunctionText.Raw);
        }
    }

    // The jmp of a jump label, which its table names right behind it, becomes a NOP and has no ordinal.
    private void UncountJumpLabel()
    {
        if (IsOpen && _open!.Ordinals is [.., var last] && last == _statements.Count - 1 && last >= 0 && _text.AsSpan(_statements[last].Instruction).StartsWith("jmp"u8))
            _open.Ordinals.RemoveAt(_open.Ordinals.Count - 1);
    }

    // As Reheat.Core.X86.Uncounted and FunctionCode have it.
    private static bool IsUncounted(ReadOnlySpan<byte> name, ReadOnlySpan<byte> operands) =>
        name.StartsWith("nop"u8) || name.StartsWith("endbr"u8) || name.SequenceEqual("int3"u8) ||
        (name.StartsWith("call"u8) && (operands.SequenceEqual("__fentry__"u8) || operands.SequenceEqual("mcount"u8) || operands.SequenceEqual("_mcount"u8)));
}
