using System.Buffers.Binary;

namespace Reheat.Core.Ring;

/// <summary>The bytes of recorded instructions (<c>struct rh_code_header</c>), read on demand; the file grows while the wedge runs.</summary>
public sealed class CodeFile(string path)
{
    private const int CountOffset = 64;
    private const int MaxInstruction = 15;

    private readonly Dictionary<GuestAddress, byte[]> _codes = [];
    private long _read;

    /// <summary>The bytes at an address as they last ran, or null if the wedge has not told them.</summary>
    public byte[]? Find(GuestAddress ip)
    {
        if (!_codes.TryGetValue(ip, out byte[]? code))
        {
            ReadOn();
            _codes.TryGetValue(ip, out code);
        }
        return code;
    }

    private void ReadOn()
    {
        if (!File.Exists(path))
            return;
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        Span<byte> header = stackalloc byte[CountOffset + sizeof(ulong)];
        if (RandomAccess.Read(file, header, 0) < header.Length
            || BinaryPrimitives.ReadUInt64LittleEndian(header) != RingFormat.CodeMagic
            || BinaryPrimitives.ReadUInt32LittleEndian(header[8..]) is < RingFormat.OldestVersion or > RingFormat.Version)
        {
            return;
        }
        long room = (RandomAccess.GetLength(file) - RingFormat.HeaderBytes) / RingFormat.CodeEntryBytes;
        long count = (long)Math.Min(BinaryPrimitives.ReadUInt64LittleEndian(header[CountOffset..]), (ulong)Math.Max(room, 0));
        Span<byte> entry = stackalloc byte[RingFormat.CodeEntryBytes];
        for (; _read < count; _read++)
        {
            if (RandomAccess.Read(file, entry, RingFormat.HeaderBytes + (_read * RingFormat.CodeEntryBytes)) < entry.Length)
                return;
            int length = entry[8];
            if (length is >= 1 and <= MaxInstruction)
                _codes[new GuestAddress(BinaryPrimitives.ReadUInt64LittleEndian(entry))] = entry.Slice(9, length).ToArray();
        }
    }
}
