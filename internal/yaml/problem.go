package yaml

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Problem is one thing that is wrong in a definition: what, and how to mend
// it, in full sentences.
type Problem struct {
	File         string
	Line, Column int // from 1, in characters; 0: the file as a whole
	Text         string
	Warning      bool // it works, but most likely not as it was meant
}

// String is reports/orders.sql:7:12: There is no …
func (p Problem) String() string {
	text := p.Text
	if p.Warning {
		text = "warning: " + text
	}
	return p.Place() + ": " + text
}

// Place is reports/orders.sql:7:12, or the file alone.
func (p Problem) Place() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Error is String, so that a problem can be the cause of another error.
func (p Problem) Error() string { return p.String() }

// Problems are all that is wrong, in the order of the files. None is nil.
type Problems []Problem

// Error has a line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// InOrder sorts by place and drops what was found twice, as a wrong :name in
// two combinations of the same query is.
func (p Problems) InOrder() Problems {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column)
	})
	seen := make(map[Problem]bool, len(p))
	return slices.DeleteFunc(p, func(one Problem) bool {
		twice := seen[one]
		seen[one] = true
		return twice
	})
}

// DidYouMean is " Did you mean title?" for a slip of the fingers, else the
// whole choice.
func DidYouMean(word string, known []string) string {
	best, least := "", 3
	for _, k := range known {
		if d := distance(strings.ToLower(word), k); d < least && d < len(k) {
			best, least = k, d
		}
	}
	switch {
	case best != "":
		return " Did you mean " + best + "?"
	case len(known) == 0:
		return " There are none."
	}
	return " There are: " + strings.Join(known, ", ") + "."
}

// distance counts the letters to change, add or drop (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
