using Reheat.Core.X86;

namespace Reheat.Core.Annotations;

public sealed partial class AnnotationListReader
{
    private void Function(string[] words)
    {
        _function = null;
        if (_unit is null)
        {
            Bad(string.Join(' ', words), "a function outside a readable unit; its sites are left out");
            return;
        }
        if (words.Length is < 2 or > 3 || ListText.ParseName(words[1]) is not { } name)
        {
            Bad(string.Join(' ', words), "expected \"function NAME FINGERPRINT\"; its sites are left out");
            return;
        }
        Fingerprint fingerprint = default;
        // By hand the fingerprint may be left out, or * for every version of the function.
        if (words.Length == 3 && words[2] != "*" && !Fingerprint.TryParse(words[2], out fingerprint))
        {
            Bad(words[2], "no fingerprint: expected 16 lower-case hex digits or *; the function's sites are left out");
            return;
        }
        var key = (_unit, name, fingerprint);
        if (!_groups.TryGetValue(key, out _function))
            _groups[key] = _function = new Group();
    }

    private void Indented(string line, string[] words)
    {
        if (words[0] == "sketch")
        {
            if (words.Length != 2 || !CodeSketch.TryParse(words[1], out CodeSketch sketch))
                Bad(line, "malformed sketch: expected 4 lower-case hex digits an instruction");
            else if (_function is not null)
                _function.Sketch = sketch;
            return;
        }
        _sites++;
        if (_function is null)
        {
            Bad(line, "a site outside a readable function");
            return;
        }
        if (Site(line) is not { } site)
            return;
        if (_function.Sites.TryGetValue((site.Ordinal, site.Standing), out var earlier))
            Add(DiagnosticId.ListDuplicate, $"\"{Cut(line.Trim())}\": the site stands in line {earlier.Line} already; merge the two");
        else
            _function.Sites.Add((site.Ordinal, site.Standing), (_line, site));
    }

    private Annotation? Site(string line)
    {
        int bar = line.IndexOf(" | ", StringComparison.Ordinal);
        string[] words = Words(bar < 0 ? line : line[..bar]);
        string? instruction = bar < 0 ? "" : ListText.Unescape(line[(bar + 3)..]);
        (Standing standing, int first) = words switch
        {
            ["allow", ..] => (Standing.Allow, 1),
            ["deny", ..] => (Standing.Deny, 1),
            _ => (Standing.Listed, 0),
        };
        string word = words.ElementAtOrDefault(first) ?? "";
        int? ordinal = word == "*" && standing == Standing.Deny ? Annotation.EveryOrdinal : Number(word);
        if (ordinal is null)
        {
            Bad(line, word.Length > 0 && !char.IsAsciiDigit(word[0]) && first == 0
                ? $"unknown keyword \"{word}\" (the list is of version {_version}, this reads {AnnotationList.FormatVersion}), or no ordinal"
                : "no ordinal: expected a number, or * in a denial");
            return null;
        }
        if (instruction is null)
        {
            Bad(line, "malformed escape in the instruction");
            return null;
        }
        var accesses = new List<AnnotatedAccess>();
        foreach (string token in words.Skip(first + 1))
        {
            if (Access(token) is not { } access)
            {
                Bad(token, "expected OPERATION:SIZE:TARGET, such as write:4:lapic");
                return null;
            }
            accesses.Add(access);
        }
        if (accesses.Count == 0 && standing != Standing.Deny)
        {
            Bad(line, "says not what the site does; expected OPERATION:SIZE:TARGET after the ordinal");
            return null;
        }
        return new Annotation(ordinal.Value, [.. accesses.Distinct().Order()], instruction, standing);
    }

    private static AnnotatedAccess? Access(string token)
    {
        string[] parts = token.Split(':', 3);
        return parts.Length == 3 && OperationNames.TryParse(parts[0], out Operation operation) && Number(parts[1]) is { } size &&
            ListText.ParseName(parts[2]) is { } target
            ? new AnnotatedAccess(operation, size, target)
            : null;
    }
}
