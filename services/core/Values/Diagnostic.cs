namespace Reheat.Core;

/// <summary>
/// Something wrong with input, as data: bad input never throws. Printed as <c>ID place: message</c>.
/// </summary>
/// <param name="Id">What kind of fault; stable, scripts match on it.</param>
/// <param name="Place">Where: a file and offset, a section, a line, a ring and position.</param>
/// <param name="Message">What is wrong, the offending value, and what to do.</param>
public sealed record Diagnostic(DiagnosticId Id, string Place, string Message)
{
    /// <summary><c>ID place: message</c>.</summary>
    public override string ToString() => $"{Id} {Place}: {Message}";
}
