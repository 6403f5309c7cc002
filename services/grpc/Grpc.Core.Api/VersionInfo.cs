namespace Grpc.Core;

/// <summary>The version of the gRPC API that this assembly stands for.</summary>
public static class VersionInfo
{
    /// <summary>The assembly's version, the same for all releases of the API's second major version.</summary>
    public const string CurrentAssemblyVersion = "2.0.0.0";

    /// <summary>The release whose packages this assembly serves, with four parts.</summary>
    public const string CurrentAssemblyFileVersion = "2.85.0.0";

    /// <summary>The release whose packages this assembly serves.</summary>
    public const string CurrentVersion = "2.85.0";
}
