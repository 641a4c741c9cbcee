package source

import (
	"errors"
	"net/netip"
	"syscall"
)

var errPrivate = errors.New("the address is not a public one")

// publicOnly refuses a connection to what is not the public internet. It sees
// the address that is really dialed, whatever a name was resolved to before.
func publicOnly(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !public(at.Addr()) {
		return errPrivate
	}
	return nil
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

// public tells whether an address is one of the internet. What stands for an
// IPv4 address in IPv6 is what it stands for.
func public(a netip.Addr) bool {
	a = a.WithZone("").Unmap()
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if a.Is6() && !internet6.Contains(a) || a.IsPrivate() || !a.IsGlobalUnicast() {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
