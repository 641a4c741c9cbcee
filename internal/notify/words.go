package notify

import (
	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/format/look"
)

// words are what a letter says, in the reader's language.
type words struct {
	look.Words
	lang                      string // of the words
	ready, cut, empty, gone   string // badges
	failed, until             string
	keptUntil                 string // within a sentence
	rows, size, kept          string // labels
	isGone, isKept, isLeft    string // sentences
	notes, trace              string
	open, change, again, keep string // buttons
	forOwn, forOther          string // why it was sent
	yours                     string // of a link to somebody else
	failures                  map[offprint.Code]string
}

func wordsIn(locale string) words {
	in := look.In(locale)
	return words{
		Words:     look.WordsIn(locale),
		lang:      in("en", "de", "fr", "es"),
		ready:     in("Ready", "Fertig", "Prêt", "Listo"),
		cut:       in("Ready, cut short", "Fertig, gekürzt", "Prêt, tronqué", "Listo, recortado"),
		empty:     in("Ready, no rows", "Fertig, keine Zeilen", "Prêt, aucune ligne", "Listo, sin filas"),
		gone:      in("Expired", "Abgelaufen", "Expiré", "Caducado"),
		failed:    in("Could not be made", "Konnte nicht erstellt werden", "N’a pas pu être établi", "No se pudo generar"),
		until:     in("Kept until %s", "Aufbewahrt bis %s", "Conservé jusqu’au %s", "Se guarda hasta el %s"),
		keptUntil: in("kept until %s", "aufbewahrt bis %s", "conservé jusqu’au %s", "se guarda hasta el %s"),
		rows:      in("Rows", "Zeilen", "Lignes", "Filas"),
		size:      in("Size", "Größe", "Taille", "Tamaño"),
		kept:      in("Kept until", "Aufbewahrt bis", "Conservé jusqu’au", "Se guarda hasta"),
		isGone: in("Its file is no longer here. Make it again.", "Die Datei ist nicht mehr da. Erstellen Sie den Bericht neu.",
			"Le fichier n’est plus là. Relancez le rapport.", "El archivo ya no está. Genere el informe de nuevo."),
		isKept: in("", // a problem says so itself, in English
			"Ihre Anfrage ist aufgehoben: Erstellen Sie den Bericht neu, oder ändern Sie sie zuvor.",
			"Votre demande est conservée : relancez-la, ou modifiez-la d’abord.", "Su solicitud se conserva: genere el informe de nuevo o cámbiela antes."),
		isLeft: in("After that its file is deleted. Keep it longer, or download it before then.", "Danach wird die Datei gelöscht. Behalten Sie sie länger, oder laden Sie sie vorher herunter.",
			"Ensuite, le fichier sera supprimé. Conservez-le plus longtemps, ou téléchargez-le avant.", "Después se borra el archivo. Consérvelo más tiempo o descárguelo antes."),
		notes:  in("Worth knowing", "Gut zu wissen", "À savoir", "Conviene saber"),
		trace:  in("Trace", "Trace", "Trace", "Traza"),
		open:   in("Open the report", "Bericht öffnen", "Ouvrir le rapport", "Abrir el informe"),
		change: in("Change it or make it again", "Ändern oder neu erstellen", "Modifier ou relancer", "Cambiar o generar de nuevo"),
		again:  in("Make it again", "Neu erstellen", "Relancer", "Generar de nuevo"),
		keep:   in("Keep it longer or download it", "Länger behalten oder herunterladen", "Conserver ou télécharger", "Conservar o descargar"),
		forOwn: in("You get this because you asked for this report.", "Sie erhalten diese Nachricht, weil Sie diesen Bericht angefordert haben.",
			"Vous recevez ce message parce que vous avez demandé ce rapport.", "Recibe este mensaje porque solicitó este informe."),
		forOther: in("%s asked for this report and wanted you to know.", "%s hat diesen Bericht angefordert und wollte, dass Sie davon erfahren.",
			"%s a demandé ce rapport et a souhaité vous en informer.", "%s solicitó este informe y quiso que usted lo supiera."),
		yours: in("The link is for you: whoever has it can download the file.", "Der Link ist für Sie: Wer ihn hat, kann die Datei herunterladen.",
			"Ce lien est pour vous : quiconque le possède peut télécharger le fichier.", "El enlace es para usted: quien lo tenga puede descargar el archivo."),
		failures: map[offprint.Code]string{
			offprint.SourceUnavailable: in("The source did not answer", "Die Datenquelle hat nicht geantwortet", "La source n’a pas répondu", "La fuente no respondió"),
			offprint.StorageUnavailable: in("The file store did not answer", "Der Dateispeicher hat nicht geantwortet",
				"Le stockage des fichiers n’a pas répondu", "El almacén de archivos no respondió"),
			offprint.Internal: in("Something went wrong here", "Hier ist etwas schiefgegangen", "Quelque chose s’est mal passé ici", "Algo salió mal aquí"),
			offprint.WorkerLost: in("The workers that made it were lost", "Die Arbeiter, die ihn erstellten, gingen verloren",
				"Les processus qui l’établissaient ont été perdus", "Se perdieron los procesos que lo generaban"),
			offprint.BadQuery:         in("The report’s query is not right", "Die Abfrage des Berichts stimmt nicht", "La requête du rapport n’est pas correcte", "La consulta del informe no es correcta"),
			offprint.BadParameter:     in("Some parameters are not right", "Einige Angaben stimmen nicht", "Certains paramètres ne sont pas corrects", "Algunos parámetros no son correctos"),
			offprint.PermissionDenied: in("The source does not allow it", "Die Datenquelle erlaubt es nicht", "La source ne le permet pas", "La fuente no lo permite"),
			offprint.SourceTimeout:    in("The source took too long", "Die Datenquelle hat zu lange gebraucht", "La source a mis trop de temps", "La fuente tardó demasiado"),
			offprint.RowLimit:         in("The report has too many rows", "Der Bericht hat zu viele Zeilen", "Le rapport a trop de lignes", "El informe tiene demasiadas filas"),
			offprint.TooLarge:         in("The report is too large", "Der Bericht ist zu groß", "Le rapport est trop volumineux", "El informe es demasiado grande"),
		},
	}
}
