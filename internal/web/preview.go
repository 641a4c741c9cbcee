package web

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"math/big"
	"net/http"
	"strings"
	"time"

	"golang.org/x/text/number"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
)

type previewInput struct{ Filled }

type previewAnswer struct{ Body preview }

type preview struct {
	Parts []sample   `json:"parts" nullable:"false" doc:"3 at most."`
	More  bool       `json:"more" doc:"There are more parts."`
	AsOf  *time.Time `json:"as_of" doc:"When the data was as it is shown."`
}

type sample struct {
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	Columns []column `json:"columns" nullable:"false"`
	Rows    [][]any  `json:"rows" nullable:"false" doc:"20 at most, each a list of values in the order of the columns, as JSON Lines has them; a text beyond 1,000 bytes is cut."`
	More    bool     `json:"more" doc:"There are more rows."`
}

type column struct {
	Name    string      `json:"name"`
	Title   string      `json:"title"`
	Kind    string      `json:"kind" doc:"Of most of its values." example:"decimal"`
	As      offprint.As `json:"as,omitempty" doc:"What they mean, where their kind does not say it."`
	Numeric bool        `json:"numeric" doc:"People expect it on the right."`
	Hide    bool        `json:"hide,omitempty" doc:"In the file, but not shown."`
}

// preview answers with the first rows of a report.
func (s *Site) preview(ctx context.Context, who offprint.Identity, in *previewInput) (*previewAnswer, error) {
	sent, err := in.sent()
	if err != nil {
		return nil, err
	}
	p, err := s.Desk.Preview(ctx, who, desk.Ask{Report: in.Name, Parameters: sent, TimeZone: in.TimeZone, Locale: in.locale()})
	if err != nil {
		return nil, err
	}
	a := &previewAnswer{preview{Parts: []sample{}, More: p.More, AsOf: when(p.AsOf)}}
	for _, part := range p.Parts {
		a.Body.Parts = append(a.Body.Parts, sampleOf(part, p.Zone))
	}
	return a, nil
}

func sampleOf(part desk.Sample, zone *time.Location) sample {
	v := sample{Name: part.Name, Title: part.Title, Columns: []column{}, Rows: [][]any{}, More: part.More}
	for i := range part.Columns {
		c := &part.Columns[i]
		v.Columns = append(v.Columns, column{c.Name, c.Title, c.Kind.String(), c.As, c.Numeric(), c.Hide})
	}
	for _, row := range part.Rows {
		values := make([]any, len(row))
		for i, cell := range row {
			values[i] = jsonValue(part.Columns[i].As, cell, zone)
		}
		v.Rows = append(v.Rows, values)
	}
	return v
}

// jsonValue is a value as JSON Lines has it: numbers with all their digits,
// ids as strings.
func jsonValue(as offprint.As, v offprint.Value, zone *time.Location) any {
	if v.IsNull() {
		return nil
	}
	if as == offprint.AsID || as == offprint.AsText {
		return string(v.Valid().Append(nil, zone))
	}
	switch v.Kind() {
	case offprint.Bool:
		return v.Bool()
	case offprint.Float:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			break
		}
		fallthrough
	case offprint.Int, offprint.Decimal:
		return json.RawMessage(v.Append(nil, zone))
	}
	return string(v.Valid().Append(nil, zone))
}

// A previewPage is the beginning of a report, or why there is none.
type previewPage struct {
	Parts   []previewPart
	More    bool // there are more parts
	Problem *problem
}

type previewPart struct {
	Title   string // empty: there is only one
	Label   string
	Columns []previewColumn
	Rows    [][]previewCell
	More    bool
}

type previewColumn struct {
	Title   string
	Numeric bool
}

type previewCell struct {
	Column  previewColumn
	Text    string
	Nothing bool // null
}

// previewForm shows the first rows of what a form asks for, below it or, for
// the page's script, alone.
func (s *Site) previewForm(v *visit) error {
	r, err := s.Desk.Report(v.who, v.r.PathValue("name"))
	if err != nil {
		return err
	}
	sent, format := sentIn(r, v.r.PostForm), v.r.PostForm.Get("format")
	p, err := s.Desk.Preview(v.r.Context(), v.who, desk.Ask{Report: r.Name, Parameters: sent, TimeZone: v.zone(), Locale: cmp.Or(v.to.locale, "en")})
	status, page := http.StatusOK, new(previewPage)
	switch code := offprint.CodeOf(err); code {
	case "":
		page = v.previewPage(p)
	case offprint.BadParameter, offprint.Invalid:
		return v.formAgain(r, sent, format, err)
	default:
		page.Problem = s.refuse(v.r.Context(), v.r.Header, err)
		status = page.Problem.Status
	}
	if v.r.URL.Query().Get("part") == "preview" {
		return s.show(v.w, status, "report", "preview", page)
	}
	form, err := v.formOf(r, sent, format)
	if err != nil {
		return err
	}
	form.Preview = page
	return s.show(v.w, status, "report", "layout", v.frame(r.TitleIn(v.to.locale), form))
}

func (v *visit) previewPage(p desk.Preview) *previewPage {
	page := &previewPage{More: p.More}
	for _, part := range p.Parts {
		shown := previewPart{Label: part.Title, More: part.More}
		if len(p.Parts) > 1 || p.More {
			shown.Title = part.Title
		}
		for i := range part.Columns {
			if c := &part.Columns[i]; !c.Hide {
				shown.Columns = append(shown.Columns, previewColumn{c.Title, c.Numeric()})
			}
		}
		for _, row := range part.Rows {
			shown.Rows = append(shown.Rows, v.previewRow(part.Columns, row, p.Zone))
		}
		page.Parts = append(page.Parts, shown)
	}
	return page
}

func (v *visit) previewRow(columns []offprint.Column, row offprint.Row, zone *time.Location) (cells []previewCell) {
	for i, value := range row {
		if c := &columns[i]; !c.Hide {
			cells = append(cells, previewCell{previewColumn{c.Title, c.Numeric()}, v.to.cell(c, value, zone), value.IsNull()})
		}
	}
	return cells
}

// cell is a value as somebody reads it: money and percentages with two
// decimals, as in a file, and every other number with all of its digits.
func (r *reader) cell(c *offprint.Column, v offprint.Value, zone *time.Location) string {
	switch v.Kind() {
	case offprint.Null:
		return ""
	case offprint.Bool:
		if v.Bool() {
			return "Yes"
		}
		return "No"
	case offprint.Timestamp:
		micros, _ := v.Wall(zone)
		if c.As == offprint.AsDate {
			return time.UnixMicro(micros).UTC().Format(time.DateOnly)
		}
		return time.UnixMicro(micros).UTC().Format(time.DateTime)
	}
	text := string(v.Valid().Append(nil, zone))
	n, isNumber := plainNumber(text)
	switch {
	case isNumber && c.As == offprint.AsPercent:
		percent := n.Mul(n, big.NewRat(100, 1)).FloatString(2)
		return r.grouped(strings.TrimRight(strings.TrimRight(percent, "0"), ".")) + " %"
	case isNumber && c.As == offprint.AsMoney:
		return r.grouped(n.FloatString(2))
	case c.Numeric():
		return r.grouped(text)
	}
	return text
}

// plainNumber is the number that digits and a point say; 1e+300 is none.
func plainNumber(text string) (*big.Rat, bool) {
	if strings.Trim(text, "-.0123456789") != "" {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}

// grouped is a number with the reader's signs between its digits, of which it
// loses none.
func (r *reader) grouped(text string) string {
	digits, sign := strings.CutPrefix(text, "-")
	whole, fraction, pointed := strings.Cut(digits, ".")
	if strings.Trim(whole+fraction, "0123456789") != "" || whole == "" {
		return text
	}
	group, point := r.separators()
	var b strings.Builder
	if sign {
		b.WriteString("-")
	}
	for i, d := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteString(group)
		}
		b.WriteRune(d)
	}
	if pointed {
		b.WriteString(point + fraction)
	}
	return b.String()
}

// separators are the reader's signs between thousands and before a fraction,
// as numbers are printed for them.
func (r *reader) separators() (group, point string) {
	said := r.print.Sprint(number.Decimal(1234567.5))
	signs := strings.FieldsFunc(said, func(d rune) bool { return d >= '0' && d <= '9' })
	if len(signs) < 2 { // other digits than ours
		return "", "."
	}
	return signs[0], signs[len(signs)-1]
}
