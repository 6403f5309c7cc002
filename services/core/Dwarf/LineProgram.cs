using Reheat.Core.Elf;

namespace Reheat.Core.Dwarf;

/// <summary>Runs a line program (DWARF 5, 6.2.5): the state machine whose output is the rows.</summary>
internal ref struct LineProgram
{
    private readonly LineHeader _header;
    private readonly List<LineRow> _rows;
    private LebReader _reader;
    private ulong _address;
    private ulong _file;
    private long _line;
    private ulong _column;
    private bool _isStatement;

    private LineProgram(LineHeader header, ReadOnlySpan<byte> section)
    {
        _header = header;
        _rows = [];
        _reader = new LebReader(section[..header.Program.End]);
        _reader.Seek((ulong)header.Program.Start);
        Reset();
    }

    /// <summary>All rows; <paramref name="complete"/> is false if the program ends within an instruction or a sequence.</summary>
    public static LineRow[] Run(LineHeader header, ReadOnlySpan<byte> section, out bool complete)
    {
        var program = new LineProgram(header, section);
        while (!program._reader.IsAtEnd && !program._reader.IsBroken)
            program.Step();
        complete = !program._reader.IsBroken && (program._rows.Count == 0 || program._rows[^1].IsEnd);
        return [.. program._rows];
    }

    private void Step()
    {
        byte opcode = _reader.Byte();
        if (opcode >= _header.OpcodeBase)
        {
            int adjusted = opcode - _header.OpcodeBase;
            Advance((ulong)(adjusted / _header.LineRange));
            _line = unchecked(_line + _header.LineBase + adjusted % _header.LineRange);
            Emit(isEnd: false);
            return;
        }
        switch (opcode)
        {
            case 0:
                Extended();
                break;
            case 1: // copy
                Emit(isEnd: false);
                break;
            case 2: // advance_pc
                Advance(_reader.Unsigned());
                break;
            case 3: // advance_line
                _line = unchecked(_line + _reader.Signed());
                break;
            case 4: // set_file
                _file = _reader.Unsigned();
                break;
            case 5: // set_column
                _column = _reader.Unsigned();
                break;
            case 6: // negate_stmt
                _isStatement = !_isStatement;
                break;
            case 8: // const_add_pc
                Advance((ulong)((255 - _header.OpcodeBase) / _header.LineRange));
                break;
            case 9: // fixed_advance_pc, unscaled
                _address = unchecked(_address + _reader.UInt16());
                break;
            default:
                // set_basic_block, set_prologue_end, set_isa, and what later versions add: only the operands matter.
                for (int i = 0; i < _header.OperandCounts[opcode - 1]; i++)
                    _reader.Unsigned();
                break;
        }
    }

    private void Extended()
    {
        ulong length = _reader.Unsigned();
        var operand = new LebReader(_reader.Take(length));
        if (_reader.IsBroken || length == 0)
            return;
        switch (operand.Byte())
        {
            case 1: // end_sequence
                Emit(isEnd: true);
                Reset();
                break;
            case 2: // set_address
                _address = operand.Address((int)Math.Min(length - 1, int.MaxValue));
                break;
        }
    }

    private void Advance(ulong operations) => _address = unchecked(_address + operations * _header.InstructionLength);

    private void Emit(bool isEnd) => _rows.Add(new LineRow(
        new ImageAddress(_header.AddressSize == 4 ? (uint)_address : _address),
        _file > int.MaxValue ? -1 : (int)_file,
        (int)Math.Clamp(_line, 0, int.MaxValue),
        (ushort)Math.Min(_column, ushort.MaxValue),
        _isStatement,
        isEnd));

    private void Reset()
    {
        _address = 0;
        _file = 1;
        _line = 1;
        _column = 0;
        _isStatement = _header.DefaultIsStatement;
    }
}
