package source

// A dialect is what the scanner has to know of a database's SQL so that it
// takes no part of a string, a comment or a name for a parameter.
type dialect struct {
	name          string
	escapeStrings bool   // E'it\'s'
	dollarStrings bool   // $$it's$$, $tag$it's$tag$
	nested        bool   // comments: /* /* */ */
	brackets      bool   // [a name]
	backticks     bool   // `a name`
	arrays        bool   // ARRAY[1], = ANY(:list)
	positional    string // bytes that begin the database's own parameters
	placeholder   string // before a parameter's number
}

var (
	postgresSQL = dialect{
		name: "PostgreSQL", escapeStrings: true, dollarStrings: true, nested: true, arrays: true,
		positional: "$", placeholder: "$",
	}
	sqliteSQL = dialect{
		name: "SQLite", brackets: true, backticks: true,
		positional: "?$@", placeholder: "?",
	}
)
