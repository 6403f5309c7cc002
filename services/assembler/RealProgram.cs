namespace Reheat.Assembler;

/// <summary>
/// The program that this one stands before, <c>as</c> or <c>ld</c>. It may stand before others of its kind, by several installations or by a
/// wrapper that calls it again: which ones it has been through travels along, so that none becomes another for ever.
/// </summary>
internal static class RealProgram
{
    /// <summary>True if a stand-in has been here already, and has done what there is to do.</summary>
    public static bool IsBehind(string name) => Variable(Trail(name)).Length > 0;

    /// <summary>
    /// Its path: what REHEAT_AS or REHEAT_LD names, else the first of its name in COMPILER_PATH, where compilers look first, and on PATH
    /// that is no stand-in; null if there is none. From here on the environment says that this stand-in was passed.
    /// </summary>
    /// <param name="name"><c>as</c> or <c>ld</c>.</param>
    /// <param name="complain">For a setting that leads nowhere.</param>
    public static string? Find(string name, Action<string> complain)
    {
        string trail = Variable(Trail(name));
        HashSet<string> passed = [.. trail.Split(',', StringSplitOptions.RemoveEmptyEntries), Self()];
        Native.SetVariable(Trail(name), string.Join(',', passed));
        string variable = $"REHEAT_{name.ToUpperInvariant()}";
        // Behind another stand-in that has led here: once more would lead here again.
        if (trail.Length == 0 && Variable(variable) is { Length: > 0 } named)
        {
            string? path = named.Contains('/', StringComparison.Ordinal) ? named : Search(named, passed);
            if (path is not null && !IsStandIn(path, passed))
                return path;
            complain($"{variable}={named} {(path is null ? "is not on PATH" : $"is no {name} but a stand-in for it")}; looking for {name} instead");
        }
        return Search(name, passed);
    }

    private static string? Search(string name, HashSet<string> passed) =>
        $"{Variable("COMPILER_PATH")}:{(Variable("PATH") is { Length: > 0 } path ? path : "/usr/bin:/bin")}".Split(':')
            .Skip(Variable("COMPILER_PATH").Length == 0 ? 1 : 0)
            .Select(directory => Path.Combine(directory.Length == 0 ? "." : directory, name))
            .FirstOrDefault(file => Native.IsProgram(file) && !IsStandIn(file, passed));

    private static bool IsStandIn(string path, HashSet<string> passed)
    {
        string identity = Identity(path);
        // Of another installation: its `as` leads to its reheat-as, or is a hard link of the one beside it.
        return passed.Contains(identity) || (Native.RealPath(path) is { } real &&
            (Path.GetFileName(real) == "reheat-as" || Identity(Path.Combine(Path.GetDirectoryName(real) ?? "/", "reheat-as")) == identity));
    }

    // Without /proc, as in a bare chroot, the name that it was started by.
    private static string Self() => Native.Identity("/proc/self/exe") != default ? Identity("/proc/self/exe") : Identity(Native.ExecutedAs());

    // Two files that are not there are not the same.
    private static string Identity(string path) => Native.Identity(path) is var (device, inode) && inode != 0 ? $"{device:x}.{inode:x}" : $"?{path}";

    private static string Trail(string name) => $"REHEAT_BEHIND_{name.ToUpperInvariant()}";

    private static string Variable(string name) => Environment.GetEnvironmentVariable(name) ?? "";
}
