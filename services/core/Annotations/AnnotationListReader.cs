using System.Globalization;
using System.Text;
using Reheat.Core.X86;

namespace Reheat.Core.Annotations;

/// <summary>A list as far as it could be read, and what could not.</summary>
/// <param name="List">The readable part, in canonical order.</param>
/// <param name="Diagnostics">In order of lines; empty if all was well.</param>
public sealed record AnnotationListResult(AnnotationList List, IReadOnlyList<Diagnostic> Diagnostics)
{
    /// <summary>True if nothing is missing: only then may a second pass take an absent site for one that is not annotated.</summary>
    public bool IsWhole => Diagnostics.Count == 0;
}

/// <summary>Reads the body of an annotation list, written by <see cref="AnnotationListWriter"/> or by hand. Never throws over its input.</summary>
public sealed partial class AnnotationListReader
{
    private readonly string _place;
    private readonly List<Diagnostic> _diagnostics = [];
    private readonly Dictionary<(string Unit, string Function, Fingerprint), Group> _groups = [];
    private AnnotationList _list = new();
    private string _version = AnnotationList.FormatVersion;
    private string? _unit;
    private Group? _function;
    private int _line;
    private int _sites;
    private bool _headed;
    private bool _ended;
    private bool _isPartial;

    private sealed class Group
    {
        public CodeSketch Sketch { get; set; } = CodeSketch.Empty;

        public Dictionary<(int Ordinal, Standing), (int Line, Annotation Site)> Sites { get; } = [];
    }

    private AnnotationListReader(string place) => _place = place;

    /// <summary>Reads a list.</summary>
    /// <param name="text">The whole text.</param>
    /// <param name="place">What diagnostics call it: a file name.</param>
    public static AnnotationListResult Read(string text, string place)
    {
        var reader = new AnnotationListReader(place);
        return reader.ReadLines(text.TrimStart('\ufeff'));
    }

    /// <summary>Reads a list of UTF-8 bytes.</summary>
    public static AnnotationListResult Read(ReadOnlySpan<byte> utf8, string place) => Read(Encoding.UTF8.GetString(utf8), place);

    private AnnotationListResult ReadLines(string text)
    {
        foreach (string raw in text.Split('\n'))
        {
            if (!Next(raw))
                return new(_list, _diagnostics);
        }
        return Finish();
    }

    // False: the rest cannot be read.
    private bool Next(string raw)
    {
        _line++;
        string line = raw.TrimEnd('\r');
        if (line.AsSpan().Trim() is [] or ['#', ..])
            return true;
        if (!_headed)
            return _headed = Head(line);
        if (line.Contains('\ufffd', StringComparison.Ordinal))
            Bad(line, "not UTF-8");
        else if (_ended)
            Bad(line, "stands after end; take it out or put it before");
        else
            Line(line);
        return true;
    }

    private AnnotationListResult Finish()
    {
        if (!_headed)
            Add(DiagnosticId.ListFormat, "empty; expected \"reheat-annotations 1.0\" in the first line");
        else if (!_ended && !_list.ByHand)
            Add(DiagnosticId.ListFormat, $"cut off{(_isPartial ? "" : $" after {_sites} sites")}: no end line; fetch the list again, or mark it by-hand");
        return new(Build().Sorted(), _diagnostics);
    }

    private bool Head(string line)
    {
        string[] words = Words(line);
        if (words is not ["reheat-annotations", var version])
        {
            Add(DiagnosticId.ListFormat, $"no annotation list: begins with \"{Cut(line)}\", expected \"reheat-annotations {AnnotationList.FormatVersion}\"");
            return false;
        }
        if (version.Split('.')[0] != "1")
        {
            Add(DiagnosticId.ListFormat, $"version {Cut(version)}, this reads {AnnotationList.FormatVersion}; use the tools of the version that wrote it");
            return false;
        }
        _version = version;
        return true;
    }

    private void Line(string line)
    {
        string[] words = Words(line);
        if (line[0] is ' ' or '\t')
        {
            Indented(line, words);
            return;
        }
        switch (words)
        {
            case ["by-hand"]:
                _list = _list with { ByHand = true };
                break;
            case ["arch", var name] when ListText.ParseName(name) is { } architecture:
                _list = _list with { Architecture = architecture };
                break;
            case ["normal", var number] when Number(number) is { } normal:
                _list = _list with { NormalVersion = normal };
                if (normal != FunctionCode.NormalVersion)
                    Add(DiagnosticId.ListFormat, $"fingerprints of version {normal}, this makes version {FunctionCode.NormalVersion}; generate the list anew");
                break;
            case ["policy", ..]:
                if (!AnnotationPolicy.TryParse(line["policy".Length..], out AnnotationPolicy policy, out string bad))
                    Bad(bad, "no setting of a policy");
                _list = _list with { Policy = policy };
                break;
            case ["unit", var name]:
                _function = null;
                _unit = ListText.ParseName(name);
                if (_unit is null)
                    Bad(name, "malformed escape in a unit's name");
                break;
            case ["function", ..]:
                Function(words);
                break;
            case ["end", var number] when Number(number) is { } count:
                _ended = true;
                if (count != _sites && !_isPartial)
                    Add(DiagnosticId.ListFormat, $"end {count}, but {_sites} sites stand before it; lines are missing or were added without counting them");
                break;
            case ["by-hand" or "arch" or "normal" or "unit" or "end", ..]:
                Bad(line, $"malformed {words[0]} line");
                break;
            default:
                Bad(words[0], _version == AnnotationList.FormatVersion
                    ? "unknown keyword"
                    : $"unknown keyword: the list is of version {_version}, this reads {AnnotationList.FormatVersion}; use newer tools");
                break;
        }
    }

    private AnnotationList Build() => _list with
    {
        Units = [.. _groups.GroupBy(g => g.Key.Unit).Select(unit => new UnitAnnotations(unit.Key,
            [.. unit.Select(g => new FunctionAnnotations(g.Key.Function, g.Key.Item3, g.Value.Sketch, [.. g.Value.Sites.Values.Select(s => s.Site)]))]))],
    };

    private static string[] Words(string line) => line.Split(' ', '\t').Where(word => word.Length > 0).ToArray();

    private static int? Number(string word) =>
        int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;

    private static string Cut(string text) => text.Length <= 80 ? text : text[..80] + "…";

    private void Bad(string value, string what) => Add(DiagnosticId.ListBadLine, $"\"{Cut(value.Trim())}\": {what}");

    private void Add(DiagnosticId id, string message) => _diagnostics.Add(new Diagnostic(id, $"{_place}:{Math.Max(_line, 1)}", message));
}
