using System.Diagnostics.CodeAnalysis;
using System.Text;
using Reheat.Core.Elf;

namespace Reheat.Core.Records;

public sealed partial class AnnotatedSites
{
    private const byte FormatVersion = 1;
    private const int MostTargets = 4096;

    /// <summary>
    /// For storage beside an image's skeleton, which does not carry the sections of records: a version, the targets' names, then per site the
    /// distance from the start of the one before, its length, its targets, and its thunk if it has one; numbers in LEB128.
    /// </summary>
    public byte[] ToBytes()
    {
        string[] targets = [.. CountByTarget().Keys];
        var writer = new LebWriter();
        writer.Byte(FormatVersion);
        writer.Unsigned((ulong)targets.Length);
        foreach (string target in targets)
        {
            writer.Bytes(Encoding.ASCII.GetBytes(target));
            writer.Byte(0);
        }
        writer.Unsigned((ulong)_sites.Length);
        ulong before = 0;
        foreach (AnnotatedSite site in _sites)
        {
            writer.Unsigned(site.Start.Value - before);
            writer.Unsigned(site.Range.Length);
            writer.Unsigned((ulong)site.Targets.Count);
            foreach (string target in site.Targets)
                writer.Unsigned((ulong)Array.BinarySearch(targets, target, StringComparer.Ordinal));
            writer.Unsigned(site.Thunk.Length);
            if (site.HasThunk)
                writer.Unsigned(site.Thunk.Start.Value);
            writer.Unsigned(site.Access.Start.Value - (site.HasThunk ? site.Thunk.Start.Value : site.Start.Value));
            writer.Unsigned(site.Access.Length);
            before = site.Start.Value;
        }
        return writer.ToArray();
    }

    /// <summary>Reads what <see cref="ToBytes"/> wrote; false for anything else.</summary>
    public static bool TryFromBytes(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out AnnotatedSites? sites)
    {
        sites = null;
        var reader = new LebReader(bytes);
        if (reader.Byte() != FormatVersion || reader.Unsigned() is var names && names > MostTargets)
            return false;
        var targets = new string[names];
        for (int i = 0; i < targets.Length; i++)
        {
            targets[i] = Encoding.ASCII.GetString(reader.String());
            if (reader.IsBroken || !(targets[i] == AnnotatedSite.ClassOne || TargetName.IsValid(targets[i])) || (i > 0 && string.CompareOrdinal(targets[i - 1], targets[i]) >= 0))
                return false;
        }
        // A site has at least six bytes, which bounds the count.
        if (reader.Unsigned() is var count && count > (ulong)bytes.Length / 6)
            return false;
        var list = new List<AnnotatedSite>((int)count);
        ulong before = 0;
        for (ulong i = 0; i < count; i++)
        {
            if (Site(ref reader, targets, before) is not { } site || (i > 0 && site.Start.Value < list[^1].End.Value))
                return false;
            before = site.Start.Value;
            list.Add(site);
        }
        sites = new AnnotatedSites([.. list], [], []);
        return reader.IsAtEnd;
    }

    private static AnnotatedSite? Site(ref LebReader reader, string[] targets, ulong before)
    {
        ulong start = unchecked(before + reader.Unsigned());
        bool whole = AddressRange.TryCreate(start, reader.Unsigned(), out AddressRange range) && range.Length is > 0 and <= LongestSite;
        var named = new string[Math.Min(reader.Unsigned(), (ulong)targets.Length)];
        for (int i = 0; i < named.Length; i++)
        {
            if (reader.Unsigned() is var index && index >= (ulong)targets.Length)
                return null;
            named[i] = targets[index];
        }
        ulong length = reader.Unsigned();
        AddressRange thunk = default;
        if (length > 0)
            whole &= AddressRange.TryCreate(reader.Unsigned(), length, out thunk);
        AddressRange around = thunk.IsEmpty ? range : thunk;
        whole &= AddressRange.TryCreate(unchecked(around.Start.Value + reader.Unsigned()), reader.Unsigned(), out AddressRange access)
            && !access.IsEmpty && access.Start.Value >= around.Start.Value && access.End.Value <= around.End.Value;
        return whole && named.Length > 0 && !reader.IsBroken ? new AnnotatedSite(range, [.. named]) { Thunk = thunk, Access = access } : null;
    }
}
