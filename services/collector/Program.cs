// Placeholder of the branch that adds gRPC: the collector's own wiring replaces it.
WebApplication app = WebApplication.CreateBuilder(args).Build();
app.Run();
