package xlsx_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A rule is what ECMA-376 lets stand in an element: children in their order (*
// may come again, ! must come), attributes with their types (! must be there).
type rule struct {
	children   string
	attributes string
	text       bool
}

// rules are those of the elements that we write. The children of a worksheet
// and of a workbook are all there are, so that what is added later is held to
// its place too.
var rules = map[string]rule{
	"worksheet": {children: "sheetPr dimension sheetViews sheetFormatPr cols* sheetData! sheetCalcPr sheetProtection protectedRanges scenarios autoFilter sortState " +
		"dataConsolidate customSheetViews mergeCells phoneticPr conditionalFormatting* dataValidations hyperlinks printOptions pageMargins pageSetup headerFooter " +
		"rowBreaks colBreaks customProperties cellWatches ignoredErrors smartTags drawing legacyDrawing legacyDrawingHF drawingHF picture oleObjects controls " +
		"webPublishItems tableParts extLst"},
	"sheetPr":         {children: "tabColor outlinePr pageSetUpPr"},
	"pageSetUpPr":     {attributes: "autoPageBreaks=bool fitToPage=bool"},
	"sheetViews":      {children: "sheetView*! extLst"},
	"sheetView":       {children: "pane selection*", attributes: "showGridLines=bool rightToLeft=bool tabSelected=bool workbookViewId!=uint"},
	"pane":            {attributes: "xSplit=double ySplit=double topLeftCell=cell activePane=bottomLeft|bottomRight|topLeft|topRight state=frozen|frozenSplit|split"},
	"selection":       {attributes: "pane=bottomLeft|bottomRight|topLeft|topRight activeCell=cell sqref=areas"},
	"sheetFormatPr":   {attributes: "baseColWidth=uint defaultColWidth=double defaultRowHeight!=double"},
	"cols":            {children: "col*!"},
	"col":             {attributes: "min!=uint max!=uint width=double style=uint hidden=bool bestFit=bool customWidth=bool"},
	"sheetData":       {children: "row*"},
	"row":             {children: "c*", attributes: "r=uint s=uint customFormat=bool ht=double hidden=bool customHeight=bool"},
	"c":               {children: "f v is", attributes: "r=cell s=uint t=b|d|e|inlineStr|n|s|str"},
	"f":               {text: true},
	"v":               {text: true},
	"is":              {children: "t"},
	"t":               {text: true, attributes: "space=preserve"},
	"autoFilter":      {children: "filterColumn* sortState", attributes: "ref=areas"},
	"dataValidations": {children: "dataValidation*!", attributes: "count=uint"},
	"dataValidation":  {attributes: "allowBlank=bool showInputMessage=bool promptTitle=text prompt=text sqref!=areas"},
	"hyperlinks":      {children: "hyperlink*!"},
	"hyperlink":       {attributes: "ref!=cell id!=text"},
	"tableParts":      {children: "tablePart*!", attributes: "count=uint"},
	"tablePart":       {attributes: "id!=text"},
	"pageMargins":     {attributes: "left!=double right!=double top!=double bottom!=double header!=double footer!=double"},
	"pageSetup":       {attributes: "paperSize=uint orientation=default|landscape|portrait fitToWidth=uint fitToHeight=uint"},
	"headerFooter":    {children: "oddHeader oddFooter evenHeader evenFooter firstHeader firstFooter"},
	"oddFooter":       {text: true},
	"ignoredErrors":   {children: "ignoredError*!"},
	"ignoredError":    {attributes: "sqref!=areas numberStoredAsText=bool"},

	"workbook": {children: "fileVersion fileSharing workbookPr workbookProtection bookViews sheets! functionGroups externalReferences definedNames calcPr oleSize " +
		"customWorkbookViews pivotCaches smartTagPr smartTagTypes webPublishing fileRecoveryPr* webPublishObjects extLst"},
	"workbookPr":   {},
	"bookViews":    {children: "workbookView*!"},
	"workbookView": {attributes: "firstSheet=uint activeTab=uint"},
	"sheets":       {children: "sheet*!"},
	"sheet":        {attributes: "name!=text sheetId!=uint state=hidden|veryHidden|visible id!=text"},
	"definedNames": {children: "definedName*!"},
	"definedName":  {text: true, attributes: "name!=text localSheetId=uint hidden=bool"},
	"calcPr":       {attributes: "calcId=uint fullCalcOnLoad=bool"},

	"styleSheet":   {children: "numFmts fonts fills borders cellStyleXfs cellXfs cellStyles dxfs tableStyles colors extLst"},
	"numFmts":      {children: "numFmt*!", attributes: "count=uint"},
	"numFmt":       {attributes: "numFmtId!=uint formatCode!=text"},
	"fonts":        {children: "font*!", attributes: "count=uint"},
	"font":         {children: "b i strike condense extend outline shadow u vertAlign sz color name family charset scheme"},
	"b":            {},
	"u":            {},
	"sz":           {attributes: "val!=double"},
	"name":         {attributes: "val!=text"},
	"family":       {attributes: "val!=uint"},
	"color":        {attributes: "rgb=rgb indexed=uint theme=uint"},
	"fills":        {children: "fill*!", attributes: "count=uint"},
	"fill":         {children: "patternFill"},
	"patternFill":  {children: "fgColor bgColor", attributes: "patternType=none|gray125|solid"},
	"fgColor":      {attributes: "rgb=rgb indexed=uint theme=uint"},
	"bgColor":      {attributes: "rgb=rgb indexed=uint theme=uint"},
	"borders":      {children: "border*!", attributes: "count=uint"},
	"border":       {children: "start end left right top bottom diagonal vertical horizontal"},
	"left":         {children: "color", attributes: "style=thin"},
	"right":        {children: "color", attributes: "style=thin"},
	"top":          {children: "color", attributes: "style=thin"},
	"bottom":       {children: "color", attributes: "style=thin"},
	"diagonal":     {children: "color", attributes: "style=thin"},
	"cellStyleXfs": {children: "xf*!", attributes: "count=uint"},
	"cellXfs":      {children: "xf*!", attributes: "count=uint"},
	"xf": {children: "alignment protection", attributes: "numFmtId=uint fontId=uint fillId=uint borderId=uint xfId=uint " +
		"applyNumberFormat=bool applyFont=bool applyFill=bool applyBorder=bool applyAlignment=bool"},
	"alignment":  {attributes: "horizontal=left|center|right vertical=top|center|bottom indent=uint wrapText=bool"},
	"cellStyles": {children: "cellStyle*!", attributes: "count=uint"},
	"cellStyle":  {attributes: "name=text xfId!=uint builtinId=uint"},

	"sst": {children: "si*", attributes: "count=text uniqueCount=uint"},
	"si":  {children: "t"},

	"table": {
		children:   "autoFilter sortState tableColumns! tableStyleInfo extLst",
		attributes: "id!=uint name=text displayName!=text ref!=areas totalsRowCount=uint totalsRowShown=bool",
	},
	"tableColumns": {children: "tableColumn*!", attributes: "count=uint"},
	"tableColumn": {
		children:   "calculatedColumnFormula totalsRowFormula xmlColumnPr extLst",
		attributes: "id!=uint name!=text totalsRowLabel=text totalsRowFunction=none|sum|min|max|average|count|countNums|stdDev|var|custom",
	},
	"totalsRowFormula": {text: true},
	"tableStyleInfo":   {attributes: "name=text showFirstColumn=bool showLastColumn=bool showRowStripes=bool showColumnStripes=bool"},

	"Types":         {children: "Default* Override*"},
	"Default":       {attributes: "Extension!=text ContentType!=text"},
	"Override":      {attributes: "PartName!=text ContentType!=text"},
	"Relationships": {children: "Relationship*"},
	"Relationship":  {attributes: "Id!=text Type!=text Target!=text TargetMode=External|Internal"},

	"coreProperties": {children: "title creator created"},
	"title":          {text: true},
	"creator":        {text: true},
	"created":        {text: true, attributes: "type!=text"},
	"Properties":     {children: "Application"},
	"Application":    {text: true},
}

// types are the forms of attributes; any other type is the list of its words.
var types = map[string]*regexp.Regexp{
	"text":   regexp.MustCompile(`(?s)^.+$`),
	"uint":   regexp.MustCompile(`^\d{1,10}$`),
	"bool":   regexp.MustCompile(`^[01]$`),
	"double": regexp.MustCompile(`^-?\d+(\.\d+)?([Ee][+-]?\d+)?$`),
	"rgb":    regexp.MustCompile(`^[0-9A-F]{8}$`),
	"cell":   regexp.MustCompile(`^[A-Z]{1,3}[1-9]\d{0,6}$`),
	"areas":  regexp.MustCompile(`^[A-Z]{1,3}[1-9]\d{0,6}(:[A-Z]{1,3}[1-9]\d{0,6})?( [A-Z]{1,3}[1-9]\d{0,6}(:[A-Z]{1,3}[1-9]\d{0,6})?)*$`),
}

// An open element knows how far along its children are.
type openElement struct {
	name     string
	place    int // of the last child among the rule's
	children []string
	count    string // the attribute of that name
}

// checkSchema holds a file of the package to the rules.
func checkSchema(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := firstProblem(xml.NewDecoder(bytes.NewReader(content))); err != nil {
		t.Fatalf("%s is not as ECMA-376 has it: %v", name, err)
	}
}

// firstProblem reads to the end, or to what breaks a rule.
func firstProblem(d *xml.Decoder) error {
	stack := []*openElement{{place: -1}}
	for {
		token, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		top := stack[len(stack)-1]
		switch token := token.(type) {
		case xml.StartElement:
			if err := errors.Join(top.admit(token.Name.Local), checkAttributes(token)); err != nil {
				return err
			}
			stack = append(stack, newElement(token))
		case xml.CharData:
			if !rules[top.name].text && len(bytes.TrimSpace(token)) > 0 {
				return fmt.Errorf("text in <%s>", top.name)
			}
		case xml.EndElement:
			if err := top.end(); err != nil {
				return err
			}
			stack = stack[:len(stack)-1]
		}
	}
}

func newElement(start xml.StartElement) *openElement {
	e := &openElement{name: start.Name.Local, place: -1}
	for _, a := range start.Attr {
		if a.Name.Local == "count" {
			e.count = a.Value
		}
	}
	return e
}

// admit takes the next child.
func (e *openElement) admit(child string) error {
	e.children = append(e.children, child)
	if _, known := rules[child]; !known {
		return fmt.Errorf("no rule for <%s>", child)
	}
	if e.name == "" {
		return nil
	}
	for i, word := range strings.Fields(rules[e.name].children) {
		if strings.TrimRight(word, "*!") != child {
			continue
		}
		if i < e.place || i == e.place && !strings.Contains(word, "*") {
			return fmt.Errorf("<%s> out of its place in <%s>", child, e.name)
		}
		e.place = i
		return nil
	}
	return fmt.Errorf("<%s> in <%s>", child, e.name)
}

func (e *openElement) end() error {
	for _, word := range strings.Fields(rules[e.name].children) {
		if child := strings.TrimRight(word, "*!"); strings.HasSuffix(word, "!") && !slices.Contains(e.children, child) {
			return fmt.Errorf("no <%s> in <%s>", child, e.name)
		}
	}
	if e.count != "" && e.name != "sst" && e.count != strconv.Itoa(len(e.children)) {
		return fmt.Errorf("<%s count=%q> holds %d", e.name, e.count, len(e.children))
	}
	return nil
}

func checkAttributes(e xml.StartElement) error {
	forms, needed := map[string]string{}, map[string]bool{}
	for _, word := range strings.Fields(rules[e.Name.Local].attributes) {
		name, form, _ := strings.Cut(word, "=")
		forms[strings.TrimSuffix(name, "!")] = form
		if strings.HasSuffix(name, "!") {
			needed[strings.TrimSuffix(name, "!")] = true
		}
	}
	for _, a := range e.Attr {
		if a.Name.Space == "xmlns" || a.Name.Local == "xmlns" {
			continue
		}
		form, known := forms[a.Name.Local]
		if !known {
			return fmt.Errorf("<%s %s>", e.Name.Local, a.Name.Local)
		}
		pattern, typed := types[form]
		if typed && !pattern.MatchString(a.Value) || !typed && !slices.Contains(strings.Split(form, "|"), a.Value) {
			return fmt.Errorf("<%s %s=%q>", e.Name.Local, a.Name.Local, a.Value)
		}
		delete(needed, a.Name.Local)
	}
	for name := range needed {
		return fmt.Errorf("<%s> without %s", e.Name.Local, name)
	}
	return nil
}

// checkOrder holds that rows and cells come one after the other.
func checkOrder(t *testing.T, name string, content []byte) {
	t.Helper()
	var sheet struct {
		Rows []struct {
			R     int `xml:"r,attr"`
			Cells []struct {
				R string `xml:"r,attr"`
			} `xml:"c"`
		} `xml:"sheetData>row"`
	}
	if err := xml.Unmarshal(content, &sheet); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	last := 0
	for _, row := range sheet.Rows {
		if row.R <= last {
			t.Fatalf("%s: row %d after %d", name, row.R, last)
		}
		last = row.R
		before := ""
		for _, c := range row.Cells {
			letters := strings.TrimSuffix(c.R, strconv.Itoa(row.R))
			if later := len(letters) > len(before) || len(letters) == len(before) && letters > before; !later {
				t.Fatalf("%s: cell %s after column %q in row %d", name, c.R, before, row.R)
			}
			before = letters
		}
	}
}

// TestRulesFindMistakes holds that the rules are no rubber stamp.
func TestRulesFindMistakes(t *testing.T) {
	for _, wrong := range []string{"<b/><b/>", "<sz/>", `<sz val="x"/>`, `<name val="a"/><sz val="1"/>`, "<blink/>", "text"} {
		t.Run(wrong, func(t *testing.T) {
			d := xml.NewDecoder(strings.NewReader("<font>" + wrong + "</font>"))
			if firstProblem(d) == nil {
				t.Error("passed")
			}
		})
	}
}
