using System.Buffers.Binary;
using System.IO.Hashing;

namespace Reheat.Core;

/// <summary>
/// The key of a site: a 64-bit hash of (build-id, address), so that neither agent nor collector has to look anything up, and the
/// sites of one hot build spread over all shards. Signed, as PostgreSQL's <c>bigint</c> is.
/// </summary>
/// <param name="Value">The hash.</param>
public readonly record struct SiteId(long Value) : IComparable<SiteId>
{
    /// <summary>XXH3-64 of the build-id's bytes followed by the address, little endian. Fixed for ever: the database is keyed by it.</summary>
    public static SiteId Of(BuildId image, ImageAddress address)
    {
        Span<byte> key = stackalloc byte[BuildId.MaxLength + sizeof(ulong)];
        ReadOnlySpan<byte> id = image.ToBytes();
        id.CopyTo(key);
        BinaryPrimitives.WriteUInt64LittleEndian(key[id.Length..], address.Value);
        return new SiteId(unchecked((long)XxHash3.HashToUInt64(key[..(id.Length + sizeof(ulong))])));
    }

    /// <inheritdoc/>
    public int CompareTo(SiteId other) => Value.CompareTo(other.Value);

    /// <summary>16 hex digits.</summary>
    public override string ToString() => $"{unchecked((ulong)Value):x16}";
}
