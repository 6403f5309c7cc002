using System.Buffers;

namespace Reheat.Assembler.Gas;

/// <summary>
/// Cuts a text for the GNU assembler (x86, AT&amp;T or Intel syntax) into statements, by the rules of gas's app.c and read.c: <c>;</c> and
/// the end of a line separate, <c>#</c> begins a comment anywhere and <c>/</c> one at a line's beginning, strings and characters hide
/// all of these.
/// </summary>
internal ref struct GasLexer(ReadOnlySpan<byte> text)
{
    private static readonly SearchValues<byte> Symbol =
        SearchValues.Create([.. Enumerable.Range(0, 256).Where(c => c >= 0x80 || char.IsAsciiLetterOrDigit((char)c) || c is '_' or '.' or '$' or '@' or '?' or '\\').Select(c => (byte)c)]);

    private static readonly SearchValues<byte> Stops = SearchValues.Create("\n;#\"'"u8);
    private static readonly SearchValues<byte> StopsWithComments = SearchValues.Create("\n;#\"'/"u8);

    private readonly ReadOnlySpan<byte> _text = text;

    // gcc writes no such comment, and looking for one in each operand costs.
    private readonly SearchValues<byte> _stops = text.IndexOf("/*"u8) >= 0 ? StopsWithComments : Stops;
    private int _at;
    private bool _atLineStart = true;

    /// <summary>The next one; false at the end.</summary>
    public bool Next(out Token token)
    {
        ReadOnlySpan<byte> text = _text;
        while (_at < text.Length)
        {
            byte c = text[_at];
            switch (c)
            {
                case (byte)'\n':
                    _at++;
                    _atLineStart = true;
                    continue;
                case (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\f':
                    _at++;
                    continue;
                case (byte)';':
                    _at++;
                    _atLineStart = false;
                    continue;
                case (byte)'#':
                    SkipLine();
                    continue;
                case (byte)'/' when _at + 1 < text.Length && text[_at + 1] == '*':
                    _at = AfterComment(_at);
                    continue;
                case (byte)'/' when _atLineStart:
                    SkipLine();
                    continue;
            }
            _atLineStart = false;
            token = Read();
            return true;
        }
        token = default;
        return false;
    }

    private Token Read()
    {
        ReadOnlySpan<byte> text = _text;
        int start = _at;
        int nameEnd = NameEnd(start);
        int after = nameEnd;
        while (after < text.Length && text[after] is (byte)' ' or (byte)'\t')
            after++;
        if (nameEnd > start && after < text.Length)
        {
            if (text[after] == ':' && (after + 1 >= text.Length || text[after + 1] != ':'))
            {
                _at = after + 1;
                return new Token(TokenKind.Label, start, nameEnd, _at);
            }
            if (text[after] == '=')
                return new Token(TokenKind.Assignment, start, nameEnd, StatementEnd(after));
        }
        int end = StatementEnd(nameEnd);
        if (end == start)
        {
            // Nothing that a statement begins with: gas will say so.
            _at = Math.Max(_at, start + 1);
            return new Token(TokenKind.Assignment, start, start, _at);
        }
        return new Token(text[start] == '.' ? TokenKind.Directive : TokenKind.Instruction, start, nameEnd, end);
    }

    private readonly int NameEnd(int start)
    {
        ReadOnlySpan<byte> text = _text;
        if (text[start] == '"')
            return AfterString(start);
        int end = start;
        while (true)
        {
            int length = text[end..].IndexOfAnyExcept(Symbol);
            end = length < 0 ? text.Length : end + length;
            // \() separates a macro's argument from what follows.
            if (end + 1 < text.Length && end > start && text[end - 1] == '\\' && text[end] == '(' && text[end + 1] == ')')
                end += 2;
            else
                return end;
        }
    }

    // Also moves on to the end.
    private int StatementEnd(int from)
    {
        ReadOnlySpan<byte> text = _text;
        int at = from, end = -1, comment = from;
        while (true)
        {
            int length = text[at..].IndexOfAny(_stops);
            at = length < 0 ? text.Length : at + length;
            if (at >= text.Length)
                break;
            byte c = text[at];
            if (c == '"')
                at = AfterString(at);
            else if (c == '\'')
                at = AfterCharacter(at);
            else if (c != '/')
                break;
            else if (at + 1 >= text.Length || text[at + 1] != '*')
                at++;
            else
            {
                // A comment is a blank, also between operands; behind the last one it is none of the statement's.
                if (end < 0 || text[comment..at].ContainsAnyExcept(" \t\r"u8))
                    end = at;
                comment = at = AfterComment(at);
            }
        }
        _at = at;
        if (end >= 0 && !text[comment..at].ContainsAnyExcept(" \t\r"u8))
            at = end;
        while (at > from && text[at - 1] is (byte)' ' or (byte)'\t' or (byte)'\r')
            at--;
        return at;
    }

    private readonly int AfterString(int at)
    {
        ReadOnlySpan<byte> text = _text;
        for (at++; at < text.Length && text[at] != '"'; at++)
        {
            if (text[at] == '\\')
                at++;
        }
        return Math.Min(at + 1, text.Length);
    }

    // 'c, 'c', '\n: the closing quote may be left out.
    private readonly int AfterCharacter(int at)
    {
        ReadOnlySpan<byte> text = _text;
        at++;
        if (at < text.Length && text[at] == '\\')
            at++;
        if (at < text.Length && text[at] != '\n')
            at++;
        return at < text.Length && text[at] == '\'' ? at + 1 : at;
    }

    private void SkipLine()
    {
        int length = _text[_at..].IndexOf((byte)'\n');
        _at = length < 0 ? _text.Length : _at + length;
    }

    private readonly int AfterComment(int at)
    {
        int length = _text[(at + 2)..].IndexOf("*/"u8);
        return length < 0 ? _text.Length : at + 2 + length + 2;
    }
}
