using System.Text;

namespace Reheat.Assembler.Gas;

/// <summary>Where a function's text ends.</summary>
/// <param name="Name">Its symbol.</param>
/// <param name="Position">
/// Of the last code that its size takes in: the <c>.size</c> directive (gcc: <c>.size f, .-f</c>), or the label that the size is counted to (clang:
/// <c>.Lfunc_end0: .size f, .Lfunc_end0-f</c>).
/// </param>
/// <param name="Section">Section that it stands in.</param>
internal readonly record struct FunctionEnd(string Name, int Position, int Section);

/// <summary>A section as the text names it.</summary>
/// <param name="Name">Its name; empty where a macro's body does not say.</param>
/// <param name="IsMarkedData">The text says by flags or name that it is not executed.</param>
/// <param name="Group">Signature of the group that it is part of (COMDAT: of several objects the linker keeps one); empty without.</param>
internal readonly record struct SectionName(string Name, bool IsMarkedData, string Group)
{
    /// <summary>Debug information.</summary>
    public bool IsDebug => Name.StartsWith(".debug", StringComparison.Ordinal);

    /// <summary>
    /// False where nothing may be labelled: replacements are copied elsewhere before they run, and what is discarded never runs.
    /// </summary>
    public bool IsCode => !IsDebug && !Name.StartsWith(".altinstr", StringComparison.Ordinal) && !Name.StartsWith(".discard", StringComparison.Ordinal);

    /// <summary>True for data; false where code is, or might be.</summary>
    public bool IsData => IsMarkedData || IsDebug || Name.StartsWith(".discard", StringComparison.Ordinal);
}

internal sealed partial class SourceScan
{
    private readonly List<SectionName> _sections = [];
    private readonly Dictionary<string, bool> _isData = [];
    private readonly Dictionary<string, string> _groups = [];
    private readonly List<FunctionEnd> _ends = [];
    private readonly List<TextRange> _frames = [];
    private readonly Stack<(int Section, int Previous)> _pushed = new();
    private readonly Stack<(int Section, int Previous, int Pushed, int Mode, bool Intel)> _outside = new();

    private int _section;
    private int _previous;

    /// <summary>Sections by number, one for each time that the text enters one.</summary>
    public IReadOnlyList<SectionName> Sections => _sections;

    /// <summary>The <c>.size</c> directives, in order.</summary>
    public IReadOnlyList<FunctionEnd> Ends => _ends;

    /// <summary>The <c>.cfi_</c> directives outside of macros, in order.</summary>
    public IReadOnlyList<TextRange> Frames => _frames;

    private bool IsCode => _sections[_section].IsCode;

    private bool IsDebug => _sections[_section].IsDebug;

    private void Directive(in Token token)
    {
        ReadOnlySpan<byte> name = _text.AsSpan(token.Start + 1, token.NameEnd - token.Start - 1);
        switch (name)
        {
            case [(byte)'l', (byte)'o', (byte)'c']:
                if (_macroDepth == 0)
                    Drop(token);
                return;
            case [(byte)'c', (byte)'f', (byte)'i', (byte)'_', ..]:
                if (_macroDepth > 0)
                {
                    _hasFramesInMacros = true;
                    return;
                }
                _frames.Add(new TextRange(token.Start, token.End));
                if (!_keepsFrames)
                    Drop(token);
                return;
            case [(byte)'f', (byte)'i', (byte)'l', (byte)'e']:
                if (_macroDepth == 0 && char.IsAsciiDigit((char)Arguments(token).FirstOrDefault()))
                    Drop(token);
                return;
        }
        if (Section(name, token))
            return;
        if (IsDebug && _macroDepth == 0)
        {
            if (!Block(name, token) && !Mode(name, token))
                Drop(token);
            return;
        }
        NoteDirective(name, token);
        if (Block(name, token))
            return;
        if (name.SequenceEqual("size"u8))
            Size(token);
        else if (name.SequenceEqual("byte"u8))
            CountBytes(token);
        else
            Mode(name, token);
    }

    private bool Section(ReadOnlySpan<byte> name, in Token token)
    {
        if (name.SequenceEqual("section"u8))
            Enter(token);
        else if (name.SequenceEqual("text"u8) || name.SequenceEqual("data"u8) || name.SequenceEqual("bss"u8))
            Enter("." + Encoding.UTF8.GetString(name), isData: name[0] != 't');
        else if (name.SequenceEqual("pushsection"u8))
        {
            _pushed.Push((_section, _previous));
            if (FirstName(token) == "__jump_table")
                UncountJumpLabel();
            Enter(token);
        }
        else if (name.SequenceEqual("popsection"u8))
        {
            if (_pushed.Count > (_outside.Count > 0 ? _outside.Peek().Pushed : 0))
                (_section, _previous) = _pushed.Pop();
        }
        else if (name.SequenceEqual("previous"u8))
            (_section, _previous) = (_previous, _section);
        else
            return name.SequenceEqual("subsection"u8);
        return true;
    }

    private void Enter(in Token token)
    {
        string name = FirstName(token);
        ReadOnlySpan<byte> arguments = _text.AsSpan(token.NameEnd, token.End - token.NameEnd);
        ReadOnlySpan<byte> flags = arguments[(arguments.IndexOf((byte)',') is >= 0 and int comma ? comma : arguments.Length)..].Trim(", \t"u8);
        if (flags.StartsWith("\""u8) && flags[1..].IndexOf((byte)'"') is >= 0 and int end)
        {
            _isData[name] = !flags[1..(end + 1)].Contains((byte)'x');
            _groups[name] = Group(flags[1..(end + 1)], flags[(end + 2)..]);
        }
        Enter(name, _isData.TryGetValue(name, out bool isData) ? isData : !IsCodeName(name), _groups.GetValueOrDefault(name, ""));
    }

    // .section NAME, "axG", @progbits, SIGNATURE, comdat; with M the size of an entry stands before the signature.
    private string Group(ReadOnlySpan<byte> flags, ReadOnlySpan<byte> behind)
    {
        if (flags.Contains((byte)'?'))
            return _sections[_section].Group;
        if (!flags.Contains((byte)'G'))
            return "";
        string[] arguments = Encoding.UTF8.GetString(behind).Split(',');
        return arguments.ElementAtOrDefault(flags.Contains((byte)'M') ? 3 : 2)?.Trim(' ', '\t', '"') ?? "";
    }

    // What gas takes for code without being told so, what people mean as such, and a macro's argument.
    private static bool IsCodeName(string name) =>
        name.Contains('\\', StringComparison.Ordinal) || name.Contains("text", StringComparison.Ordinal) || name.StartsWith(".init", StringComparison.Ordinal) || name.StartsWith(".fini", StringComparison.Ordinal) ||
        name.StartsWith(".gnu.linkonce.t", StringComparison.Ordinal) || name.StartsWith(".plt", StringComparison.Ordinal);

    private void Enter(string name, bool isData, string group = "")
    {
        _sections.Add(new SectionName(name, isData, group));
        (_section, _previous) = (_sections.Count - 1, _section);
    }

    // Macros and repeated blocks. A macro's body is followed by itself: what it stands in is known when it is used.
    private bool Block(ReadOnlySpan<byte> name, in Token token)
    {
        if (name.SequenceEqual("macro"u8))
        {
            _macros.Add(FirstName(token));
            NotePassed(_text.AsSpan(token.NameEnd, token.End - token.NameEnd)); // what parameters are if nothing is passed
            _macroDepth++;
            _outside.Push((_section, _previous, _pushed.Count, _mode, _intel));
            Enter("", isData: false);
            _mode = _bitness;
        }
        else if (name.SequenceEqual("endm"u8))
        {
            if (_macroDepth == 0)
                return true;
            _macroDepth--;
            (_section, _previous, int pushed, _mode, _intel) = _outside.Pop();
            while (_pushed.Count > pushed)
                _pushed.Pop();
        }
        else if (name.SequenceEqual("rept"u8) || name.SequenceEqual("irp"u8) || name.SequenceEqual("irpc"u8) || name.SequenceEqual("rep"u8))
        {
            _repeatDepth++;
            NotePassed(_text.AsSpan(token.NameEnd, token.End - token.NameEnd));
        }
        else if (name.SequenceEqual("endr"u8))
            _repeatDepth = Math.Max(0, _repeatDepth - 1);
        else
            return false;
        return true;
    }

    private bool Mode(ReadOnlySpan<byte> name, in Token token)
    {
        if (name.SequenceEqual("code64"u8))
            _mode = 64;
        else if (name.SequenceEqual("code32"u8))
            _mode = 32;
        else if (name.SequenceEqual("code16"u8) || name.SequenceEqual("code16gcc"u8))
            _mode = 16;
        else if (name.SequenceEqual("intel_syntax"u8))
            _intel = true;
        else if (name.SequenceEqual("att_syntax"u8))
            _intel = false;
        else if (name.SequenceEqual("altmacro"u8))
            Obstacle = ".altmacro: its macros are read by other rules";
        else if (name.SequenceEqual("end"u8))
            Obstacle = ".end: the text goes on behind it";
        else
            return false;
        return true;
    }

    private void Size(in Token token)
    {
        if (_macroDepth > 0 || _repeatDepth > 0)
            return;
        string function = FirstName(token);
        ReadOnlySpan<byte> arguments = _text.AsSpan(token.NameEnd, token.End - token.NameEnd);
        ReadOnlySpan<byte> to = arguments[(arguments.IndexOf((byte)',') + 1)..].TrimStart(" \t"u8);
        int minus = to.IndexOf((byte)'-');
        bool isToLabel = minus > 0 && to[..minus].SequenceEqual(_text.AsSpan(_label.Start, _label.End - _label.Start));
        _ends.Add(new FunctionEnd(function, isToLabel ? _label.Start : token.Start, _section));
        if (function == _function)
            _function = null;
        if (function == _open?.Name)
            _open = null;
    }

    private byte[] Arguments(in Token token) => _text.AsSpan(token.NameEnd, token.End - token.NameEnd).TrimStart(" \t"u8).ToArray();

    private string FirstName(in Token token)
    {
        ReadOnlySpan<byte> arguments = _text.AsSpan(token.NameEnd, token.End - token.NameEnd).TrimStart(" \t"u8);
        if (!arguments.IsEmpty && arguments[0] == '"')
        {
            int quote = arguments[1..].IndexOf((byte)'"');
            return Encoding.UTF8.GetString(quote < 0 ? arguments[1..] : arguments[1..(quote + 1)]);
        }
        int end = arguments.IndexOfAny(" \t,"u8);
        return Encoding.UTF8.GetString(end < 0 ? arguments : arguments[..end]);
    }
}
