package web

import (
	"net/url"
	"testing"

	"github.com/offprint/offprint"
)

// Whoever empties a field that was filled in with its default wants it empty.
func TestAnEmptiedFieldIsNotItsDefaultAgain(t *testing.T) {
	r := &offprint.Report{Parameters: []offprint.Parameter{
		{Name: "region", Type: offprint.TextParam, Optional: true, Default: "EU", Options: []offprint.Option{{Value: "EU"}, {Value: "NA"}}},
		{Name: "codes", Type: offprint.IntParam, Optional: true, Many: true, Default: "1\n2"},
		{Name: "needed", Type: offprint.TextParam, Default: "x"},
		{Name: "free", Type: offprint.TextParam, Optional: true},
	}}
	sent := sentIn(r, url.Values{"p.region": {""}, "p.codes": {""}, "p.needed": {""}, "p.free": {""}})
	if len(sent) != 2 || string(sent["region"]) != "null" || string(sent["codes"]) != "null" {
		t.Errorf("sent: %s", sent)
	}
	sent = sentIn(r, url.Values{"p.region": {"NA"}, "p.codes": {"3\r\n4"}})
	if string(sent["region"]) != `"NA"` || string(sent["codes"]) != `["3","4"]` {
		t.Errorf("sent: %s", sent)
	}
}
