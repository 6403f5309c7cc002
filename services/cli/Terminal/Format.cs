using System.Globalization;
using Spectre.Console;

namespace Reheat.Cli.Terminal;

/// <summary>How numbers and names are written in tables.</summary>
internal static class Format
{
    /// <summary>With separators.</summary>
    public static string Count(ulong n) => n.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>With separators.</summary>
    public static string Count(long n) => n.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>A number with its noun: "1 site", "2 sites".</summary>
    public static string Count(ulong n, string one) => $"{Count(n)} {one}{(n == 1 ? "" : "s")}";

    /// <summary>A number with its noun: "1 site", "2 sites".</summary>
    public static string Count(long n, string one) => $"{Count(n)} {one}{(n == 1 ? "" : "s")}";

    /// <summary>In KiB, MiB, GiB.</summary>
    public static string Bytes(ulong n) => n switch
    {
        < 1UL << 10 => $"{n} B",
        < 1UL << 20 => string.Create(CultureInfo.InvariantCulture, $"{n / 1024.0:0.0} KiB"),
        < 1UL << 30 => string.Create(CultureInfo.InvariantCulture, $"{n / 1048576.0:0.0} MiB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{n / 1073741824.0:0.0} GiB"),
    };

    /// <summary>A fraction as a percentage that never rounds up to 100.</summary>
    public static string Percent(double? fraction) => fraction switch
    {
        null => "—",
        1.0 => "100%",
        { } f => string.Create(CultureInfo.InvariantCulture, $"{Math.Floor(f * 10000) / 100:0.00}%"),
    };

    /// <summary>For a cell: markup taken literally.</summary>
    public static string Cell(string text) => Markup.Escape(text);

    /// <summary>Cut in the middle if it is longer than <paramref name="width"/>.</summary>
    public static string Fit(string text, int width) =>
        text.Length <= width ? text : width < 2 ? "…" : string.Concat(text.AsSpan(0, (width - 1) / 2), "…", text.AsSpan(text.Length - (width / 2)));
}
