// Package internet tells the public internet from all else that an address may
// lead to, for those who call addresses that somebody else wrote down.
package internet

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"syscall"
)

// ErrPrivate is why an address was not dialed.
var ErrPrivate = errors.New("the address is not a public one")

// Only is the Control of a net.Dialer that connects to nothing but the public
// internet. It sees the address that is really dialed, whatever a name was
// resolved to before.
func Only(network, address string, conn syscall.RawConn) error {
	return Or(nil)(network, address, conn)
}

// Or is [Only], and these networks besides.
func Or(networks []netip.Prefix) func(network, address string, conn syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil || !Public(at.Addr()) && !Within(networks, at.Addr()) {
			return ErrPrivate
		}
		return nil
	}
}

// Within tells whether one of the networks has the address.
func Within(networks []netip.Prefix, a netip.Addr) bool {
	a = a.WithZone("").Unmap()
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(a) })
}

// special are the ranges that IANA keeps for other things than hosts of the
// internet, beside those that netip knows.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("100.64.0.0/10"),   // carriers' NAT
	netip.MustParsePrefix("192.0.0.0/24"),    // protocols
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // 6to4 relays
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("240.0.0.0/4"),     // the future, and broadcast
	netip.MustParsePrefix("2001::/23"),       // Teredo, ORCHID and other protocols
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("2002::/16"),       // 6to4
	netip.MustParsePrefix("3fff::/20"),       // documentation
}

var (
	internet6 = netip.MustParsePrefix("2000::/3") // all that was ever given to hosts
	nat64     = netip.MustParsePrefix("64:ff9b::/96")
)

// Public tells whether an address is one of the internet. What stands for an
// IPv4 address in IPv6 is what it stands for.
func Public(a netip.Addr) bool {
	a = a.WithZone("").Unmap()
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if a.Is6() && !internet6.Contains(a) || a.IsPrivate() || !a.IsGlobalUnicast() {
		return false
	}
	return !Within(special, a)
}

// private are the ends of names that no server of the internet answers for.
var private = []string{"localhost", "local", "internal", "home.arpa"}

// Host tells whether a host of an address, as it is written there without
// brackets and port, may be on the internet. What its name leads to, only
// dialing tells. Numbers that some resolvers read as an address, as in
// 0x7f000001, are refused.
func Host(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Zone() == "" && Public(a)
	}
	labels := strings.Split(strings.TrimSuffix(strings.ToLower(host), "."), ".")
	if len(host) > 253 || len(labels) < 2 || slices.ContainsFunc(labels, notLabel) || numeric(labels[len(labels)-1]) {
		return false
	}
	name := strings.Join(labels, ".")
	return !slices.ContainsFunc(private, func(end string) bool { return strings.HasSuffix(name, "."+end) })
}

func notLabel(label string) bool {
	return label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
		strings.ContainsFunc(label, func(r rune) bool { return r != '-' && r != '_' && !digit(r) && (r < 'a' || r > 'z') })
}

func digit(r rune) bool { return '0' <= r && r <= '9' }

// numeric tells of a last label that it ends an IPv4 address, in one of the
// ways that are as old as C; a domain of that name does not exist.
func numeric(label string) bool {
	return !strings.ContainsFunc(label, func(r rune) bool { return !digit(r) }) || strings.HasPrefix(label, "0x")
}
