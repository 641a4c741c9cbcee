package source

import (
	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/yaml"
)

// Schema is the JSON Schema of a report's first header; the headers of further
// parts are its $defs/part.
func Schema() ([]byte, error) {
	keys := partKeys()
	for key, s := range headKeys() {
		keys[key] = s
	}
	s := yaml.ObjectSchema(keys)
	s.Title = "The header of an Offprint report"
	s.Description = "The YAML between /*--- and ---*/ at the head of a report's SQL file."
	s.Defs = map[string]*yaml.Schema{"part": yaml.ObjectSchema(partKeys(), "part").About("The header of a further part.")}
	return s.JSON()
}

// partKeys are those that every part may have.
func partKeys() map[string]*yaml.Schema {
	return map[string]*yaml.Schema{
		"part":    (&yaml.Schema{Type: "string", Pattern: partName.String()}).About("The part's name: its sheet, its section, its file. The first part is called like the report.").Such("aging"),
		"title":   yaml.WordsSchema().About("What people read, in one language or in several.").Such("Orders", map[string]string{"en": "Orders", "de": "Aufträge"}),
		"group":   yaml.ListSchema(yaml.TextSchema(), 0).About("Columns by which the rows are grouped, each group with its totals. ORDER BY begins with them.").Such([]string{"region", "month"}),
		"columns": yaml.MapSchema(".", columnSchema()).About("What is to be said of the query's columns, by their names. A column that is not named here is shown under its own name."),
	}
}

func columnSchema() *yaml.Schema {
	return yaml.ObjectSchema(map[string]*yaml.Schema{
		"title":    yaml.WordsSchema().About("The column's head. Every column of a part has its own.").Such("Amount"),
		"note":     yaml.TextSchema().About("A sentence on what the column holds.").Such("Without tax"),
		"as":       yaml.ChoiceSchema(texts(offprint.AsWords)...).About("What the values mean, where their type does not say it."),
		"format":   yaml.TextSchema().About("An Excel number format, as in the United States. In quotes, for it may hold a #.").Such("#,##0.00", "yyyy-mm-dd"),
		"total":    yaml.ChoiceSchema(texts(offprint.TotalWords)...).About("What stands below the column."),
		"currency": yaml.TextSchema().About("The column that holds the currency of this one. There is no total over several currencies.").Such("currency_code"),
		"width":    yaml.NumberSchema("number", 0, 255).About("In characters. Without it, as wide as the values need."),
		"hide":     yaml.YesSchema().About("In the file, but not shown."),
		"link":     (&yaml.Schema{Type: "string", Pattern: "^https?://"}).About("Where a click on the value leads; {column} is the value of a column.").Such("https://erp.example.com/v/{voucher_id}"),
	})
}

// headKeys are those of the first header only: of the report as a whole.
func headKeys() map[string]*yaml.Schema {
	return map[string]*yaml.Schema{
		"description": yaml.WordsSchema().About("One sentence below the title.").Such("Every order of a period, one line each."),
		"source":      yaml.TextSchema().About("The configured source that the query reads. Not needed where there is only one.").Such("shop"),
		"parameters":  yaml.MapSchema(paramName.String(), parameterSchema()).About("What is asked for, in the order of the form. The query uses each as :name."),
		"as_user":     asUserSchema(),
		"formats":     yaml.ListSchema(yaml.TextSchema(), 1).About("What the report can be made as, the first without being asked. Without it: everything.").Such([]string{"xlsx", "pdf", "csv", "jsonl"}),
		"allow": yaml.ObjectSchema(map[string]*yaml.Schema{
			"roles": yaml.ListSchema(yaml.TextSchema(), 1).About("Whoever has one of these may see the report and ask for it."),
		}, "roles").About("Who may see the report and ask for it. Without it: everybody who is signed in.").Such(map[string]any{"roles": []string{"sales"}}),
		"tenants":   yaml.ChoiceSchema(tenantsShared, tenantsService).About("shared: all tenants may see all rows, although no query names :user.tenant. service: the HTTP service filters by the tenant that its signed requests name."),
		"notify":    yaml.ListSchema(yaml.TextSchema(), 1).About("Who is told of its runs where nobody says otherwise: me (whoever asks), mailto:team@example.com, webhook:ID.").Such([]string{"me", "mailto:team@example.com"}),
		"retention": yaml.DurationSchema().About("How long its files are kept."),
		"max_rows":  yaml.NumberSchema("integer", 1, 0).About("A file is cut after so many rows, and says so.").Such(1000000),
		"timeout":   yaml.DurationSchema().About("How long the queries may take in all."),
		"file":      yaml.TextSchema().About("The file's name without its extension; {name} is the value of a parameter. In quotes.").Such("orders-{period}"),
		"about":     yaml.ChoiceSchema("last", "off").About("Where a workbook says what it is: on its last sheet, or nowhere. off in quotes."),
		"overflow":  yaml.ChoiceSchema("sheets", "fail").About("What becomes of rows beyond the 1,048,576 that a sheet holds: further sheets, or an error."),
		"snapshot":  yaml.ChoiceSchema("off", "on").About("off: the source must not hold one moment for all parts; each query sees its own. In quotes."),
		"csv":       csvSchema(),
		"pdf":       pdfSchema(),
	}
}

func asUserSchema() *yaml.Schema {
	return yaml.ObjectSchema(map[string]*yaml.Schema{
		"set":  yaml.MapSchema(settingName.String(), yaml.TextSchema()).About("Settings of your own, each a text or a claim of the asker.").Such(map[string]string{"app.tenant": ":user.tenant"}),
		"role": yaml.TextSchema().About("The role to read as: a name, or a claim of the asker.").Such(":user.db_role"),
	}).About("PostgreSQL: what the transaction is to be of the asker, so that row-level security decides what they see.")
}

func csvSchema() *yaml.Schema {
	return yaml.ObjectSchema(map[string]*yaml.Schema{
		"delimiter": yaml.ChoiceSchema(",", ";", "|", "tab").About("What stands between the cells."),
		"bom":       yaml.YesSchema().About("A mark at the head of the file, for programs that know UTF-8 only by it."),
		"decimal":   yaml.ChoiceSchema(".", ",").About("What stands before the decimals."),
		"line_end":  yaml.ChoiceSchema("crlf", "lf").About("What ends each row: as RFC 4180 has it, or as Unix programs do."),
		"dialect":   yaml.ChoiceSchema("excel").About("Delimiter, mark and decimals as Excel wants them in the asker's country."),
		"formulas":  yaml.ChoiceSchema("escape", "raw").About("Whether a text that a spreadsheet would take for a formula gets an apostrophe."),
	}).About("How CSV files are written.")
}

func pdfSchema() *yaml.Schema {
	return yaml.ObjectSchema(map[string]*yaml.Schema{
		"paper":       yaml.ChoiceSchema("a3", "a4", "a5", "letter", "legal").About("Without it, by the asker's country."),
		"orientation": yaml.ChoiceSchema("portrait", "landscape").About("Without it, as the columns need."),
		"logo":        yaml.TextSchema().About("An image at the head of the first page."),
		"footer":      yaml.TextSchema().About("A line below every page.").Such("For internal use"),
	}).About("How PDF files are laid out.")
}

func parameterSchema() *yaml.Schema {
	return yaml.ObjectSchema(map[string]*yaml.Schema{
		"type":      yaml.ChoiceSchema(texts(offprint.ParamTypes)...).About("A period is two days, of which the query uses :name.start and :name.end, the day after the last."),
		"label":     yaml.WordsSchema().About("What stands before the field.").Such("Region"),
		"help":      yaml.WordsSchema().About("A sentence below the field."),
		"default":   yaml.ListSchema(yaml.TextSchema(), 1).About("The value, or a word such as last_30_days, where nothing else is said; of many a list.").Such("last_30_days", "EU"),
		"optional":  yaml.YesSchema().About("It may be left out; what stands in [[ ]] with it falls away then."),
		"many":      yaml.YesSchema().About("It is a list, for IN (:name)."),
		"options":   optionsSchema(),
		"min":       yaml.TextSchema().About("The least value, the first day, or the length of a text."),
		"max":       yaml.TextSchema().About("The greatest value, the last day, or the length of a text."),
		"pattern":   yaml.TextSchema().About("A regular expression (RE2) that all of a text must match.").Such("[A-Z]{2}[0-9]+"),
		"sensitive": yaml.YesSchema().About("Its value stands in no message about the run."),
	}, "type")
}

func optionsSchema() *yaml.Schema {
	option := &yaml.Schema{AnyOf: []*yaml.Schema{yaml.TextSchema(), yaml.ObjectSchema(map[string]*yaml.Schema{
		"value": yaml.TextSchema().About("What the query gets."),
		"label": yaml.WordsSchema().About("What people read."),
	}, "value")}}
	query := yaml.ObjectSchema(map[string]*yaml.Schema{
		"query":   (&yaml.Schema{Type: "string"}).About("A query on the source: values, and labels in a second column. It may use other parameters."),
		"tenants": yaml.ChoiceSchema(tenantsShared).About("shared: all tenants may see all options."),
	}, "query")
	return (&yaml.Schema{AnyOf: []*yaml.Schema{yaml.TextSchema(), {Type: "array", Items: option}, query}}).
		About("All values that may be chosen, or a query that answers them.").
		Such([]string{"EU", "US"}, map[string]string{"query": "SELECT code, name FROM regions ORDER BY name"})
}
