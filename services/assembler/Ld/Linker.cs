using System.Runtime.InteropServices;
using System.Text;
using Reheat.Core.Annotations;

namespace Reheat.Assembler.Ld;

/// <summary>
/// Stands where builds look for <c>ld</c>: in a final link records get the names that loaders know (<c>.afterburn.TARGET</c>), by one more
/// linker script in front of the command line. Without a list, and in every other link, it is the real linker at once; and so it is
/// for a link that fails with that script.
/// </summary>
internal static class Linker
{
    private const string Kept = "records keep the names that they have in objects";

    /// <summary>Becomes the linker, or links. The exit code.</summary>
    /// <param name="arguments">Behind the program's name.</param>
    public static int Run(IReadOnlyList<string> arguments)
    {
        bool isBehind = RealProgram.IsBehind("ld");
        string? linker = RealProgram.Find("ld", Complain);
        if (linker is null)
        {
            Complain("found no ld on PATH but this stand-in — name the linker in REHEAT_LD");
            return 127;
        }
        if (!isBehind && Link(linker, arguments) is { } code)
            return code;
        int error = Native.Exec(linker, [linker, .. arguments]);
        Complain($"cannot start {linker}: error {error}");
        return 126;
    }

    // Null: the linker has to do it as it was told.
    private static int? Link(string linker, IReadOnlyList<string> arguments)
    {
        try
        {
            if (Script(arguments) is not { } text)
                return null;
            using MemoryFile? script = MemoryFile.Create(), output = MemoryFile.Create(), errors = MemoryFile.Create();
            if (script is not null && output is not null && errors is not null && script.Write(Encoding.UTF8.GetBytes(text)))
                return Link(linker, arguments, script, output, errors);
            Complain($"no memory for the linker script: {Kept}");
        }
        catch (Exception e)
        {
            Complain($"{e.Message}: {Kept}");
        }
        return null;
    }

    private static int? Link(string linker, IReadOnlyList<string> arguments, MemoryFile script, MemoryFile output, MemoryFile errors)
    {
        int process = Native.Start(linker, [linker, "-T", script.Path, .. arguments], -1, output.Descriptor, errors.Descriptor);
        bool isStopped = false;
        int code;
        using (Forward(PosixSignal.SIGTERM, 15))
        using (Forward(PosixSignal.SIGINT, 2))
        using (Forward(PosixSignal.SIGHUP, 1))
            code = Native.Wait(process);
        byte[] said = errors.Read();
        if (code == 0 || isStopped)
        {
            Native.Write(1, output.Read());
            Native.Write(2, said);
            return code;
        }
        // If that was not the script's doing, the link fails once more, and its messages are its own.
        string text = Encoding.UTF8.GetString(said);
        if (text.Contains(script.Path, StringComparison.Ordinal) || text.Contains("for insert", StringComparison.Ordinal))
            Complain($"{text.Split('\n')[0]}: {Kept}");
        return null;

        PosixSignalRegistration Forward(PosixSignal signal, int number) => PosixSignalRegistration.Create(signal, context =>
        {
            context.Cancel = isStopped = true;
            if (process > 0)
                Native.Signal(process, number);
        });
    }

    private static unsafe string? Script(IReadOnlyList<string> arguments)
    {
        if (Environment.GetEnvironmentVariable("REHEAT_ANNOTATIONS") is not { Length: > 0 } list)
            return null;
        LinkCommand command = LinkCommand.Parse(arguments);
        if (!command.IsFinal)
            return null;
        if (Native.Map(list, out long length, out int error) is var bytes && error != 0)
        {
            Complain($"{list}: the list cannot be read (error {error}): {Kept}");
            return null;
        }
        string? text = Fragment.Write(RecordNames.Targets(new ReadOnlySpan<byte>(bytes, (int)Math.Min(length, int.MaxValue))), command);
        if (text is null || Directory.Exists("/proc/self/fd"))
            return text;
        Complain($"there is no /proc: {Kept}");
        return null;
    }

    private static void Complain(string message) => Native.Write(2, Encoding.UTF8.GetBytes($"reheat ld: {message}\n"));
}
