package pdf

import (
	"bytes"
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"
)

// describe writes the catalog and what the file says about itself, and
// answers the entries of the trailer.
func (w *writer) describe() string {
	root, _ := w.file.closeTree()
	catalog := fmt.Sprintf("<</Type/Catalog/Pages %d 0 R/Metadata %d 0 R/ViewerPreferences<</DisplayDocTitle true>>", root, w.metadata())
	if w.head.Locale != "" {
		catalog += "/Lang" + textString(strings.ReplaceAll(w.head.Locale, "_", "-"))
	}
	if outline := w.outline(); outline > 0 {
		catalog += fmt.Sprintf("/Outlines %d 0 R/PageMode/UseOutlines", outline)
	}
	n := w.file.add(catalog + ">>")
	id := sha256.Sum256([]byte(w.head.Run + w.head.Title + w.head.MadeAt.String()))
	return fmt.Sprintf("/Root %d 0 R/Info %d 0 R/ID[<%x><%x>]", n, w.info(), id[:16], id[:16])
}

func (w *writer) info() int {
	entries := "/Title" + textString(w.title()) + "/Creator(Offprint)/Producer(Offprint)"
	if w.head.Description != "" {
		entries += "/Subject" + textString(w.head.Description)
	}
	if w.head.By != "" {
		entries += "/Author" + textString(w.head.By)
	}
	if !w.head.MadeAt.IsZero() {
		made := w.head.MadeAt.In(w.printer.clock.zone).Format("20060102150405-07'00'")
		entries += fmt.Sprintf("/CreationDate(D:%s)/ModDate(D:%s)", made, made)
	}
	return w.file.add("<<" + entries + ">>")
}

// textString is s in UTF-16, which a PDF knows by its first two bytes.
func textString(s string) string {
	b := []byte("<FEFF")
	for _, unit := range utf16.Encode([]rune(s)) {
		b = fmt.Appendf(b, "%04X", unit)
	}
	return string(append(b, '>'))
}

// metadata repeats it as XMP, uncompressed so that any search finds it.
func (w *writer) metadata() int {
	var b bytes.Buffer
	say := func(before, text, after string) {
		if text == "" {
			return
		}
		b.WriteString(before)
		xml.EscapeText(&b, []byte(text)) // into memory
		b.WriteString(after)
	}
	b.WriteString("<?xpacket begin=\"\ufeff\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n" +
		`<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">` +
		`<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/">` + "\n")
	b.WriteString("<dc:format>application/pdf</dc:format>\n")
	say(`<dc:title><rdf:Alt><rdf:li xml:lang="x-default">`, w.title(), "</rdf:li></rdf:Alt></dc:title>\n")
	say(`<dc:description><rdf:Alt><rdf:li xml:lang="x-default">`, w.head.Description, "</rdf:li></rdf:Alt></dc:description>\n")
	say("<dc:creator><rdf:Seq><rdf:li>", w.head.By, "</rdf:li></rdf:Seq></dc:creator>\n")
	if !w.head.MadeAt.IsZero() {
		made := w.head.MadeAt.In(w.printer.clock.zone).Format(time.RFC3339)
		say("<xmp:CreateDate>", made, "</xmp:CreateDate>\n")
		say("<xmp:ModifyDate>", made, "</xmp:ModifyDate>\n")
	}
	b.WriteString("<xmp:CreatorTool>Offprint</xmp:CreatorTool>\n<pdf:Producer>Offprint</pdf:Producer>\n" +
		"</rdf:Description></rdf:RDF></x:xmpmeta>\n<?xpacket end=\"r\"?>")
	n := w.file.reserve()
	w.file.raw(n, "/Type/Metadata/Subtype/XML", b.Bytes())
	return n
}

// outline writes the bookmarks of several parts; 0 is none.
func (w *writer) outline() int {
	if len(w.sections) < 2 {
		return 0
	}
	root := w.file.reserve()
	first := root + 1
	for range w.sections {
		w.file.reserve()
	}
	last := root + len(w.sections)
	for i, s := range w.sections {
		n := first + i
		entries := fmt.Sprintf("/Title%s/Parent %d 0 R/Dest[%d 0 R/XYZ null %s null]", textString(s.title), root, s.page, points(s.y))
		if n > first {
			entries += fmt.Sprintf("/Prev %d 0 R", n-1)
		}
		if n < last {
			entries += fmt.Sprintf("/Next %d 0 R", n+1)
		}
		w.file.object(n, "<<"+entries+">>")
	}
	w.file.object(root, fmt.Sprintf("<</Type/Outlines/First %d 0 R/Last %d 0 R/Count %d>>", first, last, len(w.sections)))
	return root
}
