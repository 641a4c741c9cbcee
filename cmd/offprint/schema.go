package main

import (
	"github.com/offprint/offprint/server"
	"github.com/offprint/offprint/source"
)

type schemaCommand struct {
	Of string `arg:"" optional:"" help:"report: the header of a report; cases: the file beside it, as orders.test.yaml." enum:"report,cases" default:"report"`
}

func (c schemaCommand) Run(t *terminal) error {
	schema := source.Schema
	if c.Of == "cases" {
		schema = server.CasesSchema
	}
	text, err := schema()
	if err != nil {
		return err
	}
	_, err = t.out.Write(text)
	return err
}
