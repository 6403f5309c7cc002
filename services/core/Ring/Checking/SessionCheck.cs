using System.Globalization;

namespace Reheat.Core.Ring.Checking;

/// <summary>
/// Checks a session directory, finished or in use, against the contract of <c>reheat_ring.h</c>. Only looks: it takes no lock and changes nothing, so
/// an agent may consume meanwhile. Not thread-safe.
/// </summary>
public sealed class SessionCheck(string directory) : IDisposable
{
    // A file that is being made has a name that begins with a dot, for an instant.
    private static readonly TimeSpan Making = TimeSpan.FromSeconds(2);

    private readonly Findings _findings = new();
    private readonly SortedDictionary<string, RingCheck?> _rings = new(StringComparer.Ordinal); // null: cannot be read
    private readonly HashSet<string> _told = new(StringComparer.Ordinal);
    private readonly CodeCheck _code = new(Path.Combine(directory, RingFormat.CodeFile));
    private WedgeInfo? _info;

    /// <summary>Checks what has come since the last call.</summary>
    /// <returns>True once nothing more will come: every ring is closed or its producer gone.</returns>
    /// <exception cref="IOException">The directory or a file in it cannot be read.</exception>
    public bool Look()
    {
        if (_info is null && Info() is { } file)
            _info = InfoCheck.Read(file, _findings);
        FindRings();
        RingCheck[] rings = [.. _rings.Values.OfType<RingCheck>()];
        bool ended = _rings.Count > 0; // one that cannot be read does not go on
        foreach (RingCheck ring in rings)
        {
            ring.SeesProducer = _info is null || _info.PidNamespace == 0 || _info.PidNamespace == PidNamespace.Own;
            ended &= ring.Look(_info);
        }
        // After the heads: what is below them has its bytes by then.
        _code.ReadOn(_findings);
        foreach (RingCheck ring in rings)
            ring.TakeAccesses(_code, _findings);
        return ended;
    }

    /// <summary>Checks what only the whole can tell, and says what was found.</summary>
    public SessionReport Finish()
    {
        RingCheck[] rings = [.. _rings.Values.OfType<RingCheck>().OrderBy(r => r.File.Ring)];
        if (_info is null)
            _findings.Add(DiagnosticId.SessionIncomplete, directory, $"there is no {RingFormat.InfoFile}: it comes first, and says who the wedge is");
        if (_rings.Count == 0)
            _findings.Add(DiagnosticId.SessionIncomplete, directory, $"there is no {RingFormat.RingFilePrefix}0 or any other ring");
        foreach (RingCheck ring in rings)
            ring.Finish();
        Compare(rings);
        if (_info is { PidNamespace: 0 } && rings.FirstOrDefault(r => r.File.ProducerPid != 0) is { } named)
        {
            _findings.Add(DiagnosticId.SessionBadInfo, Path.Combine(directory, RingFormat.InfoFile),
                $"no pid-namespace, though ring {named.File.Ring} names process {named.File.ProducerPid}: a reader elsewhere would take another process for it — add the inode number of /proc/self/ns/pid");
        }
        _code.Finish(rings.Length > 0, _findings);
        Leftovers();
        return new SessionReport
        {
            Wedge = _info,
            Rings = [.. rings.Select(r => r.Report())],
            Sites = _code.Sites,
            CodeEntries = _code.Entries,
            Violations = _findings.Violations,
            Counts = _findings.Counts,
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (RingCheck? ring in _rings.Values)
            ring?.File.Dispose();
    }

    private string? Info() => Path.Combine(directory, RingFormat.InfoFile) is var path && File.Exists(path) ? path : null;

    private void FindRings()
    {
        foreach (string path in Directory.EnumerateFiles(directory, RingFormat.RingFilePrefix + "*").Order(StringComparer.Ordinal))
        {
            if (_rings.ContainsKey(path))
                continue;
            string number = Path.GetFileName(path)[RingFormat.RingFilePrefix.Length..];
            RingFile? file = RingFile.Open(path, out Diagnostic? fault, readOnly: true);
            if (fault is not null)
                _findings.Add(fault);
            else if (number != file!.Ring.ToString(CultureInfo.InvariantCulture))
                _findings.Add(DiagnosticId.SessionBadName, path, $"holds ring {file.Ring}: expected the name {RingFormat.RingFilePrefix}{file.Ring}");
            if (Reserved.Of(path) is { } disk && disk.Reserved < disk.Length)
            {
                _findings.Add(DiagnosticId.SessionSparseFile, path,
                    $"{disk.Reserved} of {disk.Length} bytes are reserved: a full disk would kill the producer (SIGBUS) — posix_fallocate, not ftruncate");
            }
            _rings.Add(path, file is null ? null : new RingCheck(file, _findings));
        }
    }

    private void Compare(RingCheck[] rings)
    {
        foreach (RingCheck ring in rings.Skip(1))
        {
            RingFile first = rings[0].File, file = ring.File;
            if (file.Epoch != first.Epoch)
                _findings.Add(DiagnosticId.SessionEpochs, file.Path, $"epoch {file.Epoch:x16}, ring {first.Ring} has {first.Epoch:x16}: a session has one, and a directory one session");
            else if (file.CreatedUnixNs != first.CreatedUnixNs)
                _findings.Add(DiagnosticId.SessionEpochs, file.Path, $"created at {file.CreatedUnixNs} ns, ring {first.Ring} at {first.CreatedUnixNs}: it is when the epoch began, the same in all rings");
        }
        if (rings.Length > 0 && _code.Epoch is { } epoch && epoch != rings[0].File.Epoch)
            _findings.Add(DiagnosticId.SessionEpochs, Path.Combine(directory, RingFormat.CodeFile), $"epoch {epoch:x16}, its rings have {rings[0].File.Epoch:x16}");
    }

    private void Leftovers()
    {
        foreach (string path in Directory.EnumerateFiles(directory, ".*", new EnumerationOptions { AttributesToSkip = 0 }))
        {
            if (DateTime.UtcNow - File.GetLastWriteTimeUtc(path) > Making && _told.Add(path))
                _findings.Add(DiagnosticId.SessionBadName, path, "left half made: link(2) it to its name once it is whole, and unlink this one");
        }
    }
}
