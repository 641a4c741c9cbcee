package desk_test

import (
	"slices"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
)

func TestAReportThatKnowsNoTenantsIsHiddenFromThem(t *testing.T) {
	blind := numbers(counter{rows: 1})
	blind.TenantBlind = true
	nobody := offprint.Identity{User: "ann"}
	onBoth(t, desk.Config{Catalog: catalog{blind}}, func(t *testing.T, d *desk.Desk) {
		if _, _, err := d.Submit(t.Context(), ann, desk.Ask{Report: "numbers"}); offprint.CodeOf(err) != offprint.NotFound {
			t.Errorf("a tenant's user asked for it: %v", err)
		}
		if reports := d.Reports(ann, "en"); len(reports) > 0 {
			t.Errorf("a tenant's user sees %v", reports)
		}
		until(t, d, nobody, submit(t, d, nobody, desk.Ask{}).ID, final)
	})
}

// Keys of one name are not one key, and what a key asks on somebody's behalf
// stays theirs.
func TestOnBehalfOf(t *testing.T) {
	first := offprint.Identity{User: "key:app", Scopes: []string{"impersonate"}, Key: offprint.Key{ID: "key_1", Name: "app"}}
	second := first
	second.Key.ID = "key_2"
	behalf := func(key offprint.Identity) offprint.Identity {
		return offprint.Identity{User: "ann", Tenant: "acme", Roles: []string{"sales"}, Key: key.Key, Via: key.Key.Name}
	}
	onBoth(t, desk.Config{Catalog: catalog{numbers(counter{rows: 1})}}, func(t *testing.T, d *desk.Desk) {
		ask := desk.Ask{Report: "numbers", Idempotency: desk.Idempotency{Key: "k", Route: "POST /v1/runs", Fingerprint: "f"}}
		run := submit(t, d, behalf(first), ask)
		if other := submit(t, d, behalf(second), ask); other.ID == run.ID {
			t.Error("two keys' askings with one Idempotency-Key are one run")
		}
		until(t, d, ann, run.ID, final)
		for _, who := range []offprint.Identity{ann, first} {
			if _, err := d.Fetch(t.Context(), who, run.ID); err != nil {
				t.Errorf("%s cannot fetch it: %v", who.User, err)
			}
		}
		if _, err := d.Get(t.Context(), second, run.ID); offprint.CodeOf(err) != offprint.NotFound {
			t.Errorf("another key of the same name sees it: %v", err)
		}
		again, _, err := d.Rerun(t.Context(), first, run.ID, desk.Ask{})
		if err != nil || again.Who.User != "ann" || again.Who.Tenant != "acme" || !slices.Equal(again.Who.Roles, []string{"sales"}) {
			t.Errorf("made again by the key it is %+v's, %v", again.Who, err)
		}
	})
}

// A changing catalog takes the report out once it was made.
type changing struct {
	catalog
	gone bool
}

func (c *changing) Report(name string) (*offprint.Report, bool) {
	if c.gone {
		return nil, false
	}
	return c.catalog.Report(name)
}

func TestRightsOutliveTheReport(t *testing.T) {
	hr := numbers(counter{rows: 1})
	hr.Text, hr.Allow = "only hr", offprint.Allow{Roles: []string{"hr"}}
	with, without := ann, ann
	with.Roles = []string{"hr"}
	reports := &changing{catalog: catalog{hr}}
	onBoth(t, desk.Config{Catalog: reports}, func(t *testing.T, d *desk.Desk) {
		reports.gone = false
		run := submit(t, d, with, desk.Ask{})
		until(t, d, with, run.ID, final)
		for _, gone := range []bool{false, true} {
			reports.gone = gone
			if _, err := d.Fetch(t.Context(), with, run.ID); err != nil {
				t.Errorf("gone %v: who may have it: %v", gone, err)
			}
			if _, err := d.Fetch(t.Context(), without, run.ID); offprint.CodeOf(err) != offprint.NotFound {
				t.Errorf("gone %v: who lost the role: %v", gone, err)
			}
		}
	})
}

func TestAFileIsKeptForYearsAtMost(t *testing.T) {
	onBoth(t, desk.Config{Catalog: catalog{numbers(counter{rows: 1})}}, func(t *testing.T, d *desk.Desk) {
		run := submit(t, d, ann, desk.Ask{})
		until(t, d, ann, run.ID, final)
		for _, tt := range []struct {
			at   time.Time
			code offprint.Code
		}{
			{time.Now().Add(-time.Minute), offprint.Invalid},
			{time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -12*3600)), offprint.Invalid},
			{time.Now().AddDate(1, 0, 0), ""},
		} {
			if _, err := d.Amend(t.Context(), ann, run.ID, desk.Amendment{Expires: &tt.at}); offprint.CodeOf(err) != tt.code {
				t.Errorf("keep until %v: %v, want %q", tt.at, err, tt.code)
			}
		}
	})
}
