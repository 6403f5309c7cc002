using System.IO.MemoryMappedFiles;

namespace Reheat.Loop.Tests.Fixtures;

/// <summary>
/// The wall clock of a process; it may jump while the process runs. What counts seconds since the start goes on as it is. (libfaketime does the same, and makes each start of a .NET
/// program some 15 s long.)
/// </summary>
internal sealed class FakeClock : IDisposable
{
    private static readonly CProgram Library = new("clock", "-shared", "-fPIC");

    private readonly string _file;
    private readonly MemoryMappedFile _mapped;
    private readonly MemoryMappedViewAccessor _ahead;

    public FakeClock(string file)
    {
        _file = file;
        File.WriteAllBytes(file, new byte[sizeof(long)]);
        _mapped = MemoryMappedFile.CreateFromFile(file, FileMode.Open);
        _ahead = _mapped.CreateViewAccessor(0, sizeof(long));
    }

    /// <summary>Variables of the process.</summary>
    public IReadOnlyDictionary<string, string> Environment => new Dictionary<string, string> { ["LD_PRELOAD"] = Library.Path, ["REHEAT_CLOCK"] = _file };

    /// <summary>How often it has jumped.</summary>
    public int Jumps { get; private set; }

    /// <summary>Sets how far it is ahead.</summary>
    public void Jump(TimeSpan ahead)
    {
        _ahead.Write(0, ahead.Ticks * 100);
        Jumps++;
    }

    public void Dispose()
    {
        _ahead.Dispose();
        _mapped.Dispose();
    }
}
