// Package examples holds reports on the sample shop, made to be copied: each
// shows some words of a definition, and a comment says which and why. They are
// what offprint demo serves; docs/reports.md explains the words one by one.
package examples

import (
	"embed"
	"io/fs"
)

//go:embed reports/*/*.sql
var files embed.FS

// Reports are the SQL files, in their folders.
func Reports() fs.FS {
	reports, err := fs.Sub(files, "reports")
	if err != nil {
		panic(err) // the folder is inside the binary
	}
	return reports
}
