using Stint.Functions.Deployments;

namespace Stint.Functions.Wasm;

/// <summary>A WebAssembly module that cannot be a function. The message says what, why and what to do.</summary>
internal sealed class ModuleRejectedException(string message) : DeploymentException(DeploymentFault.BadRequest, message);
