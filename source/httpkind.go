package source

import (
	"strconv"
	"strings"
	"time"

	"github.com/offprint/offprint"
)

// A mark is what a cell of an answer is, as it is written.
type mark byte

const (
	nullMark   mark = iota
	textMark        // in the end, after its escapes
	numberMark      // by JSON's grammar
	boolMark        // true or false
	nestedMark      // an object or a list, as JSON
)

// A cellReader makes a value of a cell. It may share the text's memory, which
// is good until the next row.
type cellReader func(what mark, text []byte) offprint.Value

// cellsAs is how the cells of a column are read, and what they become; Null
// where the first one tells.
func cellsAs(as offprint.As, zone *time.Location) (offprint.Kind, cellReader) {
	switch as {
	case offprint.AsID, offprint.AsText:
		return offprint.Text, cellAsText
	case offprint.AsMoney:
		return offprint.Decimal, cellAsDecimal
	case offprint.AsNumber, offprint.AsPercent: // a first 10 tells nothing: JSON writes 10.0 so, too
		return offprint.Decimal, cellAsNumber
	case offprint.AsDate, offprint.AsDatetime:
		return asTime(as), cellAsTime(zone)
	case offprint.AsBool:
		return offprint.Bool, cellAsBool
	}
	return offprint.Null, cellAsIs
}

func cellAsIs(what mark, text []byte) offprint.Value {
	switch what {
	case nullMark:
		return offprint.Value{}
	case boolMark:
		return offprint.BoolValue(text[0] == 't')
	case numberMark:
		return numberIn(shared(text))
	}
	return textValue(text)
}

// numberIn is a number exactly as it is written: an integer, else a decimal.
// One that no decimal can hold, as 1e999999999, stays text.
func numberIn(text string) offprint.Value {
	if len(text) <= 20 && strings.IndexByte(text, '.') < 0 {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return offprint.IntValue(n)
		}
	}
	if d, ok := decimalIn(text); ok {
		return d
	}
	return offprint.TextValue(text)
}

func cellAsText(what mark, text []byte) offprint.Value {
	if what == nullMark {
		return offprint.Value{}
	}
	return textValue(text)
}

func cellAsDecimal(what mark, text []byte) offprint.Value {
	if what == numberMark || what == textMark {
		if d, ok := decimalIn(shared(text)); ok {
			return d
		}
	}
	return cellAsIs(what, text)
}

// cellAsNumber reads what is exact as a decimal, for many send that as text.
func cellAsNumber(what mark, text []byte) offprint.Value {
	if what == textMark {
		return cellAsDecimal(what, text)
	}
	return cellAsIs(what, text)
}

// cellAsTime reads times as SQLite's are read: a number is seconds since 1970.
func cellAsTime(zone *time.Location) cellReader {
	const furthest = 1 << 43 // seconds of which the microseconds still can be counted
	return func(what mark, text []byte) offprint.Value {
		v := cellAsIs(what, text)
		switch {
		case what == textMark:
			if t, ok := parseStamp(v.Text(), zone); ok {
				return t
			}
		case v.Kind() == offprint.Int && v.Int() < furthest && v.Int() > -furthest:
			return offprint.InstantValue(v.Int() * 1e6)
		}
		return v
	}
}

func cellAsBool(what mark, text []byte) offprint.Value {
	if what == numberMark || what == textMark {
		switch word := shared(text); {
		case word == "1", strings.EqualFold(word, "true"):
			return offprint.BoolValue(true)
		case word == "0", strings.EqualFold(word, "false"):
			return offprint.BoolValue(false)
		}
	}
	return cellAsIs(what, text)
}
