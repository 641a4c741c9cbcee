package source

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/offprint/offprint"
)

// tableOf reads all rows: the columns' names and each cell as text, ∅ for null.
func tableOf(read func(*feed) rowReader, body io.Reader) (names []string, rows [][]string, err error) {
	table := newServiceTable(nil, time.UTC)
	a, err := table.answer(read(&feed{body: body, buf: make([]byte, 64)}), func() {})
	if err != nil {
		return nil, nil, err
	}
	for _, c := range a.columns {
		names = append(names, c.Name)
	}
	for {
		row, err := a.next()
		if err != nil || row == nil {
			return names, rows, err
		}
		texts := make([]string, len(row))
		for i, v := range row {
			if texts[i] = v.String(); v.IsNull() {
				texts[i] = "∅"
			}
		}
		rows = append(rows, texts)
	}
}

func lines(f *feed) rowReader { return (&lineReader{feed: f}).row }
func array(f *feed) rowReader { return (&arrayReader{feed: f}).row }
func comma(f *feed) rowReader { return (&csvReader{feed: f}).row }

// known holds that an error is one that the asker or the desk can use.
func known(t *testing.T, err error) {
	t.Helper()
	var told *offprint.Error
	var service *serviceError
	if err != nil && !errors.As(err, &told) && !errors.As(err, &service) {
		t.Fatalf("the error is %v", err)
	}
}

// Whatever a line holds, we and encoding/json agree on whether it is a row,
// and on what is in it; in an array as well, and however it arrives.
func FuzzNDJSON(f *testing.F) {
	for _, seed := range []string{
		`{"a":1,"b":"x"}`, `{"a":-0.5e+10,"b":null,"c":true,"d":false}`, `{"a":[1,{"b":"]}"}]}`, `{"a":"\u00e4\ud83d\ude00\ud800\n"}`,
		`{}`, `{"a":01}`, `{"a":"`, `{"a":1}{"b":2}`, "{\"\xff\":\"\xff\"}", `{"a":1,"\u0061":2}`, "\xEF\xBB\xBF{}", `{"a":tru`, `{ "a" : 1 , }`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, rows, err := tableOf(lines, iotest.HalfReader(strings.NewReader(text+"\n")))
		known(t, err)
		if strings.ContainsAny(text, "\n") || strings.HasPrefix(text, "\xEF\xBB\xBF") {
			return
		}
		_, again, inArray := tableOf(array, iotest.OneByteReader(strings.NewReader("["+text+"]")))
		known(t, inArray)
		members, twice, object := membersOf(text)
		switch {
		case strings.Trim(text, " \t\r") == "":
		case object && !twice && (err != nil || inArray != nil || len(rows) != 1 || fmt.Sprint(rows) != fmt.Sprint(again)):
			t.Errorf("%q: %v, %v; in an array %v, %v", text, rows, err, again, inArray)
		case object && !twice && squeezed(rows[0]) != squeezed(members):
			t.Errorf("%q is %q, want %q", text, rows[0], members)
		case (!object || twice) && err == nil:
			t.Errorf("%q became %v", text, rows)
		}
	})
}

// membersOf reads an object as encoding/json does.
func membersOf(text string) (values []string, twice, object bool) {
	if !json.Valid([]byte(text)) || strings.TrimLeft(text, " \t\r")[0] != '{' {
		return nil, false, false
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	_, _ = d.Token()
	names := map[string]bool{}
	for d.More() {
		name, _ := d.Token()
		var raw json.RawMessage
		if d.Decode(&raw) != nil {
			return nil, false, false
		}
		twice = twice || names[name.(string)]
		names[name.(string)] = true
		values = append(values, cellOf(raw))
	}
	return values, twice, true
}

// squeezed has one U+FFFD for all bytes of a stretch that is no UTF-8.
func squeezed(cells []string) string {
	text := fmt.Sprint(cells)
	for strings.Contains(text, "\uFFFD\uFFFD") {
		text = strings.ReplaceAll(text, "\uFFFD\uFFFD", "\uFFFD")
	}
	return text
}

func cellOf(raw json.RawMessage) string {
	switch raw[0] {
	case '"':
		var text string
		_ = json.Unmarshal(raw, &text)
		return text
	case 'n':
		return "∅"
	case '{', '[':
		return strings.ToValidUTF8(string(raw), "\uFFFD")
	case 't', 'f':
		return string(raw)
	}
	return numberIn(string(raw)).String()
}

// What encoding/csv reads, we read alike; what it refuses, we refuse.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{
		"a,b\n1,2\n", "a\n\"x\"\"y\"\n", "a,b\r\n\"1\n2\",\r\n", "a\n5\"\n", "\xEF\xBB\xBFa\n1", "a,b\n\"1\"x,2\n", "a\n\"", "\"a\"\"\",b\n,\n", "a,b\n1\n", ",\"\"\"\",\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		names, rows, err := tableOf(comma, iotest.HalfReader(strings.NewReader(text)))
		known(t, err)
		if !plainCSV(text) {
			return
		}
		records, wrong := csv.NewReader(strings.NewReader(text)).ReadAll()
		if (wrong == nil) != (err == nil) {
			t.Fatalf("%q: %v; encoding/csv says %v", text, err, wrong)
		}
		if wrong != nil || len(records) == 0 {
			return
		}
		got := append([][]string{names}, rows...)
		for i, record := range records {
			if want := strings.Join(record, "|"); strings.ReplaceAll(strings.Join(got[i], "|"), "∅", "") != want {
				t.Errorf("%q: record %d is %q, want %q", text, i, got[i], record)
			}
		}
		if len(got) != len(records) {
			t.Errorf("%q: %d records, want %d", text, len(got), len(records))
		}
	})
}

// plainCSV tells whether encoding/csv means the same by it: it takes a lone
// carriage return for part of a line's end, passes over lines without
// anything, and lets a column be named twice.
func plainCSV(text string) bool {
	if strings.ContainsAny(text, "\r∅") || strings.HasPrefix(text, "\xEF\xBB\xBF") || strings.ToValidUTF8(text, "") != text {
		return false
	}
	first, err := csv.NewReader(strings.NewReader(text)).Read()
	seen := map[string]bool{}
	for _, name := range first {
		if seen[name] {
			return false
		}
		seen[name] = true
	}
	return err != nil || len(first) != 1 || !strings.Contains(text, "\n\n")
}

func TestARowOfAServiceCostsNextToNothing(t *testing.T) {
	const rows = 20000
	for name, tt := range map[string]struct {
		read func(*feed) rowReader
		body string
	}{
		"NDJSON": {lines, strings.Repeat(`{"id":12,"name":"M\u00fcller","amount":1234.50,"at":"2026-01-31T10:00:00Z","ok":true,"x":null}`+"\n", rows)},
		"array":  {array, "[" + strings.Repeat(`{"id":12,"name":"M\u00fcller","amount":1234.50,"at":"2026-01-31T10:00:00Z","ok":true,"x":null},`, rows-1) + `{"id":1}]`},
		"CSV":    {comma, "id,name,amount,at\n" + strings.Repeat("12,\"Müller \"\"x\"\"\",1234.50,2026-01-31T10:00:00Z\n", rows)},
	} {
		var before, after runtime.MemStats
		said := []column{{Column: offprint.Column{Name: "at", As: offprint.AsDatetime}}, {Column: offprint.Column{Name: "amount", As: offprint.AsMoney}}}
		table := newServiceTable(said, time.UTC)
		runtime.ReadMemStats(&before)
		a, err := table.answer(tt.read(&feed{body: strings.NewReader(tt.body), buf: make([]byte, 64<<10)}), func() {})
		n := 0
		for err == nil {
			var row offprint.Row
			if row, err = a.next(); row == nil {
				break
			}
			n++
		}
		runtime.ReadMemStats(&after)
		each := float64(after.Mallocs-before.Mallocs) / rows
		if err != nil || n != rows || each > 0.1 {
			t.Errorf("%s: %d rows, %.3f allocations each, %v", name, n, each, err)
		}
	}
}

// The memory that a row takes is bounded, whatever comes.
func TestARowWithoutAnEndIsRefusedSoon(t *testing.T) {
	for name, read := range map[string]func(*feed) rowReader{"lines": lines, "array": array, "comma": comma} {
		begin := map[string]string{"lines": `{"a":"`, "array": `[{"a":[`, "comma": "a\n\""}[name]
		body := io.MultiReader(strings.NewReader(begin), repeat('x'))
		if _, _, err := tableOf(read, body); offprint.CodeOf(err) != offprint.BadQuery || !strings.Contains(err.Error(), "longer than 1 MiB") {
			t.Errorf("%s: %v", name, err)
		}
	}
	var quotes bytes.Buffer
	quotes.WriteString("a\n\"")
	quotes.WriteString(strings.Repeat(`""`, 400_000))
	quotes.WriteString("\"\n")
	if _, rows, err := tableOf(comma, &quotes); err != nil || len(rows[0][0]) != 400_000 {
		t.Error(err)
	}
}

// repeat is a body that never ends.
type repeat byte

func (r repeat) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(r)
	}
	return len(b), nil
}
