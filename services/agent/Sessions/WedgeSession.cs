using Microsoft.Extensions.Logging;
using Reheat.Core;
using Reheat.Core.Ring;

namespace Reheat.Agent.Sessions;

/// <summary>A wedge's session directory, opened: who the wedge is, its rings and its code file.</summary>
internal sealed class WedgeSession : IDisposable
{
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private volatile OpenRing[] _rings = [];

    private WedgeSession(string directory, WedgeInfo info, TimeProvider clock, ILogger log)
    {
        Directory = directory;
        Info = info;
        _clock = clock;
        _log = log;
        Code = new CodeFile(Path.Combine(directory, RingFormat.CodeFile));
    }

    public string Directory { get; }

    public WedgeInfo Info { get; }

    public CodeFile Code { get; }

    /// <summary>In order of number.</summary>
    public IReadOnlyList<OpenRing> Rings => _rings;

    /// <summary>False if the wedge runs in another PID namespace, where its process cannot be seen: then only its own word ends it.</summary>
    public bool SeesProducer => Info.PidNamespace == 0 || Info.PidNamespace == PidNamespace.Own;

    /// <summary>Set once the wedge is known to have ended, in order or not.</summary>
    public bool ProducerEnded
    {
        get
        {
            bool seen = SeesProducer;
            return _rings.Length > 0 && _rings.All(r => r.File.IsClosed || (seen && !System.IO.Directory.Exists($"/proc/{r.File.ProducerPid}")));
        }
    }

    /// <summary>Opens a session whose wedge has begun; null if it has not.</summary>
    /// <exception cref="AgentException">A ring cannot be used, or another process consumes it.</exception>
    public static WedgeSession? TryOpen(string directory, TimeProvider clock, ILogger log)
    {
        string info = Path.Combine(directory, RingFormat.InfoFile);
        if (!File.Exists(info))
            return null;
        var session = new WedgeSession(directory, WedgeInfo.Parse(File.ReadAllText(info)), clock, log);
        try
        {
            session.FindRings();
        }
        catch
        {
            session.Dispose();
            throw;
        }
        if (session._rings.Length > 0)
            return session;
        session.Dispose();
        return null;
    }

    /// <summary>Opens rings that have come since.</summary>
    /// <returns>True if there were any.</returns>
    public bool FindRings()
    {
        int before = _rings.Length;
        var rings = new List<OpenRing>(_rings);
        foreach (string path in System.IO.Directory.EnumerateFiles(Directory, RingFormat.RingFilePrefix + "*").Order(StringComparer.Ordinal))
        {
            if (rings.Exists(r => r.File.Path == path) || Open(path) is not { } file)
                continue;
            var ring = new OpenRing(file, new SeenTimes(_clock), _log);
            ring.Seen.Look(file.Head);
            rings.Add(ring);
            _rings = [.. rings.OrderBy(r => r.File.Ring)]; // one after another: a failure below must not leave one open
        }
        if (_rings.Select(r => r.File.Epoch).Distinct().Count() > 1)
            throw new AgentException($"{Directory}: its rings are of different epochs ({string.Join(", ", _rings.Select(r => $"{r.File.Epoch:x16}"))}) — give each session a directory of its own");
        return _rings.Length > before;
    }

    /// <summary>Notes what is in the rings now, so that its age is known when it is sent. From any thread, until <see cref="Dispose"/>.</summary>
    /// <returns>Records below the heads.</returns>
    public ulong Look()
    {
        ulong records = 0;
        foreach (OpenRing ring in _rings)
        {
            ulong head = ring.File.Head;
            ring.Seen.Look(head);
            records += head;
        }
        return records;
    }

    private static RingFile? Open(string path)
    {
        // A producer that does not rename into place has the file there before its magic: not a ring yet, if it is young.
        RingFile? ring = RingFile.Open(path, out Diagnostic? fault);
        if (fault is not null)
        {
            bool young = fault.Id == DiagnosticId.RingNotARing && DateTime.UtcNow - File.GetLastWriteTimeUtc(path) < TimeSpan.FromSeconds(2);
            return young ? null : throw new AgentException(fault.ToString());
        }
        int other = ring!.Attach();
        if (other != 0)
        {
            ring.Dispose();
            throw new AgentException($"{path}: process {other} (in its own PID namespace) reads this ring already — a ring has one consumer; stop that process first");
        }
        return ring;
    }

    public void Dispose()
    {
        foreach (OpenRing ring in _rings)
            ring.File.Dispose();
        _rings = [];
    }
}
