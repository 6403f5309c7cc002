using Microsoft.Extensions.Logging;
using Reheat.Agent.Machine;
using Reheat.Agent.Streaming;
using Reheat.Core;
using Reheat.Core.Elf;
using Reheat.Core.Ring;

namespace Reheat.Agent.Kvm;

/// <summary>What an import is told.</summary>
public sealed record KvmImportOptions
{
    /// <summary>The text: a path, or <c>-</c> for standard input.</summary>
    public required string Path { get; init; }

    /// <summary>The collector.</summary>
    public required Uri Collector { get; init; }

    /// <summary>The wedge's name: the host that was traced, and its guest.</summary>
    public required string Wedge { get; init; }

    /// <summary>The guest's name.</summary>
    public string Guest { get; init; } = "";

    /// <summary>The guest's images, with the bias they are loaded with.</summary>
    public required IReadOnlyList<GuestImage> Images { get; init; }

    /// <summary>The file of each image; stays the caller's.</summary>
    public required IReadOnlyList<ElfImage> Files { get; init; }

    /// <summary>What QEMU's <c>info mtree -f</c> prints of the guest, to name its devices.</summary>
    public string? MemoryMap { get; init; }

    /// <summary>Goes on though the images do not fit the trace.</summary>
    public bool Force { get; init; }
}

/// <summary>What an import found in its text.</summary>
/// <param name="Bytes">Bytes read.</param>
/// <param name="Lines">Lines read.</param>
/// <param name="Understood">Of these, events that tell of accesses or may.</param>
/// <param name="Other">Other events and what recorders write around them.</param>
/// <param name="NotUnderstood">The rest.</param>
/// <param name="Traps">Executions that had to be trapped, in the whole text.</param>
/// <param name="Outside">Of these, by code outside the images.</param>
/// <param name="Unfinished">Accesses that the text breaks off in.</param>
/// <param name="NoAccess">Faults and emulated instructions that accessed no device and no page table.</param>
/// <param name="Lost">Events that the recorder says it lost.</param>
/// <param name="Sites">Distinct instructions inside the images.</param>
/// <param name="ImportedBefore">Bytes that an earlier import had counted.</param>
public sealed record KvmImportCounts(
    long Bytes, long Lines, long Understood, IReadOnlyList<LineKind> Other, IReadOnlyList<LineKind> NotUnderstood, long Traps, long Outside, long Unfinished,
    long NoAccess, long Lost, int Sites, long ImportedBefore)
{
    /// <summary>Lines of other events.</summary>
    public long OtherLines => Other.Sum(k => k.Lines);

    /// <summary>Lines that are not understood.</summary>
    public long NotUnderstoodLines => NotUnderstood.Sum(k => k.Lines);
}

/// <summary>
/// Imports the text of a KVM host's trace, exactly once: a text is named by its beginning, and a position in it is an offset. May be killed at any
/// moment and started again on the same text.
/// </summary>
public sealed class KvmImport : IDisposable
{
    // What is looked at before anything is sent.
    private const int BeginningBytes = 8 << 20;
    private const int BeginningStep = 1 << 20;

    private readonly KvmImportOptions _options;
    private readonly TimeProvider _clock;
    private readonly ILogger<KvmImport> _log;
    private readonly TraceText _text;
    private readonly ImageTable _table;
    private readonly GuestCode _code;
    private readonly TraceFolder _folder;
    private readonly TextSource _source;

    /// <summary>Opens a text and looks at its beginning.</summary>
    /// <param name="options">What and where.</param>
    /// <param name="clock">The time.</param>
    /// <param name="log">For messages.</param>
    /// <param name="stop">Waits no longer: what a pipe has said so far is all.</param>
    /// <exception cref="AgentException">It cannot be read, or the images do not fit it.</exception>
    /// <exception cref="OperationCanceledException">Stopped before it said anything.</exception>
    public static async Task<KvmImport> OpenAsync(KvmImportOptions options, TimeProvider clock, ILogger<KvmImport> log, CancellationToken stop)
    {
        // To open a pipe without a writer, and to read of one that says nothing, takes for ever.
        TraceText text = await Task.Run(() => TraceText.Open(options.Path), CancellationToken.None).WaitAsync(stop);
        return await Task.Run(() => new KvmImport(options, text, clock, log, stop), CancellationToken.None);
    }

    private KvmImport(KvmImportOptions options, TraceText text, TimeProvider clock, ILogger<KvmImport> log, CancellationToken stop)
    {
        _options = options;
        _clock = clock;
        _log = log;
        _text = text;
        try
        {
            MemoryMap? map = null;
            if (options.MemoryMap is { } mapText && (map = Machine.MemoryMap.Parse(mapText, out Diagnostic? fault)) is null)
                throw new AgentException(fault!.ToString()) { IsMisdirected = true };
            _table = new ImageTable(options.Images);
            var targets = new GuestTargets(map);
            _code = new GuestCode(_table, options.Files);
            LookAtBeginning(new GuestTargets(map), stop);
            _folder = new TraceFolder(_code, targets);
            _source = new TextSource(_text, _folder, targets, new WedgeInfo("kvm", typeof(KvmImport).Assembly.GetName().Version?.ToString(3) ?? "", options.Guest, []), MaxRows, Status, clock);
        }
        catch
        {
            _text.Dispose();
            throw;
        }
    }

    // The collector takes no more rows in one batch, and as many new sites.
    private const int MaxRows = 50_000;

    /// <summary>What the stream has done so far.</summary>
    public AgentStatus Status { get; } = new();

    /// <summary>Names the text at the collector.</summary>
    public ulong Epoch => _source.Epoch;

    /// <summary>True if the text cannot be read again.</summary>
    public bool IsPipe => _text.IsPipe;

    /// <summary>Bytes of the text; null if nobody knows.</summary>
    public long? Length => _text.Length;

    /// <summary>Bytes read so far.</summary>
    public long Position => (long)_source.Position;

    /// <summary>Bytes up to where the collector has counted them.</summary>
    public long Delivered => (long)_source.Tail;

    /// <summary>Lines read so far.</summary>
    public long Lines => _folder.Lines;

    /// <summary>Traps found so far.</summary>
    public long Traps => (long)_folder.Traps;

    /// <summary>What was found; whole once <see cref="RunAsync"/> has returned.</summary>
    public KvmImportCounts Counts => new(
        Position, _folder.Lines, _folder.Understood, _folder.Other.Kinds, _folder.NotUnderstood.Kinds, (long)_folder.Traps, (long)_folder.Outside, _folder.Unfinished,
        _folder.NoAccess, (long)_folder.Lost, _code.Sites, (long)_source.BeganAt);

    /// <summary>Reads and streams until all is acknowledged.</summary>
    /// <exception cref="AgentException">Something that trying again cannot mend.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async Task RunAsync(CancellationToken cancel)
    {
        var options = new AgentOptions
        {
            Session = _text.Name,
            Collector = _options.Collector,
            Wedge = _options.Wedge,
            Images = _options.Images,
            Interval = TimeSpan.FromMilliseconds(50),
        };
        await new StreamLoop(options, _source, _table, Status, _clock, _log).RunAsync(cancel);
    }

    /// <summary>Reads no further, and ends when what was read is acknowledged.</summary>
    public void Stop() => _source.Stop();

    /// <inheritdoc/>
    public void Dispose()
    {
        _source.Dispose();
        _text.Dispose();
    }

    private void LookAtBeginning(GuestTargets targets, CancellationToken stop)
    {
        var check = new SlideCheck(_code);
        int looked = 0;
        var folder = new TraceFolder(new GuestCode(_table, _options.Files), targets) { Accessed = check.Accessed };
        bool more = _text.ReadBeginning(TraceText.NamingBytes, stop);
        while (true)
        {
            ReadOnlySpan<byte> rest = _text.Beginning[looked..];
            for (int length; (length = rest.IndexOf((byte)'\n')) >= 0; rest = rest[(length + 1)..])
                folder.Take(rest[..length].TrimEnd((byte)'\r'));
            looked = _text.Beginning.Length - rest.Length;
            if (!more || check.Samples >= (_text.IsPipe ? SlideCheck.Few : SlideCheck.Enough) || _text.Beginning.Length >= BeginningBytes)
                break;
            more = _text.ReadBeginning(_text.Beginning.Length + BeginningStep, stop);
        }
        if (_text is { IsCut: true, Beginning.IsEmpty: true })
            throw new OperationCanceledException(stop);
        if (!more && !_text.Beginning[looked..].IsEmpty)
            folder.Take(_text.Beginning[looked..]);
        if (!_options.Force && check.Wrong(_options.Images, _options.Files) is { } wrong)
            throw new AgentException($"{_text.Name}: {wrong}") { IsMisdirected = true };
        if (!more && !_text.IsCut && folder.Understood == 0 && folder.Other.Lines == folder.Other.Kinds.Where(k => k.Kind is "empty" or "comment").Sum(k => k.Lines))
            throw new AgentException($"{_text.Name}: {NothingUnderstood(folder)}") { IsMisdirected = true };
    }

    private static string NothingUnderstood(TraceFolder folder) => folder.Lines == 0
        ? "the text is empty — record with `perf record -e kvm:kvm_exit,kvm:kvm_page_fault,kvm:kvm_emulate_insn,kvm:kvm_mmio,kvm:kvm_fast_mmio`, and give the output of `perf script`"
        : $"not one of its {folder.Lines:N0} lines is an event of a KVM trace{(folder.NotUnderstood.Kinds is [var first, ..] ? $"; line {first.ExampleLine} is \"{first.Example}\"" : "")} — expected the output of `perf script`, `trace-cmd report` or tracefs";
}
