namespace Reheat.Core.Ring.Checking;

/// <summary>What was found wrong: all counted, the first of each kind in words.</summary>
internal sealed class Findings
{
    // A ring of millions of bad records has one fault to tell of, not millions.
    private const int InWords = 5;

    private readonly List<Diagnostic> _violations = [];
    private readonly Dictionary<DiagnosticId, long> _counts = [];

    public IReadOnlyList<Diagnostic> Violations => _violations;

    public IReadOnlyDictionary<DiagnosticId, long> Counts => _counts;

    public void Add(DiagnosticId id, string place, string message)
    {
        long count = _counts[id] = _counts.GetValueOrDefault(id) + 1;
        if (count <= InWords)
            _violations.Add(new Diagnostic(id, place, message));
    }

    public void Add(Diagnostic violation) => Add(violation.Id, violation.Place, violation.Message);
}
