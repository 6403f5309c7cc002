using System.Runtime.InteropServices;
using System.Text;

namespace Reheat.Assembler;

internal static unsafe partial class Native
{
    private static readonly Dictionary<string, string> Set = [];

    /// <summary>Sets a variable for the programs that this one becomes or starts.</summary>
    public static void SetVariable(string name, string value)
    {
        Set[name] = value;
        _ = setenv(name, value, 1);
    }

    /// <summary>Takes a variable away from what this one becomes; what it starts gets what it was given itself.</summary>
    public static void ClearVariable(string name) => _ = unsetenv(name);

    // Memory in huge pages where the system has them, and by megabytes: fewer page faults, the same output. Ignored by what is not glibc.
    private const string Tunables = "GLIBC_TUNABLES";
    private const string LargePages = "glibc.malloc.hugetlb=1:glibc.malloc.top_pad=8388608";

    // Byte for byte what this program was given, but for what was set: names and values need not be UTF-8.
    private static nint Environment()
    {
        byte* text = Copy("/proc/self/environ");
        var variables = new List<nint>();
        if (System.Environment.GetEnvironmentVariable(Tunables) is null)
            variables.Add(Marshal.StringToCoTaskMemUTF8($"{Tunables}={LargePages}"));
        for (byte* at = text; *at != 0; at++)
        {
            string name = Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(at)).Split('=')[0];
            if (!Set.ContainsKey(name))
                variables.Add((nint)at);
            while (*at != 0)
                at++;
        }
        foreach ((string name, string value) in Set)
            variables.Add(Marshal.StringToCoTaskMemUTF8($"{name}={value}"));
        nint* list = (nint*)NativeMemory.AllocZeroed((nuint)(variables.Count + 1), (nuint)sizeof(nint));
        CollectionsMarshal.AsSpan(variables).CopyTo(new Span<nint>(list, variables.Count));
        return (nint)list;
    }

    // A copy outside of the collected heap, ended by two zeros.
    private static byte* Copy(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        byte* copy = (byte*)NativeMemory.AllocZeroed((nuint)bytes.Length + 2);
        bytes.CopyTo(new Span<byte>(copy, bytes.Length));
        return copy;
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setenv(string name, string value, int overwrite);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int unsetenv(string name);
}
