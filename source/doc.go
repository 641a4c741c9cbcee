// Package source makes reports of SQL files. A report is a YAML header in a
// comment and the query below it, with :name for a parameter and [[ ]] round
// what falls away when its parameter was left out:
//
//	/*---
//	title: Orders
//	source: shop
//	parameters:
//	  region: {type: text, optional: true}
//	---*/
//	SELECT order_no, amount FROM orders
//	[[ WHERE region = :region ]]
//
// The way through the package: [OpenFolder] reads the files, [Parse] one of
// them (header.go, columns.go, then scan.go over the query). What comes out is
// an offprint.Report whose source binds the parameters (bind.go) and reads
// rows, or a parameter's options (choices.go), from a [Database] in one
// read-only snapshot (session.go), which is PostgreSQL (postgres.go), MySQL and
// MariaDB (mysql.go) or SQLite (sqlite.go). Parameters are always bound, never
// pasted into the text.
//
// Instead of a database a service may answer over HTTP (http.go). Its query is
// GET /path?name=:parameter (httpscan.go, httpbind.go); httpask.go asks, and
// httpjson.go and httpcsv.go put what is answered into a table (httptable.go).
package source
