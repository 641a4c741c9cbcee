package celltest

import (
	_ "embed"
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/examples"
	"github.com/offprint/offprint/internal/demo"
	"github.com/offprint/offprint/source"
)

// A Document is a report as its source answered, at hand to be written and
// held against what was written.
type Document struct {
	Name  string
	Head  offprint.Head
	Parts []Part
}

// A Part is a table whose rows may be had again.
type Part struct {
	offprint.Table
	Values []offprint.Row
	Totals []offprint.Value // nil: none has any
}

// PartOf is a table of these rows.
func PartOf(t offprint.Table, values ...offprint.Row) Part {
	t.Rows = offprint.Rows(values...)
	p := Part{Table: t, Values: values}
	totals := offprint.NewTotals(t.Columns)
	if !totals.Any() {
		return p
	}
	for _, row := range values {
		totals.Add(row)
	}
	p.Totals = totals.Values()
	return p
}

// Shop are the reports of examples on a sample shop with so many orders, for
// somebody in Berlin.
func Shop(t testing.TB, orders int) []Document {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shop.db")
	if err := demo.MakeShop(t.Context(), path, orders); err != nil {
		t.Fatal(err)
	}
	db, err := source.Open(source.Config{Name: "shop", URL: "sqlite:" + path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	folder, problems := source.OpenFS("examples", examples.Reports(), map[string]*source.Database{"shop": db})
	if problems != nil {
		t.Fatal(problems)
	}
	var all []Document
	for _, r := range folder.Reports() {
		all = append(all, read(t, r))
	}
	return all
}

// read asks for a report as its form stands.
func read(t testing.TB, r *offprint.Report) Document {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	params, err := r.Resolve(nil, zone, time.Date(2026, 11, 23, 12, 0, 0, 0, zone))
	if err != nil {
		t.Fatalf("%s: %v", r.Name, err)
	}
	who := offprint.Identity{User: "ines", Tenant: "DE", Roles: []string{"branch"}}
	doc, err := r.Source.Open(t.Context(), offprint.Request{Params: params, Who: who, Zone: zone, Locale: "en"})
	if err != nil {
		t.Fatalf("%s: %v", r.Name, err)
	}
	d := Document{Name: r.Name, Head: offprint.Head{Title: r.TitleIn("en"), Report: r.Name, Zone: zone, Locale: "en", Parts: doc.Count, Options: r.Options}}
	for table, err := range doc.Parts {
		if err != nil {
			t.Fatalf("%s: %v", r.Name, err)
		}
		var values []offprint.Row
		for row, err := range table.Rows {
			if err != nil {
				t.Fatalf("%s: %v", r.Name, err)
			}
			values = append(values, clone(row))
		}
		d.Parts = append(d.Parts, PartOf(*table, values...))
	}
	return d
}

// clone is a row that the next one leaves alone.
func clone(row offprint.Row) offprint.Row {
	kept := slices.Clone(row)
	for i, v := range kept {
		kept[i] = v.Clone()
	}
	return kept
}

//go:embed testdata/formulas.json
var formulas []byte

// Formulas are texts that attack whoever opens them in a spreadsheet: OWASP's
// on CSV injection, and those that are passed around beside them.
func Formulas(t testing.TB) (texts []string) {
	t.Helper()
	if err := json.Unmarshal(formulas, &texts); err != nil {
		t.Fatal(err)
	}
	return texts
}
