using System.Buffers;

namespace Reheat.Assembler.Gas;

internal sealed partial class SourceScan
{
    private static readonly SearchValues<byte> Signs = SearchValues.Create("+-.\""u8);
    private static readonly SearchValues<byte> Numbers = SearchValues.Create("0123456789abcdefx, \t"u8);
    private static readonly SearchValues<byte> PlainSigns = SearchValues.Create("+-"u8);

    private static readonly SearchValues<byte> Operators = SearchValues.Create("*/%<>|&^!~="u8);

    // Hashes of names: beside + or -, so that they may be places counted in bytes; taken from another in data; given a value; and of what value.
    private readonly HashSet<ulong> _counted = [];
    private readonly HashSet<ulong> _taken = [];
    private readonly HashSet<ulong> _assigned = [];
    private readonly List<(ulong Name, ulong Value)> _values = [];

    private readonly List<TextRange> _labels = [];
    private readonly Dictionary<ulong, bool> _numbered = [];
    private bool _countsBytes;

    // What is passed to macros and repeated blocks; a body that has an argument beside + or -, or puts one against another name; what goes there.
    private readonly HashSet<ulong> _passed = [];
    private bool _countsArguments, _joinsArguments, _passesSigns, _passesHere;

    /// <summary>
    /// True if whatever refers to the code does so by labels alone, so that it follows when something is put between instructions. False if a
    /// place is, or may be, so many bytes from another: <c>f+8</c>, <c>.+2</c>, <c>.org</c>.
    /// </summary>
    public bool IsByLabels => !_countsBytes && !(_joinsArguments && _passesSigns) && !(_countsArguments && _passesHere) && !_taken.Overlaps(_assigned) && !CountsNames();

    private bool CountsNames()
    {
        bool passes = _countsArguments && _passed.Count > 0;
        if (_counted.Count == 0 && !passes)
            return false;
        HashSet<ulong> names = CodeNames();
        return names.Overlaps(_counted) || (passes && names.Overlaps(_passed));
    }

    // Labels of the code, and what is said to be one.
    private HashSet<ulong> CodeNames()
    {
        var names = new HashSet<ulong>(_labels.Count + 1) { Here };
        foreach (TextRange label in _labels)
            names.Add(Hash(_text.AsSpan(label.Start, label.End - label.Start)));
        for (int before = 0; before < names.Count;)
        {
            before = names.Count;
            foreach ((ulong name, ulong value) in _values)
            {
                if (names.Contains(value))
                    names.Add(name);
            }
        }
        return names;
    }

    // Of the numbered labels of the code.
    private const ulong Here = 0;

    private bool IsInCode => !_sections[_section].IsData;

    private void NoteLabel(in Token token)
    {
        ReadOnlySpan<byte> name = _text.AsSpan(token.Start, token.NameEnd - token.Start);
        if (char.IsAsciiDigit((char)name[0]))
            _numbered[Hash(name)] = IsInCode;
        else if (IsInCode)
            _labels.Add(new TextRange(token.Start, token.NameEnd));
    }

    private void NoteDirective(ReadOnlySpan<byte> name, in Token token)
    {
        ReadOnlySpan<byte> arguments = _text.AsSpan(token.NameEnd, token.End - token.NameEnd).Trim(" \t"u8);
        if (name.StartsWith("if"u8) && (name[2..].TrimStart((byte)'n') is [(byte)'b'] or [(byte)'c'] or [(byte)'d', ..]))
            return; // how an argument is written, and what is defined
        if (name.SequenceEqual("size"u8) || name.SequenceEqual("type"u8) || name.SequenceEqual("string"u8) || name.StartsWith("asci"u8) || name.SequenceEqual("ident"u8))
            return;
        if (name.SequenceEqual("include"u8) || name.SequenceEqual("reloc"u8))
            _countsBytes = true;
        else if (name.StartsWith("if"u8) || name.SequenceEqual("elseif"u8) || name.SequenceEqual("rept"u8))
            NoteNames(arguments, isCode: true);
        else if (name.SequenceEqual("set"u8) || name.StartsWith("equ"u8) || name.SequenceEqual("eqv"u8) || name.SequenceEqual("weakref"u8))
            NoteValue(arguments, (byte)',');
        else if (!IsInCode && (name.SequenceEqual("skip"u8) || name.SequenceEqual("space"u8) || name.SequenceEqual("zero"u8) || name.SequenceEqual("fill"u8)))
            _countsBytes |= arguments.ContainsAnyExcept(Numbers);
        else if (!IsInCode)
            NoteData(arguments);
        else if (name.EndsWith("align"u8) || name.StartsWith("p2align"u8) || name.StartsWith("balign"u8))
            _countsBytes |= Fill(arguments, 1) is not ([] or [(byte)'0', (byte)'x', (byte)'9', (byte)'0'] or [(byte)'1', (byte)'4', (byte)'4']);
        else if (name.SequenceEqual("org"u8))
            _countsBytes = true;
        else if (name.SequenceEqual("skip"u8) || name.SequenceEqual("space"u8) || name.SequenceEqual("zero"u8) || name.SequenceEqual("fill"u8))
            // NOPs of any number are as good as others: Linux fills up to an alternative's length so.
            _countsBytes |= Fill(arguments, 1) is not [(byte)'0', (byte)'x', (byte)'9', (byte)'0'] && arguments.ContainsAnyExcept(Numbers);
        else
            NoteCode(arguments);
    }

    // name, value or name = value
    private void NoteValue(ReadOnlySpan<byte> text, byte sign)
    {
        int end = text.IndexOf(sign);
        if (end < 0)
            return;
        ReadOnlySpan<byte> value = text[(end + 1)..];
        ulong name = Hash(text[..end].Trim(" \t"u8));
        _assigned.Add(name);
        NoteCode(value);
        while (!value.IsEmpty)
        {
            int length = NameLength(value);
            if (length > 0)
                _values.Add((name, char.IsAsciiDigit((char)value[0]) ? IsNumberedLabel(value[..length]) ? Here : name : Hash(value[..length])));
            value = value[Math.Max(length, 1)..];
        }
    }

    // What a body makes of an argument shows in the body, what the argument is where it is passed.
    private void NotePassed(ReadOnlySpan<byte> text)
    {
        _passesSigns |= text.ContainsAny(PlainSigns);
        while (!text.IsEmpty)
        {
            int length = NameLength(text);
            ReadOnlySpan<byte> name = text[..length];
            text = text[Math.Max(length, 1)..];
            name = name.TrimStart((byte)'$');
            if (name.IndexOf((byte)'@') is > 0 and int way)
                name = name[..way];
            if (name.IsEmpty)
                continue;
            if (name.SequenceEqual("."u8) || (char.IsAsciiDigit((char)name[0]) && IsNumberedLabel(name)))
                _passesHere = true;
            else
                _passed.Add(Hash(name));
        }
    }

    // \a\b and f\b may come to be f+7; \() ends a name, and \@ is a number.
    private void NoteJoined(ReadOnlySpan<byte> text)
    {
        for (int at = 1; !_joinsArguments && at + 1 < text.Length; at++)
        {
            if (text[at] != '\\' || !(char.IsAsciiLetter((char)text[at + 1]) || text[at + 1] == '_'))
                continue;
            byte before = text[at - 1];
            _joinsArguments = (IsName(before) && before is not ((byte)'$' or (byte)'\\')) || (before == ')' && at > 2 && text[at - 2] == '(' && text[at - 3] == '\\');
        }
    }

    // In code, where padding may stand: a label beside + or -, and the place itself.
    private void NoteCode(ReadOnlySpan<byte> text)
    {
        NoteJoined(text);
        for (int at = 0; text[at..].IndexOfAny(Signs) is >= 0 and int next; at++)
        {
            at += next;
            switch (text[at])
            {
                case (byte)'.':
                    _countsBytes |= (at == 0 || !IsName(text[at - 1])) && (at + 1 == text.Length || !IsName(text[at + 1]));
                    break;
                case (byte)'"':
                    NoteNames(text, isCode: true);
                    return;
                default:
                    ReadOnlySpan<byte> left = text[..at].TrimEnd(" \t"u8), right = text[(at + 1)..].TrimStart(" \t"u8);
                    if ((left.Length > 0 && left[^1] is (byte)')' or (byte)'(') || (right.Length > 0 && right[0] is (byte)'(' or (byte)'+' or (byte)'-' or (byte)'~'))
                    {
                        NoteNames(text, isCode: true);
                        return;
                    }
                    NoteNames(left[LastName(left)..], isCode: true);
                    NoteNames(right[..NameLength(right)], isCode: true);
                    break;
            }
        }
    }

    // In data the difference of two labels is what it is; a label and a number are a place that is counted in bytes.
    private void NoteData(ReadOnlySpan<byte> text)
    {
        NoteJoined(text);
        if (!text.ContainsAny(PlainSigns))
            return;
        foreach (Range range in text.Split((byte)','))
        {
            ReadOnlySpan<byte> argument = text[range];
            bool isCounted = argument.ContainsAny(PlainSigns) && argument.ContainsAny(Operators);
            for (int at = 0; !isCounted && argument[at..].IndexOfAny(PlainSigns) is >= 0 and int next; at++)
            {
                at += next;
                ReadOnlySpan<byte> left = argument[..at].TrimEnd(" \t()"u8), right = argument[(at + 1)..].TrimStart(" \t()"u8);
                right = right[..NameLength(right)];
                // What is taken away may be a number, if it is passed.
                isCounted = argument[at] == '+' || !IsTerm(left[LastName(left)..]) || !IsTerm(right) || right.Contains((byte)'\\');
                _taken.Add(Hash(right));
            }
            if (isCounted)
                NoteNames(argument, isCode: false);
        }
    }

    private void NoteNames(ReadOnlySpan<byte> text, bool isCode)
    {
        while (!text.IsEmpty)
        {
            int length = NameLength(text);
            ReadOnlySpan<byte> name = text[..length];
            text = text[Math.Max(length, 1)..];
            if (length == 0 || (length == 1 && name[0] == '.' && !isCode))
                continue;
            // $f is f's address, f@PLT a way to it.
            name = name[0] == '$' ? name[1..] : name;
            if (name.IndexOf((byte)'@') is > 0 and int way)
                name = name[..way];
            if (name.IsEmpty)
                continue;
            _countsArguments |= name.Contains((byte)'\\');
            if (!char.IsAsciiDigit((char)name[0]))
            {
                _countsBytes |= name.SequenceEqual("."u8);
                _counted.Add(Hash(name));
            }
            else if (IsNumberedLabel(name))
                _countsBytes |= isCode || name[^1] != 'b' || !_numbered.TryGetValue(Hash(name[..^1]), out bool inCode) || inCode;
        }
    }

    // A label or the place itself, no number.
    private static bool IsTerm(ReadOnlySpan<byte> name) => name.Length > 0 && (!char.IsAsciiDigit((char)name[0]) || IsNumberedLabel(name));

    private static bool IsNumberedLabel(ReadOnlySpan<byte> name) => name[^1] is (byte)'b' or (byte)'f' && !name[..^1].ContainsAnyExceptInRange((byte)'0', (byte)'9');

    private static bool IsName(byte c) => char.IsAsciiLetterOrDigit((char)c) || c is (byte)'_' or (byte)'.' or (byte)'$' or (byte)'@' or (byte)'\\' or >= 0x80;

    private static int NameLength(ReadOnlySpan<byte> text)
    {
        int length = 0;
        while (length < text.Length && IsName(text[length]))
            length++;
        return length;
    }

    private static int LastName(ReadOnlySpan<byte> text)
    {
        int start = text.Length;
        while (start > 0 && IsName(text[start - 1]))
            start--;
        return start;
    }

    private static ReadOnlySpan<byte> Fill(ReadOnlySpan<byte> arguments, int index)
    {
        for (; index > 0; index--)
        {
            int comma = arguments.IndexOf((byte)',');
            arguments = comma < 0 ? [] : arguments[(comma + 1)..];
        }
        int end = arguments.IndexOf((byte)',');
        return (end < 0 ? arguments : arguments[..end]).Trim(" \t"u8);
    }

    // FNV-1a. Two names of one hash cost a file the short way, and nothing else.
    private static ulong Hash(ReadOnlySpan<byte> name)
    {
        ulong hash = 14695981039346656037;
        foreach (byte c in name)
            hash = (hash ^ c) * 1099511628211;
        return hash;
    }
}
