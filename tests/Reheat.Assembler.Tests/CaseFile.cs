namespace Reheat.Assembler.Tests;

/// <summary>
/// A case as text: parts that begin with a line <c>--- name</c>. <c>options</c> (environment and options of as), <c>list</c>, <c>in</c>,
/// and what is expected: <c>out</c> (the text that as gets; lines that stay are left out) and <c>report</c>.
/// </summary>
internal sealed class CaseFile
{
    private readonly Dictionary<string, string> _parts = [];

    public static CaseFile Read(string path)
    {
        var file = new CaseFile();
        string name = "";
        foreach (string line in File.ReadAllLines(path))
        {
            if (line.StartsWith("--- ", StringComparison.Ordinal))
                file._parts[name = line[4..].Trim()] = "";
            else if (name.Length > 0)
                file._parts[name] += line + "\n";
        }
        return file;
    }

    public string this[string part] => _parts.GetValueOrDefault(part, "");

    public IEnumerable<string> Options(string prefix) => this["options"].Split('\n', StringSplitOptions.RemoveEmptyEntries)
        .Where(line => line.StartsWith(prefix, StringComparison.Ordinal)).Select(line => line[prefix.Length..]);

    public void Write(string path, string output, string report)
    {
        _parts["out"] = output;
        _parts["report"] = report;
        File.WriteAllText(path, string.Concat(((string[])["options", "list", "in", "out", "report"])
            .Where(_parts.ContainsKey).Select(part => $"--- {part}\n{_parts[part]}")));
    }
}
