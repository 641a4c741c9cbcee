package xlsx

import "github.com/offprint/offprint/internal/format/look"

// words are what the workbook itself says, in the reader's language.
type words struct {
	look.Words
	about, page     string
	rows, subtotals string
	none, cut       string
	made, by        string
	report, version string
	run             string
	unexpected      string
	cells, columns  string
}

func wordsIn(locale string) words {
	in := look.In(locale)
	return words{
		Words:      look.WordsIn(locale),
		about:      in("About", "Info", "À propos", "Acerca de"),
		page:       in("Page &P of &N", "Seite &P von &N", "Page &P sur &N", "Página &P de &N"),
		rows:       in("Rows", "Zeilen", "Lignes", "Filas"),
		subtotals:  in("subtotals", "Zwischensummen", "sous-totaux", "subtotales"),
		none:       in("None: nothing matched these parameters", "Keine: nichts passt zu diesen Angaben", "Aucune : rien ne correspond à ces paramètres", "Ninguna: nada coincide con estos parámetros"),
		cut:        in("only the first: the report's limit", "nur die ersten: die Grenze des Berichts", "seulement les premières : la limite du rapport", "solo las primeras: el límite del informe"),
		made:       in("Made at", "Erstellt am", "Établi le", "Generado el"),
		by:         in("Asked by", "Angefordert von", "Demandé par", "Solicitado por"),
		report:     in("Report", "Bericht", "Rapport", "Informe"),
		version:    in("Version", "Version", "Version", "Versión"),
		run:        in("Run", "Lauf", "Exécution", "Ejecución"),
		unexpected: in("What is not as one might expect", "Was anders ist als vielleicht erwartet", "Ce qui peut surprendre", "Lo que puede sorprender"),
		cells:      in("cells", "Zellen", "cellules", "celdas"),
		columns:    in("Columns", "Spalten", "Colonnes", "Columnas"),
	}
}
