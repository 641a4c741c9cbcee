package xlsx_test

import (
	"encoding/xml"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A sheetFile is what a table has to agree with.
type sheetFile struct {
	Rows []struct {
		R     int        `xml:"r,attr"`
		Cells []cellFile `xml:"c"`
	} `xml:"sheetData>row"`
	Filter *struct{} `xml:"autoFilter"`
	Parts  []struct {
		ID string `xml:"id,attr"`
	} `xml:"tableParts>tablePart"`
}

type cellFile struct {
	R       string `xml:"r,attr"`
	T       string `xml:"t,attr"`
	S       int    `xml:"s,attr"`
	Formula string `xml:"f"`
	Value   string `xml:"v"`
	Inline  string `xml:"is>t"`
}

type tableFile struct {
	ID      int    `xml:"id,attr"`
	Name    string `xml:"name,attr"`
	Display string `xml:"displayName,attr"`
	Ref     string `xml:"ref,attr"`
	Totals  int    `xml:"totalsRowCount,attr"`
	Filter  struct {
		Ref string `xml:"ref,attr"`
	} `xml:"autoFilter"`
	Columns []struct {
		ID       int    `xml:"id,attr"`
		Name     string `xml:"name,attr"`
		Label    string `xml:"totalsRowLabel,attr"`
		Function string `xml:"totalsRowFunction,attr"`
		Formula  string `xml:"totalsRowFormula"`
	} `xml:"tableColumns>tableColumn"`
}

// checkTables holds the tables to the rules whose breach makes Excel repair a
// workbook, and that shared strings are those of headers.
func checkTables(t *testing.T, files map[string][]byte) {
	t.Helper()
	var shared struct {
		Count int `xml:"count,attr"`
		SI    []struct {
			T string `xml:"t"`
		} `xml:"si"`
	}
	decode(t, files, "xl/sharedStrings.xml", &shared)
	var titles []string
	for _, si := range shared.SI {
		titles = append(titles, si.T)
	}
	names, ids, uses := map[string]bool{}, map[int]bool{}, 0
	for name := range files {
		if !strings.HasPrefix(name, "xl/worksheets/sheet") {
			continue
		}
		var s sheetFile
		decode(t, files, name, &s)
		n, err := countShared(s)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		uses += n
		for _, p := range s.Parts {
			table := tableOf(t, files, name, p.ID)
			if err := checkTable(table, s, titles); err != nil {
				t.Errorf("%s: the table %s: %v", name, table.Name, err)
			}
			if lower := strings.ToLower(table.Name); names[lower] || ids[table.ID] {
				t.Errorf("%s: another table is %s, or has the id %d", name, table.Name, table.ID)
			} else {
				names[lower], ids[table.ID] = true, true
			}
		}
	}
	if uses != shared.Count {
		t.Errorf("%d cells are shared strings, and the count is %d", uses, shared.Count)
	}
}

func countShared(s sheetFile) (n int, err error) {
	for _, row := range s.Rows {
		for _, c := range row.Cells {
			if c.T != "s" {
				continue
			}
			n++
			if row.R != 1 {
				err = fmt.Errorf("%s is a shared string", c.R)
			}
		}
	}
	return n, err
}

// tableOf is the table that a sheet names by the id of a relation.
func tableOf(t *testing.T, files map[string][]byte, sheet, id string) (table tableFile) {
	t.Helper()
	var relations struct {
		Relationship []struct {
			ID     string `xml:"Id,attr"`
			Target string `xml:",attr"`
		}
	}
	decode(t, files, "xl/worksheets/_rels/"+path.Base(sheet)+".rels", &relations)
	for _, r := range relations.Relationship {
		if r.ID == id {
			decode(t, files, path.Join("xl/worksheets", r.Target), &table)
			return table
		}
	}
	t.Fatalf("%s has no relation %s", sheet, id)
	return table
}

func checkTable(table tableFile, s sheetFile, titles []string) error {
	last := s.Rows[len(s.Rows)-1].R
	header := s.Rows[0].Cells
	end := strings.TrimRight(header[len(header)-1].R, "0123456789")
	switch {
	case table.Name != table.Display:
		return fmt.Errorf("is shown as %q", table.Display)
	case table.Ref != fmt.Sprintf("A1:%s%d", end, last):
		return fmt.Errorf("is %s, and the sheet ends in %s%d", table.Ref, end, last)
	case table.Filter.Ref != fmt.Sprintf("A1:%s%d", end, last-table.Totals):
		return fmt.Errorf("is filtered in %s", table.Filter.Ref)
	case last-table.Totals < 2:
		return fmt.Errorf("has no row of data")
	case s.Filter != nil:
		return fmt.Errorf("stands on a sheet with a filter of its own")
	case len(table.Columns) != len(header):
		return fmt.Errorf("has %d columns below %d titles", len(table.Columns), len(header))
	}
	var seen []string
	for i, c := range table.Columns {
		at, err := strconv.Atoi(header[i].Value)
		if err != nil || at >= len(titles) || titles[at] != c.Name || c.ID != i+1 {
			return fmt.Errorf("column %d, %q, stands below the title %q", c.ID, c.Name, header[i].Value)
		}
		if lower := strings.ToLower(c.Name); lower == "" || slices.Contains(seen, lower) {
			return fmt.Errorf("two columns, or none, are %q", c.Name)
		} else {
			seen = append(seen, lower)
		}
		if table.Totals == 0 {
			continue
		}
		if err := checkTotal(s.Rows[len(s.Rows)-1].Cells[i], table.Name, c.Name, c.Label, c.Function, c.Formula); err != nil {
			return err
		}
	}
	return nil
}

// checkTotal holds a cell of the totals row to what the table says of it.
func checkTotal(c cellFile, table, title, label, function, formula string) error {
	numbers := map[string]int{"sum": 109, "average": 101, "min": 105, "max": 104, "count": 103}
	want := formula
	if n, known := numbers[function]; known {
		want = fmt.Sprintf("SUBTOTAL(%d,%s[%s])", n, table, strings.NewReplacer("'", "''", "[", "'[", "]", "']", "#", "'#").Replace(title))
	}
	if c.Formula != want || c.Inline != label || function == "" && c.Value != "" {
		return fmt.Errorf("%s is %q, %q, by %q, and the table has the label %q and the function %s %q", c.R, c.Inline, c.Value, c.Formula, label, function, formula)
	}
	return nil
}

// TestTablesAreHeld holds that the check is no rubber stamp.
func TestTablesAreHeld(t *testing.T) {
	sheet := func(rows string) (s sheetFile) {
		if err := xml.Unmarshal([]byte(`<worksheet><sheetData>`+rows+`</sheetData></worksheet>`), &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	const head, body = `<row r="1"><c r="A1" t="s"><v>0</v></c></row>`, `<row r="2"><c r="A2"><v>1</v></c></row><row r="3"><c r="A3"><f>SUBTOTAL(109,a[N])</f><v>1</v></c></row>`
	good := `<table id="1" name="a" displayName="a" ref="A1:A3" totalsRowCount="1"><autoFilter ref="A1:A2"/><tableColumns><tableColumn id="1" name="N" totalsRowFunction="sum"/></tableColumns></table>`
	for _, tt := range []struct {
		old, new string
		right    bool
	}{
		{"", "", true},
		{"A1:A3", "A1:A2", false},
		{`"A1:A2"`, `"A1:A3"`, false},
		{`"N"`, `"n"`, false},
		{`"sum"`, `"max"`, false},
		{`totalsRowFunction="sum"`, `totalsRowLabel="Total"`, false},
		{`displayName="a"`, `displayName="b"`, false},
	} {
		var table tableFile
		if err := xml.Unmarshal([]byte(strings.Replace(good, tt.old, tt.new, 1)), &table); err != nil {
			t.Fatal(err)
		}
		if err := checkTable(table, sheet(head+body), []string{"N"}); (err == nil) != tt.right {
			t.Errorf("%q in the place of %q: %v", tt.new, tt.old, err)
		}
	}
}
