namespace Reheat.Collector.Ingest.Wire;

/// <summary>Reads the fields of a protobuf message one after another.</summary>
internal ref struct WireReader(ReadOnlySpan<byte> message, int position)
{
    private const int MaxVarintBytes = 10;

    private readonly ReadOnlySpan<byte> _message = message;

    /// <summary>Where it stands.</summary>
    public int Position { get; private set; } = position;

    /// <summary>True at the end.</summary>
    public readonly bool AtEnd => Position == _message.Length;

    /// <summary>Reads a number; false if there is none.</summary>
    public bool TryVarint(out ulong number)
    {
        number = 0;
        for (int i = 0; i < MaxVarintBytes && Position < _message.Length; i++)
        {
            byte next = _message[Position++];
            number |= (ulong)(next & 0x7f) << (7 * i);
            if (next < 0x80)
                return true;
        }
        return false;
    }

    /// <summary>Passes over bytes with their length in front; false if they are not all there.</summary>
    public bool TryBytes(out int start, out int length)
    {
        (start, length) = (0, 0);
        if (!TryVarint(out ulong said) || said > (ulong)(_message.Length - Position))
            return false;
        (start, length) = (Position, (int)said);
        Position += length;
        return true;
    }
}
