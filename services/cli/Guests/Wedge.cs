namespace Reheat.Cli.Guests;

/// <summary>Finds the QEMU wedge's shared library.</summary>
internal static class Wedge
{
    public const string PluginFile = "libreheat-qemu.so";

    /// <summary>$REHEAT_QEMU_PLUGIN, or the library beside this program.</summary>
    /// <exception cref="CommandException">There is none.</exception>
    public static string FindPlugin()
    {
        string path = Environment.GetEnvironmentVariable("REHEAT_QEMU_PLUGIN") is { Length: > 0 } named
            ? Path.GetFullPath(named)
            : Path.Combine(AppContext.BaseDirectory, PluginFile);
        return File.Exists(path)
            ? path
            : throw new CommandException(ExitCode.Failure, $"no QEMU wedge at {path} — build it with `make -C services/wedges/qemu`, or set REHEAT_QEMU_PLUGIN");
    }
}
