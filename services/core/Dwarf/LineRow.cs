namespace Reheat.Core.Dwarf;

/// <summary>One row of a line table.</summary>
/// <param name="Address">First address that the row describes.</param>
/// <param name="File">Index for <see cref="LineTable.FileName"/>.</param>
/// <param name="Line">Line, counted from 1; 0 if the code belongs to no line.</param>
/// <param name="Column">Column, counted from 1; 0 if unknown.</param>
/// <param name="IsStatement">A recommended place for a breakpoint.</param>
/// <param name="IsEnd">The row only ends a sequence: its address is the first one after it.</param>
public readonly record struct LineRow(ImageAddress Address, int File, int Line, ushort Column, bool IsStatement, bool IsEnd);

/// <summary>A place in source text.</summary>
/// <param name="File">The file, as <see cref="SourcePath.Normalise"/> gives it.</param>
/// <param name="Line">Line, counted from 1; 0 if the code belongs to no line of it.</param>
public readonly record struct SourceLine(string File, int Line)
{
    /// <summary><c>file:line</c>.</summary>
    public override string ToString() => $"{File}:{Line}";
}
