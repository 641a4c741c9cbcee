package pdf

import "github.com/offprint/offprint/internal/format/look"

// words are what the file itself says, in the reader's language.
type words struct {
	look.Words
	page, of string // Page 3 of 41
	made, by string
	zone     string
	notes    string
}

func wordsIn(locale string) words {
	in := look.In(locale)
	return words{
		Words: look.WordsIn(locale),
		page:  in("Page ", "Seite ", "Page ", "Página "),
		of:    in(" of ", " von ", " sur ", " de "),
		made:  in("Made", "Erstellt", "Établi", "Generado"),
		by:    in("for", "für", "pour", "para"),
		zone:  in("Times in", "Zeiten in", "Heures de", "Horas de"),
		notes: in("Notes", "Hinweise", "Remarques", "Notas"),
	}
}
