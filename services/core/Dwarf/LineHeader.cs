using Reheat.Core.Elf;

namespace Reheat.Core.Dwarf;

/// <summary>The header of a line program (DWARF 5, 6.2.4; DWARF 2 to 4 with NUL-ended lists).</summary>
internal sealed class LineHeader
{
    private readonly DwarfSections _sections;
    private readonly string _directory;
    private readonly List<FormValue> _directories = [];
    private readonly List<(FormValue Name, ulong Directory)> _files = [];

    private LineHeader(DwarfSections sections, string directory)
    {
        _sections = sections;
        _directory = directory;
    }

    public int Version { get; private init; }

    public int AddressSize { get; private set; }

    public byte InstructionLength { get; private set; }

    public bool DefaultIsStatement { get; private set; }

    public sbyte LineBase { get; private set; }

    public byte LineRange { get; private set; }

    public byte OpcodeBase { get; private set; }

    /// <summary>Operands of each standard opcode, from opcode 1.</summary>
    public byte[] OperandCounts { get; private set; } = [];

    /// <summary>Where the program begins and ends in <c>.debug_line</c>.</summary>
    public (int Start, int End) Program { get; private set; }

    /// <summary>One more than the largest valid file index.</summary>
    public int FileCount => Version >= 5 ? _files.Count : _files.Count + 1;

    /// <summary>Reads a header; null and the reason if it cannot be used.</summary>
    public static LineHeader? Read(
        DwarfSections sections, ulong offset, FormContext unit, string directory, out (DiagnosticId Id, string Text) problem)
    {
        problem = (DiagnosticId.DwarfTruncated, "line program ends early");
        var reader = new LebReader(sections.Lines);
        reader.Seek(offset);
        ulong length = reader.UInt32();
        int offsetSize = 4;
        if (length == uint.MaxValue)
        {
            length = reader.UInt64();
            offsetSize = 8;
        }
        if (reader.IsBroken || length > (ulong)reader.Remaining)
            return null;
        int end = reader.Position + (int)length;
        int version = reader.UInt16();
        if (version is < 2 or > 5)
        {
            problem = (DiagnosticId.DwarfUnsupported, $"line program of version {version}: 2 to 5 are supported");
            return null;
        }
        var header = new LineHeader(sections, directory) { Version = version, AddressSize = unit.AddressSize };
        if (version >= 5)
        {
            header.AddressSize = reader.Byte();
            reader.Byte();
        }
        ulong headerLength = reader.Address(offsetSize);
        if (reader.IsBroken || reader.Position > end || headerLength > (ulong)(end - reader.Position))
            return null;
        int start = reader.Position + (int)headerLength;
        header.Program = (start, end);
        header.InstructionLength = reader.Byte();
        if (version >= 4)
            reader.Byte();
        header.DefaultIsStatement = reader.Byte() != 0;
        header.LineBase = unchecked((sbyte)reader.Byte());
        header.LineRange = reader.Byte();
        header.OpcodeBase = reader.Byte();
        if (header.LineRange == 0 || header.OpcodeBase == 0 || header.AddressSize is not (4 or 8))
        {
            problem = (
                DiagnosticId.DwarfMalformed,
                $"line range {header.LineRange}, opcode base {header.OpcodeBase}, addresses of {header.AddressSize} bytes");
            return null;
        }
        header.OperandCounts = reader.Take((ulong)header.OpcodeBase - 1).ToArray();
        // Tables past the program's start would be read as files: cut there.
        var context = new FormContext(version, header.AddressSize, offsetSize);
        bool complete = version >= 5
            ? header.ReadTables5(ref reader, context, start)
            : header.ReadTables4(ref reader, start);
        if (!complete || reader.IsBroken)
        {
            problem = (DiagnosticId.DwarfMalformed, "directory or file table of a line program is malformed");
            return null;
        }
        return header;
    }

    /// <summary>The normalised name of a valid file index.</summary>
    public string FileName(int file)
    {
        int index = Version >= 5 ? file : file - 1;
        if (index < 0)
            return "";
        (FormValue name, ulong directory) = _files[index];
        string path = Text(name);
        if (!path.StartsWith('/') && DirectoryName(directory) is { Length: > 0 } folder)
            path = folder + "/" + path;
        return SourcePath.Normalise(path, _directory);
    }

    // Directory 0 is the compilation directory, in version 5 also written down.
    private string DirectoryName(ulong directory)
    {
        if (Version < 5)
            return directory == 0 || directory > (ulong)_directories.Count ? "" : Text(_directories[(int)directory - 1]);
        return directory == 0 || directory >= (ulong)_directories.Count ? "" : Text(_directories[(int)directory]);
    }

    private string Text(FormValue value) => value.Form switch
    {
        Form.String => _sections.InlineText(_sections.Lines, value.Number),
        Form.LineStringPointer => _sections.LineText(value.Number),
        Form.StringPointer => _sections.Text(value.Number),
        _ => "",
    };

    private bool ReadTables4(ref LebReader reader, int end)
    {
        while (TryInline(ref reader, out FormValue directory))
        {
            if (reader.Position > end)
                return false;
            _directories.Add(directory);
        }
        while (TryInline(ref reader, out FormValue name))
        {
            if (reader.Position > end)
                return false;
            ulong directory = reader.Unsigned();
            reader.Unsigned();
            reader.Unsigned();
            _files.Add((name, directory));
        }
        return !reader.IsBroken;
    }

    // An empty string ends a list.
    private static bool TryInline(ref LebReader reader, out FormValue value)
    {
        value = new FormValue(Form.String, (ulong)reader.Position);
        return !reader.String().IsEmpty;
    }

    private bool ReadTables5(ref LebReader reader, FormContext context, int end) =>
        ReadTable5(ref reader, context, end, (name, _) => _directories.Add(name))
        && ReadTable5(ref reader, context, end, (name, directory) => _files.Add((name, directory)));

    private static bool ReadTable5(ref LebReader reader, FormContext context, int end, Action<FormValue, ulong> add)
    {
        const ulong Path = 1, Directory = 2;
        var formats = new (ulong Content, ulong Form)[reader.Byte()];
        for (int i = 0; i < formats.Length; i++)
            formats[i] = (reader.Unsigned(), reader.Unsigned());
        ulong count = reader.Unsigned();
        // Every real entry has at least a byte.
        if (reader.IsBroken || count > (ulong)reader.Remaining || (formats.Length == 0 && count > 0))
            return false;
        for (ulong i = 0; i < count; i++)
        {
            FormValue path = default;
            ulong directory = 0;
            int before = reader.Position;
            foreach ((ulong content, ulong form) in formats)
            {
                var value = FormValue.Read(ref reader, form, 0, context);
                if (content == Path)
                    path = value;
                else if (content == Directory)
                    directory = value.Number;
            }
            if (reader.IsBroken || reader.Position > end || reader.Position == before)
                return false;
            add(path, directory);
        }
        return true;
    }
}
