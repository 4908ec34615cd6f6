using Stint.Coap.Transport;

namespace Stint.Coap.Exchanges;

/// <summary>What makes a message the same message again: who sent it and its id (RFC 7252 §4.5).</summary>
internal readonly record struct ExchangeKey(Peer Peer, ushort MessageId);
