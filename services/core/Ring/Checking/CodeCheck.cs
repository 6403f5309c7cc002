using System.Buffers.Binary;
using Reheat.Core.X86;

namespace Reheat.Core.Ring.Checking;

/// <summary>Checks the code file: is it whole, are its entries instructions, and do they make the accesses that records tell of.</summary>
internal sealed class CodeCheck(string path)
{
    private const int EntryBytesOffset = 12, EpochOffset = 16, CapacityOffset = 24, CountOffset = 64, DroppedOffset = 72;
    private const int LengthOffset = 8, BytesOffset = 9;

    // The address tells 64-bit code; below, the mode is not known, and what is an access in one of them is one.
    private const int CanonicalBits = 47;
    private static readonly int[] AnyMode = [64, 32, 16], LongMode = [64];

    private readonly Dictionary<ulong, List<byte[]>> _codes = [];
    private readonly HashSet<ulong> _missing = [];
    private readonly HashSet<ulong> _sites = [];
    private bool _broken, _found;
    private ulong _dropped;

    /// <summary>Instructions that records named.</summary>
    public int Sites => _sites.Count;

    /// <summary>Entries read.</summary>
    public long Entries { get; private set; }

    /// <summary>The epoch that it names; null if it cannot be read.</summary>
    public ulong? Epoch { get; private set; }

    /// <summary>Reads the entries that have come.</summary>
    public void ReadOn(Findings findings)
    {
        if (_broken || !System.IO.File.Exists(path))
            return;
        using var file = System.IO.File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        Span<byte> header = stackalloc byte[DroppedOffset + sizeof(ulong)];
        long length = RandomAccess.GetLength(file);
        if (RandomAccess.Read(file, header, 0) < header.Length || HeaderFault(header, length) is not null)
        {
            _broken = _found = true;
            findings.Add(DiagnosticId.CodeBadFile, path, length < RingFormat.HeaderBytes ? $"{length} bytes: a code file has at least a header of {RingFormat.HeaderBytes}" : HeaderFault(header, length)!);
            return;
        }
        Epoch = BinaryPrimitives.ReadUInt64LittleEndian(header[EpochOffset..]);
        _dropped = BinaryPrimitives.ReadUInt64LittleEndian(header[DroppedOffset..]);
        if (!_found && Reserved.Of(path) is { } disk && disk.Reserved < disk.Length)
            findings.Add(DiagnosticId.SessionSparseFile, path, $"{disk.Reserved} of {disk.Length} bytes are reserved: a full disk would kill the producer (SIGBUS)");
        _found = true;
        long count = (long)BinaryPrimitives.ReadUInt64LittleEndian(header[CountOffset..]);
        Span<byte> entry = stackalloc byte[RingFormat.CodeEntryBytes];
        for (; Entries < count && RandomAccess.Read(file, entry, RingFormat.HeaderBytes + (Entries * entry.Length)) == entry.Length; Entries++)
            Take(entry, findings);
    }

    /// <summary>Checks that the file has the bytes of an instruction that a record names, and that they do what the record says.</summary>
    public void Check(AccessOfSite access, string place, Findings findings)
    {
        _sites.Add(access.Ip);
        if (_broken || !_found)
            return;
        if (!_codes.TryGetValue(access.Ip, out List<byte[]>? codes))
        {
            if (_dropped == 0 && _missing.Add(access.Ip))
                findings.Add(DiagnosticId.CodeMissing, place, $"the code file has no bytes of 0x{access.Ip:x}: they have to be there before the first record is below head");
            return;
        }
        foreach (byte[] code in codes)
        {
            if (Modes(access.Ip).Any(mode => Makes(SiteInstruction.Decode(code, access.Ip, mode), access)))
                return;
        }
        findings.Add(DiagnosticId.CodeOtherAccess, place,
            $"{access.Operation.Name()} of {access.Size} bytes by {Convert.ToHexStringLower(codes[^1])} at 0x{access.Ip:x}: the instruction makes no such access, and would never be annotated");
    }

    /// <summary>Checks that there is a file at all.</summary>
    public void Finish(bool wanted, Findings findings)
    {
        if (wanted && !_found)
            findings.Add(DiagnosticId.CodeBadFile, path, "there is none: it has the bytes of each recorded instruction");
    }

    private static int[] Modes(ulong ip) => ip >> CanonicalBits != 0 ? LongMode : AnyMode;

    private void Take(ReadOnlySpan<byte> entry, Findings findings)
    {
        ulong ip = BinaryPrimitives.ReadUInt64LittleEndian(entry);
        int length = entry[LengthOffset];
        string place = $"{path}, entry {Entries}";
        if (length is < 1 or > RingFormat.CodeEntryBytes - BytesOffset)
        {
            findings.Add(DiagnosticId.CodeBadEntry, place, $"{length} bytes at 0x{ip:x}: an instruction has 1 to {RingFormat.CodeEntryBytes - BytesOffset}");
            return;
        }
        byte[] code = entry.Slice(BytesOffset, length).ToArray();
        if (!Modes(ip).Any(mode => SiteInstruction.Decode(code, ip, mode) is { IsValid: true } decoded && decoded.Length == length))
            findings.Add(DiagnosticId.CodeBadEntry, place, $"{Convert.ToHexStringLower(code)} at 0x{ip:x} is not one whole instruction");
        if (!_codes.TryGetValue(ip, out List<byte[]>? codes))
            _codes.Add(ip, codes = []);
        if (codes.Count > 0 && codes[^1].AsSpan().SequenceEqual(code))
            findings.Add(DiagnosticId.CodeBadEntry, place, $"{Convert.ToHexStringLower(code)} at 0x{ip:x} is told already: once a site, and again where other bytes were put");
        codes.Add(code);
    }

    private static string? HeaderFault(ReadOnlySpan<byte> header, long length)
    {
        ulong magic = BinaryPrimitives.ReadUInt64LittleEndian(header);
        uint version = BinaryPrimitives.ReadUInt32LittleEndian(header[8..]), entryBytes = BinaryPrimitives.ReadUInt32LittleEndian(header[EntryBytesOffset..]);
        ulong capacity = BinaryPrimitives.ReadUInt64LittleEndian(header[CapacityOffset..]), count = BinaryPrimitives.ReadUInt64LittleEndian(header[CountOffset..]);
        ulong room = (ulong)Math.Max(length - RingFormat.HeaderBytes, 0) / RingFormat.CodeEntryBytes;
        if (magic != RingFormat.CodeMagic)
            return $"magic is {magic:x16}, a code file has {RingFormat.CodeMagic:x16}";
        if (version is < RingFormat.OldestVersion or > RingFormat.Version)
            return $"format version {version}: expected {RingFormat.OldestVersion} to {RingFormat.Version}";
        if (entryBytes != RingFormat.CodeEntryBytes)
            return $"entries of {entryBytes} bytes: expected {RingFormat.CodeEntryBytes}";
        if (capacity > room)
            return $"capacity {capacity}: {length} bytes have room for {room} entries";
        return count > capacity ? $"count {count} is beyond its capacity of {capacity}" : null;
    }

    /// <summary>
    /// Whether the instruction can have made the access. Less is asked than of an annotation: what is refused there (vector registers, the stack) traps all the same,
    /// and a wedge may see it in parts.
    /// </summary>
    private static bool Makes(SiteInstruction instruction, AccessOfSite access)
    {
        if (access.Operation == Operation.SensitiveInstruction)
            return instruction.IsSensitive;
        if (instruction.Shape is MemoryShape.Stack or MemoryShape.Implicit)
            return true;
        if ((access.Operation.Reads() && !instruction.Reads) || (access.Operation.Writes() && !instruction.Writes))
            return false;
        bool atOnce = instruction.AccessSize is 1 or 2 or 4 or 8 && instruction.Refusal != Refusal.FarPointer;
        return atOnce ? access.Size == instruction.AccessSize : instruction.AccessesMemory && access.Size <= Math.Max(instruction.AccessSize, 8);
    }
}
