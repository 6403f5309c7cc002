using System.Runtime.CompilerServices;
using System.Text;

namespace Reheat.Agent.Kvm;

/// <summary>Lines of one kind.</summary>
/// <param name="Kind">What they are, or why they are not understood.</param>
/// <param name="Lines">How many.</param>
/// <param name="Example">The first of them, made printable and cut to a length.</param>
/// <param name="ExampleLine">Its number in the text, from 1.</param>
public sealed record LineKind(string Kind, long Lines, string Example, long ExampleLine);

/// <summary>Counts lines by kind and keeps the first example of each. Bounded, whatever the text holds.</summary>
internal sealed class LineCounts
{
    private const int MaxKinds = 256;
    private const int MaxKind = 80;
    private const int MaxExample = 200;
    private const int RecentKinds = 64;

    /// <summary>Counts the lines of one kind.</summary>
    public sealed class Counter(string kind, string example, long number)
    {
        /// <summary>How many so far.</summary>
        public long Lines { get; set; } = 1;

        /// <summary>As it is told.</summary>
        public LineKind Told => new(kind, Lines, example, number);
    }

    private readonly Dictionary<string, Counter> _kinds = new(StringComparer.Ordinal);

    // Most lines of a text may be of a few such events; their names are not made strings each time.
    private readonly (byte[] Name, Counter Counter)[] _recent = new (byte[], Counter)[RecentKinds];

    /// <summary>All kinds, most lines first.</summary>
    public IReadOnlyList<LineKind> Kinds => [.. _kinds.Values.Select(k => k.Told).OrderByDescending(k => k.Lines).ThenBy(k => k.Kind, StringComparer.Ordinal)];

    /// <summary>All lines.</summary>
    public long Lines { get; private set; }

    /// <summary>Counts a line whose kind is ASCII, such as an event's name.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Add(ReadOnlySpan<byte> kind, ReadOnlySpan<byte> line, long number)
    {
        ref (byte[] Name, Counter Counter) recent = ref _recent[SlotOf(kind)];
        if (recent.Name is { } name && kind.SequenceEqual(name))
        {
            Lines++;
            recent.Counter.Lines++;
            return;
        }
        Span<char> text = stackalloc char[MaxKind];
        int length = Encoding.Latin1.GetChars(kind[..Math.Min(kind.Length, MaxKind)], text);
        recent = (kind.ToArray(), Add(text[..length], line, number));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int SlotOf(ReadOnlySpan<byte> kind) =>
        kind.IsEmpty ? 0 : (kind.Length + (kind[^1] * 3) + (kind[kind.Length / 2] * 7)) % RecentKinds;

    /// <summary>Counts a line.</summary>
    /// <returns>What counts lines of its kind.</returns>
    public Counter Add(ReadOnlySpan<char> kind, ReadOnlySpan<byte> line, long number)
    {
        Lines++;
        Dictionary<string, Counter>.AlternateLookup<ReadOnlySpan<char>> kinds = _kinds.GetAlternateLookup<ReadOnlySpan<char>>();
        if (!kinds.TryGetValue(kind, out Counter? counter) && _kinds.Count >= MaxKinds)
        {
            kind = "of other kinds";
            kinds.TryGetValue(kind, out counter);
        }
        if (counter is null)
            kinds[kind] = counter = new Counter(kind.ToString(), Printable(line), number);
        else
            counter.Lines++;
        return counter;
    }

    private static string Printable(ReadOnlySpan<byte> line)
    {
        bool cut = line.Length > MaxExample;
        var text = new StringBuilder(Encoding.UTF8.GetString(cut ? line[..MaxExample] : line));
        for (int i = 0; i < text.Length; i++)
        {
            if (char.IsControl(text[i]) || text[i] is '\u2028' or '\u2029')
                text[i] = text[i] == '\t' ? ' ' : '\ufffd';
        }
        return cut ? text.Append('…').ToString() : text.ToString();
    }
}
