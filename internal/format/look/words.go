// Package look is what the formats that people look at share: the words that
// the file itself says, in the reader's language, and what is said of totals.
package look

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/offprint/offprint"
)

// In chooses between the languages that a file speaks by the reader's locale.
func In(locale string) func(en, de, fr, es string) string {
	return func(en, de, fr, es string) string {
		return offprint.Words{"": en, "de": de, "fr": fr, "es": es}.In(locale)
	}
}

// Words are those that all of these formats say.
type Words struct {
	Total, Totals string
	AsOf          string
	Nothing       string // Nothing matched these parameters
	Cut           string // Only the first %s rows: the report’s limit
	NoValue       string // of a group whose value is null or empty
	row, rows     string
	kinds         map[offprint.Total]string
	group, point  string // of digits
	kilo, mega    string // bytes
}

func WordsIn(locale string) Words {
	in := In(locale)
	w := Words{
		Total:   in("Total", "Summe", "Total", "Total"),
		Totals:  in("Totals", "Summen", "Totaux", "Totales"),
		AsOf:    in("Data as of", "Datenstand", "Données du", "Datos de"),
		Nothing: in("Nothing matched these parameters", "Nichts passt zu diesen Angaben", "Rien ne correspond à ces paramètres", "Nada coincide con estos parámetros"),
		Cut: in("Only the first %s rows: the report’s limit", "Nur die ersten %s Zeilen: die Grenze des Berichts",
			"Seulement les %s premières lignes : la limite du rapport", "Solo las primeras %s filas: el límite del informe"),
		NoValue: in("(empty)", "(leer)", "(vide)", "(vacío)"),
		row:     in("row", "Zeile", "ligne", "fila"),
		rows:    in("rows", "Zeilen", "lignes", "filas"),
		kinds: map[offprint.Total]string{
			offprint.Sum:     in("sum", "Summe", "somme", "suma"),
			offprint.Average: in("average", "Durchschnitt", "moyenne", "media"),
			offprint.Least:   in("minimum", "Minimum", "minimum", "mínimo"),
			offprint.Most:    in("maximum", "Maximum", "maximum", "máximo"),
			offprint.Count:   in("count", "Anzahl", "nombre", "recuento"),
			offprint.Last:    in("last value", "letzter Wert", "dernière valeur", "último valor"),
		},
		kilo: in("KB", "KB", "ko", "KB"),
		mega: in("MB", "MB", "Mo", "MB"),
	}
	w.group, w.point = Marks(locale)
	if in(",", "", "", "") == "," { // a count is no amount: a comma is not mistaken for its point
		w.group, w.point = ",", "."
	}
	return w
}

// Number is 1,204,310.
func (w *Words) Number(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + w.group + s[i:]
	}
	return s
}

// Rows is 1,204,310 rows.
func (w *Words) Rows(n int64) string {
	if n == 1 {
		return "1 " + w.row
	}
	return w.Number(n) + " " + w.rows
}

// Size is 48.2 MB; what is smaller than a tenth of one is in KB.
func (w *Words) Size(bytes int64) string {
	if bytes < 100_000 {
		return w.Number((bytes+999)/1000) + " " + w.kilo
	}
	tenths := (bytes + 50_000) / 100_000
	return w.Number(tenths/10) + w.point + strconv.FormatInt(tenths%10, 10) + " " + w.mega
}

// Titled is the title of a column of totals, which says of what kind they are
// where that is not the usual one: Amount, Rate (average).
func (w *Words) Titled(c offprint.Column) string {
	if c.Total == offprint.Sum {
		return c.Title
	}
	return fmt.Sprintf("%s (%s)", c.Title, w.kinds[c.Total])
}

// Sum is what a column's total is called where it stands by itself:
// Total: Amount, or Rate (average).
func (w *Words) Sum(c offprint.Column) string {
	if c.Total == offprint.Sum {
		return w.Total + ": " + c.Title
	}
	return w.Titled(c)
}

// Kinds says what stands below the columns, where that is not a sum below
// each: Amount (sum) · Rate (average). Columns that are hidden are left out.
func (w *Words) Kinds(columns []offprint.Column) string {
	var said []string
	sums := true
	for _, c := range columns {
		if c.Total == offprint.NoTotal || c.Hide {
			continue
		}
		sums = sums && c.Total == offprint.Sum
		said = append(said, fmt.Sprintf("%s (%s)", c.Title, w.kinds[c.Total]))
	}
	if sums {
		return ""
	}
	return strings.Join(said, " · ")
}

// Mixed warns of the columns that have no total because of their currencies.
func Mixed(t *offprint.Table, end offprint.PartEnd) (warnings []offprint.Warning) {
	for _, i := range end.Mixed {
		c := t.Columns[i]
		warnings = append(warnings, offprint.Warning{
			Code: "currencies_mixed", Column: c.Name,
			Detail: fmt.Sprintf("No total of %s: it holds several currencies.", c.Title),
		})
	}
	return warnings
}

// Marks are what groups the digits of money, and the decimal point.
func Marks(locale string) (group, point string) {
	language, region, _ := strings.Cut(strings.ReplaceAll(locale, "_", "-"), "-")
	switch language = strings.ToLower(language); {
	case strings.EqualFold(region, "CH"), strings.EqualFold(region, "LI"):
		return "’", "."
	case language == "de" && strings.EqualFold(region, "AT"):
		return "\u00a0", ","
	}
	switch language {
	case "", "en": // English of no country: the sign that none mistakes for a decimal one (ISO 80000-1 §7.3.2)
		if region == "" {
			return "\u202f", "."
		}
	case "de", "es", "it", "nl", "pt", "da", "id", "tr", "el", "ro", "hr", "sl", "sr", "vi", "is", "ca":
		return ".", ","
	case "fr":
		return "\u202f", ","
	case "ru", "uk", "be", "bg", "cs", "sk", "pl", "sv", "nb", "nn", "no", "fi", "hu", "et", "lv", "lt", "kk":
		return "\u00a0", ","
	}
	return ",", "."
}
