using System.Collections.Frozen;

namespace Reheat.Core;

/// <summary>What a trapped instruction intended. The values are the ring's and the database's: never renumber.</summary>
public enum Operation : byte
{
    /// <summary>Load from a device register.</summary>
    DeviceRead = 1,

    /// <summary>Store to a device register.</summary>
    DeviceWrite = 2,

    /// <summary>Read-modify-write of a device register by one instruction.</summary>
    DeviceExchange = 3,

    /// <summary>Load from a page-table entry.</summary>
    PageTableRead = 4,

    /// <summary>Store to a page-table entry.</summary>
    PageTableWrite = 5,

    /// <summary>Read-modify-write of a page-table entry by one instruction.</summary>
    PageTableExchange = 6,

    /// <summary>An instruction that is sensitive whatever it touches (class 1).</summary>
    SensitiveInstruction = 7,
}

/// <summary>What happened at one execution of a site. The values are the database's: never renumber.</summary>
public enum Outcome : byte
{
    /// <summary>It had to be trapped.</summary>
    Trap = 1,

    /// <summary>It was annotated and did not trap.</summary>
    Hit = 2,
}

/// <summary>The names under which operations appear in lists, views and tables.</summary>
public static class OperationNames
{
    private static readonly FrozenDictionary<Operation, string> Names = new Dictionary<Operation, string>
    {
        [Operation.DeviceRead] = "read",
        [Operation.DeviceWrite] = "write",
        [Operation.DeviceExchange] = "exchange",
        [Operation.PageTableRead] = "pt-read",
        [Operation.PageTableWrite] = "pt-write",
        [Operation.PageTableExchange] = "pt-exchange",
        [Operation.SensitiveInstruction] = "sensitive",
    }.ToFrozenDictionary();

    private static readonly FrozenDictionary<string, Operation> Operations =
        Names.ToFrozenDictionary(pair => pair.Value, pair => pair.Key, StringComparer.Ordinal);

    /// <summary>The name, or <c>operation-N</c> for a value this version does not know.</summary>
    public static string Name(this Operation operation) =>
        Names.TryGetValue(operation, out string? name) ? name : $"operation-{(byte)operation}";

    /// <summary>Finds the operation of a name as <see cref="Name"/> writes it.</summary>
    public static bool TryParse(string name, out Operation operation) => Operations.TryGetValue(name, out operation);

    /// <summary>True for the values this version knows.</summary>
    public static bool IsKnown(this Operation operation) => Names.ContainsKey(operation);

    /// <summary>True if the instruction must load from memory for this operation.</summary>
    public static bool Reads(this Operation operation) => operation is
        Operation.DeviceRead or Operation.DeviceExchange or Operation.PageTableRead or Operation.PageTableExchange;

    /// <summary>True if the instruction must store to memory for this operation.</summary>
    public static bool Writes(this Operation operation) => operation is
        Operation.DeviceWrite or Operation.DeviceExchange or Operation.PageTableWrite or Operation.PageTableExchange;
}
