package xlsx

import (
	"strconv"
	"strings"
	"time"
)

// A file is one of the small entries of the archive.
type file struct {
	path    string
	content func() []byte
}

// first are those that are known before any row, so that bytes leave at once.
func (w *writer) first() []file {
	return []file{
		{"_rels/.rels", packageRelations},
		{"docProps/app.xml", appProperties},
		{"docProps/core.xml", w.coreProperties},
	}
}

// last are those that depend on the sheets.
func (w *writer) last() []file {
	return []file{
		{"xl/workbook.xml", w.workbook},
		{"xl/_rels/workbook.xml.rels", w.workbookRelations},
		{"xl/styles.xml", w.styles.xml},
		{"xl/sharedStrings.xml", w.titles.xml},
		{"[Content_Types].xml", w.contentTypes},
	}
}

func (w *writer) writeFiles(files []file) error {
	for _, f := range files {
		if err := w.pack.file(f.path, f.content()); err != nil {
			return err
		}
	}
	return nil
}

func sheetPath(i int) string { return "xl/worksheets/sheet" + strconv.Itoa(i) + ".xml" }

func tablePath(i int) string { return "xl/tables/table" + strconv.Itoa(i) + ".xml" }

func (w *writer) workbook() []byte {
	b := []byte(xmlHead + `<workbook xmlns="` + mainNS + `" xmlns:r="` + relNS + `"><workbookPr/><bookViews><workbookView/></bookViews><sheets>`)
	for i, s := range w.sheets {
		b = appendAttribute(append(b, `<sheet name="`...), s.name)
		b = strconv.AppendInt(append(b, `" sheetId="`...), int64(i+1), 10)
		b = strconv.AppendInt(append(b, `" r:id="rId`...), int64(i+1), 10)
		b = append(b, `"/>`...)
	}
	b = append(b, `</sheets>`...)
	b = w.appendNames(b)
	const noRecalculation = `<calcPr calcId="191029"/>`
	return append(b, noRecalculation+`</workbook>`...)
}

// appendNames names the filtered ranges, the columns that are printed and the
// rows that each page repeats.
func (w *writer) appendNames(b []byte) []byte {
	start := len(b)
	b = append(b, `<definedNames>`...)
	empty := len(b)
	for i, s := range w.sheets {
		if s.filter != "" {
			b = appendName(b, `_xlnm._FilterDatabase" hidden="1`, i, quoted(s.name)+"!"+s.filter)
		}
		if s.header != "" { // a long text beyond the last column would make the page tiny
			b = appendName(b, `_xlnm.Print_Area`, i, quoted(s.name)+"!"+s.header)
			b = appendName(b, `_xlnm.Print_Titles`, i, quoted(s.name)+"!$1:$1")
		}
	}
	if len(b) == empty {
		return b[:start]
	}
	return append(b, `</definedNames>`...)
}

func appendName(b []byte, name string, sheet int, means string) []byte {
	b = append(append(b, `<definedName name="`...), name...)
	b = strconv.AppendInt(append(b, `" localSheetId="`...), int64(sheet), 10)
	return append(appendAttribute(append(b, `">`...), means), `</definedName>`...)
}

func quoted(sheet string) string { return "'" + strings.ReplaceAll(sheet, "'", "''") + "'" }

func (w *writer) workbookRelations() []byte {
	var b []byte
	for i := range w.sheets {
		b = appendRelation(b, i+1, relNS+"/worksheet", strings.TrimPrefix(sheetPath(i+1), "xl/"))
	}
	b = appendRelation(b, len(w.sheets)+1, relNS+"/styles", "styles.xml")
	return relations(appendRelation(b, len(w.sheets)+2, relNS+"/sharedStrings", "sharedStrings.xml"))
}

func packageRelations() []byte {
	b := appendRelation(nil, 1, relNS+"/officeDocument", "xl/workbook.xml")
	b = appendRelation(b, 2, "http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties", "docProps/core.xml")
	return relations(appendRelation(b, 3, relNS+"/extended-properties", "docProps/app.xml"))
}

const (
	relationsHead = xmlHead + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">`
	relationsEnd  = `</Relationships>`
)

func relations(inside []byte) []byte {
	return append(append([]byte(relationsHead), inside...), relationsEnd...)
}

func appendRelation(b []byte, id int, kind, target string) []byte {
	b = strconv.AppendInt(append(b, `<Relationship Id="rId`...), int64(id), 10)
	return append(b, `" Type="`+kind+`" Target="`+target+`"/>`...)
}

func (w *writer) contentTypes() []byte {
	const sheetML = "application/vnd.openxmlformats-officedocument.spreadsheetml."
	b := []byte(xmlHead + `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
		`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
		`<Default Extension="xml" ContentType="application/xml"/>`)
	override := func(path, kind string) {
		b = append(b, `<Override PartName="/`+path+`" ContentType="`+kind+`"/>`...)
	}
	override("xl/workbook.xml", sheetML+"sheet.main+xml")
	for i := range w.sheets {
		override(sheetPath(i+1), sheetML+"worksheet+xml")
	}
	for i := range len(w.tables) {
		override(tablePath(i+1), sheetML+"table+xml")
	}
	override("xl/styles.xml", sheetML+"styles+xml")
	override("xl/sharedStrings.xml", sheetML+"sharedStrings+xml")
	override("docProps/core.xml", "application/vnd.openxmlformats-package.core-properties+xml")
	override("docProps/app.xml", "application/vnd.openxmlformats-officedocument.extended-properties+xml")
	return append(b, `</Types>`...)
}

func (w *writer) coreProperties() []byte {
	b := []byte(xmlHead + `<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"` +
		` xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><dc:title>`)
	b = append(appendAttribute(b, w.head.Title), `</dc:title><dc:creator>Offprint</dc:creator>`...)
	if !w.head.MadeAt.IsZero() {
		made := w.head.MadeAt.UTC().Format(time.RFC3339)
		b = append(b, `<dcterms:created xsi:type="dcterms:W3CDTF">`+made+`</dcterms:created>`...)
	}
	return append(b, `</cp:coreProperties>`...)
}

func appProperties() []byte {
	return []byte(xmlHead + `<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/extended-properties"><Application>Offprint</Application></Properties>`)
}

// appendPrint sets up the paper: landscape, as wide as the page, page n of m.
func (w *writer) appendPrint(b []byte) []byte {
	b = append(b, `<pageMargins left="0.5" right="0.5" top="0.6" bottom="0.6" header="0.3" footer="0.3"/><pageSetup paperSize="`...)
	b = append(append(b, w.paper()...), `" orientation="landscape" fitToHeight="0"/><headerFooter><oddFooter>`...)
	title := strings.ReplaceAll(cut(legal(w.head.Title), maxName), "&", "&&")
	b = appendAttribute(b, "&L"+title+"&R"+w.words.page)
	return append(b, `</oddFooter></headerFooter>`...)
}

// paper is A4, but letter where people have that.
func (w *writer) paper() string {
	const letter, a4 = "1", "9"
	_, region, _ := strings.Cut(strings.ReplaceAll(w.head.Locale, "_", "-"), "-")
	switch strings.ToUpper(region) {
	case "US", "CA", "MX", "PH", "CO", "CL", "VE":
		return letter
	}
	return a4
}

// direction is an attribute for sheets that are read from the right.
func (w *writer) direction() string {
	language, _, _ := strings.Cut(strings.ReplaceAll(w.head.Locale, "_", "-"), "-")
	switch strings.ToLower(language) {
	case "ar", "he", "fa", "ur":
		return ` rightToLeft="1"`
	}
	return ""
}
