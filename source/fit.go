package source

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/offprint/offprint"
)

// misfits tells what the header says of a column that its values cannot be.
// Nothing is said of a kind that is not known.
func (c *column) misfits(kind offprint.Kind, d dialect) (misfits []string) {
	if d.loose && kind == offprint.Text && c.As != "" || kind == offprint.Null {
		return nil
	}
	if c.As != "" && !fits(c.As, kind, d) {
		misfits = append(misfits, fmt.Sprintf("as: %s does not fit %s, which is %s in the query. Cast it to %s there, or take as: out.", c.As, c.Name, spokenKind[kind], wanted(c.As)))
		return misfits // the rest would only repeat it
	}
	if adds(c.Total) && !slices.Contains(numbers, kind) {
		misfits = append(misfits, fmt.Sprintf("total: %s needs numbers, and %s is %s in the query. Make it a number there, or write total: count.", c.Total, c.Name, spokenKind[kind]))
	}
	switch sort := codeOf(c.Format); {
	case sort == numberCode && !slices.Contains(numbers, kind):
		misfits = append(misfits, fmt.Sprintf("format: this code is for numbers, and %s is %s in the query. Take the format out, or make it a number there.", c.Name, spokenKind[kind]))
	case sort == timeCode && kind != offprint.Date && kind != offprint.Timestamp && !timely(c.As):
		misfits = append(misfits, fmt.Sprintf("format: this code is for dates and times, and %s is %s in the query. Take the format out, or make it a date there.", c.Name, spokenKind[kind]))
	}
	return misfits
}

var numbers = []offprint.Kind{offprint.Int, offprint.Float, offprint.Decimal}

var spokenKind = map[offprint.Kind]string{
	offprint.Bool: "true or false", offprint.Int: "a whole number", offprint.Float: "a number", offprint.Decimal: "a number",
	offprint.Text: "text", offprint.Date: "a date", offprint.Timestamp: "a time", offprint.Bytes: "binary data",
}

func timely(as offprint.As) bool { return as == offprint.AsDate || as == offprint.AsDatetime }

func adds(t offprint.Total) bool { return t == offprint.Sum || t == offprint.Average }

// fits tells whether values of a kind can be shown as that.
func fits(as offprint.As, kind offprint.Kind, d dialect) bool {
	switch as {
	case offprint.AsMoney, offprint.AsPercent, offprint.AsNumber:
		return slices.Contains(numbers, kind)
	case offprint.AsDate, offprint.AsDatetime:
		return kind == offprint.Date || kind == offprint.Timestamp || d.loose && kind == offprint.Int // seconds since 1970
	case offprint.AsBool:
		return kind == offprint.Bool || kind == offprint.Int
	}
	return true
}

func wanted(as offprint.As) string {
	switch as {
	case offprint.AsDate:
		return "a date"
	case offprint.AsDatetime:
		return "a time"
	case offprint.AsBool:
		return "true or false"
	}
	return "a number"
}

// A codeSort is what an Excel number-format code is for.
type codeSort int

const (
	otherCode codeSort = iota
	numberCode
	timeCode
)

var literalOfCode = regexp.MustCompile(`"[^"]*"|\\.|_.|\*.|\[[^\]]*\]`)

func codeOf(format string) codeSort {
	code := strings.ToLower(literalOfCode.ReplaceAllString(format, ""))
	switch {
	case strings.Contains(code, "general"):
		return otherCode
	case strings.ContainsAny(code, "ydhs"):
		return timeCode
	case strings.ContainsAny(code, "0#?"):
		return numberCode
	}
	return otherCode
}

// sums holds that what is added up is no name, day or word, as far as the
// header alone tells.
func (h *header) sums(columns []column) {
	for _, c := range columns {
		if adds(c.Total) && slices.Contains([]offprint.As{offprint.AsID, offprint.AsText, offprint.AsDate, offprint.AsDatetime, offprint.AsBool}, c.As) {
			*h.Problems = append(*h.Problems, c.problem(h.File, fmt.Sprintf("total: %s needs numbers, and %s is shown as: %s. Write total: count, or as: number.", c.Total, c.Name, c.As)))
		}
	}
}

func (c *column) problem(file, text string) Problem {
	return Problem{File: file, Line: c.line, Column: c.column, Text: text}
}
