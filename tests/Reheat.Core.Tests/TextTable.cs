namespace Reheat.Core.Tests;

/// <summary>Reads the cases of a text table: columns between bars, lines that begin with # and empty lines left out.</summary>
internal static class TextTable
{
    public static IEnumerable<(int Line, string[] Columns)> Read(string path, int columns)
    {
        string[] lines = File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, path));
        for (int i = 0; i < lines.Length; i++)
        {
            if (lines[i].Length == 0 || lines[i].StartsWith('#'))
                continue;
            string[] cells = lines[i].Split('|', StringSplitOptions.TrimEntries);
            if (cells.Length != columns)
                throw new InvalidDataException($"{path}:{i + 1}: {cells.Length} columns, expected {columns}: {lines[i]}");
            yield return (i + 1, cells);
        }
    }
}
