package source

import (
	"net/netip"
	"testing"
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
		if got := public(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
	for _, address := range []string{"127.0.0.1:80", "[::1]:80", "nonsense", "[fe80::1%lo]:80"} {
		if publicOnly("tcp", address, nil) == nil {
			t.Errorf("%s may be dialed", address)
		}
	}
}
