namespace Grpc.Core;

/// <summary>Outcome of a call, as numbered by the gRPC protocol (trailer <c>grpc-status</c>).</summary>
public enum StatusCode
{
    /// <summary>The call succeeded.</summary>
    OK = 0,

    /// <summary>The caller gave the call up.</summary>
    Cancelled = 1,

    /// <summary>An error without a known code, such as an exception that escaped a handler.</summary>
    Unknown = 2,

    /// <summary>The request is wrong whatever the state of the server.</summary>
    InvalidArgument = 3,

    /// <summary>The deadline passed first; the operation may have happened nevertheless.</summary>
    DeadlineExceeded = 4,

    /// <summary>A requested thing does not exist.</summary>
    NotFound = 5,

    /// <summary>The thing to create exists.</summary>
    AlreadyExists = 6,

    /// <summary>The caller is known and may not do this.</summary>
    PermissionDenied = 7,

    /// <summary>A quota, a size limit or space is used up.</summary>
    ResourceExhausted = 8,

    /// <summary>The state of the server does not allow the operation; repeating it alone does not help.</summary>
    FailedPrecondition = 9,

    /// <summary>The operation lost against a concurrent one; repeat it from its beginning.</summary>
    Aborted = 10,

    /// <summary>A position past the valid range, which may become valid later.</summary>
    OutOfRange = 11,

    /// <summary>The server has no such method.</summary>
    Unimplemented = 12,

    /// <summary>A broken invariant of the server or of the transport.</summary>
    Internal = 13,

    /// <summary>The server cannot be reached now; the call may be repeated with a back-off.</summary>
    Unavailable = 14,

    /// <summary>Data was lost or is damaged beyond repair.</summary>
    DataLoss = 15,

    /// <summary>The call carries no valid credentials.</summary>
    Unauthenticated = 16,
}
