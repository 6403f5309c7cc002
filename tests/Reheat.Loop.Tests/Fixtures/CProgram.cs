namespace Reheat.Loop.Tests.Fixtures;

/// <summary>A C program of this folder, compiled from the SDK's own headers when it is first needed.</summary>
internal sealed class CProgram(string name, params string[] flags)
{
    private readonly Lazy<string> _path = new(() => Compile(name, flags));

    public string Path => _path.Value;

    private static string Compile(string name, string[] flags)
    {
        string folder = System.IO.Path.Combine(AppContext.BaseDirectory, "Fixtures");
        string program = System.IO.Path.Combine(folder, name), mine = $"{program}.{Environment.ProcessId}";
        Tool.Run("gcc", ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2", .. flags, "-I", folder, "-o", mine, program + ".c"]);
        File.Move(mine, program, overwrite: true); // another run may be using the old one
        return program;
    }
}
