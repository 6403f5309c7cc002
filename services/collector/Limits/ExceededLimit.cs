namespace Reheat.Collector.Limits;

/// <summary>A limit, and what went beyond it.</summary>
/// <param name="Subject">Whose it is: <c>wedge:NAME</c> or <c>token:NAME</c>; <c>collector</c> or <c>database</c> where the limit is of all.</param>
/// <param name="Setting">The setting's name.</param>
/// <param name="Allowed">What it allows.</param>
/// <param name="Asked">What was asked for.</param>
internal readonly record struct ExceededLimit(string Subject, string Setting, long Allowed, long Asked);
