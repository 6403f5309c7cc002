namespace Reheat.Assembler.Gas;

internal enum TokenKind : byte
{
    End,
    Label,
    Directive,
    Assignment,

    /// <summary>An instruction, a bare prefix, or a macro by its name.</summary>
    Instruction,
}

/// <summary>One statement, or a label before it. Positions are bytes of the text.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Start">First byte.</param>
/// <param name="NameEnd">After the label's, directive's or instruction's name.</param>
/// <param name="End">After the last byte: of a label the colon, else the last operand; comments and blanks left out.</param>
internal readonly record struct Token(TokenKind Kind, int Start, int NameEnd, int End);
