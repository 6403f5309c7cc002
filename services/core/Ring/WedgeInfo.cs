using System.Globalization;

namespace Reheat.Core.Ring;

/// <summary>Who a session's wedge is: the text file <c>wedge.info</c>, "key value" a line.</summary>
/// <param name="Kind">For example <c>qemu-tcg</c>.</param>
/// <param name="Version">Its version.</param>
/// <param name="Guest">The guest's name.</param>
/// <param name="Targets">Names of the targets that records name by index.</param>
/// <param name="PidNamespace">Inode number of the PID namespace that the producers' process numbers belong to; 0 if not told: the consumer's own.</param>
public sealed record WedgeInfo(string Kind, string Version, string Guest, IReadOnlyList<string> Targets, ulong PidNamespace = 0)
{
    /// <summary>Reads the text. Keys that are not known are passed over: a newer wedge may say more. <c>target</c> may stand many times.</summary>
    public static WedgeInfo Parse(string text)
    {
        string kind = "unknown", version = "", guest = "";
        ulong pidNamespace = 0;
        var targets = new List<string>();
        foreach (string line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            int space = line.IndexOf(' ', StringComparison.Ordinal);
            string key = space < 0 ? line : line[..space];
            string value = space < 0 ? "" : line[(space + 1)..].Trim();
            switch (key)
            {
                case "kind":
                    kind = value;
                    break;
                case "version":
                    version = value;
                    break;
                case "guest":
                    guest = value;
                    break;
                case "pid-namespace":
                    _ = ulong.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out pidNamespace);
                    break;
                case "target":
                    targets.Add(value);
                    break;
            }
        }
        return new WedgeInfo(kind, version, guest, targets, pidNamespace);
    }
}
