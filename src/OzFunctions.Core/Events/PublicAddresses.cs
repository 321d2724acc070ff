using System.Net;
using System.Net.Sockets;

namespace OzFunctions.Events;

/// <summary>Tells addresses of the open internet from those inside a machine, a network or a cloud, where an event's receiver has no business unless its owner says so.</summary>
public static class PublicAddresses
{
    private static readonly IPNetwork[] Inside =
    [
        .. new[]
        {
            // This network, private, carrier-grade, loopback, link-local (cloud metadata among it), protocol assignments, documentation, benchmarks, multicast, reserved.
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
            "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",

            // A public address by number, and the host of every Azure machine by route.
            "168.63.129.16/32",

            // Unspecified, loopback and the old IPv4-compatible; NAT64 of a network's own, which wraps addresses where that network likes; discard; documentation;
            // unique local; link-local; site-local; multicast.
            "::/96", "64:ff9b:1::/48", "100::/64", "2001:db8::/32", "3fff::/20", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
        }.Select(text => IPNetwork.Parse(text)),
    ];

    /// <summary>False: loopback, private, link-local, or otherwise not of the open internet; also when such an IPv4 address is wrapped in an IPv6 one.</summary>
    public static bool IsPublic(IPAddress address)
    {
        if (FindWrapped(address) is { } wrapped)
        {
            return IsPublic(wrapped);
        }

        return !Inside.Any(network => network.BaseAddress.AddressFamily == address.AddressFamily && network.Contains(address));
    }

    /// <summary>IPv4-mapped (::ffff:0:0/96), NAT64 (64:ff9b::/96), 6to4 (2002::/16) and Teredo (2001::/32) carry an IPv4 address that the packet may reach in the end.</summary>
    private static IPAddress? FindWrapped(IPAddress address)
    {
        if (address.AddressFamily != AddressFamily.InterNetworkV6)
        {
            return null;
        }

        var bytes = address.GetAddressBytes();
        return bytes switch
        {
            _ when address.IsIPv4MappedToIPv6 => address.MapToIPv4(),
            [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, ..] => new(bytes.AsSpan(12)),
            [0x20, 0x02, ..] => new(bytes.AsSpan(2, 4)),
            [0x20, 0x01, 0, 0, ..] => new([(byte)~bytes[12], (byte)~bytes[13], (byte)~bytes[14], (byte)~bytes[15]]),
            _ => null,
        };
    }
}
