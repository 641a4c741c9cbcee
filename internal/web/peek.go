package web

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/number"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
)

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
	form := v.formOf(r, sent, format)
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

// cell is a value as somebody reads it, with all of its digits.
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
	if c.As == offprint.AsPercent {
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return r.grouped(strconv.FormatFloat(f*100, 'f', -1, 64)) + " %"
		}
	}
	if c.Numeric() {
		return r.grouped(text)
	}
	return text
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
