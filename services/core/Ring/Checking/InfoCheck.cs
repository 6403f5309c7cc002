using System.Globalization;
using System.Text;
using System.Text.Unicode;

namespace Reheat.Core.Ring.Checking;

/// <summary>Checks <c>wedge.info</c> line by line; <see cref="WedgeInfo.Parse"/> passes over what it cannot read.</summary>
internal static class InfoCheck
{
    private static readonly string[] Required = ["kind", "version", "guest"];

    public static WedgeInfo Read(string path, Findings findings)
    {
        byte[] bytes = File.ReadAllBytes(path);
        if (!Utf8.IsValid(bytes))
            findings.Add(DiagnosticId.SessionBadInfo, path, "is no UTF-8 text");
        string text = Encoding.UTF8.GetString(bytes);
        WedgeInfo info = WedgeInfo.Parse(text);
        if (text.Length > 0 && text[^1] != '\n')
            findings.Add(DiagnosticId.SessionBadInfo, path, "its last line has no end: written in part? It gets its name once it is whole");
        var seen = new HashSet<string>(StringComparer.Ordinal);
        string[] lines = text.TrimEnd('\n').Split('\n');
        int inside = 0;
        for (int i = 0; i < lines.Length; i++)
        {
            string place = $"{path}:{i + 1}";
            int space = lines[i].IndexOf(' ', StringComparison.Ordinal);
            string key = space < 0 ? lines[i] : lines[i][..space];
            if (space <= 0 || lines[i][space..].Trim().Length == 0)
            {
                findings.Add(DiagnosticId.SessionBadInfo, place, $"\"{lines[i]}\": expected a key, a space and a value");
                continue;
            }
            if (!seen.Add(key) && (Required.Contains(key) || key == "pid-namespace"))
                findings.Add(DiagnosticId.SessionBadInfo, place, $"a second {key}");
            if (key == "pid-namespace" && (!ulong.TryParse(lines[i][space..].Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out ulong inode) || inode == 0))
                findings.Add(DiagnosticId.SessionBadInfo, place, $"\"{lines[i]}\": expected the inode number of /proc/self/ns/pid");
            if (key == "inside" && WedgeInfo.Parse(lines[i]).Inside.Count != 1)
                findings.Add(DiagnosticId.SessionBadInfo, place, $"\"{lines[i]}\": expected inside 0xLOW-0xHIGH, HIGH excluded");
            inside += key == "inside" ? 1 : 0;
        }
        foreach (string key in Required.Where(k => !seen.Contains(k)))
            findings.Add(DiagnosticId.SessionBadInfo, path, $"no {key}");
        // Where one range cannot be read, nothing is known of what is outside.
        return inside == info.Inside.Count ? info : info with { Inside = [] };
    }
}
