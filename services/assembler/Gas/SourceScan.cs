using System.Text;

namespace Reheat.Assembler.Gas;

/// <summary>
/// What the second pass wants to know of a text: the instructions of some functions or of all, what has no part in the code, and where
/// functions end. It follows sections and modes as gas does, and leaves alone what it cannot follow: repeated blocks,
/// code of another mode.
/// </summary>
internal sealed partial class SourceScan
{
    private readonly byte[] _text;
    private readonly Predicate<string>? _wanted;
    private readonly int _bitness;
    private readonly List<Statement> _statements = [];
    private readonly List<TextRange> _debug = [];
    private readonly HashSet<string> _macros = new(StringComparer.OrdinalIgnoreCase);

    private string? _function;
    private int _macroDepth;
    private int _repeatDepth;
    private int _mode;
    private bool _intel;
    private (int Start, int End) _prefix = (-1, -1);
    private TextRange _label;
    private bool _isSplit;
    private bool _wasDropped;
    private bool _isDropped;
    private bool _hasFramesInMacros;

    // Frames that macros change must be there for them to change.
    private readonly bool _keepsFrames;

    private SourceScan(byte[] text, int bitness, Predicate<string>? wanted, bool keepsFrames)
    {
        (_text, _bitness, _mode, _wanted, _keepsFrames) = (text, bitness, bitness, wanted, keepsFrames);
        Enter(".text", isData: false);
    }

    /// <summary>The instructions, in order.</summary>
    public IReadOnlyList<Statement> Statements => _statements;

    /// <summary>Debug information and other text that changes no byte of the code, in order.</summary>
    public IReadOnlyList<TextRange> DebugText => _debug;

    /// <summary>Why the text cannot be annotated at all; null if it can.</summary>
    public string? Obstacle { get; private set; }

    /// <summary>Scans a text.</summary>
    /// <param name="text">The whole of it.</param>
    /// <param name="bitness">Mode that it begins in.</param>
    /// <param name="wanted">Labels that begin functions whose instructions are wanted; null: all instructions.</param>
    public static SourceScan Of(byte[] text, int bitness, Predicate<string>? wanted)
    {
        SourceScan scan = Of(text, bitness, wanted, keepsFrames: false);
        return scan._hasFramesInMacros ? Of(text, bitness, wanted, keepsFrames: true) : scan;
    }

    private static SourceScan Of(byte[] text, int bitness, Predicate<string>? wanted, bool keepsFrames)
    {
        var scan = new SourceScan(text, bitness, wanted, keepsFrames);
        var lexer = new GasLexer(text);
        if (text.AsSpan().StartsWith("#NO_APP"u8))
            scan.Obstacle = "the text begins with #NO_APP: gas reads it by other rules";
        while (scan.Obstacle is null && lexer.Next(out Token token))
        {
            (scan._wasDropped, scan._isDropped) = (scan._isDropped, false);
            switch (token.Kind)
            {
                case TokenKind.Label:
                    scan.Label(token);
                    break;
                case TokenKind.Directive:
                    scan.Directive(token);
                    break;
                case TokenKind.Instruction:
                    scan.Instruction(token);
                    break;
                case TokenKind.Assignment:
                    scan.NoteValue(text.AsSpan(token.Start, token.End - token.Start), (byte)'=');
                    break;
            }
        }
        return scan;
    }

    private void Label(in Token token)
    {
        if (IsDebug && _macroDepth == 0)
            Drop(token);
        else
            NoteLabel(token);
        _isSplit |= _prefix.Start >= 0;
        _label = new TextRange(token.Start, token.NameEnd);
        ReadOnlySpan<byte> name = _text.AsSpan(token.Start, token.NameEnd - token.Start);
        if (name.StartsWith(".L"u8) || char.IsAsciiDigit((char)name[0]) || _wanted is null || _macroDepth > 0)
            return;
        string text = Encoding.UTF8.GetString(name);
        if (!_wanted(text))
            return;
        _function = text;
        Open(text);
    }

    private void Instruction(in Token token)
    {
        ReadOnlySpan<byte> name = _text.AsSpan(token.Start, token.NameEnd - token.Start);
        ReadOnlySpan<byte> operands = _text.AsSpan(token.NameEnd, token.End - token.NameEnd);
        NoteCode(operands);
        bool isMacro = IsMacro(name);
        if (isMacro)
            NotePassed(operands);
        bool isListed = (_wanted is null || _function is not null || _macroDepth > 0) && _repeatDepth == 0 && _mode == _bitness && IsCode;
        if (!isListed)
        {
            (_prefix, _isSplit) = ((-1, -1), false);
            return;
        }
        if (token.End == token.NameEnd && IsPrefix(name))
        {
            if (_prefix.Start < 0)
                _prefix.Start = token.Start;
            _prefix.End = token.End;
            return;
        }
        if (!isMacro)
        {
            StatementTraits traits = (_intel ? StatementTraits.Intel : 0) | (_macroDepth > 0 ? StatementTraits.InMacro : 0) |
                (_isSplit ? StatementTraits.Split : 0);
            int start = _prefix.Start < 0 ? token.Start : _prefix.Start;
            _statements.Add(new Statement(start, _prefix.Start < 0 ? start : _prefix.End, token.Start, token.End, _section, traits));
            Count(name, token);
        }
        else if (IsOpen)
            _open!.Ordinals.Add(FunctionText.Raw); // any number of them
        (_prefix, _isSplit) = ((-1, -1), false);
    }

    private bool IsMacro(ReadOnlySpan<byte> name)
    {
        if (_macros.Count == 0)
            return false;
        Span<char> text = stackalloc char[128];
        return name.Length <= text.Length
            ? _macros.GetAlternateLookup<ReadOnlySpan<char>>().Contains(text[..Encoding.UTF8.GetChars(name, text)])
            : _macros.Contains(Encoding.UTF8.GetString(name));
    }

    private static bool IsPrefix(ReadOnlySpan<byte> name) => name.Length is >= 2 and <= 8 &&
        (name.SequenceEqual("lock"u8) || name.SequenceEqual("rep"u8) || name.SequenceEqual("repe"u8) || name.SequenceEqual("repz"u8) ||
         name.SequenceEqual("repne"u8) || name.SequenceEqual("repnz"u8) || name.SequenceEqual("addr32"u8) || name.SequenceEqual("addr16"u8) ||
         name.SequenceEqual("data16"u8) || name.SequenceEqual("data32"u8) || name.SequenceEqual("xacquire"u8) || name.SequenceEqual("xrelease"u8) ||
         name.SequenceEqual("notrack"u8) || name.SequenceEqual("cs"u8) || name.SequenceEqual("ds"u8) || name.SequenceEqual("es"u8) ||
         name.SequenceEqual("fs"u8) || name.SequenceEqual("gs"u8) || name.SequenceEqual("ss"u8));

    private void Drop(in Token token)
    {
        // Neighbours become one: nothing but blanks, comments and separators stands between them.
        if (_wasDropped)
            _debug[^1] = _debug[^1] with { End = token.End };
        else
            _debug.Add(new TextRange(token.Start, token.End));
        _isDropped = true;
    }
}
