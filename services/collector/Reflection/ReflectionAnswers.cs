using Google.Protobuf.Reflection;
using Grpc.Core;
using Grpc.Reflection.V1;
using Request = Grpc.Reflection.V1.ServerReflectionRequest.MessageRequestOneofCase;

namespace Reheat.Collector.Reflection;

/// <summary>Answers one reflection request. What is not found is an answer too, not a failure of the stream.</summary>
internal sealed class ReflectionAnswers(MappedServices services)
{
    public ServerReflectionResponse Answer(ServerReflectionRequest request)
    {
        ServerReflectionResponse response = Find(request, services.Index);
        response.ValidHost = request.Host;
        response.OriginalRequest = request;
        return response;
    }

    private static ServerReflectionResponse Find(ServerReflectionRequest request, DescriptorIndex index)
    {
        switch (request.MessageRequestCase)
        {
            case Request.ListServices:
                var list = new ListServiceResponse();
                list.Service.AddRange(index.Services.Select(name => new ServiceResponse { Name = name }));
                return new ServerReflectionResponse { ListServicesResponse = list };

            case Request.FileByFilename:
                return index.TryFindFile(request.FileByFilename, out FileDescriptor? file)
                    ? Files(file)
                    : Error(StatusCode.NotFound, $"file '{request.FileByFilename}' is not known here");

            case Request.FileContainingSymbol:
                return index.TryFindSymbol(request.FileContainingSymbol, out file)
                    ? Files(file)
                    : Error(StatusCode.NotFound, $"symbol '{request.FileContainingSymbol}' is not known here");

            case Request.FileContainingExtension:
                ExtensionRequest extension = request.FileContainingExtension;
                return index.TryFindExtension(extension.ContainingType, extension.ExtensionNumber, out file)
                    ? Files(file)
                    : Error(StatusCode.NotFound, $"extension {extension.ExtensionNumber} of '{extension.ContainingType}' is not known here");

            case Request.AllExtensionNumbersOfType:
                string type = request.AllExtensionNumbersOfType;
                if (!index.TryFindExtensionNumbers(type, out IReadOnlyCollection<int>? numbers))
                    return Error(StatusCode.NotFound, $"message '{type}' is not known here");
                var all = new ExtensionNumberResponse { BaseTypeName = type };
                all.ExtensionNumber.AddRange(numbers);
                return new ServerReflectionResponse { AllExtensionNumbersResponse = all };

            default:
                return Error(StatusCode.InvalidArgument, "the request asks for nothing that this version of the service knows");
        }
    }

    private static ServerReflectionResponse Files(FileDescriptor file)
    {
        var files = new FileDescriptorResponse();
        files.FileDescriptorProto.AddRange(DescriptorIndex.WithImports(file).Select(f => f.SerializedData));
        return new ServerReflectionResponse { FileDescriptorResponse = files };
    }

    private static ServerReflectionResponse Error(StatusCode code, string message) => new()
    {
        ErrorResponse = new ErrorResponse { ErrorCode = (int)code, ErrorMessage = message },
    };
}
