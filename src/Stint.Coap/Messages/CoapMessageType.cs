namespace Stint.Coap.Messages;

/// <summary>The two type bits of the header (RFC 7252 §3).</summary>
public enum CoapMessageType
{
    /// <summary>CON: wants an acknowledgement.</summary>
    Confirmable = 0,

    /// <summary>NON: wants none.</summary>
    NonConfirmable = 1,

    /// <summary>ACK: answers a CON, perhaps with a response on its back.</summary>
    Acknowledgement = 2,

    /// <summary>RST: the message arrived but its receiver has no use for it.</summary>
    Reset = 3,
}
