namespace Reheat.Cli;

/// <summary>Exit codes that a script can tell apart. <c>reheat --help</c> lists them.</summary>
internal static class ExitCode
{
    /// <summary>Done.</summary>
    public const int Success = 0;

    /// <summary>It did not work; the message says why.</summary>
    public const int Failure = 1;

    /// <summary>The command line is wrong.</summary>
    public const int Usage = 2;

    /// <summary>An input file or value is bad.</summary>
    public const int BadInput = 3;

    /// <summary>The collector does not answer.</summary>
    public const int Unreachable = 4;

    /// <summary>No such build, list or site.</summary>
    public const int NotFound = 5;

    /// <summary>Nothing was observed, so there is nothing to say of coverage.</summary>
    public const int NoObservations = 6;

    /// <summary>Coverage is below the threshold.</summary>
    public const int BelowThreshold = 7;

    /// <summary>The guest's QEMU failed.</summary>
    public const int GuestFailed = 8;

    /// <summary>Traces could not be delivered; they are kept, and the message says where.</summary>
    public const int NotDelivered = 9;

    /// <summary>The stand-ins for as and ld are not installed.</summary>
    public const int NotInstalled = 10;

    /// <summary>make cannot be started.</summary>
    public const int NoMake = 11;

    /// <summary>The directory holds no build.</summary>
    public const int NotABuildTree = 12;

    /// <summary>The build is optimised at link time: there is no assembler to stand in for.</summary>
    public const int LinkTimeOptimised = 13;

    /// <summary>The list is for another architecture than the build's.</summary>
    public const int OtherArchitecture = 14;

    /// <summary>The list has sites, and not one of them was annotated.</summary>
    public const int NothingAnnotated = 15;

    /// <summary>Another second pass, or a build that one left behind, goes on in the same tree.</summary>
    public const int Busy = 16;

    /// <summary>Two annotation lists differ.</summary>
    public const int Differ = 20;

    /// <summary>A wedge's session does not keep the ring's contract.</summary>
    public const int ContractBroken = 21;

    /// <summary>Interrupted.</summary>
    public const int Interrupted = 130;
}

/// <summary>Ends a command with a message and an exit code.</summary>
internal sealed class CommandException(int exitCode, string message) : Exception(message)
{
    public int ExitCode { get; } = exitCode;
}
