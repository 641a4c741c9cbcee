package internet_test

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/offprint/offprint/internal/internet"
)

func TestWhatIsAnAddressOfTheInternet(t *testing.T) {
	for address, want := range map[string]bool{
		"93.184.216.34":                      true,
		"1.1.1.1":                            true,
		"100.128.0.1":                        true,
		"172.32.0.1":                         true,
		"2606:2800:220:1:248:1893:25c8:1946": true,
		"64:ff9b::5db8:d822":                 true, // 93.184.216.34
		"::ffff:93.184.216.34":               true,
		"0.0.0.0":                            false,
		"0.1.2.3":                            false,
		"127.0.0.1":                          false,
		"127.255.0.1":                        false,
		"10.0.0.1":                           false,
		"172.16.0.1":                         false,
		"172.31.255.255":                     false,
		"192.168.1.1":                        false,
		"169.254.169.254":                    false,
		"100.64.0.1":                         false,
		"100.127.255.255":                    false,
		"192.0.0.170":                        false,
		"192.0.2.1":                          false,
		"192.88.99.1":                        false,
		"198.19.0.1":                         false,
		"198.51.100.1":                       false,
		"203.0.113.1":                        false,
		"224.0.0.1":                          false,
		"239.255.255.250":                    false,
		"240.0.0.1":                          false,
		"255.255.255.255":                    false,
		"::":                                 false,
		"::1":                                false,
		"::ffff:127.0.0.1":                   false,
		"::ffff:10.0.0.1":                    false,
		"::7f00:1":                           false,
		"64:ff9b::7f00:1":                    false,
		"64:ff9b::a9fe:a9fe":                 false,
		"64:ff9b:1::a00:1":                   false,
		"100::1":                             false,
		"2001::1":                            false,
		"2001:db8::1":                        false,
		"2002:7f00:1::1":                     false,
		"3fff::1":                            false,
		"fc00::1":                            false,
		"fd12:3456::1":                       false,
		"fe80::1%eth0":                       false,
		"fec0::1":                            false,
		"ff02::1":                            false,
	} {
		if got := internet.Public(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
	for _, address := range []string{"127.0.0.1:80", "[::1]:80", "nonsense", "[fe80::1%lo]:80"} {
		if internet.Only("tcp", address, nil) == nil {
			t.Errorf("%s may be dialed", address)
		}
	}
}

func TestNetworksBesides(t *testing.T) {
	control := internet.Or([]netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")})
	for address, want := range map[string]bool{
		"10.1.2.3:80": true, "[::ffff:10.1.2.3]:80": true, "[fd00::1]:443": true, "1.1.1.1:443": true,
		"10.2.0.1:80": false, "127.0.0.1:80": false, "[fc00::1]:80": false,
	} {
		if err := control("tcp", address, nil); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestHosts(t *testing.T) {
	for host, want := range map[string]bool{
		"app.example.com": true, "APP.Example.com.": true, "a_b.example.com": true, "xn--bcher-kva.example": true, "1.example.com": true, "0x7f.example": true,
		"93.184.216.34": true, "2606:2800:220:1:248:1893:25c8:1946": true,
		"": false, ".": false, "com": false, "intranet": false, "localhost": false, "LOCALHOST.": false, "app.localhost": false, "printer.local": false,
		"metadata.google.internal": false, "router.home.arpa": false, "a..example.com": false, "-a.example.com": false, "a b.example.com": false,
		"b\u00fccher.example": false, "127.0.0.1": false, "127.1": false, "2130706433": false, "0x7f000001": false, "0x7f.1": false, "127.0.0.0x1": false,
		"0177.0.0.1": false, "017700000001": false, "127.0.0.1.": false, "1.2.3.4.5": false, "a.0x": false, "::1": false, "fe80::1%eth0": false,
		"::ffff:127.0.0.1": false, "64:ff9b::7f00:1": false, "169.254.169.254": false, "[::1]": false, "1.1.1.1:80": false,
	} {
		if got := internet.Host(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

// FuzzHost holds what is taken for a host of the internet against a reader of
// IPv4 addresses that is as generous as C's.
func FuzzHost(f *testing.F) {
	for _, host := range []string{"app.example.com", "0x7f.1", "017700000001", "127.0.0.1.", "::1"} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if !internet.Host(host) {
			return
		}
		if a, ok := generous(host); ok && !internet.Public(a) {
			t.Errorf("%q is %s", host, a)
		}
		if strings.ContainsAny(host, "/@\\?# \x00") {
			t.Errorf("%q is no host", host)
		}
	})
}

// generous reads an address as inet_aton does: up to four numbers, each decimal,
// octal or hexadecimal, the last of which fills what is left.
func generous(host string) (netip.Addr, bool) {
	parts := strings.Split(strings.TrimSuffix(host, "."), ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var all uint64
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 0, 32)
		if err != nil {
			return netip.Addr{}, false
		}
		if i < len(parts)-1 {
			n <<= 8 * (3 - i)
		}
		all += n
	}
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(all))
	return netip.AddrFrom4(b), true
}
