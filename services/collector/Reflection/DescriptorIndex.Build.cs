using Google.Protobuf.Reflection;
using ServiceDescriptor = Google.Protobuf.Reflection.ServiceDescriptor;

namespace Reheat.Collector.Reflection;

internal sealed partial class DescriptorIndex
{
    private readonly HashSet<string> _messages = new(StringComparer.Ordinal);

    private void AddFile(FileDescriptor file)
    {
        if (!_files.TryAdd(file.Name, file))
            return;
        foreach (FileDescriptor import in file.Dependencies)
            AddFile(import);
        foreach (MessageDescriptor message in file.MessageTypes)
            AddMessage(message);
        foreach (EnumDescriptor type in file.EnumTypes)
            AddEnum(type, file.Package);
        foreach (ServiceDescriptor service in file.Services)
        {
            _symbols[service.FullName] = file;
            foreach (MethodDescriptor method in service.Methods)
                _symbols[method.FullName] = file;
        }
        AddExtensions(file.Extensions);
    }

    private void AddMessage(MessageDescriptor message)
    {
        _symbols[message.FullName] = message.File;
        _messages.Add(message.FullName);
        foreach (FieldDescriptor field in message.Fields.InDeclarationOrder())
            _symbols[field.FullName] = message.File;
        foreach (OneofDescriptor oneof in message.Oneofs)
            _symbols[oneof.FullName] = message.File;
        foreach (MessageDescriptor nested in message.NestedTypes)
            AddMessage(nested);
        foreach (EnumDescriptor type in message.EnumTypes)
            AddEnum(type, message.FullName);
        AddExtensions(message.Extensions);
    }

    private void AddEnum(EnumDescriptor type, string scope)
    {
        _symbols[type.FullName] = type.File;
        // A value belongs to the scope around its enum, as in C++.
        foreach (EnumValueDescriptor value in type.Values)
            _symbols[scope.Length == 0 ? value.Name : $"{scope}.{value.Name}"] = type.File;
    }

    private void AddExtensions(ExtensionCollection extensions)
    {
        foreach (FieldDescriptor extension in extensions.UnorderedExtensions)
        {
            _symbols[extension.FullName] = extension.File;
            string message = extension.ExtendeeType.FullName;
            if (!_extensions.TryGetValue(message, out var numbers))
                _extensions.Add(message, numbers = []);
            numbers[extension.FieldNumber] = extension.File;
        }
    }
}
