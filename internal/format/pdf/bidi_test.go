package pdf

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// visual is a line as it is drawn, from the left.
func visual(s string) string {
	runes := []rune(s)
	order := make([]byte, 2*len(runes))
	for i := range runes {
		order[2*i], order[2*i+1] = byte(i>>8), byte(i)
	}
	if l := levels(nil, runes); len(l) > 0 {
		reorder(order, l)
	}
	var b strings.Builder
	for i := range runes {
		b.WriteRune(runes[int(order[2*i])<<8|int(order[2*i+1])])
	}
	return b.String()
}

func TestTextFromTheRightIsDrawnInItsOrder(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"abc", "abc"},
		{"אבג", "גבא"},
		{"abc אבג 123 דה", "abc הד 123 גבא"},
		{"אבג abc", "abc גבא"},
		{"אב (cd).", ".)cd( בא"},
		{"מחיר 1,234.50 ₪", "₪ 1,234.50 ריחמ"},
		{"50% הנחה", "החנה 50%"},
		{"a 50% הנחה", "a 50% החנה"},
		{"عدد 12-34", "34-12 ددع"},
		{"عدد 1,5", "1,5 ددع"},
		{"1. אב", "בא .1"},
		{"שלום\nabc אב", "\nםולשabc בא"},
		{"אב\u05b0ג", "ג\u05b0בא"},
	} {
		if got := visual(tt.text); got != tt.want {
			t.Errorf("%q is drawn as %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestArabicLettersJoin(t *testing.T) {
	f, _, err := faces()
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"باب":  "\ufe91\ufe8e\ufe8f",  // first, last, alone
		"بيت":  "\ufe91\ufef4\ufe96",  // first, within, last
		"بّيت": "\ufe91ّ\ufef4\ufe96", // over a mark
		"گاز":  "\ufb94\ufe8e\ufeaf",
		"ژک":   "\ufb8a\ufb8e",
		"ی":    "\ufbfc",
		"لا":   " \ufefb",
		"بلأ":  "\ufe91 \ufef8",
		"بـب":  "\ufe91ـ\ufe90",
		"(ب)":  ")\ufe8f(",
	} {
		runes := []rune(text)
		glyphs := f.shaped(nil, runes, slices.Repeat([]uint8{1}, len(runes)))
		if len(glyphs) != len(runes) {
			t.Fatalf("%s has %d glyphs", text, len(glyphs))
		}
		for i, r := range []rune(want) {
			shape := f.shape(r)
			if r == ' ' {
				shape = blank
			}
			if m := f.drawn[glyphs[i].number]; m.shape != shape || m.text != runes[i] {
				t.Errorf("%s: letter %d is %+v, want the shape of %q", text, i, m, r)
			}
		}
	}
}

// FuzzLevels holds that no text loses a character on its way.
func FuzzLevels(f *testing.F) {
	for _, s := range []string{"", "abc אבג 123", "لا 1,5%", "\u202eabc", "\n\nא\r\n1", "ֱ", "€ 1 א"} {
		f.Add(s)
	}
	regular, _, err := faces()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) || utf8.RuneCountInString(s) > 10_000 {
			return
		}
		runes := []rune(s)
		if l := levels(nil, runes); len(l) != len(runes) || len(regular.shaped(nil, runes, l)) != len(runes) {
			t.Fatalf("%d runes have %d levels", len(runes), len(l))
		}
		got, want := []rune(visual(s)), slices.Clone(runes)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%q is drawn as %q", s, visual(s))
		}
	})
}
