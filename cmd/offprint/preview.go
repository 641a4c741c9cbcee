package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/width"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/server"
)

// preview shows the first rows on the terminal.
func (c runCommand) preview(ctx context.Context, t *terminal, config server.Config, ask server.Ask) error {
	paint := styled(t.out)
	begun := false
	return server.Preview(ctx, config, ask, c.Preview, func(b server.Beginning) error {
		if begun {
			fmt.Fprintln(t.out)
		}
		begun = true
		if b.Parts > 1 {
			fmt.Fprintln(t.out, paint(bold, tame(b.Table.Title)))
		}
		zone, err := time.LoadLocation(b.Zone)
		if err != nil {
			return err
		}
		return newGrid(b.Table.Columns, b.Rows, zone, screenWidth(t.out)).print(t.out, paint, shownOf(b))
	})
}

// shownOf is "20 of about 1,204,310 rows."
func shownOf(b server.Beginning) string {
	n := int64(len(b.Rows))
	switch {
	case b.All:
		return counted(len(b.Rows), "row") + "."
	case b.Table.RowsEstimated > n:
		return fmt.Sprintf("%s of about %s.", grouped(n), counted(int(b.Table.RowsEstimated), "row"))
	case n == 1:
		return "The first row."
	}
	return fmt.Sprintf("The first %s.", counted(len(b.Rows), "row"))
}

const noScreen = 100 // characters in a line that goes elsewhere

// screenWidth is how many characters fit in a line.
func screenWidth(out io.Writer) int {
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	if f, ok := out.(*os.File); ok && isTerminal(f) {
		if n := columnsOf(f); n > 0 {
			return n
		}
	}
	return noScreen
}

// A grid is a table as it is shown: texts in columns that fit a line.
type grid struct {
	columns []gridColumn
	left    []string // titles of columns for which there is no room
	rows    int
}

type gridColumn struct {
	title  string
	cells  []string
	nulls  []bool
	number bool
	width  int // what it gets
	least  int // what it needs
}

const (
	gap        = 2  // blanks between columns
	leastText  = 10 // characters of a text
	leastTitle = 5
	longestKey = 24 // characters of a date, a time or an id
)

func newGrid(columns []offprint.Column, rows []offprint.Row, zone *time.Location, room int) *grid {
	g := &grid{rows: len(rows)}
	for i, c := range columns {
		if c.Hide {
			continue
		}
		one := gridColumn{title: tame(c.Title), number: c.Numeric()}
		one.width = displayWidth(one.title)
		for _, row := range rows {
			text := cellText(row[i], zone)
			one.cells, one.nulls = append(one.cells, text), append(one.nulls, row[i].IsNull())
			wide := displayWidth(text)
			one.width = max(one.width, wide)
			switch {
			case one.number: // half a number would be another number
				one.least = max(one.least, wide)
			case c.As == offprint.AsID || row[i].Kind() == offprint.Date || row[i].Kind() == offprint.Timestamp:
				one.least = max(one.least, min(wide, longestKey))
			default:
				one.least = max(one.least, min(wide, leastText))
			}
		}
		one.least = max(one.least, min(displayWidth(one.title), leastTitle))
		g.columns = append(g.columns, one)
	}
	g.fit(room)
	return g
}

// fit narrows the widest columns until a line has room for all, and leaves the
// last ones out where that is not enough.
func (g *grid) fit(room int) {
	for g.width() > room {
		widest := -1
		for i, c := range g.columns {
			if c.width > c.least && (widest < 0 || c.width > g.columns[widest].width) {
				widest = i
			}
		}
		if widest >= 0 {
			g.columns[widest].width--
			continue
		}
		last := len(g.columns) - 1
		if last == 0 {
			return // one is shown in any case
		}
		g.left = append([]string{g.columns[last].title}, g.left...)
		g.columns = g.columns[:last]
	}
}

func (g *grid) width() int {
	sum := gap * (len(g.columns) - 1)
	for _, c := range g.columns {
		sum += c.width
	}
	return sum
}

// print writes the titles, the rows, and a last line.
func (g *grid) print(out io.Writer, paint func(style, string) string, last string) error {
	var b strings.Builder
	g.line(&b, func(c gridColumn) string { return paint(bold, pad(cut(c.title, c.width), c.width, c.number)) })
	for i := range g.rows {
		g.line(&b, func(c gridColumn) string {
			cell := pad(cut(c.cells[i], c.width), c.width, c.number)
			if c.nulls[i] && c.width >= len("null") && paint(dim, "null") != "null" { // elsewhere it is empty
				cell = paint(dim, pad("null", c.width, c.number))
			}
			return cell
		})
	}
	if g.left != nil {
		last += " No room for: " + strings.Join(g.left, ", ") + "."
	}
	fmt.Fprintln(&b, paint(dim, last))
	_, err := io.WriteString(out, b.String())
	return err
}

func (g *grid) line(b *strings.Builder, of func(gridColumn) string) {
	var line strings.Builder
	for i, c := range g.columns {
		if i > 0 {
			line.WriteString(strings.Repeat(" ", gap))
		}
		line.WriteString(of(c))
	}
	fmt.Fprintln(b, strings.TrimRight(line.String(), " "))
}

// cellText is a value as one reads it: exact, times by the clock of the zone.
func cellText(v offprint.Value, zone *time.Location) string {
	text := string(v.Append(nil, zone))
	if v.Kind() == offprint.Timestamp {
		day, clock, _ := strings.Cut(text, "T")
		if v.Zoned() {
			clock = strings.TrimSuffix(clock, "Z")
			if i := strings.LastIndexAny(clock, "+-"); i >= 0 {
				clock = clock[:i]
			}
		}
		return day + " " + clock
	}
	return tame(text)
}

// tame keeps what came from a database from doing more to a terminal than
// being read: no control characters, none that turn the line around.
func tame(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r == '\r':
			return ' '
		case unicode.IsControl(r), r == unicode.ReplacementChar:
			return '·'
		case r >= '\u202A' && r <= '\u202E', r >= '\u2066' && r <= '\u2069', r == '\u2028', r == '\u2029', r == '\uFEFF':
			return -1
		}
		return r
	}, text)
}

func displayWidth(text string) (n int) {
	for _, r := range text {
		n += runeWidth(r)
	}
	return n
}

// runeWidth is how many columns of a terminal a character takes.
func runeWidth(r rune) int {
	switch {
	case r < 0x7F:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// cut is text in so many columns, with … for what is not there.
func cut(text string, room int) string {
	if displayWidth(text) <= room {
		return text
	}
	used := 0
	for i, r := range text {
		if used += runeWidth(r); used > room-1 {
			return text[:i] + "…"
		}
	}
	return text
}

func pad(text string, room int, right bool) string {
	blanks := strings.Repeat(" ", max(0, room-displayWidth(text)))
	if right {
		return blanks + text
	}
	return text + blanks
}
