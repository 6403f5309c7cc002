using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace Reheat.Grpc.Tests.Contract;

/// <summary>What a compiled assembly refers to in the contract assemblies, read from its metadata tables.</summary>
internal sealed class PackageReferences : IDisposable
{
    private static readonly string[] Contracts = ["Grpc.Core.Api", "Grpc.Net.Common"];

    private readonly PEReader _file;
    private readonly MetadataReader _metadata;

    public PackageReferences(Assembly assembly)
    {
        _file = new PEReader(File.OpenRead(assembly.Location));
        _metadata = _file.GetMetadataReader();
    }

    /// <summary>References to the contract assemblies themselves: identity included.</summary>
    public IEnumerable<AssemblyName> Assemblies => _metadata.AssemblyReferences
        .Select(h => _metadata.GetAssemblyReference(h).GetAssemblyName())
        .Where(n => Contracts.Contains(n.Name));

    /// <summary>Tokens of types in the contract assemblies, nested ones included.</summary>
    public IEnumerable<int> Types => _metadata.TypeReferences.Where(IsContract).Select(h => MetadataTokens.GetToken(h));

    /// <summary>Tokens of fields and methods that belong to a contract type or have one in their signature.</summary>
    public IEnumerable<int> Members => _metadata.MemberReferences.Where(h => Touches(_metadata.GetMemberReference(h)))
        .Select(h => MetadataTokens.GetToken(h));

    public void Dispose() => _file.Dispose();

    private bool Touches(MemberReference member) => Touches(member.Parent) || Touches(member.Signature);

    private bool Touches(EntityHandle type) => type.Kind switch
    {
        HandleKind.TypeReference => IsContract((TypeReferenceHandle)type),
        HandleKind.TypeSpecification => Touches(_metadata.GetTypeSpecification((TypeSpecificationHandle)type).Signature),
        _ => false,
    };

    // A signature names a type by a class or value-type byte and its coded index; any such pair that decodes to a contract type counts.
    // Taking other bytes for one only checks a member too many.
    private bool Touches(BlobHandle signature)
    {
        byte[] bytes = _metadata.GetBlobBytes(signature);
        for (int i = 0; i + 1 < bytes.Length; i++)
        {
            if (bytes[i] is not (0x11 or 0x12))
                continue;
            BlobReader rest = _metadata.GetBlobReader(signature);
            rest.Offset = i + 1;
            if (!rest.TryReadCompressedInteger(out int coded) || (coded & 3) != 1)
                continue;
            TypeReferenceHandle type = MetadataTokens.TypeReferenceHandle(coded >> 2);
            if ((coded >> 2) <= _metadata.TypeReferences.Count && !type.IsNil && IsContract(type))
                return true;
        }
        return false;
    }

    private bool IsContract(TypeReferenceHandle handle)
    {
        EntityHandle scope = _metadata.GetTypeReference(handle).ResolutionScope;
        return scope.Kind switch
        {
            HandleKind.TypeReference => IsContract((TypeReferenceHandle)scope),
            HandleKind.AssemblyReference =>
                Contracts.Contains(_metadata.GetString(_metadata.GetAssemblyReference((AssemblyReferenceHandle)scope).Name)),
            _ => false,
        };
    }
}
