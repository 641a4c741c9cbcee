package source

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/yaml"
)

// A column is what the header says about one column of the query.
type column struct {
	offprint.Column
	title        offprint.Words
	line, column int // of the entry, for problems
}

const longestTitle = 255 // of a header cell, for Excel

func (h *header) columns(e yaml.Entry) []column {
	var columns []column
	for _, inner := range h.Entries(e, "columns") {
		columns = append(columns, h.column(inner))
	}
	h.titles(columns)
	h.sums(columns)
	for _, c := range columns {
		if c.Currency != "" && c.Currency == c.Name {
			*h.Problems = append(*h.Problems, c.problem(h.File, "The currency of "+c.Name+" cannot stand in itself. Name the column that holds it, as in currency: currency_code."))
		}
	}
	return columns
}

func (h *header) column(e yaml.Entry) column {
	c := column{line: h.Above + e.At.Position.Line, column: e.At.Position.Column}
	c.Name = e.Key
	var as, total string
	h.Object(e, "column "+e.Key, yaml.Keys{
		"title":    h.Words(&c.title),
		"note":     h.Text(&c.Note),
		"format":   h.Text(&c.Format),
		"as":       h.Choice(&as, texts(offprint.AsWords)...),
		"total":    h.Choice(&total, texts(offprint.TotalWords)...),
		"currency": h.Text(&c.Currency),
		"width":    h.Number(&c.Width),
		"hide":     h.Yes(&c.Hide),
		"link":     func(e yaml.Entry) { c.Link = h.link(e) },
	})
	c.As, c.Total = offprint.As(as), offprint.Total(total)
	return c
}

func texts[T ~string](words []T) []string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = string(w)
	}
	return all
}

// link takes web addresses only: a javascript: in a workbook or a page would
// run. Whether the columns are there is known with the query.
func (h *header) link(e yaml.Entry) string {
	text, ok := h.Scalar(e)
	if !ok {
		return text
	}
	var named []offprint.Column
	for _, found := range braces.FindAllStringSubmatch(text, -1) {
		named = append(named, offprint.Column{Name: found[1]})
	}
	var wrong *offprint.Error
	if _, err := offprint.NewLink(text, named); errors.As(err, &wrong) {
		h.Wrong(h.Place(e), "%s", wrong.Detail)
	}
	return text
}

// titles holds that people can tell the columns of a part apart, in every
// language that the header speaks.
func (h *header) titles(columns []column) {
	languages := map[string]bool{"": true}
	for _, c := range columns {
		for language := range c.title {
			languages[language] = true
		}
	}
	for _, language := range slices.Sorted(maps.Keys(languages)) {
		seen := map[string]string{}
		for _, c := range columns {
			h.title(c, c.titleIn(language), seen)
		}
	}
}

func (h *header) title(c column, title string, seen map[string]string) {
	problem := func(text string) {
		*h.Problems = append(*h.Problems, Problem{File: h.File, Line: c.line, Column: c.column, Text: text})
	}
	folded := strings.ToLower(title)
	if other, ok := seen[folded]; ok {
		problem("The columns " + other + " and " + c.Name + " have the same title. Give each its own.")
	}
	seen[folded] = c.Name
	if utf8.RuneCountInString(title) > longestTitle {
		problem("The title is longer than 255 characters, which is all that Excel holds.")
	}
}

func (c *column) titleIn(locale string) string {
	if title := c.title.In(locale); title != "" {
		return title
	}
	return c.Name
}

// lay puts what the header says over the columns that the query has. Its
// error says what the file could not be made with.
func (p *part) lay(columns []offprint.Column, locale string) *offprint.Error {
	titles := map[string]bool{}
	names := map[string]bool{}
	for i := range columns {
		c := &columns[i]
		if names[c.Name] {
			return offprint.Errorf(offprint.BadQuery, "The query has two columns named %q. Give one of them another name with AS.", c.Name)
		}
		names[c.Name] = true
		c.Title = c.Name
		if at := slices.IndexFunc(p.columns, func(said column) bool { return said.Name == c.Name }); at >= 0 {
			said := p.columns[at].Column
			said.Kind, said.Title = c.Kind, p.columns[at].titleIn(locale)
			*c = said
		}
		folded := strings.ToLower(c.Title)
		if titles[folded] || c.Title == "" {
			return offprint.Errorf(offprint.BadQuery, "Two columns are titled %q, or one has no name. Give each a title of its own under columns: in the header.", c.Title)
		}
		titles[folded] = true
	}
	return nil
}

// A groupKey is a column by which the rows of a part are grouped.
type groupKey struct {
	name         string
	line, column int // for problems
}

// group reads [region, month].
func (h *header) group(e yaml.Entry) (keys []groupKey) {
	if yaml.IsMapping(e.Value) {
		h.Wrong(e.At, "group is a list of columns, as in [region, month].")
		return nil
	}
	for _, item := range h.Items(e) {
		name, ok := h.Scalar(item)
		if !ok {
			continue
		}
		if slices.ContainsFunc(keys, func(k groupKey) bool { return k.name == name }) {
			h.Wrong(h.Place(item), "%s stands here twice.", name)
		}
		at := h.Place(item).Position
		keys = append(keys, groupKey{name, h.Above + at.Line, at.Column})
	}
	return keys
}

// linked holds that the query has what the links of its columns name.
func linked(columns []offprint.Column) error {
	for _, c := range columns {
		if c.Link == "" {
			continue
		}
		if _, err := offprint.NewLink(c.Link, columns); err != nil {
			return err
		}
	}
	return nil
}

// groups are the names of the columns that the part is grouped by, which the
// query must have.
func (p *part) groups(columns []offprint.Column) (names []string, err error) {
	for _, k := range p.group {
		if !slices.ContainsFunc(columns, func(c offprint.Column) bool { return c.Name == k.name }) {
			return nil, offprint.Errorf(offprint.BadQuery, "The rows are to be grouped by %q, and the query has no such column. The report must be mended by whoever wrote it.", k.name)
		}
		names = append(names, k.name)
	}
	return names, nil
}
