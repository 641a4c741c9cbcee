package pdf

import (
	"strings"

	"github.com/offprint/offprint"
)

// words are what the file itself says, in the reader's language.
type words struct {
	page, of     string // Page 3 of 41
	made, by     string
	asOf, zone   string
	total        string
	nothing, cut string
	notes        string
}

func wordsIn(locale string) words {
	in := func(en, de, fr, es string) string {
		return offprint.Words{"": en, "de": de, "fr": fr, "es": es}.In(locale)
	}
	return words{
		page:    in("Page ", "Seite ", "Page ", "Página "),
		of:      in(" of ", " von ", " sur ", " de "),
		made:    in("Made", "Erstellt", "Établi", "Generado"),
		by:      in("for", "für", "pour", "para"),
		asOf:    in("Data as of", "Datenstand", "Données du", "Datos de"),
		zone:    in("Times in", "Zeiten in", "Heures de", "Horas de"),
		total:   in("Total", "Summe", "Total", "Total"),
		nothing: in("Nothing matched these parameters", "Nichts passt zu diesen Angaben", "Rien ne correspond à ces paramètres", "Nada coincide con estos parámetros"),
		cut:     in("Only the first %s rows: the report’s limit", "Nur die ersten %s Zeilen: die Grenze des Berichts", "Seulement les %s premières lignes : la limite du rapport", "Solo las primeras %s filas: el límite del informe"),
		notes:   in("Notes", "Hinweise", "Remarques", "Notas"),
	}
}

// marks are what groups the digits of money, and the decimal point.
func marks(locale string) (group, point string) {
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
