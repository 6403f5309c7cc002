using Reheat.Loop.Tests.Fixtures;

namespace Reheat.Loop.Tests.Kvm;

/// <summary>What was recorded of tests/kvm/guest.S on a KVM host: kept texts, and new ones where there is /dev/kvm.</summary>
internal static class Recording
{
    /// <summary>Executions of each access of the guest: LOOPS in guest.S.</summary>
    public const int Loops = 5;

    private static readonly Lazy<string> Image = new(Compile);

    /// <summary>Names of the kept texts.</summary>
    public static IReadOnlyList<string> Kept { get; } = ["perf-script", "trace-cmd-report", "trace-cmd-raw", "tracefs"];

    /// <summary>The guest's image.</summary>
    public static string GuestImage => Image.Value;

    public static string PathOf(string name) => Path.Combine(AppContext.BaseDirectory, "Kvm", "recordings", $"{name}.txt");

    /// <summary>Records anew with what is here, into a directory; null where there is no /dev/kvm.</summary>
    public static string? Record(Scratch scratch)
    {
        if (!File.Exists("/dev/kvm"))
            return null;
        Tool.Run(Path.Combine(AppContext.BaseDirectory, "Kvm", "record.sh"), scratch.Path);
        return scratch.Path;
    }

    private static string Compile()
    {
        string directory = Directory.CreateDirectory(Path.Combine(AppContext.BaseDirectory, "Kvm", $"image.{Environment.ProcessId}")).FullName;
        string elf = Path.Combine(directory, "guest.elf");
        Tool.Run("gcc", "-m32", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=sha1,-Ttext=0x7000,-e,flat_start,-z,noseparate-code", "-o", elf, Path.Combine(AppContext.BaseDirectory, "Kvm", "guest.S"));
        return elf;
    }
}
