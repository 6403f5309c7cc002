"""Messages and methods from a file of descriptors, without generated code."""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


class Root:
    """Calls methods by their names in a set of files; nothing generated is needed."""

    def __init__(self, files):
        self.pool = descriptor_pool.DescriptorPool()
        waiting = {f.name: f for f in files}

        def add(file):
            for name in file.dependency:
                if name in waiting:
                    add(waiting.pop(name))
            self.pool.Add(file)

        while waiting:
            add(waiting.popitem()[1])

    def type(self, descriptor):
        if hasattr(message_factory, "GetMessageClass"):
            return message_factory.GetMessageClass(descriptor)
        return message_factory.MessageFactory(self.pool).GetPrototype(descriptor)

    def shape(self, service, name):
        """Request class, reply class and, such as unary_stream, the shape of the call."""
        found = self.pool.FindServiceByName(service).FindMethodByName(name)
        proto = descriptor_pb2.MethodDescriptorProto()
        found.CopyToProto(proto)
        shape = ("stream" if proto.client_streaming else "unary") + "_" + ("stream" if proto.server_streaming else "unary")
        return self.type(found.input_type), self.type(found.output_type), shape

    def method(self, channel, service, name):
        request, reply, shape = self.shape(service, name)
        call = getattr(channel, shape)(f"/{service}/{name}", request.SerializeToString, reply.FromString)
        return call, request


def read(path):
    files = descriptor_pb2.FileDescriptorSet()
    with open(path, "rb") as f:
        files.ParseFromString(f.read())
    return Root(files.file)
