package server

import "github.com/offprint/offprint/internal/yaml"

// CasesSchema is the JSON Schema of the cases beside a report, for editors.
func CasesSchema() ([]byte, error) {
	one := yaml.ObjectSchema(map[string]*yaml.Schema{
		"name":       (&yaml.Schema{Type: []string{"string", "integer"}, Pattern: caseName.String()}).About("What the case is called, and its golden file with it: orders.germany.csv.").Such("germany"),
		"parameters": (&yaml.Schema{Type: "object"}).About("What is asked for, as a program would send it.").Such(map[string]any{"period": "last_month", "region": []string{"EU", "US"}}),
		"time_zone":  yaml.TextSchema().About("Whose days count. Without it: UTC.").Such("Europe/Berlin"),
		"locale":     yaml.TextSchema().About("Language and customs. Without it: en.").Such("de-DE"),
		"now":        yaml.TextSchema().About("When it is asked for: a day or a time. It decides what last_month is.").Such("2026-01-31", "2026-01-31T09:30:00Z"),
		"user":       yaml.TextSchema().About("Who asks: :user.id."),
		"tenant":     yaml.TextSchema().About("For which tenant: :user.tenant."),
		"email":      yaml.TextSchema().About("Their address: :user.email."),
		"roles":      yaml.ListSchema(yaml.TextSchema(), 1).About("What allow: asks for."),
		"claims":     yaml.MapSchema(".", yaml.TextSchema()).About("What else :user. may name."),
		"format":     yaml.ChoiceSchema(goldenFormats...).About("What it is made as, to be compared."),
		"golden":     yaml.TextSchema().About("The file it must be equal to. Without it: by the names of the report and the case.").Such("orders.germany.csv"),
		"rows":       yaml.NumberSchema("integer", 0, 0).About("How many rows there must be. Then a golden file is compared only if it is named."),
		"error":      yaml.ChoiceSchema(failures...).About("The error that must come instead of a file."),
	}, "name")
	s := &yaml.Schema{Type: "array", Items: one, Title: "Cases of an Offprint report", Description: "The file orders.test.yaml beside orders.sql: ways to ask for the report, and what is expected. offprint test makes them."}
	return s.JSON()
}
