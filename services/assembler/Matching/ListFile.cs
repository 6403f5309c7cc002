using System.Text;
using Reheat.Assembler.Gas;
using Reheat.Core.Annotations;
using Reheat.Core.Dwarf;

namespace Reheat.Assembler.Matching;

/// <summary>
/// The annotation list as a file of bytes: most assemblies of a build have nothing in it, and find that out without parsing it.
/// </summary>
internal sealed unsafe class ListFile
{
    private readonly string _path;
    private readonly nint _address;
    private readonly int _length;

    private ListFile(string path, byte* bytes, int length) => (_path, _address, _length) = (path, (nint)bytes, length);

    /// <summary>Its name, for diagnostics.</summary>
    public string Path => _path;

    private ReadOnlySpan<byte> Bytes => new((byte*)_address, _length);

    /// <summary>The header's policy says class1=yes.</summary>
    public bool WantsClassOne
    {
        get
        {
            int end = Bytes.IndexOf("\nunit"u8);
            ReadOnlySpan<byte> header = end < 0 ? Bytes : Bytes[..end];
            return header.IndexOf("class1=yes"u8) >= 0;
        }
    }

    /// <summary>True if what begins it is no header of a list that this version reads: the whole of it is then worth a complaint.</summary>
    public bool IsForeign => !Bytes.TrimStart("\uFEFF \t\r\n"u8).StartsWith("reheat-annotations 1."u8) && !Bytes.StartsWith("#"u8);

    /// <summary>The names of the units that a text may be, those of its own path alone if there are such.</summary>
    /// <param name="unit">As the text says.</param>
    /// <param name="output">The object's path: beside a mere file name it tells the directory, as build systems mirror the tree.</param>
    public IReadOnlyList<string> UnitsOf(SourceUnit unit, string output)
    {
        if (unit.Name.Length == 0)
            return [];
        byte[] fileName = Encoding.UTF8.GetBytes(unit.FileName);
        var found = new List<string>();
        ReadOnlySpan<byte> rest = Bytes;
        while (rest.IndexOf("\nunit"u8) is >= 0 and int at)
        {
            rest = rest[(at + 5)..];
            int end = rest.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = (end < 0 ? rest : rest[..end]).Trim(" \t\r"u8);
            if (line.EndsWith(fileName) || line.SequenceEqual("*"u8) || line.SequenceEqual("-"u8) || line.Contains((byte)'\\'))
                found.Add(AnnotationListReader.ParseUnit(Encoding.UTF8.GetString(line)));
        }
        if (found.Count == 0)
            return [];
        string hint = SourcePath.Normalise(System.IO.Path.Combine(System.IO.Path.GetDirectoryName(output) ?? "", unit.FileName), "");
        string? own = found.Contains(unit.Name) ? unit.Name : !unit.IsWhole && found.Contains(hint) ? hint : null;
        return [.. found.Distinct().Where(name => name == own || name is "*" or "" ||
            (own is null && (!unit.IsWhole || !name.Contains('/', StringComparison.Ordinal)) && name[(name.LastIndexOf('/') + 1)..] == unit.FileName))];
    }

    /// <summary>Reads some units.</summary>
    public AnnotationListResult Read(IReadOnlyCollection<string> units) => AnnotationListReader.ReadUnits(Bytes, _path, units.Contains);

    /// <summary>Opens a list; null, with the reason, if it cannot be read.</summary>
    public static ListFile? TryOpen(string path, out string problem)
    {
        byte* bytes = Native.Map(path, out long length, out int error);
        problem = error == 0 ? "" : $"{path}: the list cannot be read (error {error}); nothing is annotated";
        return error == 0 ? new ListFile(path, bytes, (int)Math.Min(length, int.MaxValue)) : null;
    }
}
