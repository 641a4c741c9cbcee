// Package jsonl writes JSON Lines: an object a row, its members the columns by
// name and in their order. Numbers are JSON numbers with all their digits,
// read them exactly (Go: json.Decoder.UseNumber); booleans and null are
// themselves; days, times, bytes (hexadecimal), NaN and ±Inf are strings in
// their plain form (offprint.Value.Append). It is always valid UTF-8. A
// document of several parts is a zip of files.
package jsonl

import (
	"io"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/format/lines"
)

// Format is JSON Lines, .jsonl.
var Format offprint.Format = format{}

type format struct{}

func (format) Name() string { return "jsonl" }

func (format) Media(parts int) (ext, mediaType string) {
	return lines.Media(parts, ".jsonl", "application/jsonl")
}

func (format) New(w io.Writer, head offprint.Head) (offprint.Writer, error) {
	return lines.New(w, head, ".jsonl", &encoder{zone: head.Zone}), nil
}
