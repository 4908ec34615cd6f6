using System.Net;
using Stint.Backends.Vms;

namespace Stint.Tests.Backends.Vms;

public sealed class KernelCommandLineTests
{
    [Fact]
    public void UniFaaSs_words_are_filled_in_wherever_they_stand() => Assert.Equal(
        "ip=10.100.0.2::10.100.0.1:255.255.255.252:vm:eth0:off callback=http://10.100.0.1:3000/ready/x also=10.100.0.2 %other",
        KernelCommandLine.Fill("ip=%ip::%gateway:%netmask:vm:eth0:off callback=%callback also=%ip %other", IPAddress.Parse("10.100.0.2"), IPAddress.Parse("10.100.0.1"), IPAddress.Parse("255.255.255.252"), "http://10.100.0.1:3000/ready/x"));
}
