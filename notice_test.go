package offprint_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/offprint/offprint"
)

func TestAddresses(t *testing.T) {
	long := strings.Repeat("a", 500)
	for address, valid := range map[string]bool{
		"me": true, "mailto:a@b.example": true, "mailto:jörg@müller.example": true, "webhook:wh_0193-A": true,
		"": false, "Me": false, "me ": false, "a@b.example": false, "mailto:": false, "mailto:a": false, "mailto:a@b@c": false,
		"mailto:A <a@b.example>": false, "mailto:a@b.example,c@d.example": false, "mailto:a@b\x00.example": false, "mailto:a@b.example\n": false,
		"webhook:": false, "webhook:a/b": false, "https://b.example/hook": false, "mailto:" + long + "@b.example": false,
	} {
		if got := offprint.ValidAddress(address); got != valid {
			t.Errorf("%q is an address: %v, want %v", address, got, valid)
		}
	}
	r := offprint.Report{Name: "r", Version: "1", Source: offprint.SourceFunc(nil), Notify: []string{"me", "team@b.example"}}
	if got, want := fmt.Sprint(r.Check()), "team@b.example is no address. Write me, mailto:team@example.com or webhook:ID."; !strings.Contains(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
	r.Notify = slices.Repeat([]string{"me"}, 11)
	if got, want := fmt.Sprint(r.Check()), "The report names more than 10 addresses."; !strings.Contains(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
}
